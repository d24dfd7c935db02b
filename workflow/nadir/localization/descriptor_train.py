"""Training of the descriptor on the case at hand: kept by key, resumed where it was killed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd

from nadir.config.localization import DescriptorConfig
from nadir.errors import InputError
from nadir.learn.bundle import DESCRIPTION, WEIGHTS
from nadir.learn.kept import CARD, TrainingRun, keep_training
from nadir.learn.session import Session
from nadir.localization.photos import read_photos
from nadir.provenance.manifest import read_manifest

_KEYED = ["photo", "width", "height", "x", "y", "angle", "scale", "digest"]


def train_descriptor(
    references: list[Path],
    photos: str | os.PathLike[str],
    *,
    cfg: DescriptorConfig,
    model: Path,
    history: Path,
    run: TrainingRun,
) -> str:
    """Train the descriptor from located photos and the references, or deliver what is kept.

    Args:
        references: Manifests of the references, the substrate first.
        photos: The photo table; those of the split `train` are learned from.
        cfg: The descriptor's section; `steps` is at least 1.
        model: Folder for `model.safetensors`, `model.yaml` and `card.json`.
        history: `history.parquet` to write.
        run: Where it is kept, of which code and seed, and what computes it.

    Returns:
        The key.

    Raises:
        InputError: For unusable inputs or a device that is not there.
        OutputError: When the disk is full or not writable.
    """
    if cfg.steps < 1:
        raise InputError("descriptor.steps", "there is nothing to train with 0 steps", "Give more.")
    table = read_photos(photos)
    located = table[(table["split"] == "train") & table[["x", "y", "angle"]].notna().all(axis=1)]
    parts = {
        "references": [read_manifest(one, "reference").digest for one in references],
        "photos": [list(row) for row in located[_KEYED].itertuples(index=False)],
        "sides": _sides(table),
        "descriptor": cfg.model_dump(mode="json"),
    }

    def fit(session: Session) -> dict[str, Any]:
        from nadir.localization.descriptor_fit import fit_descriptor  # torch, where there is need

        return fit_descriptor(references, located, _sides(table), cfg, session)

    outputs: dict[str, str | os.PathLike[str]] = {
        name: model / name for name in (WEIGHTS, DESCRIPTION, CARD)
    }
    outputs["history.parquet"] = history
    return keep_training(fit, run, parts, outputs, cfg=("descriptor",))


def _sides(photos: pd.DataFrame) -> list[float]:
    """Return the longer side of the photos and their scale: what the search will see."""
    known = photos["scale"].dropna()
    scale = float(known.median()) if len(known) else 1.0
    return [float(photos[["width", "height"]].to_numpy().max()), scale]
