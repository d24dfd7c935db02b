"""The localization's networks for export: the descriptor of ground, and the regression baseline."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nadir.learn.bundle import load_description
from nadir.learn.exportable import COLOR_BANDS, Answer, Exportable, Facts, Ground, Port
from nadir.learn.imagenet import ImagenetScaling
from nadir.localization.descriptor import STRIDE
from nadir.localization.descriptor_fit import load_descriptor
from nadir.localization.regression import OUTPUTS, RegressionNetwork
from nadir.localization.regression_data import normalized
from nadir.localization.regression_predict import load_regressor

log = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Largest deviation of a feature, or of a share of the substrate's size."""

_SIDE = 128
_PHOTO = "Photos in red, green and blue, 0 to 1 (8-bit values / 255), north up or not."


class RegressionProgram(nn.Module):
    """All members of a regression, and the scaling of photos before them.

    Args:
        members: The networks.
    """

    def __init__(self, members: list[RegressionNetwork]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.scaling = ImagenetScaling()

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """Return the outputs (n, members, 5) for photos (n, 3, side, side), 0 to 1."""
        values = self.scaling(photos)
        return torch.stack([member(values) for member in self.members], dim=1)


def descriptor_exportable(
    folder: str | os.PathLike[str], ground: Ground | None = None, threads: int = 1
) -> Exportable:
    """Return a descriptor for export or for a check.

    Args:
        folder: Its bundle.
        ground: Where and when it was trained.
        threads: CPU threads.

    Raises:
        InputError: As `load_descriptor`.
    """
    torch.set_num_threads(threads)
    network = load_descriptor(folder)
    said = load_description(folder)
    channels = network.head.out_channels
    return Exportable(
        folder=Path(folder),
        inputs=(Port("pictures", ("batch", "bands", "height", "width"), (-1, 3, -1, -1), _PHOTO),),
        output=Port(
            "features",
            ("batch", "channel", "height_cells", "width_cells"),
            (-1, channels, -1, -1),
            f"Features of cells of {STRIDE} x {STRIDE} pixels; each cell's vector is shorter than "
            "1. Correlate those of a photo with those of the ground.",
        ),
        network=network,
        multiple=STRIDE,
        sample=(made_up_picture(_SIDE),),
        answer=_answer(network),
        tolerance=TOLERANCE,
        facts=_facts(
            "nadir-descriptor",
            "convolutional descriptor, dilated, stride 4",
            ("similarity-search",),
            network,
            {**said["network"], "cell_px": said["cell_px"]},
            "Describes ground so that photos of another season correlate with it. Photos and "
            f"ground are reduced so that a cell is {said['cell_px']} pixels of the substrate.",
        ),
        ground=ground or Ground(),
    )


def regression_exportable(
    folder: str | os.PathLike[str], ground: Ground | None = None, threads: int = 1
) -> Exportable:
    """Return a regression baseline for export or for a check.

    Args:
        folder: Its bundle.
        ground: Where and when it was trained.
        threads: CPU threads.

    Raises:
        InputError: As `load_regressor`.
    """
    said = load_description(folder)
    regressor = load_regressor(folder, said, torch.device("cpu"), threads)
    side, members = regressor.cfg.size, regressor.members
    width, height = regressor.substrate

    def answer(photos: NDArray[np.float32]) -> NDArray[np.float32]:
        values = normalized(np.moveaxis(photos, 1, -1) * np.float32(255))
        with torch.inference_mode():
            return np.stack([member(values).numpy() for member in members], axis=1)

    settings = {key: value for key, value in said["method"].items() if key != "name"}
    return Exportable(
        folder=Path(folder),
        inputs=(
            Port("photos", ("batch", "bands", "height", "width"), (-1, 3, side, side), _PHOTO),
        ),
        output=Port(
            "shares",
            ("batch", "member", "coordinate"),
            (-1, len(members), len(OUTPUTS)),
            f"By network: {', '.join(OUTPUTS)}. Corners are shares of the substrate's width "
            f"({width}) and height ({height}), the angle one of 360 degrees. The center is the "
            "middle of both corners; average members, angles as directions.",
        ),
        network=RegressionProgram(members).eval(),
        multiple=None,
        sample=(made_up_picture(side),),
        answer=answer,
        tolerance=TOLERANCE,
        facts=_facts(
            "nadir-regression",
            f"{regressor.cfg.encoder}, global average pooling, linear",
            ("regression",),
            nn.ModuleList(members),
            {**settings, "substrate_width": width, "substrate_height": height},
            "Guesses position and direction of a photo on the one substrate that it has learned.",
            pretrained=said.get("pretrained"),
            resize="interpolation-area",
        ),
        ground=ground or Ground(),
    )


def made_up_picture(side: int) -> NDArray[np.float32]:
    """Return a made-up picture of patches, float32 (1, 3, side, side) in steps of 1/255."""
    generator = np.random.default_rng([side, 3])
    coarse = np.kron(generator.random((3, -(-side // 8), -(-side // 8))), np.ones((1, 8, 8)))
    noisy = coarse[:, :side, :side] + generator.normal(scale=0.05, size=(3, side, side))
    return (np.round(noisy.clip(0, 1) * 255) / 255).astype(np.float32)[None]


def _answer(network: Callable[[torch.Tensor], torch.Tensor]) -> Answer:
    """Return a network as a function of arrays."""

    def answer(values: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return network(torch.from_numpy(values)).numpy()

    return answer


def _facts(
    name: str,
    architecture: str,
    tasks: tuple[str, ...],
    network: nn.Module,
    settings: dict[str, Any],
    description: str,
    pretrained: str | None = None,
    resize: str | None = None,
) -> Facts:
    """Return what a catalog says of a network that takes photos."""
    return Facts(
        name=name,
        architecture=architecture,
        tasks=tasks,
        framework="PyTorch",
        framework_version=torch.__version__.partition("+")[0],
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        bands=COLOR_BANDS,
        classes=(),
        pretrained=pretrained,
        resize=resize,
        hyperparameters=settings,
        description=description,
    )
