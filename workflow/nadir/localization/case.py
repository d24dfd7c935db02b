"""Checking a case before any expensive work."""

from __future__ import annotations

import logging
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from nadir.config.localization import CaseDataset
from nadir.errors import InputError
from nadir.localization.conventions import Conventions, infer_conventions
from nadir.localization.dates import ONE_DATE, check_date, read_dates
from nadir.localization.exact import ExactPose, read_exact
from nadir.localization.faults import Faults
from nadir.localization.folder import CaseFolder, find_case
from nadir.localization.ground import substrate_facts
from nadir.localization.looks import look
from nadir.localization.photos import SCHEMA
from nadir.localization.pose import Pose
from nadir.localization.records import Record, check_rectangle, read_record
from nadir.localization.validation import draw_validation
from nadir.provenance.digest import sha
from nadir.provenance.files import read_bytes
from nadir.raster.pictures import decode_picture

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Seen:
    """What one photo's file tells: width, height, digest, and whether it shows nothing."""

    width: int
    height: int
    digest: str
    look: str | None


def check_case(
    config: CaseDataset,
    folder: str | os.PathLike[str] | None = None,
    *,
    truth: str | os.PathLike[str] | None = None,
    workers: int = 1,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Check everything about a case, and describe it.

    Every photo is decoded once, since a truncated one looks whole from its header. Located photos
    are drawn for validation by a hash of seed and name. Poses come from the JSON files as their
    conventions say; of photos that are scored, exact ones where a simulation knows them.

    Args:
        config: The case.
        folder: Its folder; by default the configuration's.
        truth: `truth.json` of a simulated case; by default looked for in the folder.
        workers: Threads that decode photos.

    Returns:
        The content of `case.json`: `conventions`, `substrate`, `photos` (counts), `validation`,
        `remarks`; and the photo table (see `photos.SCHEMA`).

    Raises:
        InputError: When one thing is wrong: a missing or damaged file, a position that is none or
            contradicts the others, names that are not unique, a photo larger than the substrate.
        CaseError: When more are.
    """
    place = folder or config.folder
    if place is None:
        raise ValueError("a simulated case needs the folder that it was written to")
    faults, remarks = Faults(), list[str]()
    files = find_case(
        Path(place),
        faults,
        substrate=Path(config.substrate) if config.substrate else None,
        truth=Path(config.truth) if config.truth else None,
        exact=Path(truth) if truth else None,
    )
    remarks += files.remarks
    ground: dict[str, Any] = {}
    with faults.caught():
        ground = substrate_facts(files.substrate, remarks)
    seen = _look_at({**files.train, **files.test}, faults, workers)
    records = _read_records({**files.records, **files.truth}, seen, faults)
    located = {name: record for name, record in records.items() if name in files.train}
    sizes = {name: (one.width, one.height) for name, one in seen.items()}
    conventions = infer_conventions(located, sizes)
    poses = _to_poses(files, records, sizes, conventions, faults)
    exact: dict[str, ExactPose] = {}
    with faults.caught():
        exact = read_exact(files.exact) if files.exact else {}
    dates: dict[str, str] = {}
    with faults.caught():
        dates = _dates(config, files, exact, faults)
    if ground:
        _check_extent(files, sizes, poses, conventions, ground, faults)
    faults.raise_any()
    held = draw_validation(set(files.train), config.validation, config.seed)
    frame = _table(files, seen, poses, exact, dates, held)
    remarks += _unusual(frame, poses, exact)
    for text in remarks:
        log.warning("%s", text)
    facts = {
        "conventions": conventions.to_dict(),
        "substrate": ground,
        "photos": _counts(frame, seen),
        "validation": {"share": config.validation, "seed": config.seed},
        "exact_truth": bool(exact),
        "remarks": remarks,
    }
    return facts, frame


def _look_at(paths: dict[str, Path], faults: Faults, workers: int) -> dict[str, _Seen]:
    """Decode photos, and note what each is like."""

    def see(path: Path) -> _Seen | InputError:
        try:
            data = read_bytes(path)
            pixels = decode_picture(data, path)
        except InputError as fault:
            return fault
        return _Seen(pixels.shape[1], pixels.shape[0], sha(data), look(pixels))

    seen = {}
    with ThreadPoolExecutor(max(workers, 1)) as pool:
        answers = pool.map(see, paths.values())
        for name, answer in tqdm(
            zip(paths, answers, strict=True), "photos", len(paths), unit="photo", disable=None
        ):
            if isinstance(answer, InputError):
                faults.add(answer)
            else:
                seen[name] = answer
    return seen


def _read_records(
    paths: dict[str, Path], seen: dict[str, _Seen], faults: Faults
) -> dict[str, Record]:
    """Read the positions of photos that could be read; corners are checked against their shape."""
    records = {}
    for name, path in sorted(paths.items()):
        with faults.caught():
            record = read_record(path)
            if name in seen:
                check_rectangle(record, seen[name].width, seen[name].height, path)
                records[name] = record
    return records


def _to_poses(
    files: CaseFolder,
    records: dict[str, Record],
    sizes: dict[str, tuple[int, int]],
    conventions: Conventions,
    faults: Faults,
) -> dict[str, Pose]:
    """Return the poses that records mean, and note those that contradict themselves."""
    poses = {}
    for name, record in records.items():
        fault = conventions.fault(record, *sizes[name], (files.records | files.truth)[name])
        if fault:
            faults.add(fault)
        poses[name] = conventions.to_pose(record, *sizes[name])
    return poses


def _dates(
    config: CaseDataset, files: CaseFolder, exact: dict[str, ExactPose], faults: Faults
) -> dict[str, str]:
    """Return the date of every photo; empty for a test photo of which it is not known."""
    names = {*files.train, *files.test}
    if not config.dates:
        given = {name: one.date for name, one in exact.items() if name in names and one.date}
        for name, date in given.items():
            with faults.caught():
                check_date(date, f"{files.exact}, photo {name}")
        return dict.fromkeys(names, ONE_DATE) | given
    dates = read_dates(Path(config.dates), names, faults)
    lacking = sorted(files.train.keys() - dates.keys())
    if lacking:
        shown = ", ".join(lacking[:5]) + (", ..." if len(lacking) > 5 else "")
        problem = f"{len(lacking)} located photos have no date ({shown})"
        faults.add(InputError(config.dates, problem, "Add a line for each of them."))
    return dict.fromkeys(names, "") | dates


def _check_extent(
    files: CaseFolder,
    sizes: dict[str, tuple[int, int]],
    poses: dict[str, Pose],
    conventions: Conventions,
    ground: dict[str, Any],
    faults: Faults,
) -> None:
    """Note photos larger than the substrate, and positions that are not on it."""
    width, height = ground["width"], ground["height"]
    photos = files.train | files.test
    for name, size in sorted(sizes.items()):
        scale = poses[name].scale if name in poses else conventions.scale
        if scale * min(size) > min(width, height) or scale * max(size) > max(width, height):
            problem = (
                f"its {size[0]} x {size[1]} pixels cover more than the substrate, "
                f"{width} x {height} pixels, at {scale:.3g} of its pixels each"
            )
            faults.add(InputError(photos[name], problem, "Give a photo of part of the substrate."))
    for name, pose in sorted(poses.items()):
        if not (0 <= pose.x <= width and 0 <= pose.y <= height):
            problem = (
                f"the photo's center ({pose.x:.0f}, {pose.y:.0f}) lies off the substrate, "
                f"{width} x {height} pixels"
            )
            file = (files.records | files.truth)[name]
            faults.add(InputError(file, problem, "Give corners in pixels of this substrate."))


def _table(
    files: CaseFolder,
    seen: dict[str, _Seen],
    poses: dict[str, Pose],
    exact: dict[str, ExactPose],
    dates: dict[str, str],
    held: set[str],
) -> pd.DataFrame:
    """Return the photo table."""
    rows = []
    for name, path in sorted((files.train | files.test).items()):
        split = "test" if name in files.test else "validation" if name in held else "train"
        # Training sees what a real case would give it, whole pixels; scores may know better.
        pose = exact[name].pose if split != "train" and name in exact else poses.get(name)
        one = seen[name]
        place = (pose.x, pose.y, pose.angle, pose.scale) if pose else (np.nan,) * 4
        rows.append(
            (name, str(path), split, dates[name], one.width, one.height, *place, one.digest)
        )
    return pd.DataFrame(rows, columns=SCHEMA.names)


def _counts(frame: pd.DataFrame, seen: dict[str, _Seen]) -> dict[str, Any]:
    """Return what `case.json` says of the photos."""
    tests = frame[frame["split"] == "test"]
    shapes = Counter(f"{one.width} x {one.height}" for one in seen.values())
    splits = {name: int((frame["split"] == name).sum()) for name in ("train", "validation", "test")}
    return {
        **splits,
        "test_with_truth": int(tests["x"].notna().sum()),
        "sizes": dict(sorted(shapes.items())),
        "dates": {str(key): int(count) for key, count in frame["date"].value_counts().items()},
        "blank": sorted(name for name, one in seen.items() if one.look == "blank"),
        "overcast": sorted(name for name, one in seen.items() if one.look == "overcast"),
    }


def _unusual(frame: pd.DataFrame, poses: dict[str, Pose], exact: dict[str, ExactPose]) -> list[str]:
    """Return sentences about what is allowed but worth knowing."""
    said = []
    shapes = frame.groupby(["width", "height"]).size()
    if len(shapes) > 1:
        said.append(f"photos come in {len(shapes)} sizes; each keeps its own")
    doubles = int(frame["digest"].duplicated().sum())
    if doubles:
        said.append(f"{doubles} photos have the very bytes of another")
    tests = frame[frame["split"] == "test"]
    known = int(tests["x"].notna().sum())
    if 0 < known < len(tests):
        said.append(
            f"positions of {known} of {len(tests)} test photos are known; others are not scored"
        )
    far = [
        float(np.hypot(pose.x - exact[name].pose.x, pose.y - exact[name].pose.y))
        for name, pose in poses.items()
        if name in exact
    ]
    if far and max(far) > 2:
        said.append(f"exact poses and JSON files differ by up to {max(far):.1f} pixels")
    return said
