"""The journal of a search of hyper-parameters, and who works on which trial.

All workers of a search append to one journal file (Optuna's `JournalStorage`), under a lock that
holds on network file systems too, so any number of them on any number of machines may join. What
Optuna does not know is that a worker has died: its trial would be running for ever. So a worker
holds a lease of its trial (`nadir.provenance.lease`); whoever finds a running trial without a valid
one goes on with that very trial. As trainings are kept by key, it goes on after the last finished
epoch, and a search that was killed anywhere has lost nothing.
"""

from __future__ import annotations

import fcntl
import logging
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

from nadir.config.searches import ChoiceSpace, FloatSpace, SearchConfig, choice_text
from nadir.errors import InputError
from nadir.provenance.atomic import write_faults
from nadir.provenance.lease import LeaseWatch, held

log = logging.getLogger(__name__)

STEPS = 20
"""Parts of a training after which a trial may be ended early."""

TAKEN = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)

_DRAW = 1  # the stream of what trials draw
_PAUSE = 2.0  # seconds between two looks at who is alive
_JOURNAL, _USED = "journal.log", "lock"


@dataclass(frozen=True)
class Claim:
    """A trial that this process works on, and nobody else as long as it lives.

    Attributes:
        trial: The trial.
        taken_over: Whether another worker had begun it.
    """

    trial: optuna.Trial
    taken_over: bool


class SearchStore:
    """A search on disk.

    Args:
        folder: Where journal and locks lie; on a file system that all workers share.
        cfg: The search.
        first: Values to try first, by key; None for none.

    Raises:
        InputError: When the journal cannot be read.
        OutputError: When the disk is full or not writable.
    """

    def __init__(self, folder: Path, cfg: SearchConfig, first: dict[str, Any] | None) -> None:
        self.folder = folder
        self.cfg = cfg
        self._watch = LeaseWatch()
        self.distributions = {key: distribution(space) for key, space in cfg.space.items()}
        with write_faults(folder):
            (folder / "trials").mkdir(parents=True, exist_ok=True)
        with self.gate():
            self.study = self._open()
            if first is not None and not self.study.get_trials(deepcopy=False):
                self.study.enqueue_trial(first)

    def _open(self) -> optuna.Study:
        """Open the journal, or begin one. What a full disk left half-written at its end is cut."""
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path = self.folder / _JOURNAL
        lock = JournalFileOpenLock(str(path))
        with write_faults(path), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            if path.exists():
                _cut_half_line(path, lock)
            try:
                return optuna.create_study(
                    storage=JournalStorage(JournalFileBackend(str(path), lock_obj=lock)),
                    study_name="search",
                    direction="maximize" if self.cfg.maximizes else "minimize",
                    pruner=_pruner(self.cfg),
                    load_if_exists=True,
                )
            except (ValueError, KeyError) as error:
                raise InputError(
                    path,
                    f"this is no readable journal of a search ({error})",
                    "Remove its folder; trainings that are kept are not run again.",
                ) from error

    @contextmanager
    def gate(self) -> Iterator[None]:
        """Hold what decides who works on what: one worker at a time, for milliseconds."""
        with held(self.folder / "gate.lease", self.folder):
            yield

    @contextmanager
    def used(self) -> Iterator[None]:
        """Hold the whole folder as one of many, so that nobody clears it away meanwhile."""
        with (self.folder / _USED).open("a") as file:
            with suppress(OSError):  # no locks on this file system
                fcntl.flock(file, fcntl.LOCK_SH)
            yield

    @contextmanager
    def claim(self) -> Iterator[Claim | None]:
        """Yield a trial to work on: one whose worker died, or a new one; None when all are taken.

        Of a worker on another machine it takes a while to know that it lives; there may be nothing
        to do but to wait for that.
        """
        with ExitStack() as hold:
            found: Claim | None = None
            while found is None:
                with self.gate():
                    orphan, unsure = self._orphan()
                    trial = orphan or self._fresh()
                    if trial is not None:
                        hold.enter_context(held(self._lease(trial.number), self.folder))
                        found = Claim(trial, orphan is not None)
                if found is None and not unsure:
                    break
                if found is None:
                    time.sleep(_PAUSE)
            yield found

    def _orphan(self) -> tuple[optuna.Trial | None, bool]:
        """Return a running trial that nobody works on; or whether there may be one."""
        unsure = False
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            lives = self._watch.lives(self._lease(trial.number))
            unsure |= lives is None
            if lives is False:
                log.info("trial %d: its worker is gone, this one goes on with it", trial.number)
                self.study.sampler = self._sampler(trial.number)
                taken = optuna.Trial(self.study, trial._trial_id)
                for key, space in self.distributions.items():  # killed before all were drawn?
                    _suggest(taken, key, space)
                return taken, False
        return None, unsure

    def _fresh(self) -> optuna.Trial | None:
        """Return a new trial, if there is room for one."""
        trials = self.study.get_trials(deepcopy=False)
        if sum(trial.state in TAKEN for trial in trials) >= self.cfg.trials:
            return None
        self.study.sampler = self._sampler(len(trials))
        return self.study.ask(self.distributions)

    def _lease(self, number: int) -> Path:
        """Return the lease of a trial."""
        return self.folder / "trials" / f"{number}.lease"

    def _sampler(self, number: int) -> optuna.samplers.BaseSampler:
        """Return the sampler of one trial: what it draws depends on seed, number and past scores.

        Trials that still run count as bad ones, so that workers do not try the same thing at once.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.samplers.TPESampler(
                seed=int(np.random.default_rng([self.cfg.seed, _DRAW, number]).integers(2**32)),
                n_startup_trials=self.cfg.startup,
                multivariate=True,
                constant_liar=True,
            )

    def finished(self) -> int:
        """Return how many trials are finished, those that were ended early included."""
        return len(self.study.get_trials(deepcopy=False, states=FINISHED))


def values_of(cfg: SearchConfig, params: dict[str, Any]) -> dict[str, Any]:
    """Return a trial's values as the configuration has them: choices may be whole sections."""
    found = {}
    for key, value in params.items():
        space = cfg.space[key]
        if isinstance(space, ChoiceSpace):
            value = next(choice for choice in space.choices if _same(choice, value))
        found[key] = value
    return found


