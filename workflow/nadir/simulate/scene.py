"""A simulated world as a scene: its rasters in the place of files that a user would name."""

from __future__ import annotations

import json
import os
from pathlib import Path

from nadir.config.scenes import ImageSource, MaskSource, SceneConfig
from nadir.errors import InputError


def scene_of_world(scene: SceneConfig, world: str | os.PathLike[str]) -> SceneConfig:
    """Return the scene with the files of a simulated world filled in.

    Args:
        scene: A scene that names a world.
        world: The `world.json` of that world; its rasters lie beside it.

    Raises:
        InputError: When there is no such world.
    """
    path = Path(world)
    try:
        dates = json.loads(path.read_text())["dates"]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            path, "there is no simulated world here", "Run snakemake again."
        ) from error
    return scene.model_copy(
        update={
            "world": None,
            "dates": {name: ImageSource(file=str(path.with_name(f"{name}.tif"))) for name in dates},
            "mask": MaskSource(file=str(path.with_name("mask.tif"))),
        }
    )
