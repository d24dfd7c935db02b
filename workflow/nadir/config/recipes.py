"""Named recipes: values that an experiment starts from.

The first ones are the recipes of the land-cover project that nadir grew from, so that progress is
measured against them, and the per-pixel baseline; `nadir_landcover` is nadir's own. `weights:
imagenet` needs a network the first time; an experiment says `weights: null` (or a file) where there
is none. `unet_small` is the recipe of the building-labelling project that nadir grew from,
`nadir_buildings` is nadir's own, and `nadir_buildings_pretrained` the same with an encoder of
ImageNet's weights: a recipe of its own, and no fallback, since equal inputs would else give another
result wherever the weights cannot be fetched.
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

_BUILDINGS_TRAINING: dict[str, Any] = {
    "epochs": 60,
    "batch_size": 8,
    "loss": {
        "terms": {"cross_entropy": 1.0, "dice": 1.0},
        "class_weights": "none",
        # Pixels at a roof's outline count up to twice: there footprints are won or lost.
        "border_weight": 1.0,
        "border_width": 10.0,
    },
    "optimizer": {"name": "adamw", "learning_rate": 2e-3, "weight_decay": 0.01},
    "scheduler": {"name": "cosine", "warmup": 0},
    "augment": {
        "dihedral": "random",
        "crops": 384,
        "crop": 256,
        "scale": 1.25,
        "jitter": 0.1,
    },
    "monitor": "validation_iou",
    "ema": 0.98,
}

_BUILDINGS_PREDICTION: dict[str, Any] = {"window": 512, "overlap": 0.25, "tta": "dihedral"}

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
    "segformer_b0": {
        "model": {"name": "segformer", "encoder": "mit_b0", "weights": "imagenet"},
        "train": _SEED_TRAINING,
    },
    "segformer_unet": {
        "model": {"name": "unet", "encoder": "mit_b0", "weights": "imagenet"},
        "train": _SEED_TRAINING,
    },
    "segformer_resnet_unet": {
        "model": {
            "name": "unet_two_encoders",
            "encoders": ["mit_b0", "resnet50"],
            "weights": "imagenet",
        },
        "train": _SEED_TRAINING,
    },
    "random_forest": {"model": {"name": "random_forest"}},
    "unet_small": {
        "model": {"name": "unet_small"},
        "train": {
            "epochs": 100,
            "batch_size": 8,
            "loss": {"class_weights": "none"},
            "optimizer": {"name": "adam", "learning_rate": 1e-3},
            "scheduler": {"name": "constant"},
            "augment": {"dihedral": "none"},
            "monitor": "validation_iou",
            "early_stopping": 10,
        },
        "predict": {"window": 256, "overlap": 0.0},
    },
    "nadir_landcover": {
        # From random weights: a shallow network with skips learns the spectra and textures of 10 m
        # pixels in a minute or two of two processor cores. With a GPU, or for hours: width 64,
        # depth 4, batch_size 32, 4096 crops of 128 pixels, and scale 1.5.
        "model": {"name": "unet_scratch", "width": 24, "depth": 3},
        "train": {
            "epochs": 60,
            "batch_size": 8,
            "loss": {"class_weights": "inverse_root"},
            "optimizer": {"name": "adamw", "learning_rate": 2e-3, "weight_decay": 0.01},
            "scheduler": {"name": "cosine", "warmup": 0},
            "augment": {"dihedral": "random", "crops": 256, "crop": 64},
            "monitor": "validation_miou",
            "ema": 0.98,
        },
        "predict": {"tta": "dihedral"},
    },
    "nadir_buildings": {
        # From random weights, on few pictures of some 0.13 m a pixel, a network that looks at a
        # coarser image sees more in the same time; `reduce: 2` suits 0.3 m.
        "model": {"name": "unet_scratch", "width": 24, "depth": 4, "reduce": 4},
        "train": _BUILDINGS_TRAINING,
        "predict": _BUILDINGS_PREDICTION,
    },
    "nadir_buildings_pretrained": {
        "model": {"name": "unet", "encoder": "resnet34", "weights": "imagenet", "reduce": 2},
        "train": {
            **_BUILDINGS_TRAINING,
            "optimizer": {"name": "adamw", "learning_rate": 5e-4, "weight_decay": 0.01},
        },
        "predict": _BUILDINGS_PREDICTION,
    },
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
