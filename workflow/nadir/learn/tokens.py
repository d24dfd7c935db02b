"""Vision transformers of timm as encoders: their tokens, laid out as the map that they are of."""

from __future__ import annotations

import logging
from typing import Any

import timm
import torch
from torch import Tensor, nn

from nadir.config.encoders import TIMM
from nadir.errors import InputError
from nadir.learn.bundle import read_weights
from nadir.learn.encoders import unreachable

log = logging.getLogger(__name__)


class TokenEncoder(nn.Module):
    """Pictures of one size to the tokens of the last block, normalized, in their places.

    Tokens of the class and registers are left out. Attention sees the whole picture, so that there
    is one scale alone: no pyramid for a decoder.

    Args:
        model: A vision transformer of timm, without a classifier.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        info: Any = model.feature_info
        self.out_channels: list[int] = [info[-1].get("num_chs_norm", info[-1]["num_chs"])]

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """Return one map, float32 (B, C, rows / patch, columns / patch), of normalized pictures."""
        model: Any = self.model
        maps: list[Tensor] = model.forward_intermediates(
            pictures, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        return maps


def build_token_encoder(
    name: str, weights: str | None, size: int, where: str = "model"
) -> TokenEncoder:
    """Return a vision transformer for pictures of `size` by `size` pixels of three channels.

    Embeddings of positions that were learnt at another size are resampled to this one. Random
    weights come from torch's global generator: seed it first.

    Args:
        name: `tu-NAME` (`tu-NAME.TAG` for the weights of that tag, such as `.dino`).
        weights: `imagenet` for those that timm has under this name, whatever they were learnt on;
            a `.safetensors` file of the whole transformer as timm keeps it; or None.
        size: A multiple of the patch.
        where: Dotted name of the section that names the encoder, for messages.

    Raises:
        InputError: When weights cannot be fetched, or are those of another encoder.
    """
    plain = name.removeprefix(TIMM)
    options: dict[str, Any] = {"num_classes": 0, "img_size": size}
    if weights is None:
        return TokenEncoder(timm.create_model(plain, pretrained=False, **options))
    if weights != "imagenet":
        return TokenEncoder(_with_file(plain, weights, options))
    try:
        return TokenEncoder(timm.create_model(plain, pretrained=True, **options))
    except Exception as error:  # hubs, proxies and timm each raise kinds of their own
        log.debug("fetching weights failed", exc_info=True)
        raise unreachable(f"the weights of {name}", error, where) from error


def _with_file(name: str, file: str, options: dict[str, Any]) -> nn.Module:
    """Return a transformer with the weights of a file, which timm brings into its form."""
    state = {
        key.removeprefix("network.").removeprefix("encoder.").removeprefix("model."): value
        for key, value in read_weights(file).items()
    }
    tensors = {key: torch.from_numpy(array) for key, array in state.items()}
    try:
        return timm.create_model(
            name, pretrained=True, pretrained_cfg_overlay={"state_dict": tensors}, **options
        )
    except (RuntimeError, KeyError, ValueError) as error:
        raise InputError(
            file,
            f"these are not the weights of {name} ({str(error).splitlines()[0]})",
            "Give the file of this encoder, with the names that timm has for its tensors.",
        ) from error
