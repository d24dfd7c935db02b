"""The capability `/groundview`: a place on a map in, what an observer would see there out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from fastapi.responses import Response

from nadir.errors import InputError
from nadir.service.batching import Batcher
from nadir.service.context import Context, context_of
from nadir.service.examples import unknown
from nadir.service.grounds import OpenGround
from nadir.service.looked import Glance, Look, LookAnswer, MapsAnswer, Place
from nadir.service.metrics import Counter, Histogram
from nadir.service.pictures import PNG
from nadir.service.problems import documented
from nadir.service.sheets import Index
from nadir.service.work import Pool

_THREADS = 4
_BATCHES = (1.0, 2.0, 4.0, 8.0)
_FAULTS = (401, 404, 422, 429, 503)

Map = Annotated[str, InPath(max_length=200, description="Name of a map.", examples=["valley"])]


class Groundview:
    """Shows what an observer would see at a place of a map.

    Args:
        grounds: One or more maps, of different names.

    Raises:
        InputError: When there is none, or names are not unique.
    """

    name = "groundview"
    title = "See what an observer would see"
    page = "groundview.html"

    def __init__(self, grounds: Sequence[OpenGround]) -> None:
        self.grounds = {ground.name: ground for ground in grounds}
        if not grounds or len(self.grounds) != len(grounds):
            raise InputError(
                self.name,
                "maps need different names",
                "Make one again with `nadir export-ground --name`.",
            )
        self._batcher: Batcher
        self._pool: Pool | None = None
        self._views: Counter

    def start(self, context: Context) -> None:
        """Begin to answer."""
        given, registry = context.settings, context.registry
        self._views = registry.add(
            Counter("nadir_groundview_views_total", "Views that were made.", ("map",))
        )
        shared = registry.add(
            Histogram("nadir_groundview_batch_views", "Views of a call.", (), _BATCHES)
        )
        self._batcher = Batcher(lambda count: shared.observe(count))
        workers = max(_THREADS, given.workers)
        self._pool = Pool("groundview", workers, given.queue, given.seconds, context.pool_metrics)

    def ready(self) -> bool:
        """Whether it can answer: maps come loaded, and it must have been started."""
        return self._pool is not None

    def describe(self) -> dict[str, Any]:
        """Return the maps."""
        return {"maps": [ground.describe().model_dump() for ground in self.grounds.values()]}

    def close(self) -> None:
        """Take no more questions, and close the maps' files."""
        if self._pool is not None:
            self._pool.close()
            self._batcher.close()
        for ground in self.grounds.values():
            ground.sheet.close()

    def router(self) -> APIRouter:
        """Return its addresses."""
        router = APIRouter(tags=[self.name])
        router.add_api_route(
            "/groundview",
            self.look,
            methods=["POST"],
            response_model=LookAnswer,
            summary="What an observer would see at a place",
            responses=documented(400, 408, 413, *_FAULTS),
        )
        router.add_api_route(
            "/groundview/maps",
            self.maps,
            methods=["GET"],
            response_model=MapsAnswer,
            summary="The maps, and places to try",
            responses=documented(401),
        )
        pictures: dict[str, Any] = {"methods": ["GET"], "response_class": Response}
        asked = {**pictures, "responses": {**PNG, **documented(*_FAULTS)}}
        router.add_api_route("/groundview/view.png", self.view, summary="One view", **asked)
        router.add_api_route(
            "/groundview/crop.png", self.crop, summary="The crop of a place", **asked
        )
        shown = {**pictures, "responses": {**PNG, **documented(401, 404, 429)}}
        one = "/groundview/maps/{map}"
        router.add_api_route(
            f"{one}/preview.png", self.preview, summary="A picture of a map", **shown
        )
        router.add_api_route(
            f"{one}/tiles/{{z}}/{{x}}/{{y}}.png", self.tile, summary="A tile of a map", **shown
        )
        return router

    async def look(self, look: Look) -> LookAnswer:
        """Return views of a place, with the crop that they were made from.

        Equal questions have equal answers. Where crops are windows of the map's pixels, the
        observer moves to the nearest place that has one: `position` tells which.
        """
        assert self._pool is not None
        ground = self._ground(look.map)
        answer = await self._pool.run(ground.look, look, look.samples, self._batcher)
        self._views.add(look.samples, map=ground.name)
        return answer

    async def view(self, glance: Annotated[Glance, Query()]) -> Response:
        """Return one view, the same that `POST /groundview` gives for this sample."""
        assert self._pool is not None
        ground = self._ground(glance.map)
        data = await self._pool.run(ground.view, glance, glance.sample, self._batcher)
        self._views.add(map=ground.name)
        return Response(data, media_type="image/png")

    async def crop(self, request: Request, place: Annotated[Place, Query()]) -> Response:
        """Return what a generator is shown of a place from above."""
        ground = self._ground(place.map)
        data = await context_of(request).reads.run(ground.crop, place)
        return Response(data, media_type="image/png")

    async def maps(self) -> MapsAnswer:
        """Tell the maps: where they lie, how their tiles are numbered, and places to try."""
        return MapsAnswer(maps=[ground.describe() for ground in self.grounds.values()])

    async def preview(self, request: Request, map: Map) -> Response:
        """Return a picture of a whole map, no longer than 1024 pixels."""
        return await self._ground(map).sheet.preview(request)

    async def tile(self, request: Request, map: Map, z: Index, x: Index, y: Index) -> Response:
        """Return a tile of 256 x 256 pixels; at the deepest level, the map's own pixels."""
        return await self._ground(map).sheet.tile(request, z, x, y)

    def _ground(self, name: str | None) -> OpenGround:
        """Return the map of a name, the first where there is none."""
        if not name:
            return next(iter(self.grounds.values()))
        if name not in self.grounds:
            raise unknown("map", name, list(self.grounds))
        return self.grounds[name]
