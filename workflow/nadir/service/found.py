"""What `/retrieve` answers: the images of a gallery that are most alike, best first."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Point = Annotated[list[float], Field(min_length=2, max_length=2)]
"""x and y."""

_PICTURE = "/retrieve/galleries/valley-nadir/pictures/test/gallery_satellite/0061/0061"


class FoundImage(BaseModel):
    """An image of the gallery."""

    rank: int = Field(ge=1)
    """1 for the best."""
    name: str
    """Its name in the gallery."""
    place: str
    """The place that it shows; empty where not known."""
    score: float
    """Cosine of the two features, -1 to 1."""
    coordinates: Point | None
    """(x, y) in the gallery's system; null where not known."""
    picture: str
    """Address of its picture on this service; a small one is under `thumbnails`."""


class RetrieveAnswer(BaseModel):
    """The ranking of one picture; the same as the batch rule gives."""

    gallery: str
    """Name of the gallery."""
    view: str
    """View of the picture that was sent, as asked for."""
    searched: str
    """View of the images among which it was looked for."""
    images: int
    """How many these are."""
    crs: str | None
    """System of the coordinates; null where not known."""
    photo: dict[str, int]
    """Width and height of the picture that was sent, in pixels."""
    results: list[FoundImage]
    """Best first; of equal scores, the first of the gallery."""
    seconds: float
    """Time that it took."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "gallery": "valley-nadir",
                    "view": "drone",
                    "searched": "satellite",
                    "images": 40,
                    "crs": "EPSG:32631",
                    "photo": {"width": 512, "height": 512},
                    "results": [
                        {
                            "rank": 1,
                            "name": "test/gallery_satellite/0061/0061",
                            "place": "0061",
                            "score": 0.83,
                            "coordinates": [243485.2, 4770590.6],
                            "picture": _PICTURE,
                        }
                    ],
                    "seconds": 0.04,
                }
            ]
        }
    )


class GalleryAnswer(BaseModel):
    """What is known of a gallery."""

    name: str
    """Its name."""
    views: list[str]
    """Views of pictures that can be asked with."""
    images: dict[str, int]
    """View that is asked with -> images among which it is looked for."""
    crs: str | None
    """System of the coordinates; null where not known."""
    upright: bool
    """Whether pictures are turned as their EXIF orientation says."""
    examples: dict[str, str]
    """Example, as under `/retrieve/examples` -> its view."""
    digest: str
    """Of all that it holds."""


class PlacesAnswer(GalleryAnswer):
    """A gallery with its places, for a map."""

    places: list[Point]
    """Coordinates of its images, each once, evenly thinned out to 2000; empty where not known."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "valley-nadir",
                    "views": ["drone", "satellite"],
                    "images": {"drone": 40, "satellite": 160},
                    "crs": "EPSG:32631",
                    "upright": False,
                    "examples": {"valley-nadir-drone-1": "drone"},
                    "digest": "a29c03e31418c22d",
                    "places": [[243485.2, 4770590.6], [249915.5, 4776538.5]],
                }
            ]
        }
    )
