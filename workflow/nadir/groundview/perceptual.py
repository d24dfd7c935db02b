"""The customary perceptual figures, for those who have the weights: FID's features, and LPIPS.

Weights come from files of the user and are never fetched; pickled files are never read.
"""

from __future__ import annotations

import os

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nadir.learn.bundle import check_tensors, read_weights

_BATCH = 16
_SIDE = 299  # of the input of the Inception network
_TRACKED = "num_batches_tracked"


def inception_features(
    pictures: NDArray[np.uint8], weights: str | os.PathLike[str]
) -> NDArray[np.float32]:
    """Return the 2048 features by which the Frechet inception distance is defined.

    The Inception v3 of Heusel et al. 2017 differs from torchvision's in its pooling: averages leave
    padding out, and the last block takes a maximum (Seitzer 2020, pytorch-fid). Pictures are scaled
    bilinearly to 299 pixels and to values -1..1.

    Args:
        pictures: uint8 (n, 3, height, width).
        weights: `.safetensors` with the tensors of `pt_inception-2015-12-05`.

    Raises:
        InputError: When the file cannot be read, or holds other tensors.
    """
    network = _inception(weights)
    found = []
    with torch.inference_mode():
        for start in range(0, len(pictures), _BATCH):
            batch = torch.from_numpy(pictures[start : start + _BATCH]).float() / 127.5 - 1
            size = (_SIDE, _SIDE)
            batch = functional.interpolate(batch, size, mode="bilinear", align_corners=False)
            found.append(network(batch).numpy())
    return np.concatenate(found)


def perceptual_distance(
    one: NDArray[np.uint8], other: NDArray[np.uint8], weights: str | os.PathLike[str]
) -> NDArray[np.float64]:
    """Return the learned perceptual distance (LPIPS, AlexNet; Zhang et al. 2018) of pictures, (n,).

    Args:
        one: uint8 (n, 3, height, width), sides of at least 64 pixels or so.
        other: The same shape.
        weights: `.safetensors` with torchvision's weights of AlexNet; the linear layers come with
            torchmetrics.

    Raises:
        InputError: When the file cannot be read, or holds other tensors.
    """
    network = _lpips(weights)
    found = []
    with torch.inference_mode():
        for start in range(0, len(one), _BATCH):
            rows = slice(start, start + _BATCH)
            pair = [torch.from_numpy(part[rows]).float() / 127.5 - 1 for part in (one, other)]
            found.append(network(*pair).reshape(-1).double().numpy())
    return np.concatenate(found)


def _inception(weights: str | os.PathLike[str]) -> nn.Module:
    from torchvision.models.inception import (
        BasicConv2d,
        Inception3,
        InceptionA,
        InceptionAux,
        InceptionB,
        InceptionC,
        InceptionD,
        InceptionE,
    )

    def average(maps: Tensor) -> Tensor:
        return functional.avg_pool2d(maps, 3, 1, 1, count_include_pad=False)

    class BlockA(InceptionA):
        def _forward(self, x: Tensor) -> list[Tensor]:
            return [*super()._forward(x)[:-1], self.branch_pool(average(x))]

    class BlockC(InceptionC):
        def _forward(self, x: Tensor) -> list[Tensor]:
            return [*super()._forward(x)[:-1], self.branch_pool(average(x))]

    class BlockE(InceptionE):
        def _forward(self, x: Tensor) -> list[Tensor]:
            return [*super()._forward(x)[:-1], self.branch_pool(average(x))]

    class LastBlock(InceptionE):
        def _forward(self, x: Tensor) -> list[Tensor]:
            highest = functional.max_pool2d(x, 3, 1, 1)
            return [*super()._forward(x)[:-1], self.branch_pool(highest)]

    blocks = [BasicConv2d, BlockA, InceptionB, BlockC, InceptionD, BlockE, InceptionAux]
    network = Inception3(aux_logits=False, inception_blocks=blocks, init_weights=False)
    network.Mixed_7c = LastBlock(2048)
    network.fc = nn.Identity()
    _load(network, weights, ignored=("fc.", "AuxLogits."))
    return network.eval()


def _lpips(weights: str | os.PathLike[str]) -> nn.Module:
    from torchmetrics.functional.image.lpips import _LPIPS

    network = _LPIPS(pretrained=True, net="alex", pnet_rand=True)
    holder = nn.Module()
    # The slices hold torchvision's layers under their numbers in `features`.
    holder.features = nn.ModuleDict(
        {
            name: layer
            for part in network.net.children()
            for name, layer in part.named_children()
            if isinstance(layer, nn.Conv2d)
        }
    )
    _load(holder, weights, ignored=("classifier.",))
    return network.eval()


def _load(network: nn.Module, weights: str | os.PathLike[str], ignored: tuple[str, ...]) -> None:
    """Load a file into a network; what classifies is ignored, and counters may be absent."""
    state = network.state_dict()
    given = {
        name: torch.from_numpy(np.array(value))
        for name, value in read_weights(weights).items()
        if not name.startswith(ignored)
    }
    counters = {name: value for name, value in state.items() if name.endswith(_TRACKED)}
    given = {**counters, **given}
    check_tensors(
        weights,
        {name: tuple(value.shape) for name, value in state.items()},
        {name: tuple(value.shape) for name, value in given.items()},
    )
    network.load_state_dict(given)
