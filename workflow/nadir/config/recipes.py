"""Named recipes: values that an experiment starts from.

The first four are the recipes of the land-cover project that nadir grew from, so that progress is
measured against them, and the per-pixel baseline. `weights: imagenet` needs a network the first
time; an experiment says `weights: null` (or a file) where there is none.
"""

from __future__ import annotations

from typing import Any

_RARE = [
    "bare soil",
    "isolated urban",
    "green areas",
    "mining and landfill",
    "transport network",
]

_SEED_TRAINING: dict[str, Any] = {
    "epochs": 100,
    "batch_size": 12,
    "loss": {"name": "cross_entropy", "class_weights": "inverse_frequency"},
    "optimizer": {"name": "adam", "learning_rate": 1e-3},
    "scheduler": {"name": "plateau", "factor": 0.5, "patience": 3},
    "augment": {"dihedral": "copies", "rare_classes": _RARE, "rare_share": 0.05},
    "monitor": "validation_loss",
}

RECIPES: dict[str, dict[str, Any]] = {
    "unet_resnet50": {
        "model": {"name": "unet_noskip", "encoder": "resnet50", "weights": "imagenet"},
        "train": _SEED_TRAINING,
    },
    "unet_resnet50_skip": {
        "model": {"name": "unet", "encoder": "resnet50", "weights": "imagenet"},
        "train": _SEED_TRAINING,
    },
    "unet_scratch": {
        "model": {"name": "unet_scratch", "width": 64, "depth": 4},
        "train": _SEED_TRAINING,
    },
    "random_forest": {"model": {"name": "random_forest"}},
}
"""Recipe name -> nested values, merged under an experiment's own."""


def merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return `base` with the values of `over` put over it, section by section.

    A model of another name replaces the whole section, since its options do not carry over.
    """
    if "name" in base and "name" in over and base["name"] != over["name"]:
        return dict(over)
    merged = dict(base)
    for key, value in over.items():
        mine = merged.get(key)
        merged[key] = (
            merge(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
        )
    return merged
