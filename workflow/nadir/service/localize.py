"""The capability `/localize`: a photo in, its place on a substrate out."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.responses import Response
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.raster.grid import Grid
from nadir.service.answers import LocalizeAnswer, Located, describe_answer
from nadir.service.context import Context, context_of
from nadir.service.examples import Examples, unknown
from nadir.service.metrics import Counter, Registry
from nadir.service.photos import open_photo, read_upload
from nadir.service.pictures import PNG
from nadir.service.problems import documented
from nadir.service.sheets import Index, Sheet

_FORM = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photo"],
                    "properties": {
                        "photo": {
                            "type": "string",
                            "format": "binary",
                            "description": "The photo: PNG, JPEG or TIFF.",
                        },
                        "substrate": {
                            "type": "string",
                            "description": "Name of the substrate; by default the first.",
                        },
                    },
                },
                "examples": {
                    "photo": {
                        "summary": "Where a photo lies",
                        "description": "curl -F photo=@photo.png http://localhost:8000/localize",
                        "value": {"photo": "(the bytes of photo.png)", "substrate": "plain"},
                    }
                },
            }
        },
    }
}

Name = Annotated[str, InPath(max_length=200, description="Name of a substrate.")]


class Locator(Protocol):
    """Something that finds photos on one substrate."""

    @property
    def name(self) -> str:
        """Name of the substrate."""

    @property
    def substrate(self) -> str | os.PathLike[str]:
        """The substrate's file."""

    @property
    def grid(self) -> Grid | None:
        """Its grid; None where it is not georeferenced."""

    @property
    def size(self) -> tuple[int, int]:
        """Its (width, height) in pixels."""

    def locate(self, photo: NDArray[np.uint8]) -> Located:
        """Find a photo (height, width, 3) uint8, RGB."""


class Localize:
    """Locates photos on substrates, and shows the substrates.

    Args:
        locators: One or more, of different names.
        examples: Photos that the page offers: files, named by their stems.

    Raises:
        InputError: When names are not unique, or a substrate cannot be read.
    """

    name = "localize"
    title = "Find where a photo lies on a map"
    page = "localize.html"

    def __init__(self, locators: Sequence[Locator], examples: Sequence[Path] = ()) -> None:
        self.locators = {locator.name: locator for locator in locators}
        if not locators or len(self.locators) != len(locators):
            raise InputError(
                "localize", "substrates need different names", "Give each substrate once."
            )
        self.sheets = {
            name: Sheet("substrate", name, item.substrate, item.grid)
            for name, item in self.locators.items()
        }
        self.examples = Examples(self.name, examples)
        self._answers: Counter | None = None

    def start(self, context: Context) -> None:
        """Do nothing more: locators come loaded."""

    def ready(self) -> bool:
        """Whether it can answer: locators come loaded."""
        return True

    def describe(self) -> dict[str, Any]:
        """Return the substrates and the examples."""
        return {
            "substrates": [sheet.describe() for sheet in self.sheets.values()],
            "examples": self.examples.names,
        }

    def close(self) -> None:
        """Close the substrates' files."""
        for sheet in self.sheets.values():
            sheet.close()

    def router(self) -> APIRouter:
        """Return its addresses."""
        router = APIRouter(tags=["localize"])
        router.add_api_route(
            "/localize",
            self.locate,
            methods=["POST"],
            response_model=LocalizeAnswer,
            summary="Locate a photo on a substrate",
            openapi_extra=_FORM,
            responses=documented(400, 401, 404, 408, 413, 415, 422, 429, 503),
        )
        pictures: dict[str, Any] = {
            "methods": ["GET"],
            "response_class": Response,
            "responses": {**PNG, **documented(401, 404, 429)},
        }
        router.add_api_route(
            "/localize/substrates",
            self.list_substrates,
            methods=["GET"],
            summary="The substrates, and the examples",
            responses=documented(401),
        )
        one = "/localize/substrates/{name}"
        router.add_api_route(f"{one}/preview.png", self.preview, **pictures)
        router.add_api_route(f"{one}/tiles/{{z}}/{{x}}/{{y}}.png", self.tile, **pictures)
        self.examples.add_to(router)
        return router

    async def locate(self, request: Request) -> LocalizeAnswer:
        """Locate a photo: its pose in pixels and on the ground, and how sure that is."""
        context = context_of(request)
        async with context.work.place() as place:
            upload = await read_upload(request, context.settings)
            locator = self._locator(upload.fields.get("substrate"))
            limit = context.settings.max_pixels
            answer = await place.run(_locate, locator, upload.photo, limit)
        self._counter(context.registry).add(
            substrate=locator.name, resolved=str(answer.resolved).lower()
        )
        return answer

    async def list_substrates(self) -> dict[str, Any]:
        """Tell the substrates, how their tiles are numbered, and the examples."""
        return self.describe()

    async def preview(self, request: Request, name: Name) -> Response:
        """Return a picture of a whole substrate, no longer than 1024 pixels."""
        return await self.sheets[self._locator(name).name].preview(request)

    async def tile(self, request: Request, name: Name, z: Index, x: Index, y: Index) -> Response:
        """Return a tile of 256 x 256 pixels; at the deepest level, the substrate's own pixels."""
        return await self.sheets[self._locator(name).name].tile(request, z, x, y)

    def _locator(self, name: str | None) -> Locator:
        """Return the locator of a name, the first where there is none."""
        if not name:
            return next(iter(self.locators.values()))
        if name not in self.locators:
            raise unknown("substrate", name, list(self.locators))
        return self.locators[name]

    def _counter(self, registry: Registry) -> Counter:
        """Return the counter of answers."""
        if self._answers is None:
            labels = ("substrate", "resolved")
            self._answers = registry.add(
                Counter("nadir_localize_answers_total", "Photos located.", labels)
            )
        return self._answers


def _locate(locator: Locator, data: bytes, max_pixels: int) -> LocalizeAnswer:
    """Decode a photo and locate it (in a thread)."""
    photo = open_photo(data, max_pixels)
    start = time.perf_counter()
    located = locator.locate(photo)
    seconds = time.perf_counter() - start
    size = (photo.shape[1], photo.shape[0])
    return describe_answer(located, locator.name, locator.grid, size, seconds)
