"""How pictures are scaled for encoders that learnt from ImageNet."""

from __future__ import annotations

import torch
from torch import nn

MEAN = (0.485, 0.456, 0.406)
"""Mean of ImageNet's pictures by channel, of values in 0..1."""
STD = (0.229, 0.224, 0.225)
"""Their standard deviation."""


class ImagenetScaling(nn.Module):
    """Part of an exported program: from values in 0..1 to what an encoder expects."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        for name, values in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(values).reshape(1, 3, 1, 1))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return float32 (n, 3, h, w) of mean 0 and deviation 1 over ImageNet, for 0..1."""
        return (pictures - self.mean) / self.std
