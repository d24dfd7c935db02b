"""From files to the table of photos: every file is read once, and its faults are noted."""

from __future__ import annotations

import logging
import math
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from nadir.config.groundview import PanelsConfig, PhotosDataset
from nadir.errors import InputError
from nadir.groundview.exif import Facts, is_position, iso_date, parse_date, read_facts
from nadir.groundview.imagery import Extent
from nadir.groundview.photo_files import cut_panel, decode_photo
from nadir.groundview.photos import write_photos
from nadir.provenance.digest import sha
from nadir.provenance.files import SUFFIXES, is_inside, read_bytes

log = logging.getLogger(__name__)

COORDINATES = "photos.csv"
"""Name of the csv file of coordinates in a folder of photos."""

_UNKNOWN = float("nan")
_FOLDERS = {"train": "train", "validation": "validation", "val": "validation", "test": "test"}


@dataclass(frozen=True)
class Listed:
    """A photo that was found, and what is known before its file is read."""

    photo: str
    path: Path
    facts: Facts = field(default_factory=Facts)
    place: str = ""
    folder: str = ""


def index_photos(
    dataset: PhotosDataset,
    out: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
    extent: Extent | None = None,
    threads: int | None = None,
) -> None:
    """Read every photo of a dataset, and write the table of photos.

    Args:
        dataset: The dataset.
        out: `photos.parquet` to write.
        folder: The folder of the photos, where the dataset does not say it (simulated, fetched).
        extent: Where the imagery lies: gives x and y.
        threads: Files that are read at the same time; by default one a core.

    Raises:
        InputError: When there are no photos, the csv file of coordinates is wrong, or pictures do
            not divide into panels.
        OutputError: When the disk is full or not writable.
    """
    panels = dataset.panels
    source = str(folder or dataset.folder or (panels.folder if panels else ""))
    if not source:
        raise InputError("photos", "no folder is named", "Give --folder.")
    listed = list_photos(dataset, source)
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        look = pool.map(lambda one: _look(one, panels), listed)
        rows = list(tqdm(look, "photos", len(listed), disable=None))
    photos = pd.DataFrame(rows)
    photos["x"] = photos["y"] = _UNKNOWN
    if extent is not None:
        photos["x"], photos["y"] = extent.project(photos["longitude"], photos["latitude"])
    write_photos(out, photos)
    faults = photos["fault"].value_counts()
    log.info(
        "%s: %d photos, %d corrupt, %d without coordinates, %d with heading, %d with date",
        *(source, len(photos), faults.get("corrupt", 0), faults.get("no_coordinates", 0)),
        *(photos["heading"].notna().sum(), (photos["date"] != "").sum()),
    )


def list_photos(dataset: PhotosDataset, folder: str | os.PathLike[str]) -> list[Listed]:
    """List the photos of a folder: those of its `photos.csv`, else all pictures in it.

    Raises:
        InputError: When there is no such folder, it holds no photos, or the csv file is wrong.
    """
    top = Path(folder)
    if not top.is_dir():
        raise InputError(top, "there is no such folder", "Give the folder of the photos.")
    if dataset.panels is not None:
        listed = _panels(top, dataset.panels)
    elif (top / COORDINATES).is_file():
        listed = _from_csv(top / COORDINATES)
    else:
        files = _pictures(top)
        names = _names(files, top)
        listed = [Listed(name, path) for name, path in zip(names, files, strict=True)]
    if not listed:
        remedy = f"Put photos there ({', '.join(SUFFIXES)}), or correct the path."
        raise InputError(top, "there are no photos", remedy)
    return listed


def _pictures(top: Path) -> list[Path]:
    """Return all pictures in a folder and in its folders, sorted; hidden ones are none."""
    return sorted(
        path
        for path in top.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(top).parts)
    )


def _names(files: Iterable[Path], top: Path) -> list[str]:
    """Return names of photos: paths from the folder without endings, with them where needed."""
    relative = [path.relative_to(top) for path in files]
    plain = [path.with_suffix("").as_posix() for path in relative]
    twice = (
        {name for name in plain if plain.count(name) > 1} if len(set(plain)) < len(plain) else ()
    )
    chosen = [
        path.as_posix() if name in twice else name
        for path, name in zip(relative, plain, strict=True)
    ]
    inner = [name.removeprefix("photos/") for name in chosen]
    return inner if len(set(inner)) == len(inner) else chosen


def _panels(top: Path, panels: PanelsConfig) -> list[Listed]:
    """List pictures of panels, with what their names and folders say."""
    files = _pictures(top)
    listed = []
    for name, path in zip(_names(files, top), files, strict=True):
        place = _told(panels.place, path, "panels.place")
        if panels.up == "heading":
            heading = 0.0
        elif panels.heading is None:
            heading = _UNKNOWN
        else:
            heading = _degrees(_told(panels.heading, path, "panels.heading"), path)
        split = next((s for part in path.parts[::-1] if (s := _FOLDERS.get(part.lower()))), "")
        if panels.split == "folder" and not split:
            problem = "it lies in none of the folders train, validation and test"
            raise InputError(path, problem, "Move it, or set panels.split: place.")
        listed.append(Listed(name, path, Facts(heading=heading), place, split))
    return listed


