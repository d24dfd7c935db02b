"""A view painted over the projection: each pixel copied from a layer, or of a color of its own.

That a field's color is in the crop need not be learnt; which layer shows at a pixel, what hides
what, and how the light differs is what the network finds out (blending of warped views, as in
view synthesis by flow, Zhou et al. 2016).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from nadir.groundview.blocks import StyledUNet
from nadir.groundview.projection import CHANNELS

_ABSENT = 12.0  # what the logit of a layer loses where the crop does not reach
_OWN = 1.0  # logit of colors of one's own at the start


class Painter(nn.Module):
    """U-Net that paints over the layers of a projection.

    Args:
        layers: Layers of the projection, perhaps none.
        extra: Further channels of the input.
        patch: Side of the squares of pixels that it works on.
        widths: Channels at each resolution, from the finest.
        style: Length of the style.
    """

    def __init__(
        self, layers: int, extra: int, patch: int, widths: Sequence[int], style: int
    ) -> None:
        super().__init__()
        self.layers, self.patch = layers, patch
        after = (layers + 1 + 3 if layers else 3) * patch**2
        self.unet = StyledUNet(layers * CHANNELS + extra, after, widths, style)
        self.light = nn.Linear(style, 6)
        nn.init.zeros_(self.light.weight)
        nn.init.zeros_(self.light.bias)

    def forward(self, shown: Tensor, extra: Tensor, style: Tensor) -> Tensor:
        """Return views (n, 3, side * patch, side * patch), values about -1..1.

        Args:
            shown: The layers, (n, layers * CHANNELS, side, side), values -1..1.
            extra: Further maps, (n, extra, side, side).
            style: (n, style).
        """
        maps = torch.cat([shown, extra], dim=1) if self.layers else extra
        painted = functional.pixel_shuffle(self.unet(maps, style), self.patch)
        if not self.layers:
            return painted
        fine = functional.interpolate(
            shown, scale_factor=float(self.patch), mode="bilinear", align_corners=False
        ).unflatten(1, (self.layers, CHANNELS))
        colors, there = fine[:, :, :3], fine[:, :, 3]
        gain, shift = self.light(style)[:, None, :, None, None].chunk(2, dim=2)
        own, logits = painted[:, :3], painted[:, 3:]
        absent = 0.5 * _ABSENT * (1 - there)
        logits = torch.cat([logits[:, :-1] - absent, logits[:, -1:] + _OWN], dim=1)
        weights = logits.softmax(dim=1)
        copied = (weights[:, :-1, None] * (colors * (1 + gain) + shift)).sum(1)
        return copied + weights[:, -1:] * own
