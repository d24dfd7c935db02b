"""What `model.yaml` says of a segmentation model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nadir.config.experiments import ModelConfig
from nadir.segmentation.dataset import TrainingData

TASK = "segmentation"
"""What `model.yaml` calls the task of these models."""
TASKS = (TASK, "land-cover segmentation")
"""That and the name that older bundles give it."""


def describe_model(
    data: TrainingData, cfg: ModelConfig, keys: dict[str, Any], tile: int | None = None
) -> dict[str, Any]:
    """Return the description of a bundle: all that inference needs, and equal for equal trainings.

    Args:
        data: What it learnt from.
        cfg: The model. Encoder weights are named under `pretrained`, and are not asked for when
            the model is built for inference.
        keys: Keys of code and data.
        tile: Side of what it was shown in training, in pixels; by default that of the largest tile.
    """
    model = cfg.model_dump(mode="json")
    weights = model.pop("weights", None)
    return {
        "task": TASK,
        "model": model,
        "pretrained": Path(weights).name if weights else None,
        "classes": data.table.model_dump(mode="json"),
        "bands": list(data.bands),
        "dates": len(data.dates),
        "date_names": list(data.dates),
        "statistics": {
            "mean": data.statistics.mean.tolist(),
            "std": data.statistics.std.tolist(),
        },
        "tile": tile or data.tile,
        "keys": keys,
    }
