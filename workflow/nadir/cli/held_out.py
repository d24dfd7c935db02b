"""What commands share that look at held-out ground: scenes, models, calibration's settings."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nadir.cli.options import by_scene, device
from nadir.learn.devices import lease
from nadir.raster.cube import open_cube
from nadir.raster.labels import open_labels
from nadir.segmentation.ensemble import load_models
from nadir.segmentation.held_out import HeldOutScene
from nadir.segmentation.predictor import Predictor, needs_device

if TYPE_CHECKING:
    import pandas as pd


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
    with lease(device()) if needed else nullcontext("cpu") as place:
        yield load_models(folders, place, threads)


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
