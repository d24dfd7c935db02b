"""Runs jobs one after the other, in a thread; what a kill or a stop cuts short goes on later."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nadir.errors import InputError, NadirError, OutputError
from nadir.provenance.atomic import remove_path
from nadir.raster.grid import Grid
from nadir.service.batching import Batcher
from nadir.service.catalog import Model
from nadir.service.images import (
    ImageScene,
    Limits,
    make_handy,
    opened,
    plan_for,
)
from nadir.service.jobstore import Job, JobStore
from nadir.service.layers import Legend
from nadir.service.metrics import Counter, Gauge, Histogram, Registry
from nadir.service.predicting import Halted, window_model
from nadir.service.problems import Problem
from nadir.service.results import finish
from nadir.service.tiles import add_overviews, describe_tiles

log = logging.getLogger(__name__)

UPLOAD, COPY, RESULT = "upload", "image.tif", "result"
"""Names in a job's folder: what was sent, a copy that is quick to read, and the results."""

_MOST_ATTEMPTS = 12  # cut short so often without progress: it is the job that kills the service
_SWEEP = 60.0  # seconds between two looks for expired results
_SHARES = {"reading": 0.0, "predicting": 0.05, "writing": 0.9}  # progress at which a stage begins
_TIMES = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)


class JobMetrics:
    """What is counted of jobs."""

    def __init__(self, registry: Registry) -> None:
        self.ended = registry.add(Counter("nadir_jobs_total", "Jobs that ended.", ("state",)))
        self.waiting = registry.add(Gauge("nadir_jobs_queued", "Jobs that wait or run."))
        self.seconds = registry.add(
            Histogram("nadir_job_seconds", "Time that jobs ran, in seconds.", (), _TIMES)
        )


