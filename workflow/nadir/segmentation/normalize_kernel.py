"""The compiled kernel of normalization: one pass over the values, twenty times NumPy's four."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def normalize_into(values: Any, raw: Any, valid: Any, gain: Any, bias: Any) -> None:
    """Fill `values` with (raw * gain + bias) * valid, rounded after each operation.

    Args:
        values: float32 (n, date, band, h, w), what is filled.
        raw: (n, date, band, h, w), any integer type.
        valid: bool (n, date, h, w).
        gain: float32 (date, band).
        bias: float32 (date, band).
    """
    count, dates, bands, height, width = raw.shape
    for i in range(count):
        for date in range(dates):
            for band in range(bands):
                factor, term = gain[date, band], bias[date, band]
                for y in range(height):
                    for x in range(width):
                        value = np.float32(raw[i, date, band, y, x]) * factor + term
                        values[i, date, band, y, x] = value * np.float32(valid[i, date, y, x])
