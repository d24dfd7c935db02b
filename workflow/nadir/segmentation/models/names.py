"""Names of encoders, checked without building anything (and mostly without importing torch)."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from nadir.config.experiments import ModelConfig, UNet, UNetNoSkip
from nadir.errors import InputError, did_you_mean

COMMON_ENCODERS = (
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnext50_32x4d",
    "efficientnet-b0",
    "efficientnet-b1",
    "efficientnet-b2",
    "mobilenet_v2",
    "densenet121",
    "vgg16_bn",
    "mit_b0",
    "mit_b1",
    "mit_b2",
)
"""Encoders known without asking the library, so that checking a common name costs nothing."""

_MIX_TRANSFORMERS = "mit_"


def check_model(cfg: ModelConfig, where: str = "model") -> None:
    """See that a model can be built, before any data is touched.

    Args:
        cfg: The section of the configuration.
        where: Its dotted name, for the message.

    Raises:
        InputError: For an unknown encoder (with the nearest name), a decoder of the wrong number of
            stages, or a weights file that is absent or no safetensors file.
    """
    if not isinstance(cfg, (UNet, UNetNoSkip)):
        return
    _check_encoder(cfg.encoder, f"{where}.encoder")
    if isinstance(cfg, UNet):
        stages = len(cfg.decoder_channels)
        if not 3 <= stages <= 5 or (cfg.encoder.startswith(_MIX_TRANSFORMERS) and stages != 5):
            raise InputError(
                f"{where}.decoder_channels",
                f"{stages} stages of the decoder do not fit the encoder {cfg.encoder}",
                "Give 5 numbers (3 or 4 for a shallower convolutional encoder).",
            )
    if cfg.weights is not None and cfg.weights != "imagenet":
        _check_file(cfg.weights, f"{where}.weights")


def encoder_names() -> list[str]:
    """Return every encoder's name, timm's prefixed by `tu-` (imports torch)."""
    import timm
    from segmentation_models_pytorch.encoders import encoders

    plain = [name for name in encoders if not name.startswith("timm-")]
    return plain + [f"tu-{name}" for name in timm.list_models()]


def _check_encoder(name: str, where: str) -> None:
    if name in COMMON_ENCODERS:
        return
    choices = encoder_names()
    base = (
        name.split(".")[0] if name.startswith("tu-") else name
    )  # tu-NAME.TAG names pretrained weights
    if base not in choices:
        problem = f"there is no encoder {name!r}{did_you_mean(name, [*COMMON_ENCODERS, *choices])}"
        raise InputError(where, problem, f"Common ones are {', '.join(COMMON_ENCODERS[:6])}.")


def _check_file(name: str, where: str) -> None:
    path = Path(name)
    if path.suffix != ".safetensors":
        raise InputError(
            where,
            f"{name!r} is neither 'imagenet' nor a .safetensors file",
            "Give imagenet, the path of a .safetensors file, or null.",
        )
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
