"""The world through a perspective camera: from a drone, or from where an observer stands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from nadir.simulate.epochs import Epoch
from nadir.simulate.raycast import SKY, cast
from nadir.simulate.relief import Relief
from nadir.simulate.surface import TALLEST

_HAZE = np.array([196.0, 208.0, 222.0])
_ZENITH = np.array([88.0, 138.0, 205.0])
_SUN = np.array([255.0, 246.0, 226.0])
_FINER = 2  # rays a pixel along each axis


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
    """

    x: float
    y: float
    z: float
    heading: float
    pitch: float
    width: int
    height: int
    view: float = 60.0

    def rays(self, finer: int = 1) -> np.ndarray:
        """Return unit directions (finer * height, finer * width, 3): east, south, up."""
        heading, pitch = np.radians(self.heading), np.radians(self.pitch)
        ahead = np.array([np.sin(heading), -np.cos(heading), 0.0])
        right = np.array([np.cos(heading), np.sin(heading), 0.0])
        up = np.array([0.0, 0.0, 1.0])
        forward = np.cos(pitch) * ahead + np.sin(pitch) * up
        upward = np.cos(pitch) * up - np.sin(pitch) * ahead
        focal = 0.5 * self.width / np.tan(np.radians(self.view) / 2)
        columns = (np.arange(self.width * finer) + 0.5) / finer - self.width / 2
        rows = (np.arange(self.height * finer) + 0.5) / finer - self.height / 2
        rays = (
            forward
            + (columns / focal)[None, :, None] * right
            - (rows / focal)[:, None, None] * upward
        )
        return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


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


@dataclass(frozen=True)
class Sky:
    """The air: haze and clouds.

    Attributes:
        visibility: Distance in metres at which haze leaves a third of the contrast.
        clouds: Share of the sky under clouds, 0 to 1.
        seed: Seed of the clouds' shapes.
    """

    visibility: float = 6000.0
    clouds: float = 0.3
    seed: int = 0


def render_view(
    reliefs: Sequence[Relief], camera: Camera, epoch: Epoch, sky: Sky | None = None
) -> View:
    """Render a view through nested reliefs.

    Args:
        reliefs: From the finest, which holds the camera, to the coarsest.
        camera: The camera.
        epoch: The epoch that the reliefs were made for: its sun.
        sky: Haze and clouds; by default clear air and few clouds.
    """
    sky = sky or Sky()
    rays = camera.rays(_FINER)
    shape = rays.shape[:2]
    image = np.zeros((*shape, 3), np.float32)
    depth = np.full(shape, np.inf, np.float32)
    kind, seen = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    travelled = np.zeros(shape)
    eye = np.array([camera.x, camera.y, camera.z])
    for relief in reliefs:
        cast(
            relief.x, relief.y, relief.step, relief.color, relief.ground, relief.height,
            relief.owner, relief.trunk, relief.cover, relief.buildings, relief.hashes,
            eye, rays, epoch.sun, float(relief.ground.max()) + TALLEST, travelled,
            image, depth, kind, seen,
        )  # fmt: skip
    air = _air(rays, epoch.sun)
    haze = 1.0 - np.exp(-np.where(np.isfinite(depth), depth, 0.0) / sky.visibility)
    image += haze[..., None].astype(np.float32) * (air - image)
    hit = kind != SKY
    above = air if hit.all() else _with_clouds(air, rays, sky)
    image = np.where(hit[..., None], image, above).astype(np.float32)
    rgb = cv2.resize(image, (camera.width, camera.height), interpolation=cv2.INTER_AREA)
    pick = np.s_[::_FINER, ::_FINER]
    return View(np.clip(np.rint(rgb), 0, 255).astype(np.uint8), depth[pick], kind[pick], seen[pick])


def _air(rays: np.ndarray, sun: np.ndarray) -> np.ndarray:
    """Return the color of clear air in each direction, float32 (rows, columns, 3)."""
    rise = np.clip(rays[..., 2], 0.0, 1.0) ** 0.55
    color = _HAZE + rise[..., None] * (_ZENITH - _HAZE)
    toward = np.clip(rays @ sun, 0.0, 1.0)
    glow = 0.35 * toward**8 + 0.65 * toward**400
    return (color + glow[..., None] * (_SUN - color)).astype(np.float32)


def _with_clouds(air: np.ndarray, rays: np.ndarray, sky: Sky) -> np.ndarray:
    """Return the sky with clouds of a layer 1500 m up, float32."""
    if sky.clouds <= 0:
        return air
    rise = np.maximum(rays[..., 2], 0.02)
    x, y = (1500.0 * rays[..., k] / rise for k in (0, 1))
    noise = _fractal(x / 1900.0, y / 1900.0, sky.seed)
    edge = np.quantile(_fractal(*_WHOLE, sky.seed), 1.0 - min(sky.clouds, 1.0))
    share = np.clip((noise - edge) / 0.25, 0.0, 1.0) * np.clip(rays[..., 2] / 0.06, 0.0, 1.0)
    tone = 250.0 - 60.0 * np.clip((noise - edge) / 0.9, 0.0, 1.0)
    return (air + share[..., None] * (tone[..., None] - air)).astype(np.float32)


_WHOLE = tuple(np.meshgrid(np.linspace(-6, 6, 48), np.linspace(-6, 6, 48)))


def _fractal(x: np.ndarray, y: np.ndarray, seed: int) -> np.ndarray:
    """Return smooth noise of four octaves as a sum of random waves, about -1..1."""
    rng = np.random.default_rng([seed, 9731])
    total = np.zeros(np.shape(x))
    for octave in range(4):
        for _ in range(6):
            angle, phase = rng.uniform(0, 2 * np.pi, 2)
            scale = 2.0**octave * rng.uniform(0.8, 1.25) * np.pi
            bend = 0.7 * np.sin(1.7 * y * 2.0**octave + phase)
            total += (
                0.36
                * 0.55**octave
                * np.sin(scale * (np.cos(angle) * x + np.sin(angle) * y) + bend + phase)
            )
    return total