def first_values(cfg: SearchConfig, base: dict[str, Any]) -> dict[str, Any] | None:
    """Return the experiment's own values, or None where one of them is not in the space.

    Args:
        cfg: The search.
        base: The experiment, as nested dictionaries.
    """
    found = {}
    for key, space in cfg.space.items():
        value: Any = base
        for part in key.split("."):
            value = value.get(part) if isinstance(value, dict) else None
        if isinstance(space, ChoiceSpace):
            text = choice_text(value)
            if all(choice_text(choice) != text for choice in space.choices):
                return None
            found[key] = text
        elif _is_number(value) and distribution(space)._contains(value):
            found[key] = value
        else:
            return None
    return found


def distribution(space: Any) -> BaseDistribution:
    """Return Optuna's form of a part of the space."""
    if isinstance(space, FloatSpace):
        return FloatDistribution(space.low, space.high, log=space.log)
    if isinstance(space, ChoiceSpace):
        return CategoricalDistribution([choice_text(choice) for choice in space.choices])
    return IntDistribution(space.low, space.high, log=space.log, step=space.step)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _suggest(trial: optuna.Trial, key: str, space: BaseDistribution) -> None:
    """Draw a value of a trial, if it has none yet."""
    if isinstance(space, FloatDistribution):
        trial.suggest_float(key, space.low, space.high, log=space.log)
    elif isinstance(space, IntDistribution):
        trial.suggest_int(key, space.low, space.high, log=space.log, step=space.step)
    elif isinstance(space, CategoricalDistribution):
        trial.suggest_categorical(key, space.choices)


def _same(choice: Any, kept: Any) -> bool:
    text = choice_text(choice)
    return text == kept and isinstance(text, bool) == isinstance(kept, bool)


def _pruner(cfg: SearchConfig) -> optuna.pruners.BasePruner:
    """Return what ends trials early; its steps are parts of a training (`STEPS`)."""
    warmup = round(cfg.pruner.warmup * STEPS)
    if cfg.pruner.name == "median":
        return optuna.pruners.MedianPruner(cfg.pruner.startup, warmup)
    if cfg.pruner.name == "halving":
        return optuna.pruners.SuccessiveHalvingPruner(max(1, warmup), reduction_factor=3)
    return optuna.pruners.NopPruner()


def _cut_half_line(path: Path, lock: JournalFileOpenLock) -> None:
    """Drop what stands after the last whole line of a journal."""
    with path.open("rb+") as file:
        size = file.seek(0, os.SEEK_END)
        if not size or _last_byte(file, size) == b"\n":
            return
        lock.acquire()  # somebody may be in the midst of writing it
        try:
            size = file.seek(0, os.SEEK_END)
            if _last_byte(file, size) == b"\n":
                return
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
            log.warning("%s: its last line was only half-written, and is dropped", path)
            file.truncate(whole)
        finally:
            lock.release()


def _last_byte(file: IO[bytes], size: int) -> bytes:
    file.seek(size - 1)
    return file.read(1)
