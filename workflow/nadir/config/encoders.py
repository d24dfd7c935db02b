"""Names of encoders and what else can be told of a model without building it or importing torch."""

from __future__ import annotations

import functools
import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nadir.config.networks import (
    LibraryNetwork,
    ModelConfig,
    UNet,
    UNetNoSkip,
    UNetTwoEncoders,
)
from nadir.errors import did_you_mean

COMMON_ENCODERS = ("resnet18", "resnet34", "resnet50", "efficientnet-b0", "mobilenet_v2", "mit_b0")
"""Encoders that messages name."""

ENCODERS = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x4d", "resnext101_32x8d", "resnext101_32x16d"),
    *("resnext101_32x32d", "resnext101_32x48d"),
    *("dpn68", "dpn68b", "dpn92", "dpn98", "dpn107", "dpn131"),
    *("vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"),
    *("senet154", "se_resnet50", "se_resnet101", "se_resnet152"),
    *("se_resnext50_32x4d", "se_resnext101_32x4d"),
    *("densenet121", "densenet161", "densenet169", "densenet201"),
    *("inceptionresnetv2", "inceptionv4", "xception", "mobilenet_v2"),
    *(f"efficientnet-b{number}" for number in range(8)),
    *(f"mit_b{number}" for number in range(6)),
    *(f"mobileone_s{number}" for number in range(5)),
)
"""Encoders of segmentation-models-pytorch under names of their own (a test compares)."""

TIMM = "tu-"
"""Prefix of timm's encoders."""

TORCHGEO = "torchgeo:"
"""Prefix of weights that torchgeo knows by name."""

TORCHGEO_REMEDY = (
    "Install the extra (pip install '.[torchgeo]' in nadir's folder), give a .safetensors file, "
    "or set weights: null."
)
"""What to do where it is not installed."""

_MIX_TRANSFORMERS = "mit_"
_DILATED = ("deeplabv3plus", "deeplabv3", "pan")
_NOT_DILATED = (
    *(_MIX_TRANSFORMERS, "vgg", "densenet", "inceptionresnetv2", "xception"),
    *("tu-swin", "tu-maxvit", "tu-coatnet"),
)
_ONE_SIZE = ("tu-coatnet", "tu-coatnext")  # their attention has a place for each cell of the image
_DPT_PATCHES = (8, 16, 32)  # powers of two: its decoder halves and doubles them
_VISION_TRANSFORMERS = ("vit_", "deit", "beit", "eva", "flexivit", "samvit")


class ModelFault(NamedTuple):
    """What is wrong with a model's section: the key, the problem (a clause), the remedy."""

    key: str
    problem: str
    remedy: str


def model_faults(cfg: ModelConfig) -> Iterator[ModelFault]:
    """Yield what can be told wrong of a model from its section alone.

    An unknown encoder (with the nearest name) or one for images of a single size, a decoder of a
    number of stages that does not fit, weights that are neither `imagenet` nor a `.safetensors`
    file.
    """
    if isinstance(cfg, UNetTwoEncoders):
        for encoder, weights in zip(cfg.encoders, cfg.each, strict=True):
            yield from encoder_faults(encoder, weights, "encoders")
            yield from _size_faults(encoder, "encoders")
    elif isinstance(cfg, (UNet, UNetNoSkip, LibraryNetwork)):
        tokens = isinstance(cfg, LibraryNetwork) and cfg.name == "dpt"
        yield from encoder_faults(cfg.encoder, cfg.weights, tokens=tokens)
        yield from _size_faults(cfg.encoder, "encoder")
    if isinstance(cfg, UNet):
        stages = len(cfg.decoder_channels)
        if not 3 <= stages <= 5 or (cfg.encoder.startswith(_MIX_TRANSFORMERS) and stages != 5):
            yield ModelFault(
                "decoder_channels",
                f"{stages} stages of the decoder do not fit the encoder {cfg.encoder}",
                "Give 5 numbers (3 or 4 for a shallower convolutional encoder).",
            )
    if isinstance(cfg, LibraryNetwork):
        yield from _library_faults(cfg)


def _size_faults(encoder: str, key: str) -> Iterator[ModelFault]:
    """Yield that an encoder takes images of one size alone."""
    if encoder.startswith(_ONE_SIZE):
        yield ModelFault(
            key,
            f"{encoder} takes images of one size alone, and maps are computed in windows of any",
            "Choose one whose attention is in windows, such as tu-maxvit_rmlp_pico_rw_256.",
        )


