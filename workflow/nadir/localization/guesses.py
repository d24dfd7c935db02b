"""Answers that look at no photo: the floors under every table of scores."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from nadir.localization.casefile import Case
from nadir.localization.photos import asked
from nadir.localization.poses import pose_table

_TAG = 0x6755  # keeps these draws apart from others of the same seed


def constant_answers(case: Case, photos: pd.DataFrame) -> pd.DataFrame:
    """Answer every photo with the middle of the substrate at 0 degrees.

    Args:
        case: The case.
        photos: Its photo table.

    Returns:
        A table of poses, all unresolved.
    """
    return pose_table(
        [
            {
                "photo": name,
                "x": 0.5 * case.width,
                "y": 0.5 * case.height,
                "angle": 0.0,
                "scale": case.conventions.scale,
                "stage": "constant",
            }
            for name in asked(photos)["photo"]
        ]
    )


def random_answers(case: Case, photos: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Answer every photo with a place where it fits upright, and a direction, drawn uniformly.

    The draw is a function of seed and name alone.

    Args:
        case: The case.
        photos: Its photo table.
        seed: Seed.

    Returns:
        A table of poses, all unresolved.
    """
    scale = case.conventions.scale
    rows = []
    for photo in asked(photos).itertuples():
        word = hashlib.sha256(str(photo.photo).encode()).digest()[:8]
        rng = np.random.default_rng([seed, _TAG, int.from_bytes(word, "big")])
        x, y, angle = rng.random(3)
        reach = 0.5 * scale * int(photo.width), 0.5 * scale * int(photo.height)  # type: ignore[arg-type]
        rows.append(
            {
                "photo": photo.photo,
                "x": reach[0] + x * max(case.width - 2 * reach[0], 0.0),
                "y": reach[1] + y * max(case.height - 2 * reach[1], 0.0),
                "angle": 360.0 * angle,
                "scale": scale,
                "stage": "random",
            }
        )
    return pose_table(rows)
