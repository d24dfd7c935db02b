"""Model bundles: `model.safetensors` (weights) and `model.yaml` (all else); no unpickling.

The card of a run (who trained, when, on what) lies beside them and is not part of the bundle.
"""

from __future__ import annotations

import json
import logging
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors import SafetensorError
from safetensors.numpy import load as parse_tensors
from safetensors.numpy import save as format_tensors

from nadir.errors import InputError
from nadir.provenance.atomic import write_bytes, write_text
from nadir.provenance.digest import sha
from nadir.provenance.transfer import local_copy

log = logging.getLogger(__name__)

WEIGHTS, DESCRIPTION = "model.safetensors", "model.yaml"
FORMAT = 1
"""Version of the layout of `model.yaml`."""

_TRAIN_AGAIN = "Train the model again, or restore the file from where it was trained."


@dataclass(frozen=True)
class Bundle:
    """A model as it lies on disk.

    Attributes:
        folder: Where it was read from.
        description: Content of `model.yaml`.
        weights: Tensor name -> array.
    """

    folder: Path
    description: dict[str, Any]
    weights: dict[str, np.ndarray]


def save_bundle(
    folder: str | os.PathLike[str], description: dict[str, Any], weights: dict[str, np.ndarray]
) -> None:
    """Write a bundle; equal arguments give equal bytes.

    Args:
        folder: Where to write; created.
        description: What `model.yaml` says: plain values only (numbers, text, lists, dictionaries).
        weights: Tensor name -> array.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    data = format_tensors({name: np.asarray(weights[name], order="C") for name in sorted(weights)})
    write_bytes(Path(folder) / WEIGHTS, data)
    full = {"format": FORMAT, **description, "weights_sha256": sha(data)}
    text = yaml.safe_dump(full, sort_keys=False, allow_unicode=True, width=100)
    write_text(Path(folder) / DESCRIPTION, text)


def load_bundle(folder: str | os.PathLike[str]) -> Bundle:
    """Read a bundle. Nothing in it is executed or unpickled.

    Raises:
        InputError: When a file is absent or corrupt, or the weights are not those that `model.yaml`
            was written for.
    """
    folder = Path(folder)
    description = load_description(folder)
    path = folder / WEIGHTS
    data = _read(path)
    weights = parse_weights(path, data)
    if sha(data) != description.get("weights_sha256"):
        raise InputError(
            path,
            f"these are not the weights that {DESCRIPTION} beside them describes (another digest)",
            _TRAIN_AGAIN,
        )
    return Bundle(folder, description, weights)


def load_description(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read `model.yaml` alone.

    Raises:
        InputError: When it is absent, not YAML, or of another format.
    """
    path = Path(folder) / DESCRIPTION
    try:
        description = yaml.safe_load(_read(path).decode())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(path, "this is no readable YAML", _TRAIN_AGAIN) from error
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise InputError(path, f"this does not describe a model (format {FORMAT})", _TRAIN_AGAIN)
    return description


def read_weights(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Read any `.safetensors` file of 16-, 32- or 64-bit tensors, of this machine or of a store.

    Raises:
        InputError: When it is absent, corrupt, or holds types that NumPy has not.
    """
    path = local_copy(str(path))
    return parse_weights(path, _read(path))


def parse_weights(path: Path, data: bytes) -> dict[str, np.ndarray]:
    """Return the tensors in the bytes of a `.safetensors` file; raises as `read_weights` does."""
    try:
        return parse_tensors(data)
    except (SafetensorError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise InputError(
            path,
            f"this is no readable safetensors file ({error})",
            "Give a complete .safetensors file; pickled checkpoints (.pt, .pth) are never read.",
        ) from error


def check_weights_file(path: str | os.PathLike[str], where: str) -> None:
    """See from its header that a `.safetensors` file is one and whole; its tensors are not read.

    Args:
        path: The file.
        where: Dotted name of the setting that names it, for the message.

    Raises:
        InputError: When it is absent, truncated or no such file.
    """
    path = local_copy(str(path))
    stated: int | None = None
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            whole = path.stat().st_size
            if length >= whole:
                raise ValueError("its header ends beyond it")
            header = json.loads(file.read(length))
        places = [item["data_offsets"] for key, item in header.items() if key != "__metadata__"]
        stated = int(max((end for _, end in places), default=0)) + 8 + length
    except OSError as error:
        raise InputError(
            path, f"it cannot be read ({error.strerror})", f"Correct {where}."
        ) from error
    except (struct.error, ValueError, AttributeError, TypeError, LookupError, RecursionError):
        pass  # whatever else the header holds
    if stated is None:
        raise InputError(
            path, "this is no safetensors file", f"Correct {where}, or fetch the file again."
        )
    if stated != whole:
        raise InputError(path, "this safetensors file is truncated", "Fetch the file again.")


def check_tensors(
    path: str | os.PathLike[str],
    expected: dict[str, tuple[int, ...]],
    given: dict[str, tuple[int, ...]],
) -> None:
    """See that a file holds exactly the tensors that a model needs.

    Args:
        path: The file of weights, for the message.
        expected: Tensor name -> shape, of the model.
        given: Tensor name -> shape, of the file.

    Raises:
        InputError: When they differ; the message names the first few tensors that do.
    """
    lacking = [f"{name} is lacking" for name in expected if name not in given]
    extra = [f"{name} is unknown" for name in given if name not in expected]
    other = [
        f"{name} is {_shape(given[name])} instead of {_shape(expected[name])}"
        for name in expected
        if name in given and tuple(given[name]) != tuple(expected[name])
    ]
    faults = other + lacking + extra
    if faults:
        shown = "; ".join(faults[:4]) + (f"; and {len(faults) - 4} more" if len(faults) > 4 else "")
        raise InputError(
            path,
            f"these are the weights of another model: {shown}",
            "Give the weights of this very architecture, or change the model's section to theirs.",
        )


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(str(side) for side in shape) or "scalar"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", _TRAIN_AGAIN) from error
