"""Recipes of the ground view: values that an experiment starts from."""

from __future__ import annotations

from typing import Any

GROUNDVIEW_RECIPES: dict[str, dict[str, Any]] = {
    "dcgan_encoder": {
        "model": {"name": "dcgan_encoder", "latent": 4, "width": 64},
        "train": {
            "epochs": 800,
            "batch_size": 32,
            "optimizer": {"name": "adam", "learning_rate": 2e-4},
            "scheduler": {"name": "step", "factor": 0.5},
            "adversary": {"r1": 0.0, "augment": [], "distance_weight": 0.0, "beta1": 0.5},
            "ema": None,
        },
    },
    "nadir_gan": {
        "model": {"name": "conditional_gan"},
        "train": {
            "epochs": 400,
            "mirror": True,
            "optimizer": {"name": "adam", "learning_rate": 2e-3},
            "adversary": {"discriminator_rate": 0.5},
            "ema": 0.99,
        },
    },
    "nadir_flow": {
        "model": {"name": "flow"},
        "train": {
            "epochs": 400,
            "mirror": True,
            "optimizer": {"name": "adamw", "learning_rate": 2e-3, "weight_decay": 0.01},
            "ema": 0.99,
        },
    },
}
"""Recipe name -> nested values, merged under an experiment's own. `dcgan_encoder` has what is
published of the generator that the job grew from; `nadir_gan` and `nadir_flow` are nadir's own.
"""
