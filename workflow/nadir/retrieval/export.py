"""The networks of retrieval for export: pictures to the features that galleries are searched by."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nadir.learn.bundle import load_description
from nadir.learn.exportable import COLOR_BANDS, Exportable, Facts, Ground, Port
from nadir.learn.imagenet import ImagenetScaling
from nadir.retrieval.extraction import load_embedder
from nadir.retrieval.networks import EmbeddingNetwork

TOLERANCE = 1e-4
"""Largest deviation of a number of a feature, which has unit length."""


class RetrievalProgram(nn.Module):
    """A network with all that surrounds it in a search: scaling, mirror image, unit length.

    Args:
        network: The network.
        views: For how many views features are given; 1 where all views have the same encoder.
    """

    def __init__(self, network: EmbeddingNetwork, views: int) -> None:
        super().__init__()
        self.network = network
        self.views = views
        self.scaling = ImagenetScaling()

    def forward(self, pictures: Tensor) -> Tensor:
        """Return unit features (n, views, dimensions) for pictures (n, 3, side, side), 0 to 1."""
        values = self.scaling(pictures)
        features = [
            self.network(values, view) + self.network(values.flip(-1), view)
            for view in range(self.views)
        ]
        return functional.normalize(torch.stack(features, dim=1), dim=2)


def retrieval_exportable(
    folder: str | os.PathLike[str], ground: Ground | None = None, threads: int = 1
) -> Exportable:
    """Return a retrieval network for export or for a check.

    Args:
        folder: Its bundle.
        ground: Where and when it was trained.
        threads: CPU threads.

    Raises:
        InputError: As `load_embedder`.
    """
    torch.set_num_threads(threads)
    embedder = load_embedder(folder, torch.device("cpu"))
    said = load_description(folder)
    side, network, settings = embedder.side, embedder.network, said["network"]
    names = embedder.views if len(network.encoders()) > 1 else (" and ".join(embedder.views),)

    def answer(pictures: NDArray[np.float32]) -> NDArray[np.float32]:
        shown = [
            np.rint(np.moveaxis(picture, 0, -1) * 255).astype(np.uint8) for picture in pictures
        ]
        asked = embedder.views[: len(names)]
        return np.stack([embedder.features(shown, view) for view in asked], axis=1)

    dimensions = int(settings["dimensions"])
    return Exportable(
        folder=Path(folder),
        inputs=(
            Port(
                "pictures",
                ("batch", "bands", "height", "width"),
                (-1, 3, side, side),
                "Pictures in red, green and blue, 0 to 1 (8-bit values / 255).",
            ),
        ),
        output=Port(
            "features",
            ("batch", "view", "dimension"),
            (-1, len(names), dimensions),
            f"Features of unit length, as if the picture were of the view: {', '.join(names)}. "
            "The dot product of two features is their cosine: search a gallery by it.",
        ),
        network=RetrievalProgram(network, len(names)).eval(),
        multiple=None,
        sample=(_made_up_picture(side),),
        answer=answer,
        tolerance=TOLERANCE,
        facts=Facts(
            name=f"nadir-{settings['name'].replace('_', '-')}",
            architecture=f"{settings['encoder']}, {settings['pool']} pooling, linear",
            tasks=("similarity-search",),
            framework="PyTorch",
            framework_version=torch.__version__.partition("+")[0],
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            bands=COLOR_BANDS,
            classes=(),
            pretrained=said.get("pretrained"),
            resize="interpolation-area",
            hyperparameters=settings,
            description="Describes pictures so that those of one place are alike, whichever of "
            f"the views {' and '.join(embedder.views)} they are of.",
        ),
        ground=ground or Ground(),
    )


def _made_up_picture(side: int) -> NDArray[np.float32]:
    """Return a made-up picture of patches, float32 (1, 3, side, side) in steps of 1/255."""
    generator = np.random.default_rng([side, 5])
    coarse = np.kron(generator.random((3, -(-side // 8), -(-side // 8))), np.ones((1, 8, 8)))
    noisy = coarse[:, :side, :side] + generator.normal(scale=0.05, size=(3, side, side))
    return (np.round(noisy.clip(0, 1) * 255) / 255).astype(np.float32)[None]
