"""How often the photo of a place is the nearest to the view generated for it, by each loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from nadir.config.groundview_evaluate import PairingConfig
from nadir.errors import InputError, did_you_mean
from nadir.groundview.image_losses import LOSSES
from nadir.groundview.judged import Judged
from nadir.groundview.matching import by_pair, choose_pairs, draw_pairs, matches

JUDGE = "judge"
"""Name of the distance between the judge's features, beside `LOSSES`."""

_ROWS = 32  # photos that a generated view is compared with at once


def check_losses(cfg: PairingConfig) -> None:
    """See that there are the losses that pairing names.

    Raises:
        InputError: For a name that is unknown.
    """
    for name in cfg.losses:
        if name not in LOSSES and name != JUDGE:
            choices = (*LOSSES, JUDGE)
            hint = did_you_mean(name, choices)
            problem = f"there is no loss {name!r}{hint}"
            raise InputError("evaluate.pairing.losses", problem, f"Use {', '.join(choices)}.")


def pairing_distances(judged: Judged, some: NDArray[np.intp]) -> dict[str, NDArray[np.float64]]:
    """Return, for each loss, the distance of each generated view (row) to each photo (column)."""
    found: dict[str, NDArray[np.float64]] = {}
    for name in judged.cfg.pairing.losses:
        if name == JUDGE:
            found[name] = cdist(judged.made[some, 0], judged.real[some])
        else:
            found[name] = _image_distances(judged.first[some], judged.test.photos[some], name)
    return found


@torch.inference_mode()
def _image_distances(
    views: NDArray[np.uint8], photos: NDArray[np.uint8], name: str
) -> NDArray[np.float64]:
    """Return (n, n) distances by one of `LOSSES`."""
    real = torch.from_numpy(photos).float() / 255
    found = np.empty((len(views), len(photos)))
    for number, view in enumerate(torch.from_numpy(views).float() / 255):
        for start in range(0, len(photos), _ROWS):
            part = real[start : start + _ROWS]
            values = LOSSES[name](view.expand_as(part).contiguous(), part)
            found[number, start : start + _ROWS] = values.double().numpy()
    return found


def score_pairing(judged: Judged) -> dict[str, Any]:
    """Return for each loss how often the photo of a place is the nearest to its generated view.

    Beside `accuracy` each loss has the `distances` of the pairs of the first draw (`drawn`, numbers
    of test pairs), from each generated view (row) to each photo, for pictures and tables.
    """
    cfg = judged.cfg.pairing
    some = choose_pairs(len(judged.test), cfg.most, judged.seed)
    draws = draw_pairs(judged.places[some], cfg.among, cfg.draws, judged.seed)
    drawn = draws.pairs[0]
    losses = {}
    for name, distances in pairing_distances(judged, some).items():
        right = np.full(len(judged.test), np.nan)
        right[some] = by_pair(matches(distances, draws), draws, len(some))
        losses[name] = {
            "accuracy": judged.mean(right),
            "distances": np.round(distances[np.ix_(drawn, drawn)], 6).tolist(),
        }
    return {
        "losses": losses,
        "n": draws.among,
        "chance": 1 / draws.among,
        "draws": len(draws.pairs),
        "compared": len(some),
        "distinct_places": draws.distinct,
        "drawn": some[drawn].tolist(),
    }
