"""Scenes that are fetched: which catalogue, which ground, which dates, and where labels come from.

A scene with `fetch` gets its `dates` and its `mask` from here: the files that the graph makes.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from nadir.config.base import ConfigModel, Name

FETCHED = "results/fetched"
"""Folder of everything that is fetched."""
UNCLEAR = (0, 1, 3, 8, 9, 10)
"""Classes of the scene classification that hide the ground."""


class CatalogConfig(ConfigModel):
    """A STAC catalogue: an API that searches, or static files."""

    url: str
    """Address of the API or of `catalog.json`; a path of this machine for a copy."""
    collection: str | None = None
    """Collection to look in; null: all of them (static catalogues only)."""


class DateConfig(ConfigModel):
    """One date of a scene: a range of days, from whose images the best ground is taken."""

    start: date
    """First day."""
    end: date
    """Last day; it belongs to the range."""
    days: tuple[date, ...] = ()
    """Chosen days of the range; none: all of them."""
    cloud: float = Field(default=30.0, ge=0, le=100)
    """Images with more cloud than this are not looked at, percent of the whole image."""
    choose: Literal["composite", "day"] = "composite"
    """`composite`: each pixel from the least cloudy image that sees the ground there; `day`: all
    pixels from the one day that covers most of the area, of equals the least cloudy.
    """
    at_most: int = Field(default=4, ge=1)
    """Images of one place that a composite looks at, the least cloudy ones."""
    least_share: float = Field(default=0.5, ge=0, le=1)
    """Share of the area that must be seen in the end; less is an error."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end < self.start:
            raise ValueError(f"the range ends ({self.end}) before it starts ({self.start})")
        outside = [str(day) for day in self.days if not self.start <= day <= self.end]
        if outside:
            raise ValueError(f"days outside of the range: {', '.join(outside)}")
        return self


class MaskFetch(ConfigModel):
    """Fine labels from an address or from a catalogue: exactly one of `url` and `catalog`."""

    url: str | None = None
    """Address of a raster of class values (GeoTIFF); of a cloud-optimized one only the part over
    the area is loaded.
    """
    sha256: str | None = None
    """Digest of that file: it is then loaded whole and must have this content."""
    catalog: CatalogConfig | None = None
    """A catalogue whose items hold the labels; those that touch the area are put together."""
    asset: str | None = None
    """Name of the asset in those items; null: the only one that is data."""
    values: dict[int, int] = Field(default_factory=dict)
    """Value of the file -> value of the class table (0 to 255); values that are not named become 0.
    Empty: values stay.
    """

    @field_validator("values")
    @classmethod
    def _bytes(cls, values: dict[int, int]) -> dict[int, int]:
        strange = [new for new in values.values() if not 0 <= new <= 255]
        if strange:
            raise ValueError(f"values of a class table lie between 0 and 255, not {strange[0]}")
        return values

    @field_validator("sha256")
    @classmethod
    def _digest(cls, digest: str | None) -> str | None:
        if digest is not None and not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ValueError("a sha256 has 64 digits of 0-9 and a-f")
        return digest

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.url is None) == (self.catalog is None):
            raise ValueError("give exactly one of url and catalog")
        if self.sha256 and not self.url:
            raise ValueError("sha256 is that of the file at `url`")
        return self


class FetchConfig(ConfigModel):
    """Where the imagery and the labels of a scene are fetched from."""

    catalog: CatalogConfig
    """Catalogue of Sentinel-2 L2A."""
    area: tuple[float, float, float, float]
    """West, south, east, north in degrees (WGS 84)."""
    crs: str | None = None
    """System of the scene, such as `EPSG:25831`; null: the UTM zone of the middle of the area."""
    resolution: float = Field(default=10.0, gt=0)
    """Size of a pixel in units of that system."""
    dates: dict[Name, DateConfig | None] = Field(min_length=1)
    """Date name -> range of days; null for a date that this scene is to lack, as where no image
    shows the ground.
    """
    unclear: tuple[int, ...] = UNCLEAR
    """Classes of the scene classification (SCL) that hide the ground; by default no data,
    saturated, cloud shadow, cloud of medium and high probability, cirrus.
    """
    resampling: Literal["nearest", "bilinear", "cubic"] = "bilinear"
    """How bands of 20 m come onto the grid."""
    verify: bool = False
    """Whether files are loaded whole and checked against the catalogue's checksums; else only the
    parts over the area are loaded, guarded by size and ETag. Files of which the catalogue gives no
    checksum are named in a warning, and under `unchecked` in the record of the image.
    """
    mask: MaskFetch | None = None
    """Fine labels; null: the scene's own `mask`, or none."""

    @field_validator("area")
    @classmethod
    def _on_earth(cls, area: tuple[float, float, float, float]) -> Any:
        west, south, east, north = area
        if not (-180 <= west < east <= 180 and -80 <= south < north <= 84):
            raise ValueError(
                "give west, south, east, north in degrees: west < east, south < north, within the "
                "UTM zones (80 S to 84 N)"
            )
        return area

    @field_validator("dates")
    @classmethod
    def _other_names(cls, dates: dict[str, DateConfig | None]) -> dict[str, DateConfig | None]:
        if "mask" in dates:
            raise ValueError("no date may be called 'mask': its file would be that of the labels")
        return dates


def is_fetched(path: str | None) -> bool:
    """Whether a path is that of something that the graph fetches."""
    return bool(path) and str(path).startswith(f"{FETCHED}/")


def fill_fetched(raw: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """Give scenes of land cover with `fetch` their dates and mask: the files that will be there.

    Args:
        raw: The configuration.
        problems: What is wrong is added to it.
    """
    for name, dataset in _mapping(_mapping(raw.get("buildings")).get("datasets")).items():
        if _fetches(dataset):
            problems.append(f"buildings.datasets.{name}: only scenes of landcover are fetched")
    datasets = _mapping(_mapping(raw.get("landcover")).get("datasets"))
    if not any(_fetches(dataset) for dataset in datasets.values()):
        return raw
    filled = {
        name: _with_files("landcover", name, dataset, problems) if _fetches(dataset) else dataset
        for name, dataset in datasets.items()
    }
    return {**raw, "landcover": {**raw["landcover"], "datasets": filled}}


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _fetches(dataset: Any) -> bool:
    scenes = _mapping(_mapping(dataset).get("scenes"))
    return any(_mapping(scene).get("fetch") is not None for scene in scenes.values())


def _with_files(job: str, name: str, dataset: dict[str, Any], problems: list[str]) -> Any:
    scenes = {}
    for key, scene in dataset["scenes"].items():
        fetch = _mapping(_mapping(scene).get("fetch"))
        scenes[key] = scene
        if not fetch:
            continue
        if "dates" in scene:
            problems.append(
                f"{job}.datasets.{name}.scenes.{key}: its dates are fetched; leave out `dates`"
            )
        folder = f"{FETCHED}/{job}/{name}/{key}"
        files = {
            # Fetched files hold what baseline 04.00 means, whatever their sources had.
            date: days and {"file": f"{folder}/{date}.tif", "baseline": "04.00", "nodata": 0}
            for date, days in _mapping(fetch.get("dates")).items()
        }
        scenes[key] = {**scene, "dates": files}
        if fetch.get("mask") is not None:
            if scene.get("mask") is not None:
                problems.append(
                    f"{job}.datasets.{name}.scenes.{key}: two masks; leave out one of `mask` and "
                    "`fetch.mask`"
                )
            scenes[key]["mask"] = {"file": f"{folder}/mask.tif"}
    return {**dataset, "scenes": scenes}
