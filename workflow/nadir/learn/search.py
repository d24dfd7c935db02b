"""Working through the trials of a search: claim one, train it, end it early where it lags behind.

Nothing here imports torch, nor knows what a trial trains.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.trial import TrialState

from nadir.errors import InputError, NadirError
from nadir.learn.search_store import STEPS, SearchStore, values_of

log = logging.getLogger(__name__)

_IN_A_ROW = 3  # failures of one worker after which something else is wrong


class TrialEnded(Exception):
    """A trial lags behind, so its training ends here. What it has is kept under its key."""


@dataclass(frozen=True)
class TrialOutcome:
    """What a trial gave.

    Attributes:
        value: Its score; NaN where it has none.
        facts: What the table of trials says of it (JSON-serializable).
    """

    value: float
    facts: dict[str, Any] = field(default_factory=dict)


Report = Callable[[float, float], None]
"""(share of the training that is over, score now); raises `TrialEnded` where it is to end."""

Objective = Callable[[dict[str, Any], Report], TrialOutcome]
"""(values by key, report) -> outcome."""


def work_on(store: SearchStore, objective: Objective) -> list[int]:
    """Work on trials of a search until as many are finished, or in other hands, as were asked for.

    Args:
        store: The search.
        objective: Trains a trial. A `NadirError` of it ends the trial as failed; anything else ends
            the worker and leaves the trial to whoever comes next.

    Returns:
        Numbers of the trials that this worker finished.

    Raises:
        InputError: When several trials in a row have failed.
    """
    done: list[int] = []
    failed = 0
    with store.used():
        while True:
            with store.claim() as claim:
                if claim is None:
                    return done
                trial = claim.trial
                try:
                    if _work(store, trial, objective):
                        done.append(trial.number)
                    failed = 0
                except NadirError as error:
                    log.warning("trial %d failed: %s", trial.number, error)
                    trial.set_user_attr("problem", str(error))
                    store.study.tell(trial, state=TrialState.FAIL)
                    failed += 1
                    if failed == _IN_A_ROW:
                        raise InputError(
                            f"search around {store.cfg.experiment}",
                            f"{failed} trials in a row failed, the last one so: {error}",
                            "Mend that, or take out of the space what leads to it.",
                        ) from error


def _work(store: SearchStore, trial: optuna.Trial, objective: Objective) -> bool:
    """Train one trial; return whether it came to its end."""
    values = values_of(store.cfg, trial.params)
    log.info("trial %d: %s", trial.number, ", ".join(f"{k} = {v}" for k, v in values.items()))
    try:
        outcome = objective(values, Reporter(trial))
    except TrialEnded:
        store.study.tell(trial, state=TrialState.PRUNED)
        log.info("trial %d: ended early", trial.number)
        return True
    for name, fact in outcome.facts.items():
        trial.set_user_attr(name, fact)
    if math.isnan(outcome.value):
        trial.set_user_attr("problem", "its score is no number")
        store.study.tell(trial, state=TrialState.PRUNED)
    else:
        store.study.tell(trial, outcome.value)
    log.info("trial %d: %s %.4f", trial.number, store.cfg.metric, outcome.value)
    return True


class Reporter:
    """Tells a search how a trial goes, at each twentieth of its training.

    Trials are compared at the same share of their trainings (of their time, where that is what they
    have), not at the same epoch: with equal time, quick networks make more of them.

    Args:
        trial: The trial; what an earlier worker told of it is not told again.
    """

    def __init__(self, trial: optuna.Trial) -> None:
        self._trial = trial
        frozen = trial.study.get_trials(deepcopy=False)[trial.number]
        self._told = max(frozen.intermediate_values, default=0)

    def __call__(self, share: float, value: float) -> None:
        """Tell a score.

        Args:
            share: Share of the training that is over, 0 to 1.
            value: Score now.

        Raises:
            TrialEnded: Where the trial lags behind.
        """
        for step in range(self._told + 1, min(STEPS, math.floor(share * STEPS + 1e-9)) + 1):
            self._trial.report(value, step)
            self._told = step
            if step < STEPS and self._trial.should_prune():
                raise TrialEnded
