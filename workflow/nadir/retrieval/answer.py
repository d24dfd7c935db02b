"""The challenge's answer: `answer.txt`, one line a query, the best gallery names first.

Lines are in the order of the list of queries, and names on a line, without endings, are separated
by tabs, as the challenge's own code writes them.
"""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError, did_you_mean
from nadir.provenance.archive import pack_archive
from nadir.provenance.files import read_bytes

log = logging.getLogger(__name__)

FILE = "answer.txt"
"""The only file of the archive."""

DEPTH = 10
"""Names a line that the challenge asks for."""

_REMEDY = "Pack the answer again from this very gallery."


def read_names(path: str | os.PathLike[str]) -> list[str]:
    """Return the names of a list of queries or of gallery images, one a line, without endings.

    Raises:
        InputError: When the file cannot be read, is empty, or names an image twice.
    """
    lines = read_bytes(path).decode("utf-8-sig", "replace").splitlines()
    names = [Path(line.split()[0]).stem for line in lines if line.strip()]
    if not names:
        raise InputError(path, "it names no images", "Give one name a line.")
    _refuse_doubles(names, path)
    return names


def pack_answer(
    path: str | os.PathLike[str],
    ranked: NDArray[np.integer],
    gallery: Sequence[str],
) -> None:
    """Write the archive to hand in, and read it back before it counts.

    Args:
        path: The archive.
        ranked: (queries, depth) rows of the gallery, best first, queries in the challenge's order.
        gallery: Names of the gallery images, without endings.

    Raises:
        InputError: When there are no queries, rows point beyond the gallery or repeat, or names
            repeat or hold white space.
        OutputError: When the disk is full or not writable. No archive is left then.
    """
    names = list(gallery)
    _refuse_doubles(names, "gallery")
    blank = next((name for name in names if not name or name.split() != [name]), None)
    if blank is not None:
        remedy = "Rename the image: white space separates names."
        raise InputError("gallery", f"the name {blank!r} is empty or holds white space", remedy)
    if ranked.ndim != 2 or not ranked.size:
        raise InputError(path, f"rankings have the shape {ranked.shape}", "Rank some queries.")
    if ranked.min() < 0 or ranked.max() >= len(names):
        problem = f"rankings point beyond the {len(names)} images of the gallery"
        raise InputError(path, problem, "Rank this very gallery.")
    lines = ["\t".join(names[k] for k in row) for row in ranked.tolist()]
    text = "\n".join(lines) + "\n"
    queries, depth = ranked.shape
    pack_archive(
        path,
        {FILE: text.encode()},
        lambda written: check_answer(written, names, queries=queries, depth=depth),
    )
    log.info("%s: %d queries, %d names each", path, queries, depth)


def check_answer(
    path: str | os.PathLike[str],
    gallery: Sequence[str],
    *,
    queries: int | None = None,
    depth: int | None = None,
) -> NDArray[np.int64]:
    """Read an answer and see that the challenge can take it.

    Args:
        path: The archive, or `answer.txt` itself.
        gallery: Names of all gallery images, without endings.
        queries: Lines that it must have; None for any number.
        depth: Names that a line must have; None for as many as its first line.

    Returns:
        int64 (queries, depth) rows of the gallery.

    Raises:
        InputError: With the first line at fault: another number of lines or of names, a name that
            is not in the gallery, or one that is there twice.
    """
    lines = _lines(path)
    if not lines or (queries is not None and len(lines) != queries):
        wanted = "at least one" if queries is None else str(queries)
        raise InputError(path, f"it has {len(lines)} lines, not {wanted}", _REMEDY)
    row_of = {name: row for row, name in enumerate(gallery)}
    wide = depth or len(lines[0].split())
    found = np.empty((len(lines), wide), np.int64)
    for number, line in enumerate(lines):
        names = line.split()
        where = f"line {number + 1}"
        if len(names) != wide:
            raise InputError(path, f"{where} has {len(names)} names, not {wide}", _REMEDY)
        strange = next((name for name in names if name not in row_of), None)
        if strange is not None:
            close = did_you_mean(strange, gallery) if len(gallery) <= 10_000 else ""
            problem = f"{where} names {strange!r}, which is not in the gallery{close}"
            raise InputError(path, problem, _REMEDY)
        if len(set(names)) < wide:
            raise InputError(path, f"{where} names an image twice", _REMEDY)
        found[number] = [row_of[name] for name in names]
    return found


def _lines(path: str | os.PathLike[str]) -> list[str]:
    data = read_bytes(path)
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            if archive.namelist() != [FILE] or archive.testzip() is not None:
                held = ", ".join(archive.namelist()) or "nothing"
                problem = f"the archive holds {held}; it must hold {FILE} alone, undamaged"
                raise InputError(path, problem, _REMEDY)
            data = archive.read(FILE)
    try:
        return data.decode().splitlines()
    except UnicodeDecodeError as error:
        raise InputError(path, "this is neither text nor a ZIP archive", _REMEDY) from error


def _refuse_doubles(names: Sequence[str], source: str | os.PathLike[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(source, f"it names {name!r} twice", "Give each image its own name.")
        seen.add(name)
