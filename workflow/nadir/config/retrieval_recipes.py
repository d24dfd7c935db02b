"""Recipes of retrieval: values that an experiment starts from."""

from __future__ import annotations

from typing import Any

from nadir.config.retrieval_experiments import LIGHT

_TWO_VIEW_TRAINING: dict[str, Any] = {
    "epochs": 120,
    "batch_size": 8,
    "paired": False,
    "losses": {"terms": {"instance": 1.0}},
    "optimizer": {"name": "sgd", "learning_rate": 0.01, "weight_decay": 5e-4},
    "encoder_rate": 0.1,
    "scheduler": {"name": "step", "factor": 0.1},
    "augment": {"turn": 90.0, "flip": "each", "shift": 0.04},
}

RETRIEVAL_RECIPES: dict[str, dict[str, Any]] = {
    "two_view": {
        "model": {
            "name": "two_view",
            "encoder": "resnet50",
            "weights": "imagenet",
            "share_weight": True,
            "stride": 1,
            "pool": "avg",
            "dropout": 0.75,
            "size": 256,
        },
        "train": _TWO_VIEW_TRAINING,
    },
    "two_view_vgg16": {
        "model": {
            "name": "two_view",
            "encoder": "vgg16_bn",
            "weights": "imagenet",
            "share_weight": True,
            "stride": 2,
            "pool": "avg",
            "dropout": 0.75,
            "size": 256,
        },
        "train": _TWO_VIEW_TRAINING,
    },
    "nadir_retrieval": {
        "model": {
            "name": "shared_encoder",
            "encoder": LIGHT,
            "width": 16,
            "size": 64,
            "statistics": True,
        },
        "train": {
            "epochs": 200,
            "batch_size": 64,
            "losses": {"terms": {"infonce": 1.0}},
            "optimizer": {"name": "adamw", "learning_rate": 2e-3, "weight_decay": 0.05},
            "scheduler": {"name": "cosine", "warmup": 2},
            "augment": {
                "turn": 180.0,
                "turn_together": 180.0,
                "flip": "together",
                "zoom": 1.2,
                "shift": 0.06,
                "jitter": 0.1,
            },
            "ema": 0.99,
        },
    },
}
"""Recipe name -> nested values, merged under an experiment's own. `two_view` has the published
settings of the network that retrieval grew from, `two_view_vgg16` is its VGG16 variant (which the
published program pools down at any stride); `nadir_retrieval` is nadir's own.
"""
