"""Example images of a capability: files of this machine, offered under their stems."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.responses import Response
from PIL import Image

from nadir.errors import did_you_mean
from nadir.service.context import context_of
from nadir.service.photos import open_photo
from nadir.service.pictures import PNG, picture
from nadir.service.problems import Problem, documented

MOST = 12
"""Examples that are offered at most."""

_THUMBNAIL = 192
_KINDS = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}

Name = Annotated[str, InPath(max_length=200, description="Name of an example.", examples=["roofs"])]


class Examples:
    """The examples of one capability.

    Args:
        capability: Its name, first part of the addresses.
        paths: PNG, JPEG and TIFF files.
    """

    def __init__(self, capability: str, paths: Sequence[Path]) -> None:
        self.capability = capability
        self.paths = {path.stem: path for path in list(paths)[:MOST]}

    @property
    def names(self) -> list[str]:
        """Their names."""
        return list(self.paths)

    def add_to(self, router: APIRouter) -> None:
        """Add the addresses of files and thumbnails."""
        here: dict[str, Any] = {"methods": ["GET"], "tags": [self.capability]}
        here |= {"response_class": Response, "responses": {**PNG, **documented(401, 404, 429)}}
        root = f"/{self.capability}/examples/{{name}}"
        router.add_api_route(root, self.file, summary="An example's file", **here)
        router.add_api_route(
            f"{root}/thumbnail.png", self.thumbnail, summary="A small picture", **here
        )

    async def file(self, request: Request, name: Name) -> Response:
        """Return an example, as it lies on disk."""
        path = self._path(name)
        data = await context_of(request).reads.run(path.read_bytes)
        return Response(data, media_type=_KINDS.get(path.suffix.lower(), "image/tiff"))

    async def thumbnail(self, request: Request, name: Name) -> Response:
        """Return a small picture of an example."""
        context, path = context_of(request), self._path(name)
        return await picture(context, lambda: _small(path, context.settings.max_pixels))

    def _path(self, name: str) -> Path:
        """Return the file of an example."""
        if name not in self.paths:
            raise unknown("example", name, self.names)
        return self.paths[name]


def unknown(kind: str, name: str, known: Sequence[str]) -> Problem:
    """Return the problem of a name that nothing has."""
    shown = ", ".join(list(known)[:20]) or "none"
    detail = f"there is no {kind} {name[:80]!r}{did_you_mean(name[:80], known)}"
    return Problem(404, f"no-{kind}", detail, f"Known are: {shown}.")


def _small(path: Path, max_pixels: int) -> bytes:
    """Return a small PNG of an image."""
    image = Image.fromarray(open_photo(path.read_bytes(), max_pixels))
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()
