"""What `/localize` answers: a pose in pixels and on the ground, with how sure it is."""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from nadir.localization.pose import CORNERS, Pose
from nadir.raster.grid import Grid

Point = tuple[float, float]


class Located(Protocol):
    """What a localiser says about one photo."""

    @property
    def pose(self) -> Pose:
        """Where the photo lies, in substrate pixels."""

    @property
    def covariance(self) -> NDArray[np.float64] | None:
        """Covariance (3, 3) of x, y (pixels) and angle (degrees); None where unknown."""

    @property
    def margin(self) -> float:
        """By how much the best place beats the second best."""

    @property
    def probability(self) -> float:
        """Probability of being right, 0 to 1; NaN where unknown."""

    @property
    def resolved(self) -> bool:
        """Whether the probability is high enough to rely on."""

    @property
    def reference(self) -> str:
        """Name of the reference that the photo was found on."""

    @property
    def stage(self) -> str:
        """Name of the stage of the search that gave the pose."""


class PoseAnswer(BaseModel):
    """A similarity from photo to substrate; positions count from the upper-left outer corner."""

    x: float
    """Where the photo's center lies on the substrate, in pixels to the right."""
    y: float
    """The same, downwards."""
    angle: float
    """Direction of the photo's rows in degrees, 0 to 360, clockwise."""
    scale: float
    """Substrate pixels per photo pixel."""


class MapAnswer(BaseModel):
    """The same place in the substrate's coordinate reference system."""

    crs: str
    """The system: an EPSG code, or WKT."""
    center: Point
    """(x, y) of the photo's center."""
    corners: dict[str, Point]
    """Corner of the photo -> (x, y)."""


class Feature(BaseModel):
    """The photo's outline as GeoJSON (RFC 7946)."""

    type: str = "Feature"
    """Always `Feature`."""
    geometry: dict[str, Any]
    """A polygon, in the coordinates that the property `coordinates` names."""
    properties: dict[str, Any]
    """`coordinates` (`EPSG:4326`, or `pixels` where the substrate has no place on the ground),
    `probability` and `resolved`.
    """


