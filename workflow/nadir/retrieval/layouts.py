"""Layouts of data sets on disk: University-1652's folders, flat pairs, lists of pairs."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from nadir.errors import InputError
from nadir.provenance.files import read_bytes
from nadir.retrieval.listing import Listed, chosen_places, pictures_in

UNIVERSITY_VIEWS = ("drone", "satellite", "street", "google")
"""Views of University-1652; `google` are street pictures from a web search, for training only."""

_TEST_FOLDERS = {
    "query_drone": ("query", "drone"),
    "query_satellite": ("query", "satellite"),
    "query_street": ("query", "street"),
    "gallery_drone": ("gallery", "drone"),
    "gallery_satellite": ("gallery", "satellite"),
    "gallery_street": ("gallery", "street"),
    "4K_drone": ("query", "drone_4k"),
    "query_drone_160k": ("query", "drone"),
    "gallery_satellite_160k": ("gallery", "satellite"),
}


def university_layout(root: str | os.PathLike[str]) -> list[Listed]:
    """List a folder in the layout of University-1652.

    `train/{drone,satellite,street,google}/ID/*` and `test/{query,gallery}_{drone,satellite,
    street}/ID/*`, with `test/4K_drone/ID/*` as the view `drone_4k`; whatever is there is taken. The
    folders `test/query_drone_160k` and `test/gallery_satellite_160k` of its challenge hold pictures
    without places. An image is called by its path from `root`, without its ending.

    Raises:
        InputError: When neither `train` nor `test` is there.
    """
    top = Path(root)
    if not (top / "train").is_dir() and not (top / "test").is_dir():
        remedy = "Give the folder that holds train and test, in the layout of University-1652."
        raise InputError(top, "it holds neither train nor test", remedy)
    listed: list[Listed] = []
    for view in UNIVERSITY_VIEWS:
        listed += _view(top, top / "train" / view, view, "train")
    for name, (split, view) in _TEST_FOLDERS.items():
        listed += _view(top, top / "test" / name, view, split)
    return listed


def _view(top: Path, folder: Path, view: str, split: str) -> list[Listed]:
    """List one folder of a view: `ID/*`, and pictures without a place."""
    if not folder.is_dir():
        return []
    found = [(path, "") for path in pictures_in(folder)]
    for place in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        found += [(path, place.name) for path in pictures_in(place)]
    return [
        Listed(path.relative_to(top).with_suffix("").as_posix(), place, view, split, path)
        for path, place in found
    ]


def flat_layout(
    root: str | os.PathLike[str],
    views: Sequence[str] = ("drone", "satellite"),
    *,
    test: float = 0.2,
    seed: int = 0,
    fold: int = 0,
) -> list[Listed]:
    """List a folder of pairs: `VIEW/NAME.*`, where equal names show one place.

    Test images are both queries and gallery, so that every direction can be asked for.

    Args:
        root: The folder.
        views: Its folders, one a view.
        test: Share of the places that are ranked; the others train.
        seed: Seed of which these are.
        fold: Which of the 1 / `test` disjoint choices.

    Raises:
        InputError: When a view has no folder, or no pictures.
    """
    top = Path(root)
    files: list[tuple[str, Path]] = []
    for view in views:
        folder = top / view
        if not folder.is_dir():
            raise InputError(top, f"it has no folder {view!r}", "Give one folder a view.")
        found = pictures_in(folder)
        if not found:
            raise InputError(folder, "there are no pictures", "Put one picture a place there.")
        files += [(view, path) for path in found]
    ranked = chosen_places((path.stem for _, path in files), test, seed, fold)
    return [
        Listed(f"{split}/{view}/{path.stem}", path.stem, view, split, path)
        for view, path in files
        for split in (("query", "gallery") if path.stem in ranked else ("train",))
    ]


def pair_layout(
    root: str | os.PathLike[str],
    lists: Mapping[str, str | os.PathLike[str]],
    views: tuple[str, str] = ("satellite", "street"),
    folders: tuple[str, str] = ("", ""),
) -> list[Listed]:
    """List pairs that files name line by line, as CVUSA, CVACT and VIGOR have them.

    The first two columns of a line are the files of the two views; further columns are ignored
    (CVUSA's annotation, VIGOR's offsets and less exact satellite images). Images that lines connect
    show one place, called by its first image of the view `satellite` (or of the first view).

    Args:
        root: Folder that the files are looked for in.
        lists: "train", "validation" or "test" -> file with one pair a line: csv, or columns
            separated by white space; a first line without such files is a header.
        views: Views of the first and the second column.
        folders: Folder of each of them under `root`, where lines give bare names.

    Raises:
        InputError: When a list cannot be read, has a line without a pair, or names files that are
            not there.
    """
    top = Path(root)
    listed: list[Listed] = []
    for split, name in lists.items():
        path = top / name
        pairs = [
            tuple(str(Path(folder) / file) for folder, file in zip(folders, pair, strict=True))
            for pair in read_pairs(path)
        ]
        files = {(view, file) for pair in pairs for view, file in zip(views, pair, strict=True)}
        lacking = sorted(file for _, file in files if not (top / file).is_file())
        if lacking:
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            problem = f"it names {lacking[0]}{more}, which is not in {top}"
            raise InputError(path, problem, "Check the folder of the data and of each view.")
        place = _connected(pairs, views.index("satellite") if "satellite" in views else 0)
        roles = ("query", "gallery") if split == "test" else (split,)
        listed += [
            Listed(f"{role}/{Path(file).with_suffix('')}", place[file], view, role, top / file)
            for role in roles
            for view, file in sorted(files)
        ]
    return listed


def read_pairs(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """Return the first two columns of a list: csv, or columns separated by white space.

    Raises:
        InputError: When the file cannot be read, is empty, or a line has fewer than two columns.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(path, "this is no text", "Give a csv or txt file.") from error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    pairs = []
    for number, line in lines:
        cells = next(csv.reader([line], skipinitialspace=True)) if "," in line else line.split()
        if len(cells) < 2 or not cells[0].strip() or not cells[1].strip():
            problem = f"line {number} names no pair: {line.strip()[:60]!r}"
            raise InputError(path, problem, "Give two files a line, and nothing but pairs.")
        pairs.append((cells[0].strip(), cells[1].strip()))
    if pairs and not any(Path(name).suffix for name in pairs[0]):
        pairs = pairs[1:]  # a header: names of columns have no endings
    if not pairs:
        raise InputError(path, "it names no pairs", "Give two files a line.")
    return pairs


def _connected(pairs: Sequence[tuple[str, ...]], named_by: int) -> dict[str, str]:
    """Return file -> place, where all files that pairs connect are one place."""
    parent: dict[str, str] = {}

    def top(file: str) -> str:
        while parent.setdefault(file, file) != file:
            parent[file] = parent[parent[file]]
            file = parent[file]
        return file

    for one, other in pairs:
        parent[top(other)] = top(one)
    names: dict[str, str] = {}
    for pair in pairs:
        name = Path(pair[named_by]).with_suffix("").as_posix()
        names[top(pair[0])] = min(names.get(top(pair[0]), name), name)
    return {file: names[top(file)] for pair in pairs for file in pair}
