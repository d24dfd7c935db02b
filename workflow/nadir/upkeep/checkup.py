"""One result of a check of this machine, and how a check is run so that it cannot end the rest."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

log = logging.getLogger(__name__)

State = Literal["ok", "warn", "fail"]
_ORDER: tuple[State, ...] = ("ok", "warn", "fail")


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        name: What was looked at, in a word or two.
        state: `fail` where nadir cannot work, `warn` where it will work badly or might not.
        found: What was found, for people.
        remedy: What to do about it; empty where all is well.
    """

    name: str
    state: State
    found: str
    remedy: str = ""


CheckUp = Callable[[], Iterable[Check]]


def guarded(name: str, check: CheckUp) -> list[Check]:
    """Run a check; one that breaks is a warning, for the others must still be heard."""
    try:
        return list(check())
    except Exception as error:  # whatever a strange machine may do
        log.debug("check of %s", name, exc_info=True)
        problem = f"the check itself failed: {type(error).__name__}: {error}"
        return [Check(name, "warn", problem, "Look into this by hand.")]


def worst(checks: Iterable[Check]) -> State:
    """Return the worst state of all."""
    return max((check.state for check in checks), key=_ORDER.index, default="ok")


def grade(value: float, fail: float, warn: float) -> State:
    """Return the state of a quantity of which there should be much."""
    return "fail" if value < fail else "warn" if value < warn else "ok"
