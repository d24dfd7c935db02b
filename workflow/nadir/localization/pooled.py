"""Locating all photos of a case: each alone, then those in doubt on the mosaic of the sure ones."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from tqdm import tqdm

from nadir.config.localization import SearchConfig
from nadir.localization.calibration import Calibration, calibrate
from nadir.localization.coarse import Describe
from nadir.localization.localizer import Answer, Localizer
from nadir.localization.mosaic import PlacedPhoto, write_mosaic
from nadir.localization.proposals import Proposal, Proposals
from nadir.localization.references import Reference, build_reference
from nadir.raster.grid import Grid
from nadir.raster.pictures import read_picture

log = logging.getLogger(__name__)

NEIGHBORS = "neighbors"
"""Name of the mosaic of located photos as a reference, and of its stage."""

_LEAST_SURE = 2  # sure photos from which a mosaic of them can help


def locate_all(
    photos: pd.DataFrame,
    measures: tuple[int, float],
    references: Sequence[Reference],
    cfg: SearchConfig,
    describe: Sequence[Describe],
    *,
    device: torch.device,
    threads: int = 1,
    proposals: Proposals | None = None,
) -> tuple[list[Answer], Calibration]:
    """Locate photos.

    Args:
        photos: Rows of the photo table to answer. Poses of the split `validation` are used to
            calibrate the answers, and for nothing else.
        measures: Longest side of the photos in pixels, and their scale; see `measures_of`.
        references: The substrate first, then mosaics.
        cfg: How to search.
        describe: Ways to describe cells, in the order in which they are tried.
        device: Where to compute.
        threads: Photos at a time, where the device is the CPU.
        proposals: Places by photo that are looked at closely as well.

    Returns:
        One answer a row, and what the photos with known position taught.
    """
    side, scale = measures

    def localizer(over: Sequence[Reference]) -> Localizer:
        return Localizer(over, cfg, side, describe, device=device, scale=scale)

    workers = threads if device.type == "cpu" else 1
    paths = photos["path"].tolist()
    near = [(proposals or {}).get(name, ()) for name in photos["photo"]]
    answers = _locate(localizer(references), paths, workers, "locate", near)
    if cfg.joint:
        answers = _jointly(photos, answers, references[0], localizer, workers)
    calibration = calibrate(answers, photos)
    return [calibration.apply(answer, cfg.precision) for answer in answers], calibration


def measures_of(photos: pd.DataFrame) -> tuple[int, float]:
    """Return the longest side of the photos in pixels, and their scale as far as it is known."""
    scale = photos["scale"].dropna()
    side = int(photos[["width", "height"]].to_numpy().max())
    return side, float(scale.median()) if len(scale) else 1.0


def _locate(
    localizer: Localizer,
    paths: list[str],
    workers: int,
    title: str,
    near: Sequence[Sequence[Proposal]] | None = None,
) -> list[Answer]:
    """Return the answers of photos, in order; `near` holds the proposals of each."""

    def one(path: str, proposals: Sequence[Proposal]) -> Answer:
        return localizer.locate(read_picture(path), proposals)

    with ThreadPoolExecutor(workers) as pool:
        done: Iterable[Answer] = pool.map(one, paths, near or [()] * len(paths))
        return list(tqdm(done, total=len(paths), desc=title, unit="photo", disable=None))


def _jointly(
    photos: pd.DataFrame,
    answers: list[Answer],
    substrate: Reference,
    localizer: Callable[[Sequence[Reference]], Localizer],
    workers: int,
) -> list[Answer]:
    """Look for photos in doubt on mosaics of the sure ones, until no more become sure.

    Photos of one flight share season, light and even clouds: a sure neighbor shows a doubtful photo
    more of itself than the substrate does.
    """
    for _ in range(3):
        doubtful = [k for k, answer in enumerate(answers) if not answer.resolved]
        sure = [k for k, answer in enumerate(answers) if answer.resolved]
        if not doubtful or len(sure) < _LEAST_SURE:
            break
        with tempfile.TemporaryDirectory(prefix="nadir-") as folder:
            mosaic = Path(folder) / f"{NEIGHBORS}.tif"
            placed = list(_placed(photos.iloc[sure], [answers[k] for k in sure]))
            grid = substrate.grid or Grid.of_pixels(substrate.height, substrate.width)
            write_mosaic(placed, grid, mosaic, workers)
            manifest = mosaic.with_name(f"{NEIGHBORS}.manifest.json")
            build_reference(mosaic, manifest)
            again = _locate(
                localizer([Reference(manifest)]),
                photos["path"].iloc[doubtful].tolist(),
                workers,
                NEIGHBORS,
            )
        gained = 0
        for k, answer in zip(doubtful, again, strict=True):
            if answer.probability > answers[k].probability:
                gained += answer.resolved
                answers[k] = replace(answer, stage=NEIGHBORS)
        log.info("neighbors: %d of %d doubtful photos became sure", gained, len(doubtful))
        if not gained:
            break
    return answers


def _placed(photos: pd.DataFrame, answers: list[Answer]) -> Iterator[PlacedPhoto]:
    rows: Any = photos.itertuples(index=False)
    for row, answer in zip(rows, answers, strict=True):
        yield PlacedPhoto(row.photo, row.path, answer.pose, row.width, row.height)
