"""What a job says of a trained model so that it can be exported, described and checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import nn

PROGRAM, ONNX, SAMPLE, ITEM = "exported.pt2", "model.onnx", "sample.npz", "item.json"

COLOR_BANDS = tuple(
    {"name": color, "data_type": "float32", "eo:common_name": color}
    for color in ("red", "green", "blue")
)
"""STAC band objects of pictures in natural colors."""

Answer = Callable[..., NDArray[np.float32]]
"""The inputs of a model, float32, in their order -> its output."""


@dataclass(frozen=True)
class Port:
    """An input or an output of a model.

    Attributes:
        name: Its name in the exported programs.
        dims: Name of each dimension, the batch first.
        shape: Its size along each, -1 where any.
        description: What its numbers are, in words.
    """

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    description: str


@dataclass(frozen=True)
class Facts:
    """What a catalog says of a model.

    Attributes:
        name: Short name: letters, digits, `.`, `_` and `-`.
        architecture: Of the network, in words of the field.
        tasks: Of the STAC MLM extension's list.
        framework: Library that trained it, such as "PyTorch".
        framework_version: Its version.
        parameters: Number of trained numbers.
        bands: STAC band objects in the order of the input, with statistics of the training data.
        classes: (title, color as #rrggbb) by output channel; empty when it gives no classes.
        pretrained: Name of the weights that training began with, or None.
        resize: How an image is brought to the input's size (a word of the extension), or None.
        hyperparameters: Settings of the model, plain values.
        description: What the model does and needs, in sentences.
    """

    name: str
    architecture: str
    tasks: tuple[str, ...]
    framework: str
    framework_version: str
    parameters: int
    bands: tuple[Mapping[str, Any], ...]
    classes: tuple[tuple[str, str], ...]
    pretrained: str | None
    resize: str | None
    hyperparameters: Mapping[str, Any]
    description: str


@dataclass(frozen=True)
class Ground:
    """Where and when a model was trained.

    Attributes:
        geometry: GeoJSON geometry in longitude and latitude, or None when unknown.
        bounds: (west, south, east, north) in degrees, or None.
        first: Earliest day of its imagery, as YYYY-MM-DD, or None when unknown.
        last: Latest day.
    """

    geometry: dict[str, Any] | None = None
    bounds: tuple[float, float, float, float] | None = None
    first: str | None = None
    last: str | None = None


@dataclass(frozen=True)
class Exportable:
    """A trained model, ready to be exported or checked.

    Attributes:
        folder: Its bundle.
        inputs: What it takes, one or more; the first is what it is about.
        output: What it gives.
        network: Takes the inputs and gives the output, or None for what is no torch module.
        multiple: Height and width of the only input may be any multiples of this, from twice and
            from 32 pixels on; None when they are fixed.
        sample: float32, a batch of one of each input.
        answer: The job's own prediction from the weights: inputs -> output.
        tolerance: Largest deviation of an output that counts as the same.
        facts: For the catalog.
        ground: For the catalog.
    """

    folder: Path
    inputs: tuple[Port, ...]
    output: Port
    network: nn.Module | None
    multiple: int | None
    sample: tuple[NDArray[np.float32], ...]
    answer: Answer
    tolerance: float
    facts: Facts
    ground: Ground = field(default_factory=Ground)
