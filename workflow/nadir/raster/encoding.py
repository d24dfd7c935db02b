"""How pixel values become the cube's uint16: the one place where imagery is quantized.

Unsigned 8- and 16-bit integers are stored as they are, with the scale and offset of their date.
Everything else (floats, signed or wide integers) is turned into reflectance and quantized to
1/10000 with an offset of -1000: raw 0 to 65535 stands for reflectance -0.1 to 6.4535, which is
the encoding of Sentinel-2 from baseline 04.00 on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nadir.errors import InputError
from nadir.raster.sentinel2 import OFFSET_SINCE_4, QUANTIFICATION

_AS_IS = (np.dtype(np.uint8), np.dtype(np.uint16))


@dataclass(frozen=True)
class Encoding:
    """How the values of one date are stored.

    Attributes:
        scale: Reflectance = scale * (stored + offset).
        offset: See `scale`.
        source_scale: Reflectance = source_scale * (value + source_offset).
        source_offset: See `source_scale`.
        as_is: Whether values are stored unchanged.
    """

    scale: float
    offset: float
    source_scale: float
    source_offset: float
    as_is: bool

    @classmethod
    def of(cls, dtype: np.dtype, scale: float, offset: float) -> Encoding:
        """Return the encoding for a source's dtype, scale and offset."""
        if np.dtype(dtype) in _AS_IS:
            return cls(scale, offset, scale, offset, True)
        return cls(QUANTIFICATION, OFFSET_SINCE_4, scale, offset, False)

    def encode(self, raw: np.ndarray, valid: np.ndarray, file: str) -> tuple[np.ndarray, int]:
        """Return stored values and how many valid ones had to be clipped to the range.

        Args:
            raw: (band, h, w): values of the source.
            valid: bool (h, w): pixels that have a value; the others are stored as 0.
            file: The source's file, for messages.

        Returns:
            uint16 (band, h, w), and the number of valid values outside -0.1 to 6.4535 reflectance.

        Raises:
            InputError: When a valid value is NaN or infinite.
        """
        whole = bool(valid.all())
        if self.as_is:
            stored = raw.astype(np.uint16)  # a copy: 0 is written into it
            clipped = 0
        else:
            if raw.dtype.kind == "f" and not np.isfinite(raw if whole else raw[:, valid]).all():
                raise InputError(
                    file,
                    "it holds NaN or infinite values where it should have reflectance",
                    "Declare `nodata: nan` if NaN means no data there; else repair the file.",
                )
            values = raw.astype(np.float64)
            if not whole:
                values[:, ~valid] = 0.0
            values += self.source_offset
            values *= self.source_scale / self.scale
            values -= self.offset
            np.rint(values, out=values)
            outside = ((values < 0) | (values > 65535)) & valid
            clipped = int(np.count_nonzero(outside))
            stored = np.clip(values, 0, 65535).astype(np.uint16)
        if not whole:
            stored[:, ~valid] = 0
        return stored, clipped
