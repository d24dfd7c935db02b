"""The capability `/segment`: an image in, a mask, footprints or statistics out; large ones as jobs.

Both ways predict with the windows, weights and totals of the batch rule, and windows of all
requests share the calls of the model.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from nadir.errors import InputError
from nadir.service import direct
from nadir.service.batching import Batcher
from nadir.service.catalog import Model, find_model
from nadir.service.context import PAGES, Context, context_of
from nadir.service.examples import Examples
from nadir.service.forms import OUTPUTS, REQUEST, Wishes, read_wishes
from nadir.service.images import Limits
from nadir.service.job_answers import JobAnswer, StatisticsAnswer
from nadir.service.jobs import Desk
from nadir.service.jobstore import JobStore
from nadir.service.metrics import Histogram
from nadir.service.predicting import Halted
from nadir.service.problems import Problem, documented
from nadir.service.results import MEDIA_TYPES
from nadir.service.runner import JobMetrics, Runner
from nadir.service.settings import Settings
from nadir.service.uploads import received
from nadir.service.work import Pool

log = logging.getLogger(__name__)

T = TypeVar("T")

PAGE = "segment.html"
_WINDOWS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
_SHORT = 4 << 20  # bytes of a body that is taken without a look at the disk
_FAULTS = (400, 401, 404, 408, 413, 415, 422, 429, 503, 507)


class Segment:
    """Maps images with segmentation models.

    Args:
        models: One or more, of different names.
        state: Folder of jobs and uploads; held by one service at a time.
        examples: Images that the page offers: files, named by their stems.

    Raises:
        InputError: When there is no model, or the folder cannot be used.
    """

    name = "segment"
    title = "Map buildings and land cover on an image"

    def __init__(self, models: Sequence[Model], state: Path, examples: Sequence[Path] = ()) -> None:
        if not models:
            raise InputError("segment", "there is no model", "Give a model's bundle.")
        self.models = {model.name: model for model in models}
        self.store = JobStore(state)
        self.examples = Examples(self.name, examples)
        self.desk = Desk(self.models, self.store)
        self._settings: Settings | None = None
        self._batcher: Batcher
        self._pool: Pool

    @property
    def page(self) -> str | None:
        """Its page."""
        return PAGE if (PAGES / PAGE).is_file() else None

    def start(self, context: Context) -> None:
        """Begin to run jobs."""
        given, registry = context.settings, context.registry
        self._limits = Limits(given.job_pixels, given.picture_pixels)
        windows = registry.add(
            Histogram("nadir_batch_windows", "Windows of a model's call.", (), _WINDOWS)
        )
        self._batcher = Batcher(lambda count: windows.observe(count))
        most = max(model.batch if model.joins else 1 for model in self.models.values())
        self._pool = Pool(
            "segment", max(4, 2 * most), given.direct_queue, given.seconds, context.pool_metrics
        )
        runner = Runner(
            self.store,
            self.models,
            self._batcher,
            self._limits,
            given.keep_seconds,
            given.seconds,
            JobMetrics(registry),
        )
        self.desk.start(given, runner)
        self._settings = given

    def ready(self) -> bool:
        """Whether it can answer: models come loaded, and it must have been started."""
        return self._settings is not None

    def describe(self) -> dict[str, Any]:
        """Return the models, the limits and the examples."""
        values: dict[str, Any] = {
            "models": [model.describe() for model in self.models.values()],
            "outputs": list(OUTPUTS),
            "examples": self.examples.names,
        }
        given = self._settings
        if given is not None:
            values["limits"] = {
                "direct_pixels": given.direct_pixels,
                "job_pixels": given.job_pixels,
                "picture_pixels": given.picture_pixels,
                "job_bytes": given.job_bytes,
                "stored_bytes": given.stored_bytes,
                "keep_seconds": given.keep_seconds,
            }
        return values

    def close(self) -> None:
        """Let the job that runs end, park the others, and close everything."""
        if self._settings is not None:
            self._pool.close()
            self.desk.close()
            self._batcher.close()
        self.store.close()

    def router(self) -> APIRouter:
        """Return its addresses: those of `/segment`, and of `/jobs`."""
        router = APIRouter()
        kinds: dict[str, Any] = {MEDIA_TYPES[Path(name).suffix]: {} for name in OUTPUTS}
        kinds["application/json"] = {
            "schema": StatisticsAnswer.model_json_schema(
                ref_template="#/components/schemas/{model}"
            )
        }
        router.add_api_route(
            "/segment",
            self.segment,
            methods=["POST"],
            tags=["segment"],
            summary="Map an image",
            response_class=Response,
            openapi_extra=REQUEST,
            responses={
                200: {"description": "What the field `output` asked for.", "content": kinds},
                202: {"description": "The image is large: a job.", "model": JobAnswer},
                **documented(*_FAULTS),
            },
        )
        router.add_api_route(
            "/jobs",
            self.create,
            methods=["POST"],
            tags=["jobs"],
            summary="Map an image in a job",
            status_code=202,
            response_model=JobAnswer,
            openapi_extra=REQUEST,
            responses=documented(*_FAULTS),
        )
        self.examples.add_to(router)
        self.desk.add_to(router)
        return router

    async def segment(self, request: Request) -> Response:
        """Map an image: at once, or, where it is large, in a job (202)."""
        return await self._take(request, directly=True)

    async def create(self, request: Request) -> Response:
        """Accept an image as a job, which survives a restart of the service."""
        return await self._take(request, directly=False)

    async def _take(self, request: Request, directly: bool) -> Response:
        """Receive an image, and answer it or accept it as a job."""
        context, desk = context_of(request), self.desk
        given = context.settings
        async with self._pool.place() as place:
            length = request.headers.get("content-length", "")
            announced = int(length) if length.isdigit() else 0
            if not (directly and 0 < announced <= _SHORT):
                await asyncio.to_thread(desk.storage.require, announced)
            async with received(request, self.store.incoming, given.job_upload_seconds) as upload:
                wishes = read_wishes(upload.fields)
                model = find_model(self.models, wishes.model)
                most = given.direct_pixels if directly else 0
                inspected = await place.run(
                    direct.inspect, upload, model, wishes, self._limits, most
                )
                if inspected.held is None:
                    job = await asyncio.to_thread(
                        desk.accept, upload, inspected.facts, model, wishes
                    )
                    headers = {"Location": f"/jobs/{job.id}"}
                    content = desk.describe(job).model_dump(mode="json")
                    return JSONResponse(content, 202, headers=headers)
                return await self._answer(request, place, inspected, model, wishes)

    async def _answer(
        self,
        request: Request,
        place: Any,
        inspected: direct.Inspected,
        model: Model,
        wishes: Wishes,
    ) -> Response:
        """Answer a small image within this request."""
        stop = threading.Event()
        try:
            data = await or_hung_up(
                request,
                place.run(
                    direct.answer,
                    inspected,
                    model,
                    wishes,
                    self._batcher,
                    self.store.incoming,
                    stop.is_set,
                ),
                stop,
            )
        except Halted as error:
            raise hung_up() from error
        finally:
            stop.set()
        kind = MEDIA_TYPES[Path(wishes.output).suffix]
        headers = {"Content-Disposition": f'inline; filename="{wishes.output}"'}
        return Response(data, media_type=kind, headers=headers)


async def or_hung_up(request: Request, work: Awaitable[T], stop: threading.Event) -> T:
    """Wait for work, unless the client hangs up: then tell the work to stop.

    Raises:
        Problem: When the client is gone, which nobody reads but the log.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            stop.set()
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise hung_up()
        return task.result()
    finally:
        watch.cancel()


async def _gone(request: Request) -> None:
    """Return when the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def hung_up() -> Problem:
    """Return the problem of a client that is gone."""
    return Problem(400, "hung-up", "the client closed the connection", "Send it again.")
