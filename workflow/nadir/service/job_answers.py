"""What `/jobs` answers: jobs, and statistics of results."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from nadir.service.jobstore import Job, State
from nadir.service.results import FILES, POLYGON_FILES

_TIME = "2026-03-01T12:00:00.000Z"
_ID = "5f0c6d2b9a1e4c73"
_IMAGE: dict[str, Any] = {
    "format": "GTiff",
    "width": 5000,
    "height": 5000,
    "bands": 3,
    "dtype": "uint8",
    "georeferenced": True,
    "crs": "EPSG:32631",
    "bounds": [2.0, 41.0, 2.018, 41.0135],
    "transform": [0.3, 0.0, 415900.0, 0.0, -0.3, 4540400.0],
    "corners": [[[2.0, 41.0135], [2.018, 41.0135]], [[2.0, 41.0], [2.018, 41.0]]],
    "pixel_size": 0.3,
}
_TILES: dict[str, Any] = {"levels": 5, "tile": 256, "minzoom": 14, "maxzoom": 19}


class ImageAnswer(BaseModel):
    """What an image is."""

    format: Literal["GTiff", "PNG", "JPEG"]
    """Its format."""
    width: int
    """Columns."""
    height: int
    """Rows."""
    bands: int
    """Number of bands."""
    dtype: str
    """Type of its values."""
    georeferenced: bool
    """Whether it has a place on the ground."""
    crs: str | None
    """Its coordinate reference system: an EPSG code, or WKT."""
    bounds: list[float] | None
    """West, south, east and north in degrees (WGS 84)."""
    transform: list[float] | None = None
    """Six numbers a to f: a pixel's corner (column, row) lies at a column + b row + c, d column +
    e row + f in that system.
    """
    corners: list[list[tuple[float, float]]] | None = None
    """Longitude and latitude of the corners of N x N equal parts of the image, by row: what lies
    between follows by bilinear interpolation, within a tenth of a pixel.
    """
    pixel_size: float | None
    """Width of a pixel at its center, in meters."""


class TilesAnswer(BaseModel):
    """How a job's tiles are numbered."""

    levels: int
    """Deepest level in plain pixels: tiles of the image's own pixels; level 0 is one tile."""
    tile: int
    """Side of a tile in pixels."""
    minzoom: int | None
    """First sensible level in Web Mercator; null without a place on the ground."""
    maxzoom: int | None
    """Last sensible level in Web Mercator."""


class FaultAnswer(BaseModel):
    """Why a job failed; as in a problem document."""

    type: str
    """Kind of problem."""
    title: str
    """The kind in words."""
    detail: str
    """What is wrong this time."""
    remedy: str
    """What to do about it."""


class JobAnswer(BaseModel):
    """A job: a prediction that may take longer than a request."""

    id: str
    """Its id."""
    model: str
    """Name of the model."""
    state: State
    """Where it stands; it stays done, failed or cancelled."""
    stage: Literal["waiting", "reading", "predicting", "writing", "ended"]
    """What is being done."""
    progress: float = Field(ge=0, le=1)
    """How far it is."""
    created: str
    """When it was accepted (UTC)."""
    started: str | None
    """When it first ran."""
    ended: str | None
    """When it ended."""
    expires: str | None
    """When its results are removed."""
    threshold: float | None
    """Least probability of the target class in its own results."""
    image: ImageAnswer
    """The image."""
    problem: FaultAnswer | None
    """Why it failed."""
    tiles: TilesAnswer | None
    """How its tiles are numbered, when it is done."""
    links: dict[str, str]
    """Addresses: of itself, and of its results when it is done."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "model": "nadir_buildings",
                    "state": "done",
                    "stage": "ended",
                    "progress": 1.0,
                    "created": _TIME,
                    "started": _TIME,
                    "ended": "2026-03-01T12:01:10.000Z",
                    "expires": "2026-03-02T12:01:10.000Z",
                    "threshold": 0.44,
                    "image": _IMAGE,
                    "problem": None,
                    "tiles": _TILES,
                    "links": {"self": f"/jobs/{_ID}", "mask.tif": f"/jobs/{_ID}/mask.tif"},
                }
            ]
        }
    )


class JobsAnswer(BaseModel):
    """Jobs, the latest first."""

    jobs: list[JobAnswer]
    """The jobs."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"jobs": []}]})


class CountAnswer(BaseModel):
    """Numbers of pixels."""

    all: int
    """Of the image."""
    valid: int
    """That have data."""


class ClassAnswer(BaseModel):
    """How much of the image a class covers."""

    id: int
    """Its id, as in masks."""
    name: str
    """Its name."""
    color: str
    """Its color, `#rrggbb`."""
    pixels: int
    """Pixels mapped as it."""
    share: float
    """Share of the pixels that have data, 0 to 1."""
    area_m2: float | None
    """Area on the ground in square meters, by the size of the pixel at the center."""


class FootprintsAnswer(BaseModel):
    """Footprints, all together."""

    count: int
    """How many."""
    area_m2: float | None
    """Area on the ground in square meters; null without a place on the ground."""
    mean_confidence: float | None
    """Mean over footprints of their mean probability."""


class StatisticsAnswer(BaseModel):
    """Statistics of a result."""

    job: str | None
    """The job; null for direct answers."""
    model: str
    """Name of the model."""
    threshold: float | None
    """Least probability that counts."""
    pixels: CountAnswer
    """Pixels."""
    classes: list[ClassAnswer]
    """The classes."""
    footprints: FootprintsAnswer | None
    """Footprints, where they were made at this threshold."""
    image: ImageAnswer
    """The image."""
    seconds: float
    """Time that the prediction took."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "job": _ID,
                    "model": "nadir_buildings",
                    "threshold": 0.44,
                    "pixels": {"all": 25_000_000, "valid": 25_000_000},
                    "classes": [
                        {
                            "id": 1,
                            "name": "background",
                            "color": "#d9d9d9",
                            "pixels": 20_000_000,
                            "share": 0.8,
                            "area_m2": 1_800_000.0,
                        },
                        {
                            "id": 2,
                            "name": "building",
                            "color": "#c0392b",
                            "pixels": 5_000_000,
                            "share": 0.2,
                            "area_m2": 450_000.0,
                        },
                    ],
                    "footprints": {"count": 812, "area_m2": 449_120.5, "mean_confidence": 0.91},
                    "image": _IMAGE,
                    "seconds": 61.2,
                }
            ]
        }
    )


def describe_job(job: Job, stage: str, progress: float) -> JobAnswer:
    """Put a job into the words of the service.

    Args:
        job: The job.
        stage: What is being done.
        progress: How far it is, 0 to 1.
    """
    here = f"/jobs/{job.id}"
    links = {"self": here}
    if job.state == "done":
        names: list[str] = [*FILES, "statistics.json"]
        if job.polygons:
            names += POLYGON_FILES
        links |= {name: f"{here}/{name}" for name in names}
        links["tiles"] = f"{here}/tiles/{{z}}/{{x}}/{{y}}.png"
    values: dict[str, Any] = {
        "id": job.id,
        "model": job.model,
        "state": job.state,
        "stage": stage,
        "progress": progress,
        "created": _when(job.created),
        "started": _when(job.started),
        "ended": _when(job.ended),
        "expires": _when(job.expires),
        "threshold": job.threshold,
        "image": job.image,
        "problem": job.problem,
        "tiles": job.tiles,
        "links": links,
    }
    return JobAnswer.model_validate(values)


def _when(seconds: float | None) -> str | None:
    """Return a time as text (RFC 3339)."""
    if seconds is None:
        return None
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
