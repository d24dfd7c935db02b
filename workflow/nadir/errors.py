"""Errors that a person can act on: each names the place, what is wrong there, and the remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from os import PathLike

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@\"']+@")
_SIGNATURES = re.compile(
    r"([?&](?:[\w.-]*(?:token|key|sig|signature|secret|password|credential)[\w.-]*)=)[^&\s\"'#]+",
    re.IGNORECASE,
)


class NadirError(Exception):
    """Base of every error that nadir raises on purpose; shown without a traceback."""


class _FileError(NadirError):
    """An error tied to one file (or one named thing), with a problem and a remedy."""

    def __init__(self, file: str | PathLike[str], problem: str, remedy: str) -> None:
        self.file = str(file)
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"{self.file}: {sentences(problem, remedy)}")

    def __reduce__(self) -> tuple[type, tuple[str, str, str]]:
        # Errors cross process borders (Dask, spawned workers); the default would lose the parts.
        return type(self), (self.file, self.problem, self.remedy)


class InputError(_FileError):
    """Something that the user gave cannot be used.

    Args:
        file: The file (or the dotted name of a setting) at fault.
        problem: What is wrong, as a clause without a final full stop.
        remedy: What to do about it, as a sentence.
    """


class OutputError(_FileError):
    """A result cannot be written (disk full, no permission). Arguments as for `InputError`."""


class ConfigError(NadirError):
    """Everything that is wrong with a configuration, at once.

    Args:
        problems: One line for each fault: dotted path, value and remedy.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        count = len(self.problems)
        head = f"the configuration has {count} problem{'s' if count != 1 else ''}:"
        super().__init__("\n  - ".join([head, *self.problems]))

    def __reduce__(self) -> tuple[type, tuple[list[str]]]:
        return type(self), (self.problems,)


def sentences(problem: str, remedy: str) -> str:
    """Return a problem (a clause; one that asks ends in a question mark) and a remedy as text."""
    return f"{problem}{'' if problem.endswith('?') else '.'} {remedy}"


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """Return the choice that resembles `name` most, or None when none does."""
    found = difflib.get_close_matches(name, list(choices), n=1, cutoff=0.5)
    return found[0] if found else None


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the nearest choice, or an empty string."""
    choice = nearest(name, choices)
    return f"; did you mean {choice!r}?" if choice else ""


def has_credentials(text: str) -> bool:
    """Whether an address in a text holds a name or password before its host."""
    return bool(_CREDENTIALS.search(text))


def without_secrets(text: str) -> str:
    """Return a text with credentials and signatures of the addresses in it replaced by `***`."""
    return _SIGNATURES.sub(r"\1***", _CREDENTIALS.sub("***@", text))
