"""The judge of views: trained once a dataset, kept by key. Nothing here imports torch."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nadir.config.groundview_evaluate import JudgeConfig
from nadir.errors import InputError
from nadir.groundview.pairs import Pairs, open_pairs
from nadir.learn.bundle import DESCRIPTION, WEIGHTS
from nadir.learn.kept import CARD, TrainingRun, keep_training
from nadir.learn.session import Session
from nadir.provenance.digest import sha

TASK = "judgment of ground views"
"""What `model.yaml` calls the task of this model."""

LEAST_PHOTOS = 8
"""Fewer training photos describe nothing."""


Fit = Callable[[Pairs, JudgeConfig, Session], dict[str, Any]]
"""(pairs, settings, session) -> facts for the run card."""


def train_judge(
    fit: Fit,
    pairs: str | os.PathLike[str],
    cfg: JudgeConfig,
    *,
    model: Path,
    run: TrainingRun,
) -> str:
    """Train the judge of a dataset, or deliver what an equal training gave before.

    The result is kept under a key of the photos of training and validation, their truth, settings,
    code and seed; an unfinished run with the same key goes on after its last finished epoch.

    Args:
        fit: Fits the network.
        pairs: Manifest of the pairs.
        cfg: The judge's section.
        model: Folder for `model.safetensors`, `model.yaml`, `card.json` and `history.parquet`.
        run: Where it is kept, of which code and seed, and what computes it.

    Returns:
        The key.

    Raises:
        InputError: For pairs that cannot be read, too few photos, or a device that is not there.
        OutputError: When the disk is full or not writable.
    """
    data = open_pairs(pairs)
    check_judged(data, pairs)
    parts = {
        "photos": {split: _digest(data, split) for split in ("train", "validation")},
        "judge": cfg.model_dump(mode="json"),
    }

    def fit_into(session: Session) -> dict[str, Any]:
        return fit(data, cfg, session)

    names = (WEIGHTS, DESCRIPTION, CARD, "history.parquet")
    outputs = {name: model / name for name in names}
    return keep_training(fit_into, run, parts, outputs, cfg=("judge",))


def check_judged(pairs: Pairs, name: str | os.PathLike[str]) -> None:
    """See that there is something to learn from.

    Raises:
        InputError: When there are too few training photos, or all of them are equal.
    """
    photos = pairs.photos[pairs.rows("train")]
    if len(photos) < LEAST_PHOTOS:
        problem = f"there are {len(photos)} training photos, and {LEAST_PHOTOS} are the least"
        raise InputError(name, problem, "Give more pairs, or a smaller share to test.")
    if (photos == photos[0]).all():
        raise InputError(name, "all training photos are equal", "Give photos of several places.")


def _digest(pairs: Pairs, split: str) -> str:
    """Return the digest of the photos of a split, and of their truth."""
    some = pairs.of(split)
    shares = some.view_shares()
    truth = b"" if shares is None else np.ascontiguousarray(shares, "<f4").tobytes()
    return sha(f"{some.photos.shape}".encode() + _bytes(some.photos) + truth)


def _bytes(photos: NDArray[np.uint8]) -> bytes:
    return np.ascontiguousarray(photos).tobytes()