def _told(pattern: str, path: Path, key: str) -> str:
    """Return what a pattern finds in the name of a file."""
    found = re.search(pattern, path.name)
    if not found or not found[1]:
        problem = f"the pattern {pattern!r} finds nothing in this name"
        raise InputError(path, problem, f"Correct {key}, or leave the file out.")
    return found[1]


def _degrees(text: str, path: Path) -> float:
    try:
        return float(text) % 360
    except ValueError as error:
        problem = f"its name says the heading {text!r}, which is no number"
        raise InputError(path, problem, "Correct panels.heading.") from error


def _from_csv(path: Path) -> list[Listed]:
    """List the photos that a csv file of coordinates names."""
    table = _csv(path)
    for name in table["file"]:
        if not is_inside(name):
            problem = f"it names {name}, which lies outside of its folder"
            raise InputError(path, problem, "Put the photos into the folder of the csv file.")
    files = [path.parent / name for name in table["file"]]
    lacking = [file for file in files if not file.is_file()]
    if lacking:
        more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
        problem = f"it names {lacking[0].relative_to(path.parent)}{more}, which is not there"
        raise InputError(path, problem, "Correct the column file, or add the photos.")
    names = _names(files, path.parent)
    return [
        Listed(name, file, _row_facts(row, path, line))
        for line, (name, file, row) in enumerate(
            zip(names, files, table.to_dict("records"), strict=True), start=2
        )
    ]


def _csv(path: Path) -> pd.DataFrame:
    try:
        table = pd.read_csv(
            path, dtype=str, keep_default_na=False, sep=None, engine="python",
            encoding="utf-8-sig", skipinitialspace=True,
        )  # fmt: skip
    except (OSError, ValueError, UnicodeError) as error:
        problem = f"it cannot be read ({str(error).splitlines()[0]})"
        raise InputError(path, problem, "Give a csv file.") from error
    if not {"file", "longitude", "latitude"} <= set(table):
        problem = f"its columns are {', '.join(map(str, table.columns))}"
        remedy = "It needs file, longitude and latitude, and may have heading and date."
        raise InputError(path, problem, remedy)
    twice = table["file"][table["file"].duplicated()]
    if len(twice):
        raise InputError(path, f"it names {twice.iloc[0]} twice", "Remove one of the lines.")
    return table


def _row_facts(row: dict[Any, str], path: Path, line: int) -> Facts:
    """Return what a line of the csv file says of a photo."""

    def number(column: str) -> float:
        text = (row.get(column) or "").strip()
        try:
            value = float(text) if text else _UNKNOWN
        except ValueError as error:
            problem = f"line {line}: {text!r} is no {column}"
            raise InputError(path, problem, "Give degrees, or leave it empty.") from error
        return value if math.isfinite(value) else _UNKNOWN

    longitude, latitude = number("longitude"), number("latitude")
    if math.isfinite(longitude + latitude) and not (abs(longitude) <= 180 and abs(latitude) <= 90):
        problem = f"line {line}: longitude {longitude:g} and latitude {latitude:g} are no place"
        raise InputError(path, problem, "Give degrees of WGS 84; perhaps the two are swapped.")
    try:
        date = parse_date(row.get("date") or "", longitude)
    except ValueError as error:
        problem = f"line {line}: {row.get('date')!r} is no date"
        raise InputError(path, problem, "Give ISO 8601, or leave it empty.") from error
    return Facts(longitude, latitude, number("heading") % 360, iso_date(date) if date else "")


def _look(one: Listed, panels: PanelsConfig | None) -> dict[str, object]:
    """Return the row of a photo; of a corrupt one, what is known without its pixels."""
    facts, fault, size, digest = one.facts, "", (0, 0), ""
    try:
        data = read_bytes(one.path)
        digest = sha(data)
        pixels = decode_photo(data, one.path)
    except InputError as error:
        log.warning("%s", error)
        fault = "corrupt"
    else:
        if panels is None:
            facts = _merged(facts, read_facts(data))
        else:
            pixels = cut_panel(pixels, panels, "ground", one.path)
        size = (pixels.shape[1], pixels.shape[0])
        if panels is None and not is_position(facts.longitude, facts.latitude):
            fault = "no_coordinates"
    return {
        "photo": one.photo,
        "path": str(one.path),
        "digest": digest,
        "width": size[0],
        "height": size[1],
        "longitude": facts.longitude,
        "latitude": facts.latitude,
        "heading": facts.heading,
        "date": facts.date,
        "place": one.place,
        "folder": one.folder,
        "fault": fault,
    }


def _merged(told: Facts, exif: Facts) -> Facts:
    """Return what a csv file tells, and what EXIF tells where that is silent."""
    placed = is_position(told.longitude, told.latitude)
    at = told if placed else exif
    return Facts(
        at.longitude,
        at.latitude,
        exif.heading if np.isnan(told.heading) else told.heading,
        told.date or exif.date,
    )


def raw_files_of(dataset: PhotosDataset) -> list[str]:
    """Return all files that the table of photos of a folder depends on, sorted.

    Raises:
        InputError: As `list_photos` does.
    """
    folder = dataset.panels.folder if dataset.panels else dataset.folder
    assert folder is not None
    files = [str(one.path) for one in list_photos(dataset, folder)]
    table = Path(folder) / COORDINATES
    return sorted([*files, *([str(table)] if not dataset.panels and table.is_file() else [])])
