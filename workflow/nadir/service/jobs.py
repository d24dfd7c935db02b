"""`/jobs`: what is under way, and the results of what is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from enum import Enum
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, Response

from nadir.service.catalog import Model
from nadir.service.context import context_of
from nadir.service.forms import Wishes
from nadir.service.images import ImageFacts
from nadir.service.job_answers import JobAnswer, JobsAnswer, StatisticsAnswer, describe_job
from nadir.service.jobstore import Job, JobStore
from nadir.service.pictures import PNG, picture
from nadir.service.problems import Problem, documented
from nadir.service.pyramid import encode_png
from nadir.service.results import FILES, MEDIA_TYPES, POLYGON_FILES, Result, no_polygons
from nadir.service.runner import COPY, RESULT, UPLOAD, Runner
from nadir.service.settings import Settings
from nadir.service.storage import Storage, need_of
from nadir.service.tiles import DEEPEST, Layer, Place, Space, TileMaker
from nadir.service.uploads import Upload

_EXAMPLE = "5f0c6d2b9a1e4c73"

JobId = Annotated[
    str, InPath(pattern="^[0-9a-f]{16}$", description="Id of a job.", examples=[_EXAMPLE])
]
Threshold = Annotated[
    float | None,
    Query(ge=0, le=1, description="Least probability that counts; by default the job's own."),
]
_FAULTS = (401, 404, 409, 410, 422, 429, 503, 507)


class Desk:
    """Accepts jobs and hands out results.

    Args:
        models: The models by name.
        store: The jobs.
    """

    def __init__(self, models: dict[str, Model], store: JobStore) -> None:
        self.models, self.store = models, store
        self.tiles = TileMaker()
        self.runner: Runner

    def start(self, settings: Settings, runner: Runner) -> None:
        """Take up what an earlier service left, and begin to run jobs.

        Args:
            settings: Limits.
            runner: Runs the jobs.
        """
        self.settings, self.runner = settings, runner
        self.storage = Storage(self.store.root, settings.stored_bytes)
        runner.start()

    def close(self) -> None:
        """Stop running jobs, and close files."""
        self.runner.close()
        self.tiles.close()

    def accept(self, upload: Upload, facts: ImageFacts, model: Model, wishes: Wishes) -> Job:
        """Accept an image as a job; from the return on it survives a kill.

        Raises:
            Problem: 429 when too many jobs wait, 507 when there is no room.
            OutputError: When the disk is full.
        """
        if self.store.count("queued") >= self.settings.job_queue:
            raise Problem(
                429,
                "busy",
                f"{self.settings.job_queue} jobs wait already",
                "Try again after the time that the header Retry-After tells, in seconds.",
                {"Retry-After": "30"},
            )
        copied = facts.format != "GTiff"
        need = need_of(facts.pixels, model.predictor.table.count, upload.size, copied)
        self.storage.require(need)
        number, folder = self.store.new_folder()
        try:
            upload.move(folder / UPLOAD)
            job = Job(
                id=number,
                model=model.name,
                digest=model.digest,
                state="queued",
                threshold=model.threshold if wishes.threshold is None else wishes.threshold,
                scaling=list(wishes.scaling),
                image=facts.describe(),
                created=time.time(),
                polygons=model.target is not None,
            )
            self.store.add(job)
        except BaseException:
            self.store.remove(number)
            raise
        self.runner.wake()
        return job

    def describe(self, job: Job) -> JobAnswer:
        """Return a job in the words of the service."""
        return describe_job(job, *self.runner.progress(job))

    def find(self, number: str) -> Job:
        """Return a job.

        Raises:
            Problem: 404 when there is none.
        """
        job = self.store.get(number)
        if job is None:
            raise Problem(
                404,
                "no-job",
                f"there is no job {number}",
                "Its results may have expired, or somebody deleted it; send the image again.",
            )
        return job

    def result(self, number: str) -> tuple[Job, Result]:
        """Return a job that is done, and its result.

        Raises:
            Problem: 404 when there is none, 409 when it is not done, 410 when it has no result.
        """
        job = self.find(number)
        if job.state in ("queued", "running"):
            raise Problem(
                409,
                "not-done",
                f"job {number} is {job.state}",
                "Ask for the job until its state is done.",
                {"Retry-After": "2"},
            )
        if job.state != "done":
            raise Problem(410, "no-result", f"job {number} is {job.state}", "Send the image again.")
        return job, Result.open(self.store.folder(number) / RESULT)

    async def list_jobs(
        self, request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 50
    ) -> JobsAnswer:
        """Tell the newest jobs, the latest first."""
        jobs = await asyncio.to_thread(self.store.newest, limit)
        return JobsAnswer(jobs=[self.describe(job) for job in jobs])

    async def tell(self, request: Request, job: JobId) -> JobAnswer:
        """Tell where a job stands."""
        return self.describe(await asyncio.to_thread(self.find, job))

    async def delete(self, request: Request, job: JobId) -> JobAnswer:
        """Cancel a job that waits or runs; remove one that ended, with all its files."""
        found = await asyncio.to_thread(self.find, job)
        await asyncio.to_thread(self.runner.cancel, job)
        await asyncio.to_thread(self.tiles.forget, self.store.folder(job))
        left = await asyncio.to_thread(lambda: self.store.get(job))
        return self.describe(left or found)

    async def _send(
        self, request: Request, job: str, name: str, threshold: float | None, space: str = ""
    ) -> Response:
        """Return one of a job's files, made for the threshold if it is not there."""
        reads = context_of(request).reads
        path = await reads.run(self._file, job, name, threshold, space)
        return FileResponse(
            path, media_type=MEDIA_TYPES[Path(name).suffix], filename=f"{job}-{name}"
        )

    def _file(self, number: str, name: str, threshold: float | None, space: str) -> Path:
        """Return the path of a file."""
        _, result = self.result(number)
        if name in POLYGON_FILES and result.legend.target is None:
            raise no_polygons()
        self.storage.require(0)
        return result.file(name, threshold, space)

    async def statistics(
        self, request: Request, job: JobId, threshold: Threshold = None
    ) -> StatisticsAnswer:
        """Tell how much of the image each class covers at a threshold."""
        return await context_of(request).reads.run(self._statistics, job, threshold)

    def _statistics(self, number: str, threshold: float | None) -> StatisticsAnswer:
        """Return the statistics of a job."""
        job, result = self.result(number)
        facts = ImageFacts(
            job.image["format"],
            job.image["width"],
            job.image["height"],
            job.image["bands"],
            job.image["dtype"],
            result.grid,
        )
        area = facts.ground[1] if facts.ground else None
        values = {
            "job": job.id,
            "model": job.model,
            **result.statistics(threshold, area),
            "image": job.image,
            "seconds": round(job.seconds, 3),
        }
        return StatisticsAnswer.model_validate(values)

    async def tile(
        self,
        request: Request,
        job: JobId,
        z: Annotated[int, InPath(ge=0, le=DEEPEST)],
        x: Annotated[int, InPath(ge=0, le=1 << DEEPEST)],
        y: Annotated[int, InPath(ge=0, le=1 << DEEPEST)],
        layer: Layer = "image",
        threshold: Threshold = None,
        space: Space | None = None,
    ) -> Response:
        """Return a tile of 256 x 256 pixels of the image or of the result, RGBA.

        Web Mercator where the image has a place on the ground, plain pixels where it has none; the
        latter can be asked for by `space`.
        """

        def make() -> bytes:
            found, result = self.result(job)
            grid = result.grid
            where: Space = space or ("mercator" if grid.crs else "pixels")
            if where == "mercator" and not grid.crs:
                raise Problem(
                    422,
                    "no-georeference",
                    "the image has no place on the ground",
                    "Ask for tiles with space=pixels.",
                )
            place = Place(z, x, y, where)
            if layer == "image":
                return encode_png(self.tiles.image(self._source(found), grid, place))
            return encode_png(self.tiles.result(result, place, layer, threshold))

        return await picture(context_of(request), make)

    def _source(self, job: Job) -> Path:
        """Return the image of a job in a form that is quick to read."""
        folder = self.store.folder(job.id)
        copy = folder / COPY
        return copy if copy.exists() else folder / UPLOAD

    def add_to(self, router: APIRouter) -> None:
        """Add the addresses of jobs to a router."""
        tags: list[str | Enum] = ["jobs"]
        router.add_api_route(
            "/jobs",
            self.list_jobs,
            methods=["GET"],
            tags=tags,
            summary="The newest jobs",
            response_model=JobsAnswer,
            responses=documented(401, 422),
        )
        for method, function, summary in (
            ("GET", self.tell, "Where a job stands"),
            ("DELETE", self.delete, "Cancel a job, or remove its results"),
        ):
            router.add_api_route(
                "/jobs/{job}",
                function,
                methods=[method],
                tags=tags,
                summary=summary,
                response_model=JobAnswer,
                responses=documented(401, 404, 422),
            )
        for name in (*FILES, *POLYGON_FILES):
            kind = MEDIA_TYPES[Path(name).suffix]
            router.add_api_route(
                f"/jobs/{{job}}/{name}",
                self._sender(name),
                methods=["GET"],
                tags=tags,
                summary=f"A job's {name}",
                operation_id=f"job_{name.replace('.', '_')}",
                response_class=Response,
                responses={
                    200: {"content": {kind: {}}, "description": "The file."},
                    **documented(*_FAULTS),
                },
            )
        router.add_api_route(
            "/jobs/{job}/statistics.json",
            self.statistics,
            methods=["GET"],
            tags=tags,
            summary="How much of the image each class covers",
            response_model=StatisticsAnswer,
            responses=documented(*_FAULTS),
        )
        router.add_api_route(
            "/jobs/{job}/tiles/{z}/{x}/{y}.png",
            self.tile,
            methods=["GET"],
            tags=tags,
            summary="A tile of the image or of the result",
            response_class=Response,
            responses={**PNG, **documented(*_FAULTS)},
        )

    def _sender(self, name: str) -> Callable[..., Awaitable[Response]]:
        """Return the function that answers with a file."""

        async def send(request: Request, job: JobId, threshold: Threshold = None) -> Response:
            return await self._send(request, job, name, threshold)

        async def send_geojson(
            request: Request,
            job: JobId,
            threshold: Threshold = None,
            space: Literal["ground", "pixels"] | None = None,
        ) -> Response:
            return await self._send(request, job, name, threshold, space or "")

        chosen = send_geojson if name.endswith(".geojson") else send
        chosen.__doc__ = f"Return {name}, for any threshold; nothing is predicted anew."
        return chosen
