"""Segmentation models as a service offers them: loaded, named, with their threshold."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from nadir.config.experiments import PredictConfig
from nadir.errors import InputError, did_you_mean
from nadir.learn.bundle import DESCRIPTION, WEIGHTS, load_description
from nadir.provenance.digest import sha
from nadir.retrieval.training import TASK as RETRIEVAL
from nadir.segmentation.blend import LEVELS
from nadir.service.models import local_bundle
from nadir.service.problems import Problem

if TYPE_CHECKING:
    import torch

    from nadir.segmentation.predictor import Predictor


THRESHOLD = "threshold.json"
"""File in a bundle, or beside its folder: the threshold that was chosen on validation."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,99})=(.+)", re.DOTALL)
_EVEN = 0.5


@dataclass(frozen=True, eq=False)
class Model:
    """A segmentation model that a service offers.

    Attributes:
        name: How requests call it.
        predictor: The loaded bundle.
        predict: Window, overlap and views of prediction: those of the batch rule.
        threshold: Least probability of the target class, 0 to 1; None for models of many classes.
        digest: Digest of weights and description.
    """

    name: str
    predictor: Predictor
    predict: PredictConfig
    threshold: float | None
    digest: str

    @property
    def target(self) -> int | None:
        """Id of the class that is looked for: the last of two; None for models of many."""
        return 2 if self.predictor.table.count == 2 else None

    @property
    def kind(self) -> Literal["binary", "classes"]:
        """`binary` with a target class over a background, else `classes`."""
        return "classes" if self.target is None else "binary"

    @property
    def joins(self) -> bool:
        """Whether a call may hold windows of several requests: on a CPU it gains nothing."""
        device = getattr(self.predictor, "device", None)
        return device is not None and device.type != "cpu"

    @property
    def batch(self) -> int:
        """Windows of one call: on the CPU one group of one request, for more would wait longer."""
        if self.joins:
            return self.predict.batch_size
        side = self.predict.window or self.predictor.tile
        return max(self.predictor.group(side, side), 1)

    @property
    def settings(self) -> PredictConfig:
        """How it predicts here: as in the batch rule, in calls of this service's size."""
        return self.predict.model_copy(update={"batch_size": self.batch})

    @property
    def bands(self) -> int:
        """Bands of an image for it: those of all dates."""
        return len(self.predictor.bands) * self.predictor.dates

    def windows(
        self,
        raw: NDArray[np.uint16],
        valid: NDArray[np.bool_],
        scale: Sequence[float],
        offset: Sequence[float],
    ) -> NDArray[np.float32]:
        """Return the probabilities of windows, as `Predictor.predict`."""
        from nadir.segmentation.tta import views_of

        return self.predictor.predict(raw, valid, scale, offset, views_of(self.predict))

    def describe(self) -> dict[str, Any]:
        """Return what `/models` tells of it."""
        table = self.predictor.table
        return {
            "name": self.name,
            "kind": self.kind,
            "classes": [
                {"id": number, "name": name, "color": color}
                for number, (name, color) in enumerate(zip(table.names, table.colors, strict=True))
                if number
            ],
            "target": self.target,
            "bands": list(self.predictor.bands),
            "dates": self.predictor.dates,
            "threshold": self.threshold,
            "tile": self.predict.window or self.predictor.tile,
            "overlap": self.predict.overlap,
            "digest": self.digest,
        }


def level_of(threshold: float) -> int:
    """Return the least level, 1 to 250, that counts as the target class at a threshold in 0..1."""
    return int(np.clip(round(threshold * LEVELS), 1, LEVELS))


def find_model(models: dict[str, Model], name: str | None) -> Model:
    """Return the model of a name, the first where there is none.

    Raises:
        Problem: 404, with the nearest name.
    """
    if not name:
        return next(iter(models.values()))
    if name not in models:
        short = name[:80]
        raise Problem(
            404,
            "no-model",
            f"there is no model {short!r}{did_you_mean(short, models)}",
            f"Known are: {', '.join(list(models)[:20])}.",
        )
    return models[name]


def parse_bundle(argument: str) -> tuple[str, str]:
    """Return name and address of a bundle as given on the command line: `[NAME=]ADDRESS`.

    Without a name, a bundle is called like its experiment: the folder around `model`.

    Raises:
        InputError: When no name can be made of it.
    """
    given = _NAMED.fullmatch(argument)
    if given:
        return given[1], given[2]
    parts = [part for part in argument.split("/") if part not in ("", ".")]
    if "://" not in argument and (len(parts) < 2 or ".." in parts):
        parts = [part for part in Path(argument).resolve().parts if part != "/"]
    name = parts[-2] if len(parts) > 1 and parts[-1] == "model" else (parts or [""])[-1]
    if not _NAME.fullmatch(name):
        raise InputError(
            argument,
            f"{name!r} is no name for a model",
            "Give one before the folder: NAME=FOLDER, of letters, digits, '.', '_' and '-'.",
        )
    return name, argument


def load_models(
    arguments: Sequence[str], device: torch.device | str = "cpu", threads: int = 1
) -> list[Model]:
    """Load the bundles that a command line names.

    Raises:
        InputError: When one is absent, damaged or of another task, or two have the same name.
    """
    named = [parse_bundle(argument) for argument in arguments]
    names = [name for name, _ in named]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                name, "two bundles have this name", "Name them apart: NAME=FOLDER for each."
            )
    return [load_model(name, local_bundle(place), device, threads) for name, place in named]


def load_model(
    name: str, folder: Path, device: torch.device | str = "cpu", threads: int = 1
) -> Model:
    """Load one bundle.

    Its threshold is that of `threshold.json` inside or beside its folder, else one half.

    Args:
        name: How requests call it.
        folder: The bundle.
        device: A torch device.
        threads: CPU threads.

    Raises:
        InputError: When it is absent, damaged or of another task.
    """
    from nadir.segmentation.predictor import load_predictor

    if load_description(folder).get("task") == RETRIEVAL:
        raise InputError(
            folder,
            f"a model of {RETRIEVAL} answers out of a gallery",
            "Make one with `nadir export-gallery`, and give its folder after --retrieve.",
        )
    predictor = load_predictor(folder, device, threads)
    digest = sha(b"".join((folder / item).read_bytes() for item in (WEIGHTS, DESCRIPTION)))[:16]
    predict, threshold = PredictConfig(), _EVEN
    for path in (folder / THRESHOLD, folder.resolve().parent / THRESHOLD):
        if path.is_file():
            predict, threshold = read_threshold(path)
            break
    binary = predictor.table.count == 2
    return Model(name, predictor, predict, threshold if binary else None, digest)


def read_threshold(path: Path) -> tuple[PredictConfig, float]:
    """Return how probabilities were predicted, and the threshold that was chosen for them.

    Args:
        path: `threshold.json`; a member `predict` tells settings other than the usual ones.

    Raises:
        InputError: When it tells no number from 0 to 1.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        threshold = float(content["threshold"])
        predict = PredictConfig.model_validate(content.get("predict") or {})
        if not 0 <= threshold <= 1:
            raise ValueError(f"{threshold} is not from 0 to 1")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
        raise InputError(
            path, f"this tells no threshold ({error})", "Make it anew, or remove it."
        ) from error
    return predict, threshold
