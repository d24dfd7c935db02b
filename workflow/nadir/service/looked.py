"""What `/groundview` is asked and answers: a place and a direction, views and the crop."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

MOST = 8
"""Views of one answer, at most."""

Point = tuple[float, float]
_PLACE: dict[str, Any] = {"map": "valley-nadir", "x": 243485.5, "y": 4770590.5}
_LOOK = {**_PLACE, "heading": 201.9, "samples": 2, "seed": 0}


class _Told(BaseModel):
    """A model whose fields OpenAPI describes by what stands under them."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Place(_Told):
    """Where an observer stands: x and y, or longitude and latitude."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, json_schema_extra={"examples": [_PLACE]}
    )
    map: str | None = Field(default=None, max_length=200, examples=["valley-nadir"])
    """Name of the map; by default the first."""
    x: float | None = Field(default=None, examples=[243485.5])
    """In the map's system; with y."""
    y: float | None = Field(default=None, examples=[4770590.5])
    """In the map's system; with x."""
    longitude: float | None = Field(default=None, ge=-180, le=180)
    """Degrees; with latitude, in the place of x and y."""
    latitude: float | None = Field(default=None, ge=-90, le=90)
    """Degrees; with longitude."""


class Gaze(Place):
    """A place, a direction and a seed."""

    heading: float | None = Field(default=None, ge=-360, le=360, examples=[201.9])
    """Direction of view in degrees clockwise from what is up in the crop; none: unknown."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of the noise; equal questions have equal answers."""


class Glance(Gaze):
    """What one view is asked by."""

    sample: int = Field(default=0, ge=0, lt=MOST)
    """Which sample of the seed."""


class Look(Gaze):
    """What views are asked by."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, json_schema_extra={"examples": [_LOOK]}
    )
    samples: int = Field(default=1, ge=1, le=MOST)
    """How many views."""


class ViewPicture(_Told):
    """One view."""

    sample: int
    """Number of the sample."""
    png: str
    """The picture: a PNG in base64."""
    address: str
    """Where the same picture is."""


class CropPicture(_Told):
    """What the generator was shown of the ground."""

    png: str
    """The picture: a PNG in base64."""
    address: str
    """Where the same picture is."""
    meters: float
    """Side of the crop on the ground."""
    north: str
    """What is up in it. `grid`: what is up in the map; `true`: north."""


class LookAnswer(_Told):
    """What an observer would see."""

    map: str
    """Name of the map."""
    crs: str
    """Its system."""
    position: Point
    """Middle of the crop: the place that was asked for, or the nearest where crops are cut."""
    degrees: Point
    """The same as longitude and latitude."""
    heading: float | None
    """The direction that was heeded, 0 to 360; null where none was given, or none is heeded."""
    seed: int
    """The seed."""
    image_px: int
    """Side of the views in pixels."""
    views: list[ViewPicture]
    """The views."""
    crop: CropPicture
    """The crop."""
    seconds: float = Field(ge=0)
    """Time that it took."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "map": "valley-nadir",
                    "crs": "EPSG:32631",
                    "position": [243485.0, 4770591.0],
                    "degrees": [-0.152213, 43.045144],
                    "heading": 201.9,
                    "seed": 0,
                    "image_px": 64,
                    "views": [
                        {
                            "sample": 0,
                            "png": "iVBORw0KGgo...",
                            "address": "/groundview/view.png?map=valley-nadir&x=243485.0"
                            "&y=4770591.0&heading=201.9&seed=0&sample=0",
                        }
                    ],
                    "crop": {
                        "png": "iVBORw0KGgo...",
                        "address": "/groundview/crop.png?map=valley-nadir&x=243485.0&y=4770591.0",
                        "meters": 128.0,
                        "north": "grid",
                    },
                    "seconds": 0.21,
                }
            ]
        }
    )


class Example(_Told):
    """A place to try: no training has seen it."""

    name: str
    """The photo that was taken there."""
    x: float
    """In the map's system."""
    y: float
    """The same."""
    longitude: float
    """Degrees."""
    latitude: float
    """Degrees."""
    heading: float | None
    """Direction of the photo; null where not known."""


class MapAnswer(_Told):
    """A map to stand on."""

    name: str
    """Its name."""
    generator: str
    """Kind of the generator."""
    headings: bool
    """Whether directions of view are heeded."""
    image_px: int
    """Side of a view in pixels."""
    crop_px: int
    """Side of a crop in pixels."""
    crop_m: float
    """The same in metres: no place nearer to the edge than half of it has a view."""
    crs: str
    """The system of the coordinates."""
    bounds: tuple[float, float, float, float]
    """Left, bottom, right, top."""
    examples: list[Example]
    """Places to try."""
    width: int
    """Of the map in pixels."""
    height: int
    """The same."""
    tile: int
    """Side of a tile in pixels."""
    levels: int
    """Deepest level of tiles; tiles span tile * 2^(levels - z) pixels."""
    grid: dict[str, Any] | None
    """Where its pixels lie: crs, transform, height, width."""
    meters_per_pixel: float | None
    """Size of its pixels, where the system counts lengths."""
    version: str
    """Changes with the map."""
    digest: str
    """Of all that the folder holds."""


class MapsAnswer(_Told):
    """All maps."""

    maps: list[MapAnswer]
    """The maps; the first is taken where none is named."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "maps": [
                        {
                            "name": "valley-nadir",
                            "generator": "flow",
                            "headings": True,
                            "image_px": 64,
                            "crop_px": 128,
                            "crop_m": 128.0,
                            "crs": "EPSG:32631",
                            "bounds": [243000.0, 4768000.0, 247096.0, 4772096.0],
                            "examples": [
                                {
                                    "name": "view_0001",
                                    "x": 243485.25,
                                    "y": 4770590.75,
                                    "longitude": -0.152213,
                                    "latitude": 43.045144,
                                    "heading": 201.9,
                                }
                            ],
                            "width": 4096,
                            "height": 4096,
                            "tile": 256,
                            "levels": 4,
                            "grid": None,
                            "meters_per_pixel": 1.0,
                            "version": "5f0c6d2b9a1e",
                            "digest": "a29c03e31418c22d",
                        }
                    ]
                }
            ]
        }
    )
