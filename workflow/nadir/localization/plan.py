"""What is known of a case before any job has run: its raw files, and the mosaics to make.

The workflow's rules ask here while the graph is drawn. Names of files are looked at, and the csv
file of dates; what is wrong with a case is told by its check, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nadir.config.localization import CaseDataset
from nadir.localization.dates import ONE_DATE, read_dates
from nadir.localization.faults import Faults
from nadir.localization.folder import CaseFolder, find_case
from nadir.localization.validation import draw_validation


@dataclass(frozen=True)
class CasePlan:
    """What the graph is drawn from.

    Attributes:
        substrate: The raw substrate; None for a simulated case.
        files: All other raw files: photos, positions, dates.
        mosaics: Names of the mosaics that training photos make.
        tests: Whether there are photos to hand in answers for.
    """

    substrate: str | None
    files: tuple[str, ...]
    mosaics: tuple[str, ...]
    tests: bool


def plan_case(config: CaseDataset) -> CasePlan:
    """Return what is known of a case before any job has run.

    Raises:
        InputError: When its folder is absent, or the csv file of dates cannot be read.
    """
    if config.folder is None:
        names = {str(number) for number in range(config.simulate.train)}
        return CasePlan(None, (), _mosaics(config, names), config.simulate.test > 0)
    found = find_case(
        Path(config.folder),
        Faults(),
        substrate=Path(config.substrate) if config.substrate else None,
        truth=Path(config.truth) if config.truth else None,
    )
    parts = (found.train, found.records, found.test, found.truth)
    files = [str(path) for part in parts for path in part.values()]
    files += [str(found.exact)] if found.exact else []
    files += [config.dates] if config.dates else []
    mosaics = _mosaics(config, set(found.train), found)
    return CasePlan(str(found.substrate), tuple(sorted(files)), mosaics, bool(found.test))


def _mosaics(
    config: CaseDataset, names: set[str], found: CaseFolder | None = None
) -> tuple[str, ...]:
    """Return the dates of the photos that training sees, or the one name where none are given."""
    seen = names - draw_validation(names, config.validation, config.seed)
    if not config.dates or found is None:
        return (ONE_DATE,) if seen else ()
    dates = read_dates(Path(config.dates), {*found.train, *found.test}, Faults())
    return tuple(sorted({date for name, date in dates.items() if name in seen}))