class LocalizeAnswer(BaseModel):
    """Where a photo lies on a substrate."""

    substrate: str
    """Name of the substrate."""
    photo: dict[str, int]
    """Width and height of the photo, in pixels, as stored."""
    resolved: bool
    """Whether the answer is sure enough to rely on."""
    probability: float | None
    """Probability of being right, 0 to 1."""
    margin: float | None
    """By how much the best place beats the second best."""
    pose: PoseAnswer
    """The pose, in substrate pixels."""
    corners: dict[str, Point]
    """Corner of the photo -> (x, y) in substrate pixels."""
    covariance: list[list[float]] | None
    """Covariance of x and y (pixels) and angle (degrees)."""
    map: MapAnswer | None
    """The place on the ground; null where the substrate is not georeferenced."""
    footprint: Feature
    """The outline of the photo."""
    reference: str
    """Name of the reference that the photo was found on."""
    stage: str
    """Stage of the search that gave the pose."""
    seconds: float = Field(ge=0)
    """Time that the search took."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "substrate": "plain",
                    "photo": {"width": 512, "height": 512},
                    "resolved": True,
                    "probability": 0.998,
                    "margin": 0.41,
                    "pose": {"x": 1204.5, "y": 870.25, "angle": 90.0, "scale": 1.0},
                    "corners": {
                        "left_top": [1460.5, 614.25],
                        "right_top": [1460.5, 1126.25],
                        "left_bottom": [948.5, 614.25],
                        "right_bottom": [948.5, 1126.25],
                    },
                    "covariance": [[0.04, 0.0, 0.0], [0.0, 0.05, 0.0], [0.0, 0.0, 0.0004]],
                    "map": None,
                    "footprint": {
                        "type": "Feature",
                        "geometry": {
                            "type": "Polygon",
                            "coordinates": [
                                [
                                    [1460.5, 614.25],
                                    [1460.5, 1126.25],
                                    [948.5, 1126.25],
                                    [948.5, 614.25],
                                    [1460.5, 614.25],
                                ]
                            ],
                        },
                        "properties": {
                            "coordinates": "pixels",
                            "probability": 0.998,
                            "resolved": True,
                        },
                    },
                    "reference": "substrate",
                    "stage": "refined",
                    "seconds": 1.4,
                }
            ]
        }
    )


def describe_answer(
    located: Located, substrate: str, grid: Grid | None, size: tuple[int, int], seconds: float
) -> LocalizeAnswer:
    """Put a localiser's answer into the words of the service.

    Args:
        located: What the localiser says.
        substrate: Name of the substrate.
        grid: Its grid; None where it is not georeferenced.
        size: (width, height) of the photo in pixels.
        seconds: Time that it took.
    """
    corners = located.pose.corners(*size)
    probability = _number(located.probability)
    known = located.covariance is not None and bool(np.isfinite(located.covariance).all())
    return LocalizeAnswer(
        substrate=substrate,
        photo={"width": size[0], "height": size[1]},
        resolved=bool(located.resolved),
        probability=probability,
        margin=_number(located.margin),
        pose=PoseAnswer(
            x=float(located.pose.x),
            y=float(located.pose.y),
            angle=float(located.pose.angle),
            scale=float(located.pose.scale),
        ),
        corners=_named(corners),
        covariance=np.asarray(located.covariance, float).tolist() if known else None,
        map=_on_map(located.pose, corners, grid),
        footprint=_footprint(corners, grid, probability, bool(located.resolved)),
        reference=str(located.reference),
        stage=str(located.stage),
        seconds=round(seconds, 3),
    )


def _number(value: float | None) -> float | None:
    """Return a number, or None where there is none (JSON has no NaN)."""
    return float(value) if value is not None and math.isfinite(value) else None


def _named(corners: NDArray[np.float64]) -> dict[str, Point]:
    """Return corners (4, 2) by name."""
    return {
        name: (float(x), float(y)) for name, (x, y) in zip(CORNERS, corners.tolist(), strict=True)
    }


def _to_ground(points: NDArray[np.float64], grid: Grid) -> NDArray[np.float64]:
    """Return points (n, 2) in pixels as coordinates of the grid's system."""
    a, b, c, d, e, f = grid.transform
    return points @ np.array([[a, d], [b, e]]) + (c, f)


def _on_map(pose: Pose, corners: NDArray[np.float64], grid: Grid | None) -> MapAnswer | None:
    """Return the place on the ground."""
    if grid is None or not grid.crs:
        return None
    center = _to_ground(np.array([[pose.x, pose.y]]), grid)[0]
    return MapAnswer(
        crs=grid.crs,
        center=(float(center[0]), float(center[1])),
        corners=_named(_to_ground(corners, grid)),
    )


def _footprint(
    corners: NDArray[np.float64], grid: Grid | None, probability: float | None, resolved: bool
) -> Feature:
    """Return the outline, counterclockwise as RFC 7946 asks: longitude and latitude, or pixels."""
    ring, space = corners[[0, 1, 3, 2, 0]], "pixels"
    if grid is not None and grid.crs:
        from rasterio.warp import transform as transform_points

        space = "EPSG:4326"
        longitude, latitude = transform_points(grid.crs, space, *_to_ground(ring, grid).T.tolist())
        ring = np.column_stack([longitude, latitude])
        if _area(ring) < 0:
            ring = ring[::-1]
    properties = {"coordinates": space, "probability": probability, "resolved": resolved}
    return Feature(
        geometry={"type": "Polygon", "coordinates": [ring.tolist()]}, properties=properties
    )


def _area(ring: NDArray[np.float64]) -> float:
    """Return the signed area of a closed ring; positive is counterclockwise (x right, y up)."""
    x, y = ring.T
    return float(0.5 * np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))
