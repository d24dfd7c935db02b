"""The generators of ground views for export: what they are told of a place to a view."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nadir.config.groundview_experiments import DcganEncoder
from nadir.groundview.conditions import Condition, layer_count
from nadir.groundview.generator import Generator, load_generator
from nadir.groundview.networks import ViewNetwork
from nadir.groundview.projection import CHANNELS
from nadir.learn.exportable import COLOR_BANDS, Exportable, Facts, Ground, Port

TOLERANCE = 2e-3
"""Largest deviation of a view's values, which are from 0 to 1: half a step of 8 bits."""

_TOLD = (
    "As `nadir.groundview.conditions.conditions` makes it of a crop and a direction of view; "
    "values from -1 to 1"
)


class ViewProgram(nn.Module):
    """A generator with views from 0 to 1.

    Args:
        network: The generator.
    """

    def __init__(self, network: ViewNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        crops: Tensor,
        latents: Tensor,
        known: Tensor | None = None,
        layers: Tensor | None = None,
    ) -> Tensor:
        """Return views (n, 3, px, px) from 0 to 1."""
        count = crops.shape[0]  # free in an exported program, which `len` would fix
        if known is None:
            known = crops.new_zeros(count, 1)
        if layers is None:
            layers = crops.new_zeros(count, 0, 1, 1)
        views = self.network.views(Condition(crops, layers, known), latents)
        return ((views + 1) / 2).clamp(0, 1)


def generator_exportable(
    folder: str | os.PathLike[str], ground: Ground | None = None, threads: int = 1
) -> Exportable:
    """Return a generator for export or for a check.

    Args:
        folder: Its bundle.
        ground: Where and when it was trained.
        threads: CPU threads.

    Raises:
        InputError: As `load_generator`.
    """
    torch.set_num_threads(threads)
    generator = load_generator(folder)
    network, cfg, side = generator.network, generator.cfg, generator.image_px
    program = ViewProgram(network).eval()

    def answer(*values: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(program(*map(torch.from_numpy, values)).numpy())

    return Exportable(
        folder=Path(folder),
        inputs=_inputs(generator),
        output=Port(
            "views",
            ("batch", "bands", "rows", "columns"),
            (-1, 3, side, side),
            "What an observer sees, in red, green and blue, 0 to 1 (8-bit values / 255).",
        ),
        network=program,
        multiple=None,
        sample=_sample(generator),
        answer=answer,
        tolerance=TOLERANCE,
        facts=Facts(
            name=f"nadir-{cfg.name.replace('_', '-')}",
            architecture=type(network).__name__,
            tasks=("generative",),
            framework="PyTorch",
            framework_version=torch.__version__.partition("+")[0],
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            bands=COLOR_BANDS,
            classes=(),
            pretrained=None,
            resize=None,
            hyperparameters=cfg.model_dump(mode="json"),
            description="Draws the view of an observer in the middle of a crop of "
            f"{generator.crop_m:g} x {generator.crop_m:g} m seen from above.",
        ),
        ground=ground or Ground(),
    )


def _inputs(generator: Generator) -> tuple[Port, ...]:
    """Return what a generator takes: direction and projection only where it uses them."""
    cfg, spread = generator.cfg, generator.network.spread
    side = cfg.crop_px
    ports = [
        Port(
            "crops",
            ("batch", "bands", "height", "width"),
            (-1, 3, side, side),
            f"The ground from above in red, green and blue, {generator.crop_m:g} m wide, heading "
            f"up where that is known and used. {_TOLD}.",
        ),
        Port(
            "latents",
            ("batch", "number"),
            (-1, generator.network.latent_size),
            f"Noise: independent normal numbers of standard deviation {spread:g}.",
        ),
    ]
    if isinstance(cfg, DcganEncoder) or not cfg.heading:
        return tuple(ports)
    text = "1 where the direction of view is known, else 0."
    ports.append(Port("known", ("batch", "one"), (-1, 1), text))
    if layer_count(cfg):
        patches = generator.image_px // cfg.patch
        shape = (-1, layer_count(cfg) * CHANNELS, patches, patches)
        text = f"The ground as it would be seen in perspective. {_TOLD}."
        ports.append(Port("layers", ("batch", "layer", "patch_row", "patch_column"), shape, text))
    return tuple(ports)


def _sample(generator: Generator) -> tuple[NDArray[np.float32], ...]:
    """Return what the network is told of a made-up crop, seen to the north-east."""
    side = generator.crop_px
    rng = np.random.default_rng([side, 6])
    coarse = rng.integers(0, 256, (3, -(-side // 8), -(-side // 8)), np.uint8)
    crop = np.kron(coarse, np.ones((1, 8, 8), np.uint8))[:, :side, :side]
    condition = generator.condition(crop[None], [45.0])
    values = [condition.crops.numpy(), generator.latent([0], [1])[0]]
    values += [condition.known.numpy(), condition.layers.numpy()]
    wanted = len(_inputs(generator))
    return tuple(np.ascontiguousarray(value, np.float32) for value in values[:wanted])
