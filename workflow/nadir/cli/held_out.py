"""What commands share that look at held-out ground: scenes, models, calibration's settings."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nadir.cli.options import by_scene, device, section
from nadir.errors import InputError
from nadir.learn.devices import lease
from nadir.raster.cube import open_cube
from nadir.raster.labels import open_labels
from nadir.segmentation.ensemble import load_models
from nadir.segmentation.held_out import HeldOutScene
from nadir.segmentation.predictor import Predictor, needs_device
from nadir.segmentation.split_ground import with_test_scenes
from nadir.tiles.table import read_split

if TYPE_CHECKING:
    import pandas as pd


log = logging.getLogger(__name__)

_LOWER = ("predict.batch_size", "predict.window")


def add_ground(parser: argparse.ArgumentParser) -> None:
    """Add the options that name models, scenes and their split."""
    parser.add_argument(
        "--model", required=True, nargs="+", type=Path, help="a file of each model's bundle"
    )
    parser.add_argument("--cubes", required=True, nargs="+", type=Path, help="cube manifests")
    parser.add_argument("--labels", required=True, nargs="+", type=Path, help="label manifests")
    parser.add_argument("--split", required=True, type=Path, help="the split")


@contextmanager
def models(paths: list[Path], threads: int) -> Iterator[Predictor]:
    """Yield the model of some bundles, with the device held that it needs."""
    folders = [path.parent for path in paths]
    # Torch is imported, and a GPU held, only for a model that computes with it.
    needed = any(needs_device(folder) for folder in folders)
    with lease(device(), lower=_LOWER) if needed else nullcontext("cpu") as place:
        yield load_models(folders, place, threads)


def judged_ground(options: argparse.Namespace) -> tuple[pd.DataFrame, str]:
    """Return the ground that maps are judged on, and the name of its split.

    Scenes whose role is `test` belong to the test as a whole. Without any test ground the
    validation stands in, with a warning: calibration was fitted there.

    Raises:
        InputError: When no ground is held out, or the split cannot be read.
    """
    roles = section(options.cfg, "roles", dict[str, str])
    grids = {
        scene: open_labels(path).grid
        for scene, path in by_scene(options.labels).items()
        if roles.get(scene) == "test"
    }
    ground = with_test_scenes(
        read_split(options.split), grids, section(options.cfg, "test_block", int)
    )
    if (ground["split"] == "test").any():
        return ground, "test"
    if not (ground["split"] == "validation").any():
        raise InputError(options.split, "no ground is held out", "Give the split a test share.")
    log.warning(
        "there is no test ground: maps are judged on the validation ground, which the training was "
        "watched on and calibration was fitted to. Give the split a test share, or a scene the "
        "role test"
    )
    return ground, "validation"


def held_out_tiles(split: pd.DataFrame, scene: str, name: str) -> pd.DataFrame:
    """Return the tiles of a scene that belong to a split."""
    return split[(split["scene"] == scene) & (split["split"] == name)]


def held_out_scenes(options: argparse.Namespace, split: pd.DataFrame, name: str) -> list[Any]:
    """Return the scenes that have ground of a split."""
    labels = by_scene(options.labels)
    return [
        HeldOutScene(scene, open_cube(path), open_labels(labels[scene]), tiles)
        for scene, path in by_scene(options.cubes).items()
        if scene in labels and len(tiles := held_out_tiles(split, scene, name))
    ]
