"""Training of the regression baseline: kept by key, resumed where it was killed.

How a network is fitted is handed in (`Fit`), so that nothing here imports torch: a training that
has been done before is delivered in seconds.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from nadir.config.encoders import encoder_faults
from nadir.config.localization import Regression
from nadir.errors import InputError
from nadir.learn.bundle import DESCRIPTION, WEIGHTS, check_weights_file
from nadir.learn.kept import CARD, TrainingRun, keep_training, pretrained_parts
from nadir.learn.session import Session
from nadir.localization.photos import read_photos

_KEYED = ["photo", "split", "width", "height", "x", "y", "angle", "scale", "digest"]


@dataclass(frozen=True)
class RegressionData:
    """What the regression learns from.

    Attributes:
        train: Rows of the photo table to learn from.
        validation: Rows to choose the epoch by.
        substrate: What `case.json` says of the substrate: path, width, height, digest.
    """

    train: pd.DataFrame
    validation: pd.DataFrame
    substrate: dict[str, Any]


Fit = Callable[[RegressionData, Regression, Session], dict[str, Any]]
"""(data, method, session) -> facts for the run card."""


def train_regression(
    fit: Fit,
    photos: str | os.PathLike[str],
    case: dict[str, Any],
    *,
    method: Regression,
    model: Path,
    history: Path,
    run: TrainingRun,
) -> str:
    """Train the regression baseline, or deliver what an equal training gave before.

    The result is kept under a key of all that it depends on: digests and positions of the photos
    of training and validation, the substrate's digest, the method's section, code and seed. An
    unfinished run with the same key is resumed after its last finished epoch.

    Args:
        fit: Fits networks to the photos.
        photos: The photo table.
        case: Content of `case.json`.
        method: The method's section.
        model: Folder for `model.safetensors`, `model.yaml` and `card.json`.
        history: `history.parquet` to write.
        run: Where it is kept, of which code and seed, and what computes it.

    Returns:
        The key.

    Raises:
        InputError: For an encoder that cannot be built, a device that is not there, a case without
            photos to learn from or to choose by.
        OutputError: When the disk is full or not writable.
    """
    check_regression(method)
    data = regression_data(photos, case)
    parts = {
        "photos": _rows(pd.concat([data.train, data.validation])),
        "substrate": {key: data.substrate[key] for key in ("width", "height", "digest")},
        "method": method.model_dump(mode="json") | pretrained_parts(method.weights),
    }

    def fit_into(session: Session) -> dict[str, Any]:
        return fit(data, method, session)

    outputs = {name: model / name for name in (WEIGHTS, DESCRIPTION, CARD)}
    outputs["history.parquet"] = history
    return keep_training(fit_into, run, parts, outputs, cfg=("method",))


def check_regression(cfg: Regression) -> None:
    """See that the network can be built, before any photo is touched.

    Raises:
        InputError: For an unknown encoder, or a file of weights that is absent or no such file.
    """
    for key, problem, remedy in encoder_faults(cfg.encoder, cfg.weights):
        raise InputError(f"method.{key}", problem, remedy)
    if cfg.weights not in (None, "imagenet"):
        check_weights_file(str(cfg.weights), "method.weights")


def regression_data(photos: str | os.PathLike[str], case: dict[str, Any]) -> RegressionData:
    """Return what there is to learn from, and to choose the epoch by.

    Raises:
        InputError: When the table cannot be read, or one of the two parts is empty.
    """
    table = read_photos(photos)
    located = table[table[["x", "y", "angle", "scale"]].notna().all(axis=1)]
    parts = {name: located[located["split"] == name] for name in ("train", "validation")}
    for name, rows in parts.items():
        if rows.empty:
            raise InputError(
                photos,
                f"the regression needs located photos of the split {name!r}, and there are none",
                "Give more located photos, and a share of validation photos between 0 and 1.",
            )
    return RegressionData(parts["train"], parts["validation"], case["substrate"])


def _rows(photos: pd.DataFrame) -> list[list[Any]]:
    return [list(row) for row in photos[_KEYED].itertuples(index=False)]
