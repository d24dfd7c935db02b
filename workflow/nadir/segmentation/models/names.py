"""Whether a model can be built, checked without building anything and without importing torch."""

from __future__ import annotations

from nadir.config.encoders import model_faults, weights_file
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
            stages, or a weights file that is absent or no safetensors file.
    """
    for key, problem, remedy in model_faults(cfg):
        raise InputError(f"{where}.{key}", problem, remedy)
    file = weights_file(cfg)
    if file is not None:
        check_weights_file(file, f"{where}.weights")
