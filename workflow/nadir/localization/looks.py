"""A cheap look at photos: which of them show nothing that could be found anywhere."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

_STEP = 4
_FLAT = 4.0  # standard deviation below which a photo is of one color
_BRIGHT, _GRAY = 170, 30  # least value of a cloudy pixel's darkest band, most difference of bands
_OVERCAST = 0.9


def look(photo: NDArray[np.uint8]) -> Literal["blank", "overcast"] | None:
    """Tell whether a photo is blank (of one color) or overcast (nine tenths bright and gray).

    Bright roofs, sand and snow count as overcast as well: this is for a count in a report, and
    decides nothing.

    Args:
        photo: uint8 (height, width, 3).
    """
    sample = photo[::_STEP, ::_STEP].astype(np.int16)
    low, high = sample.min(axis=2), sample.max(axis=2)
    if sample.reshape(-1, 3).std(axis=0).max() < _FLAT:
        return "blank"
    cloudy = (low >= _BRIGHT) & (high - low <= _GRAY)
    return "overcast" if cloudy.mean() >= _OVERCAST else None
