"""Where simulated photos lie on their substrate.

Positions are substrate pixels counted from edges: (0, 0) is the outer corner of the first pixel, x
to the right and y down. The angle is the direction of a photo's rows on the substrate in degrees,
clockwise on the screen: one pixel to the right in the photo goes (cos, sin) of it in (x, y). This
is the angle of `cv2.getRotationMatrix2D`: the photo is the crop around its center from the
substrate turned by `getRotationMatrix2D(center, angle, 1)`, which turns the content anticlockwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nadir.config.cases import CaseConfig

_TAG = 9101


@dataclass(frozen=True)
class Placement:
    """A photo's place.

    Attributes:
        x: Where the photo's center lies, in substrate pixels.
        y: The same, downwards.
        angle: Direction of its rows in degrees, 0 to 360; see the module.
        scale: Substrate pixels per photo pixel, at its center.
        tilt: Angle between its axis and the vertical in degrees.
        toward: Direction in the photo to which the axis leans, in degrees clockwise from its rows.
    """

    x: float
    y: float
    angle: float
    scale: float = 1.0
    tilt: float = 0.0
    toward: float = 0.0

    def ground(self, u: np.ndarray, v: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
        """Return where points of the photo lie on the substrate.

        Args:
            u: Positions in the photo in pixels from its left edge.
            v: Positions from its upper edge, of the same shape.
            side: Side of the photo in pixels; its focal length is 1.5 times that.
        """
        p, q = np.asarray(u, float) - 0.5 * side, np.asarray(v, float) - 0.5 * side
        if self.tilt:
            p, q = self._lean(p, q, 1.5 * side)
        turn = np.deg2rad(self.angle)
        cos, sin = self.scale * np.cos(turn), self.scale * np.sin(turn)
        return self.x + cos * p - sin * q, self.y + sin * p + cos * q

    def corners(self, side: int) -> np.ndarray:
        """Return the outer corners (4, 2): left top, right top, left bottom, right bottom."""
        edge = float(side)
        u, v = np.array([0.0, edge, 0.0, edge]), np.array([0.0, 0.0, edge, edge])
        return np.stack(self.ground(u, v, side), axis=-1)

    def _lean(self, p: np.ndarray, q: np.ndarray, focal: float) -> tuple[np.ndarray, np.ndarray]:
        """Return ground offsets under a leaning axis, of unit scale at the center."""
        lean, toward = np.deg2rad(self.tilt), np.deg2rad(self.toward)
        cos, sin = np.cos(toward), np.sin(toward)
        along, across = cos * p + sin * q, cos * q - sin * p
        depth = focal * np.cos(lean) - along * np.sin(lean)
        far = (along * np.cos(lean) + focal * np.sin(lean)) / depth - np.tan(lean)
        size = focal * np.cos(lean) ** 1.5  # the geometric mean of the two scales at the center
        far, wide = size * far, size * across / depth
        return cos * far - sin * wide, sin * far + cos * wide


def draw_placement(cfg: CaseConfig, index: int) -> Placement:
    """Return where photo `index` of a case lies: a function of the case's seed and the index.

    Centers are at least half a photo inside the substrate; corners may lie beyond it.
    """
    rng = np.random.default_rng([cfg.seed, _TAG, index])
    margin = min(0.5 * cfg.photo_px, 0.5 * cfg.substrate_px)
    x, y = margin + (cfg.substrate_px - 2 * margin) * rng.random(2)
    angle = 360.0 * rng.random()
    scale = 1.0 + cfg.scale * (2.0 * rng.random() - 1.0)
    tilt = cfg.tilt_deg * rng.random()
    return Placement(float(x), float(y), angle, scale, tilt, 360.0 * rng.random())
