"""Dates of photos: a small csv file, checked against the photos that it names."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection
from pathlib import Path

from nadir.errors import InputError, did_you_mean
from nadir.localization.faults import Faults
from nadir.provenance.files import read_bytes

ONE_DATE = "all"
"""The date of every photo where none is given."""

SUBSTRATE = "substrate"
"""Name of the substrate among the references, which no date may have."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_REMEDY = "Give a csv file with the columns photo and date."


def read_dates(path: Path, photos: Collection[str], faults: Faults) -> dict[str, str]:
    """Read photo -> date.

    Args:
        path: The csv file, with a header; columns other than `photo` and `date` are ignored.
        photos: Names that it may speak of, with or without an ending.
        faults: Takes what is wrong with single lines.

    Raises:
        InputError: When there is no such file, or it lacks a column.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""))
        rows = list(reader)
    except (ValueError, csv.Error) as error:
        raise InputError(path, f"this is no csv file ({error})", _REMEDY) from error
    lacking = [name for name in ("photo", "date") if name not in (reader.fieldnames or ())]
    if lacking:
        raise InputError(path, f"it lacks the column {' and '.join(lacking)}", _REMEDY)
    dates: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        given, date = (str(row[key] or "").strip() for key in ("photo", "date"))
        name = given if given in photos else given.rpartition(".")[0]
        with faults.caught():
            if name not in photos:
                problem = f"line {number}: there is no photo {given!r}{did_you_mean(given, photos)}"
                raise InputError(path, problem, "Correct the name, or remove the line.")
            if dates.get(name, date) != date:
                problem = f"line {number}: photo {name!r} has two dates"
                raise InputError(path, problem, "Leave one.")
            dates[name] = check_date(date, f"{path}, line {number}")
    return dates


def check_date(date: str, where: str) -> str:
    """Return a date that can be a file's name.

    Raises:
        InputError: When it has other signs than letters, digits, `_` and `-`, or none, or names
            the substrate.
    """
    if not _NAME.fullmatch(date):
        remedy = "Write it as 2020-08-31, or with other letters, digits, '_' and '-'."
        raise InputError(where, f"{date!r} is no date that a file can be called by", remedy)
    if date == SUBSTRATE:
        raise InputError(where, f"{date!r} names the substrate, and no date", "Choose another.")
    return date
