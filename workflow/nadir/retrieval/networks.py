"""The networks of retrieval: pictures of any view to features."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nadir.config.encoders import is_vision_transformer
from nadir.config.retrieval_experiments import LIGHT, RetrievalModel, SharedEncoder, TwoView
from nadir.errors import InputError
from nadir.learn.encoders import build_encoder
from nadir.learn.imagenet import MEAN, STD
from nadir.learn.tokens import build_token_encoder
from nadir.retrieval.light import LightEncoder
from nadir.retrieval.pooling import ColorDeciles, GeneralizedMean, Pool


class EmbeddingNetwork(nn.Module):
    """Pictures to features; a view is named by its number among the views of the data set."""

    @abstractmethod
    def forward(self, pictures: Tensor, view: int = 0) -> Tensor:
        """Return features (B, D), of any length, of normalized pictures (B, 3, side, side)."""

    def views(self, pictures: Tensor) -> Tensor:
        """Return features (V, B, D) of one batch a view, (V, B, 3, side, side)."""
        return torch.stack([self(batch, view) for view, batch in enumerate(pictures)])

    @abstractmethod
    def encoders(self) -> list[nn.Module]:
        """Return the encoders, which may have weights from elsewhere."""


class TwoViewNetwork(EmbeddingNetwork):
    """An encoder a view, or one for both, and a bottleneck that both views share.

    Zheng et al. 2020, "University-1652": the feature is the bottleneck's output.

    Args:
        encoders: One encoder, or one a view.
        pool: Maps to a vector.
        channels: Its length.
        cfg: The network's section.
    """

    def __init__(
        self, encoders: list[nn.Module], pool: nn.Module, channels: int, cfg: TwoView
    ) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(encoders)
        self.pool = pool
        linear = nn.Linear(channels, cfg.dimensions)
        nn.init.kaiming_normal_(linear.weight, mode="fan_out")
        nn.init.zeros_(linear.bias)
        norm = nn.BatchNorm1d(cfg.dimensions)
        nn.init.normal_(norm.weight, 1.0, 0.02)
        self.bottleneck = nn.Sequential(linear, norm, nn.Dropout(cfg.dropout))

    def forward(self, pictures: Tensor, view: int = 0) -> Tensor:
        """Return features (B, dimensions) of normalized pictures."""
        encoder = self.encoder[view % len(self.encoder)]
        return self.bottleneck(self.pool(encoder(pictures)[-1]))

    def encoders(self) -> list[nn.Module]:
        """Return the encoders."""
        return list(self.encoder)


class SharedNetwork(EmbeddingNetwork):
    """One encoder for all views, pooling, and a projection.

    Args:
        encoder: Pictures to maps, the coarsest last.
        pool: Maps to a vector.
        channels: Its length.
        cfg: The network's section.
    """

    def __init__(
        self, encoder: nn.Module, pool: nn.Module, channels: int, cfg: SharedEncoder
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.pool = pool
        self.colors = ColorDeciles() if cfg.statistics else None
        joined = channels + (27 if cfg.statistics else 0)
        self.projection = nn.Sequential(
            nn.BatchNorm1d(joined),
            nn.Dropout(cfg.dropout),
            nn.Linear(joined, cfg.dimensions, bias=False),
        )

    def forward(self, pictures: Tensor, view: int = 0) -> Tensor:
        """Return features (B, dimensions) of normalized pictures of any view."""
        pooled = self.pool(self.encoder(pictures)[-1])
        if self.colors is not None:
            pooled = torch.cat([pooled, self.colors(pictures)], dim=1)
        return self.projection(pooled)

    def views(self, pictures: Tensor) -> Tensor:
        """Return features of all views from one batch, whose statistics they share."""
        return self(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])

    def encoders(self) -> list[nn.Module]:
        """Return the encoder."""
        return [self.encoder]


def build_network(cfg: RetrievalModel, *, pretrained: bool = True) -> EmbeddingNetwork:
    """Build the network; random weights come from torch's global generator: seed it first.

    Args:
        cfg: The network's section.
        pretrained: Load the encoder weights that `cfg` names; False when others are loaded anyway.

    Raises:
        InputError: When there are no such weights, they are those of another encoder, or a stride
            of 1 is asked of an encoder that is neither a ResNet nor a VGG network.
    """
    weights = cfg.weights if pretrained else None
    if isinstance(cfg, SharedEncoder):
        encoder: Any
        if cfg.encoder == LIGHT:
            encoder = LightEncoder(cfg.width)
        elif is_vision_transformer(cfg.encoder):
            encoder = build_token_encoder(cfg.encoder, weights, cfg.size)
        else:
            encoder = build_encoder(cfg.encoder, weights, 3)
        rings = cfg.parts if cfg.pool == "parts" else 1
        pool = Pool("avg") if cfg.pool == "avg" else GeneralizedMean(rings)
        return SharedNetwork(encoder, pool, encoder.out_channels[-1] * rings, cfg)
    encoders: list[Any] = [
        build_encoder(cfg.encoder, weights, 3) for _ in range(1 if cfg.share_weight else 2)
    ]
    if cfg.stride == 1:
        for encoder in encoders:
            keep_last_stage_fine(encoder, cfg.encoder)
    width = encoders[0].out_channels[-1] * len(cfg.pool.split("+"))
    return TwoViewNetwork(encoders, Pool(cfg.pool), width, cfg)


def keep_last_stage_fine(encoder: nn.Module, name: str) -> None:
    """Let the last maps be twice as fine; the weights stay what they are.

    The last stage of a ResNet loses its stride, and a VGG network its last pooling.

    Raises:
        InputError: When the encoder is neither.
    """
    stage, layers = getattr(encoder, "layer4", None), getattr(encoder, "features", None)
    if stage is not None:
        for module in stage.modules():
            if isinstance(module, nn.Conv2d) and module.stride == (2, 2):
                module.stride = (1, 1)
    elif isinstance(layers, nn.Sequential) and isinstance(layers[-1], nn.MaxPool2d):
        layers[-1] = nn.Identity()
    else:
        raise InputError(
            "model.stride",
            f"a stride of 1 is for ResNets and VGG networks, and {name} is none",
            "Set stride to 2, or choose one of them.",
        )


def normalized(pictures: NDArray[np.uint8]) -> Tensor:
    """Return pictures (..., side, side, 3) as networks take them, float32 (..., 3, side, side)."""
    values = torch.from_numpy(np.ascontiguousarray(np.moveaxis(pictures, -1, -3))).float()
    mean = torch.tensor(MEAN).view(3, 1, 1) * 255
    std = torch.tensor(STD).view(3, 1, 1) * 255
    return (values - mean) / std