def _library_faults(cfg: LibraryNetwork) -> Iterator[ModelFault]:
    """Yield which parts of a library's network do not go together."""
    if cfg.name in ("unetplusplus", "linknet") and cfg.encoder.startswith(_MIX_TRANSFORMERS):
        problem = f"{cfg.name} has no connections for the stages of {cfg.encoder}"
        yield ModelFault("encoder", problem, "Choose a convolutional encoder, or unet.")
    if cfg.name in _DILATED and cfg.encoder.startswith(_NOT_DILATED):
        problem = f"{cfg.encoder} cannot be dilated, as {cfg.name} needs it"
        yield ModelFault("encoder", problem, "Choose a ResNet, or another model.")
    if cfg.name == "linknet" and cfg.width is not None:
        problem = "linknet has the widths of its encoder's stages"
        yield ModelFault("width", problem, "Leave it out, or choose another model.")
    if cfg.name != "dpt":
        return
    if not is_vision_transformer(cfg.encoder):
        yield ModelFault(
            "encoder",
            f"dpt needs a vision transformer, and {cfg.encoder} is none that is known",
            "Choose one such as tu-vit_small_patch16_224.",
        )
    elif (patch := patch_of(cfg.encoder)) not in _DPT_PATCHES:
        yield ModelFault(
            "encoder",
            f"{cfg.encoder} has patches of {patch} pixels, and dpt brings only those of "
            f"{', '.join(map(str, _DPT_PATCHES))} back to pixels",
            "Choose one of such patches: tu-vit_small_patch16_224, or of DINO's weights "
            "tu-vit_small_patch16_224.dino.",
        )
    if cfg.dates != "stacked":
        yield ModelFault("dates", "dpt knows no attention over dates", "Set dates: stacked.")
    if str(cfg.weights).startswith(TORCHGEO):
        problem = "dpt takes no weights of torchgeo's by name"
        yield ModelFault("weights", problem, "Give imagenet, a .safetensors file, or null.")


def encoder_faults(
    encoder: str, weights: str | None, key: str = "encoder", *, tokens: bool = False
) -> Iterator[ModelFault]:
    """Yield what can be told wrong of an encoder's name, and of the weights it starts from.

    Args:
        encoder: Its name.
        weights: What it starts from.
        key: The key that names it.
        tokens: Whether one map of tokens will do; else maps of several scales are needed.
    """
    if not is_encoder(encoder):
        hint = did_you_mean(encoder, [*ENCODERS, *(timm_encoders() or ())])
        yield ModelFault(
            key,
            f"there is no encoder {encoder!r}{hint}",
            f"Common ones are {', '.join(COMMON_ENCODERS)}.",
        )
    elif is_vision_transformer(encoder) and not tokens:
        yield ModelFault(
            key,
            f"{encoder} is a plain vision transformer: its maps have one scale, and more are "
            "needed here",
            "Choose an encoder of several scales, such as tu-convnext_tiny or resnet50 (dpt and "
            "the shared encoder of retrieval take vision transformers).",
        )
    named = weights in (None, "imagenet") or str(weights).startswith(TORCHGEO)
    if not named and not str(weights).endswith(".safetensors"):
        hint = did_you_mean(str(weights), ["imagenet"])
        yield ModelFault(
            "weights",
            f"{weights!r} is neither 'imagenet' nor a .safetensors file{hint}",
            "Give imagenet, the path of a .safetensors file, or null.",
        )


def weights_of(cfg: ModelConfig) -> tuple[str | None, ...]:
    """Return what each encoder of a model starts from: a name, a file or nothing."""
    if isinstance(cfg, UNetTwoEncoders):
        return cfg.each
    return (cfg.weights,) if isinstance(cfg, (UNet, UNetNoSkip, LibraryNetwork)) else ()


def weights_files(cfg: ModelConfig) -> list[str]:
    """Return the files of encoder weights that a model starts from, each once."""
    return [str(file) for file in dict.fromkeys(filter(is_weights_file, weights_of(cfg)))]


def is_weights_file(weights: str | None) -> bool:
    """Tell whether weights are a file, and not a name for what has to be fetched, or nothing."""
    return weights not in (None, "", "imagenet") and not str(weights).startswith(TORCHGEO)


def is_encoder(name: str) -> bool:
    """Tell whether there is an encoder of this name; timm's are not doubted where it is missing."""
    if not name.startswith(TIMM):
        return name in ENCODERS
    known = timm_encoders()
    return known is None or name.split(".")[0] in known  # tu-NAME.TAG names pretrained weights


def is_vision_transformer(name: str) -> bool:
    """Tell from its name whether one of timm's encoders makes tokens of one scale alone."""
    return name.startswith(TIMM) and name.removeprefix(TIMM).startswith(_VISION_TRANSFORMERS)


def patch_of(name: str) -> int:
    """Return the side in pixels of a vision transformer's patch, which its name tells."""
    found = re.search(r"patch(\d+)|_s(\d+)(?:_|$)", name)
    return int(found[1] or found[2]) if found else 16


@functools.cache
def timm_encoders() -> frozenset[str] | None:
    """Return the names of timm's models with their prefix, or None where it is not installed.

    They are read from the sources of the installed version: importing timm imports torch.
    """
    found = importlib.util.find_spec("timm")
    if found is None or found.origin is None:
        return None
    names: set[str] = set()
    for path in (Path(found.origin).parent / "models").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        names.update(re.findall(r"^@register_model\s+def (\w+)\(", text, re.M))
    return frozenset(TIMM + name for name in names) or None
