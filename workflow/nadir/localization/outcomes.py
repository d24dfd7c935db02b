"""What became of each photo: its error, and whether it was right, and whether it was flagged."""

from __future__ import annotations

import numpy as np
import pandas as pd

from nadir.localization.pose import DEGREES, PIXELS, angle_difference

OUTCOMES = ("right", "right, flagged", "wrong, flagged", "wrong", "truth unknown")
"""What may become of a photo, from good to bad. Flagged are answers that are not resolved."""


def outcomes_of(
    photos: pd.DataFrame,
    poses: pd.DataFrame,
    right_px: float = PIXELS,
    right_deg: float = DEGREES,
) -> pd.DataFrame:
    """Join answers with what is known of the photos.

    Args:
        photos: The photo table.
        poses: Rows of `poses.parquet`.
        right_px: Largest error of a right center, in substrate pixels.
        right_deg: Largest error of a right direction, in degrees.

    Returns:
        The rows of `poses`, with `path`, `split`, `width`, `height`; `true_x`, `true_y`,
        `true_angle`, `true_scale` and the errors `center` (substrate pixels) and `turn` (degrees),
        NaN where the truth is not known; `outcome`, one of `OUTCOMES`.
    """
    known = photos[["photo", "path", "split", "width", "height", "x", "y", "angle", "scale"]]
    known = known.rename(columns={key: f"true_{key}" for key in ("x", "y", "angle", "scale")})
    table = poses.merge(known, on="photo", how="inner", validate="one_to_one")
    place, truth = (table[list(key)].to_numpy() for key in (("x", "y"), ("true_x", "true_y")))
    center = np.hypot(*(place - truth).T)
    turn = angle_difference(table["angle"].to_numpy(), table["true_angle"].to_numpy())
    right = (center <= right_px) & (turn <= right_deg)
    sure = table["resolved"].to_numpy(bool)
    cases = [np.isnan(turn), right & sure, right, ~sure]
    names = [OUTCOMES[4], OUTCOMES[0], OUTCOMES[1], OUTCOMES[2]]
    outcome = np.select(cases, names, default=OUTCOMES[3])
    return table.assign(center=center, turn=turn, outcome=outcome)
