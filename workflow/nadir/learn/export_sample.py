"""Inputs of a model and what it gives, so that anyone can see whether a copy still works."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.learn.exportable import Port
from nadir.provenance.numpy_files import load_arrays

_AGAIN = "Export the bundle again (`nadir export-bundle`)."
_LARGEST = 1 << 30
_FIRST, _ENDS = "input", ("output", "tolerance")


@dataclass(frozen=True)
class Sample:
    """Inputs and their output.

    Attributes:
        inputs: Name -> float32, a batch of one, in the order of the inputs; NaN where there is no
            data. The first one's name is `input`, whatever the model calls it.
        output: float32, a batch of one.
        tolerance: Largest deviation of an output that counts as the same.
    """

    inputs: dict[str, NDArray[np.float32]]
    output: NDArray[np.float32]
    tolerance: float

    @classmethod
    def of(
        cls,
        ports: Sequence[Port],
        inputs: Sequence[NDArray[np.float32]],
        output: NDArray[np.float32],
        tolerance: float,
    ) -> Sample:
        """Return a sample of inputs in the order of their ports."""
        names = [_FIRST, *(port.name for port in ports[1:])]
        return cls(dict(zip(names, inputs, strict=True)), output, tolerance)

    @property
    def values(self) -> tuple[NDArray[np.float32], ...]:
        """The inputs in their order."""
        return tuple(self.inputs.values())

    def deviation(self, output: NDArray[np.float32]) -> float:
        """Return the largest deviation of an output from this one's; infinite for another shape."""
        if output.shape != self.output.shape:
            return float("inf")
        # Subtracted in 64 bits; a NaN on one side alone makes the result NaN, which is never small.
        return float(np.abs(output.astype(np.float64) - self.output).max())


def sample_bytes(sample: Sample) -> bytes:
    """Return `sample.npz`: the inputs, `output` and `tolerance`; equal ones, equal bytes."""
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        allow_pickle=False,
        **sample.inputs,
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
        arrays = load_arrays(io.BytesIO(data))
        inputs = {name: array for name, array in arrays.items() if name not in _ENDS}
        sample = Sample(inputs, arrays["output"], float(arrays["tolerance"]))
    except (
        *(OSError, ValueError, KeyError, TypeError, RuntimeError),
        zipfile.BadZipFile,
    ) as error:
        raise InputError(path, f"this is no readable sample ({error})", _AGAIN) from error
    if _FIRST not in sample.inputs:
        raise InputError(path, f"it has no array {_FIRST!r}", _AGAIN)
    if any(array.dtype != np.float32 for array in (*sample.values, sample.output)):
        raise InputError(path, "its arrays are not of type float32", _AGAIN)
    if not sample.tolerance > 0:
        raise InputError(path, "its tolerance is not positive", _AGAIN)
    return sample
