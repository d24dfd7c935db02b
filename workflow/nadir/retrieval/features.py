"""Features of images from a network, the way that the public evaluator makes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

Embedding = Callable[[Tensor], Tensor]
"""From pictures (images, channels, rows, columns) to features (images, dimensions)."""


@torch.inference_mode()
def embed(
    network: Embedding,
    pictures: Tensor,
    *,
    flip: bool = True,
    scales: Sequence[float] = (1.0,),
) -> Tensor:
    """Return the features of pictures, of unit length.

    Outputs of the network are summed over the picture, its mirror image and all scales, and only
    then normalized: the sum weighs each by its length, as the public evaluator does.

    Args:
        network: The network, in evaluation mode, without its classifier.
        pictures: float (images, channels, rows, columns), normalized as the network wants.
        flip: Whether the mirror image (left for right) is added.
        scales: Areas relative to the picture's, each by bicubic interpolation: the side is
            multiplied by the square root.

    Returns:
        float32 (images, dimensions) on the device of the pictures.
    """
    total: Tensor | None = None
    for view in (pictures, pictures.flip(-1)) if flip else (pictures,):
        for scale in scales:
            shown = view
            if scale != 1:
                shown = functional.interpolate(
                    view, scale_factor=scale**0.5, mode="bicubic", align_corners=False
                )
            part = network(shown).float()
            total = part if total is None else total + part
    if total is None:
        raise ValueError("no scale: give at least one")
    return functional.normalize(total, dim=1)
