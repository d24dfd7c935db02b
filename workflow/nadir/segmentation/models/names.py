"""Whether a model can be built, checked without building anything and without importing torch."""

from __future__ import annotations

import importlib.util
import sys

from nadir.config.encoders import (
    TORCHGEO,
    TORCHGEO_REMEDY,
    model_faults,
    weights_files,
    weights_of,
)
from nadir.config.experiments import ModelConfig
from nadir.errors import InputError
from nadir.learn.bundle import check_weights_file


def check_model(cfg: ModelConfig, where: str = "model") -> None:
    """See that a model can be built, before any data is touched.

    Args:
        cfg: The section of the configuration.
        where: Its dotted name, for the message.

    Raises:
        InputError: For an unknown encoder (with the nearest name), a decoder of the wrong number of
            stages, for weights of torchgeo's where it is not installed, or a weights file that is
            absent or no safetensors file.
    """
    for key, problem, remedy in model_faults(cfg):
        raise InputError(f"{where}.{key}", problem, remedy)
    for weights in weights_of(cfg):
        if str(weights).startswith(TORCHGEO) and not _is_installed("torchgeo"):
            problem = f"{weights} needs torchgeo, which is not installed"
            raise InputError(f"{where}.weights", problem, TORCHGEO_REMEDY)
    for file in weights_files(cfg):
        check_weights_file(file, f"{where}.weights")


def _is_installed(package: str) -> bool:
    """Tell whether a package can be imported, without importing it."""
    if package in sys.modules:
        return sys.modules[package] is not None
    return importlib.util.find_spec(package) is not None
