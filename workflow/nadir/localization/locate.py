"""From a case and a method to the table of poses."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from nadir.config.localization import PROPOSED, Localiser, SiftRansac, SiftVoting
from nadir.errors import InputError
from nadir.learn.devices import lease
from nadir.localization.deployment import descriptions, write_deployment
from nadir.localization.localizer import Answer
from nadir.localization.photos import asked, read_photos
from nadir.localization.pooled import locate_all, measures_of
from nadir.localization.poses import pose_table, write_poses
from nadir.localization.proposals import read_proposals
from nadir.localization.references import Reference
from nadir.localization.sparse import (
    Estimator,
    SparseReference,
    locate_photo,
    ransac_estimator,
    voting_estimator,
)
from nadir.raster.pictures import read_picture

log = logging.getLogger(__name__)

Method = Localiser | SiftRansac | SiftVoting


def locate_photos(
    photos: str | os.PathLike[str],
    references: Sequence[Path],
    method: Method,
    out: str | os.PathLike[str],
    *,
    descriptor: Path | None = None,
    deployment: str | os.PathLike[str] | None = None,
    proposals: str | os.PathLike[str] | None = None,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Locate the photos of a case that must be answered, and write their poses.

    Args:
        photos: The photo table.
        references: Manifests of references, the substrate first.
        method: How to locate.
        out: `poses.parquet` to write.
        descriptor: Folder of the trained descriptor's bundle; None searches with gradients.
        deployment: `localizer.json` to write, for single photos and the service (localiser only).
        proposals: Table of places to look at closely as well (localiser only).
        device: `auto`, `cpu` or `cuda`.
        threads: CPU threads.

    Raises:
        InputError: When an input cannot be read, or there is no photo to answer.
        OutputError: When the disk is full or not writable.
    """
    table = read_photos(photos)
    rows, measures = asked(table), measures_of(table)
    if rows.empty:
        raise InputError(
            photos, "there is no photo to locate", "Give test photos, or a share of validation."
        )
    opened = [Reference(manifest) for manifest in references]
    begin, spent = time.monotonic(), time.process_time()
    torch.set_num_threads(1)  # photos are what is worked on side by side
    if isinstance(method, Localiser):
        count = method.proposals.count if method.proposals else PROPOSED
        near = read_proposals(proposals, count) if proposals is not None else {}
        with lease(device) as found:
            answers, calibration = locate_all(
                rows,
                measures,
                opened,
                method.search,
                descriptions(descriptor, found),
                device=found,
                threads=threads,
                proposals=near,
            )
        if deployment is not None:
            write_deployment(
                deployment, references, descriptor, method.search, calibration, *measures
            )
        poses = pose_table([_row(*pair) for pair in zip(rows["photo"], answers, strict=True)])
    else:
        poses = _sparse_poses(rows, opened, method, threads)
    write_poses(out, poses)
    log.info(
        "%d photos, %.2f s and %.2f CPU s a photo, preparation included; %d unresolved",
        len(rows),
        (time.monotonic() - begin) / len(rows),
        (time.process_time() - spent) / len(rows),
        int((~poses["resolved"]).sum()),
    )


def _row(photo: str, answer: Answer) -> dict[str, Any]:
    """Return a row of the table of poses."""
    pose = answer.pose
    row: dict[str, Any] = {
        "photo": photo,
        "x": pose.x,
        "y": pose.y,
        "angle": pose.angle % 360.0,
        "scale": pose.scale,
        "margin": answer.margin,
        "probability": answer.probability,
        "resolved": answer.resolved,
        "reference": answer.reference,
        "stage": answer.stage,
    }
    return row | _spread(answer.covariance)


def _spread(covariance: np.ndarray | None) -> dict[str, float]:
    """Return standard deviations and covariances, where there are any."""
    if covariance is None:
        return {}
    sd = np.sqrt(np.diag(covariance))
    return {
        "sd_x": float(sd[0]),
        "sd_y": float(sd[1]),
        "sd_angle": float(sd[2]),
        "cov_xy": float(covariance[0, 1]),
        "cov_xa": float(covariance[0, 2]),
        "cov_ya": float(covariance[1, 2]),
    }


def _sparse_poses(
    rows: pd.DataFrame,
    references: list[Reference],
    method: SiftRansac | SiftVoting,
    threads: int,
) -> pd.DataFrame:
    """Return the poses that local features alone give; where they give none, the middle."""
    clahe = method.clahe if isinstance(method, SiftRansac) else True
    searched = [SparseReference(one.name, one.features(clahe)) for one in references]
    for reference in searched:
        _ = reference.index  # built once, before threads ask for it
    estimator: Estimator = (
        ransac_estimator(method.ratio) if isinstance(method, SiftRansac) else voting_estimator()
    )
    first = references[0]

    def one(path: str) -> dict[str, Any]:
        found = locate_photo(read_picture(path), searched, estimator, clahe, first.feature_factor)
        if found.vote is None:
            middle = {"x": 0.5 * first.width, "y": 0.5 * first.height, "angle": 0.0, "scale": 1.0}
            return {**middle, "reference": first.name, "stage": "none"}
        pose = found.vote.pose
        inside = {
            "x": float(np.clip(pose.x, 0, first.width)),
            "y": float(np.clip(pose.y, 0, first.height)),
            "angle": pose.angle % 360.0,
            "scale": pose.scale,
        }
        known = {"resolved": found.sure, "reference": found.reference, "stage": "features"}
        return inside | known | _spread(found.vote.covariance)

    with ThreadPoolExecutor(threads) as pool:
        found = tqdm(
            pool.map(one, rows["path"]), total=len(rows), desc="locate", unit="photo", disable=None
        )
        return pose_table(
            [{"photo": name, **row} for name, row in zip(rows["photo"], found, strict=True)]
        )
