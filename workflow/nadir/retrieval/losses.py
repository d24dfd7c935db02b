"""What is minimized: terms by name, each with its weight."""

from __future__ import annotations

import math

import torch
from pytorch_metric_learning import losses as metric_losses
from pytorch_metric_learning import miners
from torch import Tensor, nn
from torch.nn import functional

from nadir.config.retrieval_experiments import LossesConfig

_SHARPEST = 100.0  # largest inverse temperature (Radford et al. 2021)
_LOGIT_STD = 0.001  # of the first weights of the classifier (Zheng et al. 2020)


class RetrievalLoss(nn.Module):
    """The weighted terms; what some of them learn (classifier, temperature) is part of it.

    Args:
        cfg: The losses' section.
        dimensions: Length of a feature.
        places: Number of training places.
    """

    def __init__(self, cfg: LossesConfig, dimensions: int, places: int) -> None:
        super().__init__()
        self.cfg = cfg
        if "instance" in cfg.active:
            self.classifier = nn.Linear(dimensions, places)
            nn.init.normal_(self.classifier.weight, std=_LOGIT_STD)
            nn.init.zeros_(self.classifier.bias)
        if "infonce" in cfg.active:
            self.sharpness = nn.Parameter(torch.tensor(math.log(1 / cfg.temperature)))
        # Of all triplets only those count that the miner finds hard (Wang et al. 2019).
        self._miner = miners.MultiSimilarityMiner()
        self._triplet = metric_losses.TripletMarginLoss(margin=cfg.margin)
        self._circle = metric_losses.CircleLoss(m=cfg.relaxation, gamma=cfg.scale)

    def forward(self, features: Tensor, places: Tensor) -> dict[str, Tensor]:
        """Return each term, not weighted.

        Args:
            features: float32 (views, B, dimensions), of any length.
            places: int64 (views, B), number of the place of each.
        """
        found: dict[str, Tensor] = {}
        unit = functional.normalize(features.float(), dim=-1)
        for name in self.cfg.active:
            if name == "instance":
                found[name] = self._instance(features.float(), places)
            elif name == "infonce":
                sharpness = self.sharpness.exp().clamp_max(_SHARPEST)
                found[name] = contrast(unit[0], unit[1], sharpness, self.cfg.smoothing)
            elif name == "triplet":
                flat, labels = unit.flatten(0, 1), places.flatten()
                found[name] = self._triplet(flat, labels, self._miner(flat, labels))
            else:
                found[name] = self._circle(unit.flatten(0, 1), places.flatten())
        return found

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """Return the weighted sum of the terms."""
        return torch.stack([self.cfg.active[name] * terms[name] for name in self.cfg.active]).sum()

    def _instance(self, features: Tensor, places: Tensor) -> Tensor:
        """Return the cross-entropy over the training places, summed over the views."""
        parts = [
            functional.cross_entropy(
                self.classifier(view), labels, label_smoothing=self.cfg.smoothing
            )
            for view, labels in zip(features, places, strict=True)
        ]
        return torch.stack(parts).sum()


def contrast(
    one: Tensor, other: Tensor, sharpness: Tensor | float, smoothing: float = 0.0
) -> Tensor:
    """Return the symmetric InfoNCE of two views whose rows belong together.

    Van den Oord et al. 2018; both ways as in Radford et al. 2021.

    Args:
        one: (B, D) of unit length.
        other: The same of the other view.
        sharpness: Inverse temperature.
        smoothing: Share of the target that is spread over all.
    """
    scores = one @ other.T * sharpness
    own = torch.arange(len(scores), device=scores.device)
    ways = [
        functional.cross_entropy(way, own, label_smoothing=smoothing) for way in (scores, scores.T)
    ]
    return (ways[0] + ways[1]) / 2
