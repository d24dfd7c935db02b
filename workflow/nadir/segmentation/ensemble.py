"""Several trained models that answer together."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nadir.errors import InputError
from nadir.segmentation.predictor import Predictor, load_predictor
from nadir.segmentation.tta import PLAIN, View

if TYPE_CHECKING:
    import torch


class Ensemble(Predictor):
    """The mean of the probabilities of several models (Lakshminarayanan et al. 2017).

    Args:
        members: Models of the same classes, bands and dates, each with its own statistics.

    Raises:
        InputError: When they differ.
    """

    def __init__(self, members: Sequence[Predictor]) -> None:
        first = members[0]
        for other in members[1:]:
            for name in ("table", "bands", "dates"):
                mine, its = getattr(first, name), getattr(other, name)
                if name == "table":
                    mine, its = mine.colorless, its.colorless
                if mine != its:
                    what = "classes" if name == "table" else name
                    raise InputError(
                        other.folder,
                        f"its {what} are not those of {first.folder}",
                        "Make an ensemble of models that were trained on the same datasets.",
                    )
        self.members = tuple(members)
        self.folder, self.table = first.folder, first.table
        self.folders = tuple(folder for member in members for folder in member.folders)
        self.bands, self.dates, self.statistics = first.bands, first.dates, first.statistics
        self.tile = max(member.tile for member in members)

    @property
    def by_pixel(self) -> bool:
        """Whether every member looks at single pixels."""
        return all(member.by_pixel for member in self.members)

    def group(self, height: int, width: int) -> int:
        """Return the largest of the members' groups, of which the others are parts."""
        return max(member.group(height, width) for member in self.members)

    def check_scale(
        self,
        name: str | os.PathLike[str],
        raw: np.ndarray,
        valid: np.ndarray,
        scale: Sequence[float],
        offset: Sequence[float],
    ) -> None:
        """See that a sample's reflectance is of the order of every member's training tiles."""
        for member in self.members:
            member.check_scale(name, raw, valid, scale, offset)

    def predict(
        self,
        raw: np.ndarray,
        valid: np.ndarray,
        scale: Sequence[float],
        offset: Sequence[float],
        views: Sequence[View] = PLAIN,
    ) -> np.ndarray:
        """Return the mean of what the members give, as `Predictor.predict`."""
        total = self.members[0].predict(raw, valid, scale, offset, views)
        for member in self.members[1:]:
            total = total + member.predict(raw, valid, scale, offset, views)
        return total / np.float32(len(self.members))

    def _probabilities(
        self, raw: np.ndarray, valid: np.ndarray, gain: np.ndarray, bias: np.ndarray
    ) -> np.ndarray:
        raise TypeError("each member normalizes by its own statistics: use predict")


def load_models(
    folders: Sequence[str | os.PathLike[str]], device: torch.device | str = "cpu", threads: int = 1
) -> Predictor:
    """Load one bundle, or several as an ensemble.

    Raises:
        InputError: As `load_predictor` and `Ensemble`.
    """
    loaded = [load_predictor(Path(folder), device, threads) for folder in folders]
    return loaded[0] if len(loaded) == 1 else Ensemble(loaded)


def describe_ensemble(cards: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a run card that stands for an ensemble.

    Args:
        cards: Member's name -> content of its `card.json`.

    Returns:
        `configuration.model.name`, and `result.parameters`: the sum over members, None where a
        member has none.
    """
    known = [card.get("result", {}).get("parameters") for card in cards.values()]
    return {
        "configuration": {"model": {"name": f"ensemble of {', '.join(cards)}"}},
        "members": dict(cards),
        "result": {"parameters": None if None in known else sum(known)},
    }
