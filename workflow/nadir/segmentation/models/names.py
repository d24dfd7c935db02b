"""Whether a model can be built, checked without building anything and without importing torch."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from nadir.config.encoders import model_faults, weights_file
from nadir.config.experiments import ModelConfig
from nadir.errors import InputError


def check_model(cfg: ModelConfig, where: str = "model") -> None:
    """See that a model can be built, before any data is touched.

    Args:
        cfg: The section of the configuration.
        where: Its dotted name, for the message.

    Raises:
        InputError: For an unknown encoder (with the nearest name), a decoder of the wrong number of
            stages, or a weights file that is absent or no safetensors file.
    """
    for key, problem, remedy in model_faults(cfg):
        raise InputError(f"{where}.{key}", problem, remedy)
    file = weights_file(cfg)
    if file is not None:
        _check_file(Path(file), f"{where}.weights")


def _check_file(path: Path, where: str) -> None:
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            whole = path.stat().st_size
            header = json.loads(file.read(length)) if length < whole else None
    except OSError as error:
        raise InputError(
            path, f"it cannot be read ({error.strerror})", f"Correct {where}."
        ) from error
    except (struct.error, ValueError):
        header = None
    if not isinstance(header, dict):
        raise InputError(
            path, "this is no safetensors file", f"Correct {where}, or fetch the file again."
        )
    ends = [item["data_offsets"][1] for key, item in header.items() if key != "__metadata__"]
    if max(ends, default=0) + 8 + length != whole:
        raise InputError(path, "this safetensors file is truncated", "Fetch the file again.")
