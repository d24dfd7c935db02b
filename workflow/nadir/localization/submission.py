"""The archive to hand in: one JSON a test photo, scored on validation before it is written."""

from __future__ import annotations

import json
import logging
import os
import zipfile
from typing import Any

import numpy as np
import pandas as pd

from nadir.errors import InputError
from nadir.localization.casefile import Case
from nadir.localization.metrics import official, score, score_as_published
from nadir.localization.photos import poses_of, sizes_of
from nadir.localization.pose import CORNERS, Pose
from nadir.localization.poses import aligned
from nadir.localization.records import check_rectangle, parse_record
from nadir.provenance.atomic import atomic_path

log = logging.getLogger(__name__)

_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a ZIP can state


def pack_poses(
    poses: pd.DataFrame,
    photos: pd.DataFrame,
    case: Case,
    path: str | os.PathLike[str],
    *,
    source: str | os.PathLike[str] = "poses",
) -> dict[str, Any]:
    """Pack the answers of the test photos, and say what the same files are worth on validation.

    Everything is checked before the archive appears, and read back before it counts; equal answers
    give equal bytes (sorted names, fixed times).

    Args:
        poses: Table of poses: every photo of the splits validation and test.
        photos: The photo table.
        case: The case.
        path: The archive to write.
        source: File of the poses, for messages.

    Returns:
        `files`: how many; `unresolved`: how many of them the method is not sure of; `dry_score`:
        as `dry_score` gives it, of the validation photos.

    Raises:
        InputError: When photos have no answer, there is no test photo, or an answer shows no ground
            of the substrate.
        OutputError: When the disk is full or not writable. No archive is left then.
    """
    answers = aligned(poses, photos, source)
    tests = photos[photos["split"] == "test"]
    if tests.empty:
        raise InputError(path, "there is no test photo to answer", "Put photos into `test`.")
    worth = dry_score(answers, photos, case)
    rows = answers.set_index("photo").loc[tests["photo"].tolist()].reset_index()
    files: dict[str, dict[str, Any]] = {}
    for name, pose, size in zip(tests["photo"], poses_of(rows), sizes_of(tests), strict=True):
        _check_place(str(name), pose, size, case, source)
        files[f"{name}.json"] = case.conventions.to_record(pose, *size)
    files = dict(sorted(files.items()))
    with atomic_path(path, ".zip") as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, record in files.items():
                entry = zipfile.ZipInfo(name, _TIME)
                entry.external_attr = 0o644 << 16
                entry.create_system = 3  # as written on Unix, wherever this runs
                entry.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(entry, json.dumps(record) + "\n")
        sizes = dict(zip((f"{name}.json" for name in tests["photo"]), sizes_of(tests), strict=True))
        check_archive(temporary, files, sizes)
    summary = {
        "files": len(files),
        "unresolved": int((~rows["resolved"]).sum()),
        "dry_score": worth,
    }
    log.info("%s: %d files", path, len(files))
    return summary


def dry_score(answers: pd.DataFrame, photos: pd.DataFrame, case: Case) -> dict[str, Any] | None:
    """Return what files written like the archive's are worth on the validation photos.

    Both answer and truth go through text and back, and are scored as the challenge's script would.

    Args:
        answers: Table of poses.
        photos: The photo table.
        case: The case.

    Returns:
        `photos`, `score` and `score_as_published` (means); None without validation photos.
    """
    known = photos[(photos["split"] == "validation") & photos["x"].notna()]
    if known.empty:
        log.warning("no validation photos: the answers are packed without a score")
        return None
    rows = answers.set_index("photo").loc[known["photo"].tolist()].reset_index()
    differences = []
    for one, other, size in zip(poses_of(rows), poses_of(known), sizes_of(known), strict=True):
        given, right = (
            official(json.loads(json.dumps(case.conventions.to_record(pose, *size))))
            for pose in (one, other)
        )
        differences.append(np.subtract(given, right))
    dx, dy, da = np.array(differences, float).T
    worth = {
        "photos": len(known),
        "score": float(score(dx, dy, da, case.width, case.height).mean()),
        "score_as_published": float(score_as_published(dx, dy, da, case.width, case.height).mean()),
    }
    log.info(
        "the same files for %(photos)d validation photos: score %(score).4f "
        "(as published %(score_as_published).4f)",
        worth,
    )
    return worth


def check_archive(
    path: str | os.PathLike[str],
    files: dict[str, dict[str, Any]],
    sizes: dict[str, tuple[int, int]],
) -> None:
    """Read an archive back and see that it is what the challenge asks for.

    Args:
        path: The archive.
        files: Name -> content that it must hold, in this order.
        sizes: Name -> (width, height) of the photo.

    Raises:
        InputError: When files are missing or damaged, or hold other than whole numbers in range.
    """
    remedy = "Delete it and run the command again."
    with zipfile.ZipFile(path) as archive:
        if archive.testzip() is not None or archive.namelist() != list(files):
            raise InputError(path, "files in the archive are missing or damaged", remedy)
        for name, wanted in files.items():
            found = json.loads(archive.read(name))
            where = f"{path}/{name}"
            check_rectangle(parse_record(found, where), *sizes[name], where)
            numbers = [found["angle"], *(number for key in CORNERS for number in found[key])]
            whole = all(type(number) is int for number in numbers)
            if found != wanted or not whole or not 0 <= found["angle"] < 360:
                raise InputError(where, "it is not what was to be packed", remedy)


def _check_place(
    name: str, pose: Pose, size: tuple[int, int], case: Case, source: str | os.PathLike[str]
) -> None:
    """Raise unless a photo could show some ground of the substrate."""
    reach = 0.5 * pose.scale * float(np.hypot(*size))
    inside = (
        -reach < pose.x < case.width + reach and -reach < pose.y < case.height + reach
    ) and pose.scale * min(size) >= 2
    if not inside:
        raise InputError(
            source,
            f"photo {name!r} is placed at ({pose.x:.0f}, {pose.y:.0f}) with scale "
            f"{pose.scale:.3g}, off the substrate of {case.width} x {case.height} pixels",
            "Locate the photos of this very case again.",
        )
