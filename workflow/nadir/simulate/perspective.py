"""The world through a perspective camera: from a drone, or from where an observer stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from nadir.simulate.airlight import Sky, air_color, sky_color
from nadir.simulate.cover import Cover
from nadir.simulate.epochs import Epoch
from nadir.simulate.raycast import GROUND, SKY, cast
from nadir.simulate.relief import Relief


@dataclass(frozen=True)
class Camera:
    """A pinhole camera without distortion.

    Attributes:
        x: East of the world's upper-left corner, in metres.
        y: South of it.
        z: Height above the sea.
        heading: Direction of view, in degrees clockwise from north.
        pitch: Upwards from the horizon, in degrees; -90 looks straight down.
        width: Columns of the picture.
        height: Rows.
        view: Angle that the width covers, in degrees.
        roll: How far the camera leans to its right, in degrees: the horizon then rises to the
            right of the picture's.
    """

    x: float
    y: float
    z: float
    heading: float
    pitch: float
    width: int
    height: int
    view: float = 60.0
    roll: float = 0.0

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return float(0.5 * self.width / np.tan(np.radians(self.view) / 2))

    @property
    def axes(self) -> np.ndarray:
        """(3, 3) float64: unit vectors to the right, downwards and forwards (east, south, up)."""
        heading, pitch, roll = np.radians((self.heading, self.pitch, self.roll))
        ahead = np.array([np.sin(heading), -np.cos(heading), 0.0])
        right = np.array([np.cos(heading), np.sin(heading), 0.0])
        up = np.array([0.0, 0.0, 1.0])
        forward = np.cos(pitch) * ahead + np.sin(pitch) * up
        down = np.sin(pitch) * ahead - np.cos(pitch) * up
        return np.stack(
            [
                np.cos(roll) * right + np.sin(roll) * down,
                np.cos(roll) * down - np.sin(roll) * right,
                forward,
            ]
        )

    def rays(self, finer: int = 1) -> np.ndarray:
        """Return unit directions (finer * height, finer * width, 3): east, south, up.

        Args:
            finer: Rays for each pixel along each axis; their mean goes through its center.
        """
        right, down, forward = self.axes
        columns = (np.arange(self.width * finer) + 0.5) / finer - self.width / 2
        rows = (np.arange(self.height * finer) + 0.5) / finer - self.height / 2
        rays = (
            forward
            + (columns / self.focal)[None, :, None] * right
            + (rows / self.focal)[:, None, None] * down
        )
        return rays / np.linalg.norm(rays, axis=-1, keepdims=True)

    def project(self, points: np.ndarray) -> np.ndarray:
        """Return where points are seen: column, row and distance, (..., 3) float64.

        Columns and rows are continuous: (0, 0) is the picture's upper-left corner, centers of
        pixels lie at halves. Points behind the camera have the column and row NaN.

        Args:
            points: (..., 3): east and south of the world's corner, height above the sea, in metres.
        """
        offset = np.asarray(points, float) - (self.x, self.y, self.z)
        right, down, forward = (offset @ axis for axis in self.axes)
        depth = np.where(forward > 0, forward, np.nan)
        return np.stack(
            [
                self.width / 2 + self.focal * right / depth,
                self.height / 2 + self.focal * down / depth,
                np.linalg.norm(offset, axis=-1),
            ],
            axis=-1,
        )


@dataclass(frozen=True)
class View:
    """What a camera sees.

    Attributes:
        rgb: (height, width, 3) uint8.
        depth: (height, width) float32 distance in metres, infinite for the sky.
        kind: (height, width) uint8, see `raycast.SKY` and the following.
        cover: (height, width) uint8 land cover of the ground there, 0 for the sky.
    """

    rgb: np.ndarray
    depth: np.ndarray
    kind: np.ndarray
    cover: np.ndarray


def render_view(
    reliefs: Sequence[Relief],
    camera: Camera,
    epoch: Epoch,
    sky: Sky | None = None,
    finer: int = 2,
) -> View:
    """Render a view through nested reliefs.

    Args:
        reliefs: From the finest, which holds the camera, to the coarsest.
        camera: The camera.
        epoch: The epoch that the reliefs were made for: its sun.
        sky: Haze and clouds; by default clear air and few clouds.
        finer: Rays for each pixel along each axis, whose mean is its color; depth, kind and cover
            are those of its first ray (with 1, of its center).
    """
    sky = sky or Sky()
    rays = camera.rays(finer)
    shape = rays.shape[:2]
    image = np.zeros((*shape, 3), np.float32)
    depth = np.full(shape, np.inf, np.float32)
    kind, seen = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    travelled = np.zeros(shape)
    eye = np.array([camera.x, camera.y, camera.z])
    for relief in reliefs:
        cast(
            relief.x, relief.y, relief.step, relief.color, relief.leaves, relief.ground,
            relief.crown, relief.floor, relief.owner, relief.trunk, relief.cover, relief.top,
            relief.peak, relief.buildings, relief.hashes, relief.levels, eye, rays, epoch.sun,
            travelled, image, depth, kind, seen,
        )  # fmt: skip
    hit = kind != SKY
    _mirror(image, (kind == GROUND) & (seen == Cover.WATER), rays, epoch.sun, sky)
    haze = 1.0 - np.exp(-depth[hit] / np.float32(sky.visibility))
    image[hit] += haze[:, None] * (air_color(rays[hit], epoch.sun) - image[hit])
    image[~hit] = sky_color(rays[~hit], epoch.sun, sky)
    rgb = cv2.resize(image, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    pick = np.s_[::finer, ::finer]
    return View(np.clip(np.rint(rgb), 0, 255).astype(np.uint8), depth[pick], kind[pick], seen[pick])


def _mirror(
    image: np.ndarray, water: np.ndarray, rays: np.ndarray, sun: np.ndarray, sky: Sky
) -> None:
    """Let water mirror the sky, in place: more so at grazing angles (Schlick 1994)."""
    if not water.any():
        return
    steep = np.clip(-rays[water][:, 2], 0.0, 1.0)
    share = (0.02 + 0.98 * (1.0 - steep) ** 5)[:, None] * 0.85
    above = sky_color(rays[water] * (1.0, 1.0, -1.0), sun, sky)
    image[water] += (share * (above - image[water])).astype(np.float32)
