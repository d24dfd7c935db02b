"""Segmentation models for export: values in physical units in, probabilities of classes out."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nadir.learn.bundle import load_bundle
from nadir.learn.exportable import Exportable, Facts, Ground, Port
from nadir.segmentation.normalize import Statistics, gain_and_bias
from nadir.segmentation.predictor import NetworkPredictor, Predictor, load_predictor

log = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""Largest deviation of a probability between one machine, or one runtime, and another."""

_SIDE = 64
_COARSE = 8  # pixels in a patch of the made-up sample
_STRIDE = 32  # of encoders that do not say
_TASK = ("semantic-segmentation",)
_INPUT = (
    "Values in the units of the bands' statistics (reflectance = scale * (raw + offset); 0 to 1 "
    "for 8-bit pictures), the bands of the first date first; NaN in all bands of a date where it "
    "has no data. Scaling by the statistics happens inside."
)
_OUTPUT = (
    "Probability of each class, channel k for the class of value k + 1; they sum to 1. Also where "
    "nothing is valid: mask that yourself."
)


class SegmentationProgram(nn.Module):
    """A segmentation network with all that is done to values before and after it.

    Args:
        network: float32 (n, dates * bands, h, w), normalized -> logits (n, K, h, w).
        statistics: Of the training tiles.
    """

    gain: torch.Tensor
    bias: torch.Tensor

    def __init__(self, network: nn.Module, statistics: Statistics) -> None:
        super().__init__()
        self.network = network
        dates = len(statistics.mean)
        gain, bias = gain_and_bias(statistics, [1.0] * dates, [0.0] * dates)
        self.register_buffer("gain", torch.from_numpy(gain.reshape(1, -1, 1, 1)))
        self.register_buffer("bias", torch.from_numpy(bias.reshape(1, -1, 1, 1)))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return probabilities (n, K, h, w) of values (n, dates * bands, h, w), NaN = no data."""
        normalized = values * self.gain + self.bias
        empty = torch.zeros_like(normalized)
        return self.network(torch.where(values.isnan(), empty, normalized)).softmax(dim=1)


@dataclass(frozen=True)
class _Answer:
    """The job's own prediction, fed with what the exported program takes."""

    predictor: Predictor

    def __call__(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        n, _, height, width = values.shape
        dates = self.predictor.dates
        raw = values.reshape(n, dates, -1, height, width)
        valid = np.asarray(~np.isnan(raw).any(axis=2))
        filled = np.where(valid[:, :, None], raw, np.float32(0))
        return self.predictor.predict(filled, valid, [1.0] * dates, [0.0] * dates)


def segmentation_exportable(
    folder: str | os.PathLike[str],
    sample: NDArray[np.float32] | None = None,
    ground: Ground | None = None,
    threads: int = 1,
) -> Exportable:
    """Return a land-cover or buildings model for export or for a check.

    Args:
        folder: Its bundle.
        sample: One input, float32 (1, dates * bands, h, w); by default one is made up from the
            statistics of the training tiles.
        ground: Where and when it was trained.
        threads: CPU threads.

    Raises:
        InputError: As `load_predictor`.
    """
    predictor = load_predictor(folder, "cpu", threads)
    description = load_bundle(folder).description
    network = multiple = None
    if isinstance(predictor, NetworkPredictor):
        multiple = _multiple(predictor.model)
        network = SegmentationProgram(predictor.model, predictor.statistics).eval()
    channels, count = predictor.statistics.channels, predictor.table.count
    dims = ("batch", "bands", "height", "width")
    return Exportable(
        folder=Path(folder),
        inputs=(Port("values", dims, (-1, channels, -1, -1), _INPUT),),
        output=Port(
            "probability", ("batch", "classes", "height", "width"), (-1, count, -1, -1), _OUTPUT
        ),
        network=network,
        multiple=multiple,
        sample=(
            made_up_sample(predictor.statistics, sample_side(multiple))
            if sample is None
            else sample,
        ),
        answer=_Answer(predictor),
        tolerance=TOLERANCE,
        facts=_facts(predictor, description, network),
        ground=ground or Ground(),
    )


def sample_side(multiple: int | None) -> int:
    """Return the side of a sample in pixels: a size that the exported program takes."""
    return max(_SIDE, 2 * (multiple or 1))


def made_up_sample(statistics: Statistics, side: int) -> NDArray[np.float32]:
    """Return one input of patches about as bright as the training tiles, a corner without data.

    Args:
        statistics: Of the training tiles.
        side: Height and width in pixels.

    Returns:
        float32 (1, dates * bands, side, side).
    """
    generator = np.random.default_rng([statistics.channels, side])
    coarse = generator.normal(size=(statistics.channels, -(-side // _COARSE), -(-side // _COARSE)))
    noise = np.kron(coarse, np.ones((1, _COARSE, _COARSE)))[:, :side, :side]
    noise += generator.normal(scale=0.3, size=noise.shape)
    mean, std = (part.reshape(-1, 1, 1) for part in (statistics.mean, statistics.std))
    values = np.maximum(mean + std * noise, 0).astype(np.float32)[None]
    return without_corner(values, statistics.mean.shape[1])


def without_corner(values: NDArray[np.float32], bands: int) -> NDArray[np.float32]:
    """Return an input whose first date has no data in one corner: that path is tested, too."""
    values = values.copy()
    values[:, :bands, :_COARSE, :_COARSE] = np.nan
    return values


def _multiple(network: nn.Module) -> int:
    """Return the number that height and width must be multiples of, so that nothing is padded."""
    multiple = getattr(network, "multiple", 1)
    return multiple if isinstance(multiple, int) and multiple > 1 else _STRIDE


def _facts(
    predictor: Predictor, description: Mapping[str, Any], network: nn.Module | None
) -> Facts:
    """Return what a catalog says of a segmentation model."""
    model = dict(description["model"])
    name = str(model.pop("name"))
    encoder = str(model.get("encoder", ""))
    title = f"{name} on {encoder}" if encoder else name.replace("_", " ")
    weights = load_bundle(predictor.folder).weights
    if network is None:
        framework, parameters = "scikit-learn", sum(array.size for array in weights.values())
    else:
        framework = "PyTorch"
        parameters = sum(p.numel() for p in network.parameters())
    packages = {"PyTorch": "torch", "scikit-learn": "scikit-learn"}
    names = predictor.table.names[1:]
    return Facts(
        name=re.sub(r"[^A-Za-z0-9_.-]+", "-", "-".join(filter(None, ["nadir", name, encoder]))),
        architecture=title,
        tasks=_TASK,
        framework=framework,
        framework_version=version(packages[framework]).partition("+")[0],
        parameters=parameters,
        bands=tuple(_bands(predictor, description)),
        classes=tuple(zip(names, predictor.table.colors[1:], strict=True)),
        pretrained=description.get("pretrained"),
        resize=None,
        hyperparameters={**model, "tile": predictor.tile, "dates": predictor.dates},
        description=(
            f"Segments images of {len(predictor.bands)} bands and {predictor.dates} date(s) into "
            f"{len(names)} classes ({', '.join(names)}), pixel by pixel; trained on tiles of "
            f"{predictor.tile} pixels."
        ),
    )


def _bands(predictor: Predictor, description: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return STAC band objects by channel, with the statistics of the training tiles."""
    dates = description.get("date_names") or [str(n + 1) for n in range(predictor.dates)]
    mean, std = predictor.statistics.mean, predictor.statistics.std
    return [
        {
            "name": band if predictor.dates == 1 else f"{date}:{band}",
            "description": f"{band} of the date {date!r}",
            "data_type": "float32",
            "nodata": "nan",
            "statistics": {"mean": float(mean[d, b]), "stddev": float(std[d, b])},
        }
        for d, date in enumerate(dates)
        for b, band in enumerate(predictor.bands)
    ]
