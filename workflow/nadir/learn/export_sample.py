"""One input of a model and what it gives, so that anyone can see whether a copy still works."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError

_AGAIN = "Export the bundle again (`nadir export-bundle`)."
_LARGEST = 1 << 30


@dataclass(frozen=True)
class Sample:
    """One input and its output.

    Attributes:
        input: float32, a batch of one; NaN where there is no data.
        output: float32, a batch of one.
        tolerance: Largest deviation of an output that counts as the same.
    """

    input: NDArray[np.float32]
    output: NDArray[np.float32]
    tolerance: float

    def deviation(self, output: NDArray[np.float32]) -> float:
        """Return the largest deviation of an output from this one's; infinite for another shape."""
        if output.shape != self.output.shape:
            return float("inf")
        # Subtracted in 64 bits; a NaN on one side alone makes the result NaN, which is never small.
        return float(np.abs(output.astype(np.float64) - self.output).max())


def sample_bytes(sample: Sample) -> bytes:
    """Return `sample.npz`: arrays `input`, `output` and `tolerance`; equal ones, equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        input=sample.input,
        output=sample.output,
        tolerance=np.float64(sample.tolerance),
    )
    return buffer.getvalue()


def read_sample(path: str | os.PathLike[str]) -> Sample:
    """Read `sample.npz`; nothing in it is unpickled.

    Raises:
        InputError: When it is absent, damaged or no sample.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", _AGAIN) from error
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _LARGEST:
                raise ValueError("larger than any sample")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            sample = Sample(arrays["input"], arrays["output"], float(arrays["tolerance"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(path, f"this is no readable sample ({error})", _AGAIN) from error
    if sample.input.dtype != np.float32 or sample.output.dtype != np.float32:
        raise InputError(path, "its arrays are not of type float32", _AGAIN)
    if not sample.tolerance > 0:
        raise InputError(path, "its tolerance is not positive", _AGAIN)
    return sample