class Runner:
    """Runs the jobs of a store.

    Args:
        store: The jobs.
        models: The models by name.
        batcher: Joins windows with those of direct requests.
        limits: How large images may be.
        keep: How long results stay, in seconds.
        grace: How long a stop waits for the job that runs, in seconds.
        metrics: Where to count.
    """

    def __init__(
        self,
        store: JobStore,
        models: dict[str, Model],
        batcher: Batcher,
        limits: Limits,
        keep: float,
        grace: float,
        metrics: JobMetrics,
    ) -> None:
        self.store, self.models, self.batcher = store, models, batcher
        self.limits, self.keep, self.grace, self.metrics = limits, keep, grace, metrics
        self._changed = threading.Condition()
        self._stopping = False
        self._parking = False
        self._current: str | None = None
        self._halt = threading.Event()
        self._progress: dict[str, tuple[str, float]] = {}
        self._thread = threading.Thread(target=self._work, name="nadir-jobs", daemon=True)

    def start(self) -> None:
        """Take up what an earlier service left, and begin."""
        self.store.recover()
        self._count()
        self._thread.start()

    def wake(self) -> None:
        """Look for new jobs."""
        self._count()
        with self._changed:
            self._changed.notify_all()

    def progress(self, job: Job) -> tuple[str, float]:
        """Return the stage of a job and how far it is, 0 to 1."""
        if job.state == "queued":
            return "waiting", self._progress.get(job.id, ("", 0.0))[1]
        if job.state == "running":
            return self._progress.get(job.id, ("reading", 0.0))
        return "ended", 1.0 if job.state == "done" else self._progress.get(job.id, ("", 0.0))[1]

    def cancel(self, job: str) -> None:
        """Cancel a job that waits or runs, or remove one that ended, with its files."""
        now = time.time()
        if self.store.change(
            job, "queued", "running", state="cancelled", ended=now, expires=now + self.keep
        ):
            self.metrics.ended.add(state="cancelled")
            with self._changed:
                running = self._current == job
                if running:
                    self._halt.set()
            if not running:
                self._clear(job)
            self._count()
        else:
            self.store.remove(job)
            self._progress.pop(job, None)

    def close(self) -> None:
        """Take up no more; let the job that runs end within the grace, else park it."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if not self._thread.is_alive():
            return
        self._thread.join(self.grace)
        self._parking = True
        self._halt.set()
        self._thread.join(max(5.0, self.grace))

    def _count(self) -> None:
        self.metrics.waiting.set(self.store.count("queued", "running"))

    def _clear(self, job: str) -> None:
        """Remove the files of a job; its row stays until it expires."""
        remove_path(self.store.folder(job))
        self._progress.pop(job, None)

    def _work(self) -> None:
        """Run jobs until stopped."""
        swept = 0.0
        while not self._stopping:
            if time.monotonic() - swept > _SWEEP or not swept:
                swept = time.monotonic()
                self._sweep()
            try:
                job = self.store.next()
            except Exception:
                log.exception("jobs cannot be looked up")
                job = None
            if job is None:
                with self._changed:
                    if not self._stopping:
                        self._changed.wait(1.0)
                continue
            with self._changed:
                self._current = job.id
                self._halt.clear()
            self._run(job)
            with self._changed:
                self._current = None
            self._count()

    def _sweep(self) -> None:
        """Remove what has expired."""
        try:
            for job in self.store.expired(time.time()):
                self.store.remove(job)
                self._progress.pop(job, None)
                log.info("expired", extra={"fields": {"job": job}})
        except Exception:
            log.exception("expired jobs cannot be removed")

    def _run(self, job: Job) -> None:
        """Run one job to its end, whatever that is."""
        start = time.monotonic()
        log.info("job begins", extra={"fields": {"job": job.id, "model": job.model}})
        try:
            tiles = self._make(job)
            self._end(job, "done", start, tiles=tiles)
        except Halted:
            self._halted(job, start)
        except Exception as error:
            self._end(job, "failed", start, problem=_problem_of(error, job))

    def _halted(self, job: Job, start: float) -> None:
        """Note a job that was cancelled, or that a stop parked."""
        if self._parking:
            seconds = job.seconds + time.monotonic() - start
            self.store.change(job.id, "running", state="queued", seconds=seconds)
            log.info("job parked", extra={"fields": {"job": job.id}})
        else:
            self._clear(job.id)

    def _end(self, job: Job, state: str, start: float, **more: Any) -> None:
        """Note the end of a job."""
        now, seconds = time.time(), job.seconds + time.monotonic() - start
        if not self.store.change(
            job.id,
            "running",
            state=state,
            ended=now,
            expires=now + self.keep,
            seconds=seconds,
            **more,
        ):
            self._clear(job.id)  # cancelled meanwhile
            return
        if state != "done":
            self._clear(job.id)
        self._progress.pop(job.id, None)
        self.metrics.ended.add(state=state)
        self.metrics.seconds.observe(seconds)
        fields = {"job": job.id, "state": state, "seconds": round(seconds, 3), **more}
        log.info("job ended", extra={"fields": fields})

    def _make(self, job: Job) -> dict[str, Any]:
        """Make a job's results, going on where an earlier run was cut short.

        Returns:
            How its tiles are numbered.
        """
        if job.attempts > _MOST_ATTEMPTS:
            raise Problem(
                500,
                "gave-up",
                f"the service was stopped {job.attempts} times during this job",
                "Send a smaller image, or tell whoever runs the service the job's id.",
            )
        model = self.models.get(job.model)
        if model is None or model.digest != job.digest:
            raise Problem(
                404, "no-model", f"the model {job.model!r} is no longer served", "Send it again."
            )
        folder = self.store.folder(job.id)
        self._at(job, "reading")
        source = self._handy(folder)
        grid = self._predict(job, model, source, folder / RESULT)
        self._at(job, "writing")
        legend = Legend(model.predictor.table, model.target)
        result = finish(folder / RESULT, legend, job.threshold, grid)
        self._stop_if_halted()
        result.file("mask.tif", None)
        self._at(job, "writing", 0.3)
        if model.target is not None:
            result.file("footprints.gpkg", None)
        self._at(job, "writing", 0.7)
        self._stop_if_halted()
        add_overviews(source)
        return describe_tiles(source, grid)

    def _handy(self, folder: Path) -> Path:
        """Return the image in a form that is quick to read in windows."""
        if (folder / COPY).exists():
            return folder / COPY
        partial = folder / f".{COPY}.partial.tif"
        with opened(folder / UPLOAD, self.limits) as (dataset, _):
            if not make_handy(dataset, partial):
                return folder / UPLOAD
        partial.replace(folder / COPY)
        return folder / COPY

    def _predict(self, job: Job, model: Model, source: Path, folder: Path) -> Grid:
        """Predict the image into a folder, in memory that does not grow with it."""
        from nadir.segmentation.image import Stopped, predict_image

        given = (job.scaling[0], job.scaling[1])
        with opened(folder.parent / UPLOAD, self.limits) as (dataset, facts):
            plan = plan_for(dataset, model, given)
        limits = Limits(self.limits.pixels, self.limits.pixels)
        with opened(source, limits) as (dataset, _):
            image = ImageScene(dataset, facts, plan, model.predictor.bands)
            folder.mkdir(exist_ok=True)
            try:
                predict_image(
                    image,
                    model.predictor,
                    model.settings,
                    folder,
                    model=window_model(image, model, self.batcher, self._halt.is_set),
                    report=self._reporter(job),
                    stop=self._halt.is_set,
                )
            except Stopped as error:
                raise Halted("the job was stopped") from error
        return facts.grid

    def _reporter(self, job: Job) -> Callable[[int, int], None]:
        """Return a function that is told how many windows are done, of how many."""
        first: list[int] = []

        def report(done: int, count: int) -> None:
            self._at(job, "predicting", done / max(1, count))
            first.append(done)
            if job.attempts and len(first) == 2:  # it moves: earlier kills were not its doing
                self.store.change(job.id, "running", attempts=0)

        return report

    def _at(self, job: Job, stage: str, share: float = 0.0) -> None:
        """Note where a job stands: a share of one of its stages."""
        begins = list(_SHARES.values())
        number = list(_SHARES).index(stage)
        end = begins[number + 1] if number + 1 < len(begins) else 1.0
        done = begins[number] + (end - begins[number]) * min(1.0, share)
        self._progress[job.id] = (stage, round(done, 4))

    def _stop_if_halted(self) -> None:
        if self._halt.is_set():
            raise Halted("the job was stopped")


def _problem_of(error: Exception, job: Job) -> dict[str, str]:
    """Return why a job failed, in the words of a problem document."""
    if isinstance(error, Problem):
        found = error
    elif isinstance(error, InputError):
        found = Problem(422, "unusable-image", error.problem, error.remedy)
    elif isinstance(error, OutputError):
        found = Problem(507, "storage-full", error.problem, "Send it again when there is room.")
    elif isinstance(error, MemoryError):
        found = Problem(507, "memory-full", "there was not enough memory", "Send a smaller image.")
    elif isinstance(error, NadirError):
        found = Problem(500, "model-failed", str(error), "Tell whoever runs the service.")
    else:
        log.exception("job failed", extra={"fields": {"job": job.id}})
        found = Problem(
            500,
            "internal",
            "the service failed at this job",
            "Send it again, or tell the job's id.",
        )
    content = found.content(job.id)
    return {key: str(content[key]) for key in ("type", "title", "detail", "remedy")}
