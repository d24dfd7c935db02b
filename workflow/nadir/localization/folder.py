"""The files of a case's folder: substrate, photos and their positions, found by name."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

from nadir.errors import InputError
from nadir.localization.faults import Faults
from nadir.provenance.files import SUFFIXES

log = logging.getLogger(__name__)

SUBSTRATES = ("original.tiff", "original.tif", "original.png", "original.jp2")
"""Names by which a substrate is found where none is given."""


@dataclass
class CaseFolder:
    """What lies where.

    Attributes:
        substrate: The substrate.
        train: Name -> photo with known position.
        records: Name -> JSON with that position.
        test: Name -> photo to locate.
        truth: Name -> JSON with its position, where there are such.
        exact: The file with exact poses of a simulated case, or None.
        remarks: What was left aside, as sentences.
    """

    substrate: Path
    train: dict[str, Path] = field(default_factory=dict)
    records: dict[str, Path] = field(default_factory=dict)
    test: dict[str, Path] = field(default_factory=dict)
    truth: dict[str, Path] = field(default_factory=dict)
    exact: Path | None = None
    remarks: list[str] = field(default_factory=list)


def find_case(
    folder: Path,
    faults: Faults,
    *,
    substrate: Path | None = None,
    truth: Path | None = None,
    exact: Path | None = None,
) -> CaseFolder:
    """Find the files of a case; nothing is opened.

    Args:
        folder: The case's folder.
        faults: Takes what is wrong.
        substrate: The substrate, where it is not in the folder under one of `SUBSTRATES`.
        truth: Folder of JSON files of the test photos; by default `test/json`, if it is there.
        exact: File with exact poses; by default `truth.json`, if it is there.

    Raises:
        InputError: When there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", "Check `folder` in the configuration.")
    found = CaseFolder(substrate or _find_substrate(folder))
    found.train = _photos(folder / "train" / "img", faults, found.remarks)
    found.records = _records(folder / "train" / "json")
    inner = folder / "test" / "img"
    found.test = _photos(inner if inner.is_dir() else folder / "test", faults, found.remarks)
    found.truth = _records(truth or folder / "test" / "json")
    if truth is not None and not found.truth:
        faults.add(InputError(truth, "it holds no JSON files", "Check `truth`."))
    found.exact = exact or (folder / "truth.json" if (folder / "truth.json").is_file() else None)
    _check_pairs(found, folder, faults)
    return found


def _find_substrate(folder: Path) -> Path:
    """Return the first substrate that is there, else where one is expected."""
    places = [folder / name for name in SUBSTRATES]
    return next((place for place in places if place.is_file()), places[0])


def _files(folder: Path) -> list[Path]:
    """Return the files of a folder by name, without hidden ones."""
    if not folder.is_dir():
        return []
    return sorted(
        item for item in folder.iterdir() if item.is_file() and not item.name.startswith(".")
    )


def _photos(folder: Path, faults: Faults, remarks: list[str]) -> dict[str, Path]:
    """Return the photos of a folder: name without ending -> file."""
    found: dict[str, Path] = {}
    others = []
    for path in _files(folder):
        if path.suffix.lower() not in SUFFIXES:
            others.append(path.name)
        elif path.stem in found:
            problem = f"photo {path.stem!r} is there twice, also as {found[path.stem].name}"
            faults.add(InputError(path, problem, "Remove or rename one of the two."))
        else:
            found[path.stem] = path
    if others:
        shown = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        remarks.append(f"{folder}: {len(others)} files are no photos and left aside ({shown})")
    return found


def _records(folder: Path) -> dict[str, Path]:
    """Return the JSON files of a folder: name without ending -> file."""
    return {path.stem: path for path in _files(folder) if path.suffix.lower() == ".json"}


def _check_pairs(found: CaseFolder, folder: Path, faults: Faults) -> None:
    """Note photos without position, positions without photo, and names that are not unique."""
    if not found.train and not found.test:
        wanted = "Put photos into train/img (with train/json) and test."
        faults.add(InputError(folder, "it holds no photos", wanted))
    for name in sorted(found.train.keys() - found.records.keys()):
        wanted = f"Add {folder / 'train' / 'json' / name}.json, or move the photo to test."
        faults.add(InputError(found.train[name], "its position is not known", wanted))
    for name in sorted(found.records.keys() - found.train.keys()):
        wanted = "Add the photo to train/img, or remove the file."
        faults.add(InputError(found.records[name], "there is no photo of that name", wanted))
    for name in sorted(found.train.keys() & found.test.keys()):
        problem = f"photo {name!r} is also a training photo"
        faults.add(InputError(found.test[name], problem, "Give every photo a name of its own."))
    stray = sorted(found.truth.keys() - found.test.keys())
    if stray:
        found.remarks.append(
            f"{found.truth[stray[0]].parent}: {len(stray)} files are of no test photo ({stray[0]})"
        )
