"""The capability `/retrieve`: a picture in, the images of a gallery that are most alike out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.responses import Response

from nadir.errors import InputError
from nadir.service.batching import Batcher
from nadir.service.context import Context, context_of
from nadir.service.examples import Examples, unknown
from nadir.service.forms import refuse_unknown
from nadir.service.found import PlacesAnswer, RetrieveAnswer
from nadir.service.galleries import OpenGallery
from nadir.service.metrics import Counter, Histogram
from nadir.service.photos import Upload, read_upload
from nadir.service.pictures import JPEG, PNG, picture
from nadir.service.problems import Problem, documented
from nadir.service.work import Pool

MOST = 100
"""Images that are answered at most: as many as the batch rule keeps."""

_USUAL = 10
_THREADS = 4
_BATCHES = (1.0, 2.0, 4.0, 8.0)
_FAULTS = (400, 401, 404, 408, 413, 415, 422, 429, 503)
_FIELDS: dict[str, Any] = {
    "photo": {
        "type": "string",
        "format": "binary",
        "description": "The picture: PNG, JPEG or TIFF of 8 bits, in color or gray.",
    },
    "gallery": {
        "type": "string",
        "description": "Name of the gallery, as `/models` tells; by default the first.",
    },
    "view": {
        "type": "string",
        "description": "View of the picture; it is looked for in the other view. By default the "
        "gallery's first.",
    },
}
_COUNT = {
    "k": {
        "type": "integer",
        "minimum": 1,
        "maximum": MOST,
        "default": _USUAL,
        "description": "How many images to answer; a smaller gallery is ranked whole.",
    }
}
_IMAGE = {"image": {"type": "string", "description": "Name of an image of the gallery."}}

Gallery = Annotated[
    str, InPath(max_length=200, description="Name of a gallery.", examples=["valley-nadir"])
]
Image = Annotated[
    str,
    InPath(
        max_length=1000,
        description="Name of an image of the gallery; never a path.",
        examples=["test/gallery_satellite/0061/0061"],
    ),
]


def _form(fields: dict[str, Any], required: list[str], curl: str) -> dict[str, Any]:
    """Return what OpenAPI says of a form with a photo."""
    value: dict[str, Any] = {"photo": "(the bytes of photo.jpg)", "view": "drone"}
    value |= {"k": 10} if "k" in fields else {"image": "test/gallery_satellite/0061/0061"}
    schema = {
        "type": "object",
        "required": required,
        "properties": fields,
        "additionalProperties": False,
    }
    examples = {"photo": {"summary": "A photo", "description": curl, "value": value}}
    content = {"multipart/form-data": {"schema": schema, "examples": examples}}
    return {"requestBody": {"required": True, "content": content}}


_CURL = "curl -F photo=@photo.jpg -F view=drone {} http://localhost:8000/retrieve"
_ASK = _form({**_FIELDS, **_COUNT}, ["photo"], _CURL.format("-F k=10"))
_EXPLAIN = _form(
    {**_FIELDS, **_IMAGE},
    ["photo", "image"],
    _CURL.format("-F image=NAME") + "/saliency",
)


class Retrieve:
    """Looks for pictures in galleries, and shows these.

    Args:
        galleries: One or more, of different names.
        examples: Further pictures that the page offers, of the first gallery's first view.

    Raises:
        InputError: When there is no gallery, or names are not unique.
    """

    name = "retrieve"
    title = "Find a place by a picture of it"
    page = "retrieve.html"

    def __init__(self, galleries: Sequence[OpenGallery], examples: Sequence[Path] = ()) -> None:
        self.galleries = {gallery.name: gallery for gallery in galleries}
        if not galleries or len(self.galleries) != len(galleries):
            raise InputError(
                self.name,
                "galleries need different names",
                "Make one again with `nadir export-gallery --name`.",
            )
        own = [path for gallery in galleries for path in gallery.examples()]
        self.examples = Examples(self.name, [*examples, *own])
        self._batcher: Batcher
        self._pool: Pool | None = None
        self._answers: Counter

    def start(self, context: Context) -> None:
        """Begin to answer."""
        given, registry = context.settings, context.registry
        self._answers = registry.add(
            Counter("nadir_retrieve_answers_total", "Pictures looked for.", ("gallery", "view"))
        )
        pictures = registry.add(
            Histogram("nadir_retrieve_batch_pictures", "Pictures of a call.", (), _BATCHES)
        )
        self._batcher = Batcher(lambda count: pictures.observe(count))
        workers = max(_THREADS, given.workers)
        self._pool = Pool("retrieve", workers, given.queue, given.seconds, context.pool_metrics)

    def ready(self) -> bool:
        """Whether it can answer: galleries come loaded, and it must have been started."""
        return self._pool is not None

    def describe(self) -> dict[str, Any]:
        """Return the galleries and the examples."""
        return {
            "galleries": [item.describe().model_dump() for item in self.galleries.values()],
            "examples": self.examples.names,
        }

    def close(self) -> None:
        """Take no more pictures."""
        if self._pool is not None:
            self._pool.close()
            self._batcher.close()

    def router(self) -> APIRouter:
        """Return its addresses."""
        router = APIRouter(tags=[self.name])
        router.add_api_route(
            "/retrieve",
            self.retrieve,
            methods=["POST"],
            response_model=RetrieveAnswer,
            summary="Rank a gallery for a picture",
            openapi_extra=_ASK,
            responses=documented(*_FAULTS),
        )
        router.add_api_route(
            "/retrieve/saliency",
            self.saliency,
            methods=["POST"],
            response_class=Response,
            summary="What in a picture speaks for an image of the gallery",
            openapi_extra=_EXPLAIN,
            responses={**PNG, **documented(*_FAULTS)},
        )
        one = "/retrieve/galleries/{gallery}"
        router.add_api_route(
            one,
            self.gallery,
            methods=["GET"],
            response_model=PlacesAnswer,
            summary="A gallery, and where its places are",
            responses=documented(401, 404),
        )
        for part, answer in (("pictures", self.picture), ("thumbnails", self.thumbnail)):
            router.add_api_route(
                f"{one}/{part}/{{image:path}}",
                answer,
                methods=["GET"],
                response_class=Response,
                summary=f"An image of a gallery ({part})",
                responses={**JPEG, **documented(401, 404, 429)},
            )
        self.examples.add_to(router)
        return router

    async def retrieve(self, request: Request) -> RetrieveAnswer:
        """Rank the images of a gallery's other view by likeness to a picture, best first."""
        context = context_of(request)
        assert self._pool is not None
        async with self._pool.place() as place:
            upload = await read_upload(request, context.settings)
            gallery, view = self._asked(upload, (*_FIELDS, *_COUNT))
            count = _count(upload.fields.get("k"))
            limit = context.settings.max_pixels
            answer = await place.run(gallery.find, upload.photo, view, count, self._batcher, limit)
        self._answers.add(gallery=gallery.name, view=view)
        return answer

    async def saliency(self, request: Request) -> Response:
        """Return a transparent PNG to lay over the picture: red speaks for the image, blue against.

        Parts of the picture are covered in turn; what counts is how far the score falls.
        """
        context = context_of(request)
        assert self._pool is not None
        async with self._pool.place() as place:
            upload = await read_upload(request, context.settings)
            gallery, view = self._asked(upload, (*_FIELDS, *_IMAGE))
            row = _row(gallery, upload.fields.get("image", ""))
            limit = context.settings.max_pixels
            data = await place.run(gallery.explain, upload.photo, view, row, limit)
        return Response(data, media_type="image/png")

    async def gallery(self, gallery: Gallery) -> PlacesAnswer:
        """Tell what is known of a gallery, and where its places are."""
        known = self._gallery(gallery)
        return PlacesAnswer(**known.describe().model_dump(), places=known.places())

    async def picture(self, request: Request, gallery: Gallery, image: Image) -> Response:
        """Return the picture of an image, by its name."""
        found = self._gallery(gallery)
        return await self._picture(request, found.picture, _row(found, image))

    async def thumbnail(self, request: Request, gallery: Gallery, image: Image) -> Response:
        """Return a small picture of an image, by its name."""
        found = self._gallery(gallery)
        return await self._picture(request, found.thumbnail, _row(found, image))

    async def _picture(self, request: Request, make: Callable[[int], bytes], row: int) -> Response:
        return await picture(context_of(request), lambda: make(row), "image/jpeg")

    def _asked(self, upload: Upload, fields: Sequence[str]) -> tuple[OpenGallery, str]:
        """Return the gallery and the view that a form asks for."""
        refuse_unknown(upload.fields, fields)
        gallery = self._gallery(upload.fields.get("gallery"))
        view = upload.fields.get("view") or gallery.views[0]
        if view not in gallery.views:
            raise unknown("view", view, gallery.views)
        return gallery, view

    def _gallery(self, name: str | None) -> OpenGallery:
        """Return the gallery of a name, the first where there is none."""
        if not name:
            return next(iter(self.galleries.values()))
        if name not in self.galleries:
            raise unknown("gallery", name, list(self.galleries))
        return self.galleries[name]


def _row(gallery: OpenGallery, name: str) -> int:
    """Return the row of an image's name."""
    if name not in gallery.row_of:
        raise Problem(
            404,
            "no-image",
            f"gallery {gallery.name!r} has no image {name[:80]!r}",
            "Take a name out of an answer of /retrieve.",
        )
    return gallery.row_of[name]


def _count(text: str | None) -> int:
    """Return how many images a form asks for."""
    text = (text or "").strip() or str(_USUAL)
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:9]) <= MOST):
        raise Problem(
            422, "invalid-number", f"k is {text[:80]!r}", f"Give a whole number from 1 to {MOST}."
        )
    return int(text)
