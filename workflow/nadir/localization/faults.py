"""Faults of a case, gathered so that all of them are told at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from nadir.errors import InputError, NadirError

_SHOWN = 20


class CaseError(NadirError):
    """Everything that is wrong with the files of a case, at once.

    Args:
        problems: One line for each fault: file, problem and remedy.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = list(problems)
        shown = self.problems[:_SHOWN]
        if len(self.problems) > _SHOWN:
            shown.append(f"and {len(self.problems) - _SHOWN} more")
        super().__init__("\n  - ".join([f"the case has {len(self.problems)} problems:", *shown]))

    def __reduce__(self) -> tuple[type, tuple[list[str]]]:
        return type(self), (self.problems,)


class Faults:
    """A list of faults that grows while work goes on."""

    def __init__(self) -> None:
        self.found: list[InputError] = []

    def add(self, fault: InputError) -> None:
        """Note one fault."""
        self.found.append(fault)

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Note an `InputError` of the block, which ends there, and go on behind it."""
        try:
            yield
        except InputError as fault:
            self.add(fault)

    def raise_any(self) -> None:
        """Raise what was found, if anything.

        Raises:
            InputError: The fault, when there is one.
            CaseError: All of them, when there are more.
        """
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise CaseError(str(fault) for fault in self.found)
