"""A scene as cube, labels and GeoTIFFs of the same values, and models of random weights."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from speed.contest import Case
from speed.inputs import (
    BANDS,
    CLASSES,
    FINER,
    align,
    build_cube,
    folder_of,
    write_image,
    write_mask,
)

if TYPE_CHECKING:
    from nadir.segmentation.dataset import TrainingData
    from nadir.segmentation.patches import Scene
    from nadir.segmentation.predictor import Predictor

MEAN, STD = 0.25, 0.06
"""Statistics of reflectance that models are told, of every band."""


class StoredScene:
    """A scene on disk, made at first use.

    Args:
        case: Where.
        side: Side in pixels.
        dates: Number of dates.
        bands: Number of bands.
        name: Of its folder.
    """

    def __init__(
        self, case: Case, side: int, dates: int = 2, bands: int = len(BANDS), name: str = "scene"
    ) -> None:
        self.folder = folder_of(case) / name
        self.side, self.dates, self.bands, self.threads = side, dates, bands, case.threads

    def images(self) -> list[Path]:
        """Return the GeoTIFF of each date."""
        return [self.folder / f"date_{date}.tif" for date in range(self.dates)]

    @property
    def mask(self) -> Path:
        """The fine mask."""
        return self.folder / "mask.tif"

    @property
    def labels_tif(self) -> Path:
        """The aligned labels as a GeoTIFF, for those who read no Zarr."""
        return self.folder / "labels.tif"

    def make(self) -> None:
        """Make images, mask, cube, labels; and the labels as a GeoTIFF."""
        for date, path in enumerate(self.images()):
            write_image(path, self.side, self.bands, date)
        write_mask(self.mask, self.side * FINER)
        scene = self.open()
        if not self.labels_tif.is_file():
            _write_labels(
                self.labels_tif, self.images()[0], scene.labels.hard(0, 0, *2 * [self.side])
            )
        stores = {
            "cube": str(_store(self.folder / "cube.manifest.json")),
            "labels": str(_store(self.folder / "labels.manifest.json")),
        }
        (self.folder / "stores.json").write_text(json.dumps(stores), encoding="utf-8")

    def stores(self) -> dict[str, str]:
        """Return the folders of the stores, for those who know no manifests."""
        return json.loads((self.folder / "stores.json").read_text(encoding="utf-8"))

    def open(self) -> Scene:
        """Return cube and labels."""
        from nadir.segmentation.patches import Scene

        manifest = self.folder / "cube.manifest.json"
        cube = build_cube(self.images(), self.bands, manifest, self.threads)
        labels = align(
            self.mask, self.images()[0], self.folder / "labels.manifest.json", self.threads
        )
        return Scene(cube, labels)


def _store(manifest: Path) -> Path:
    from nadir.provenance.manifest import read_manifest, store_of

    return Path(str(store_of(manifest, read_manifest(manifest)))).resolve()


def _write_labels(path: Path, like: Path, values: np.ndarray) -> None:
    import rasterio

    with rasterio.open(like) as file:
        profile = {**file.profile, "count": 1, "dtype": "uint8", "predictor": 1}
    with rasterio.open(path, "w", **profile) as file:
        file.write(values, 1)


def statistics(dates: int, bands: int) -> Any:
    """Return the statistics that models are told."""
    from nadir.segmentation.normalize import Statistics

    return Statistics.of([[MEAN] * bands] * dates, [[STD] * bands] * dates)


def training_data(scene: Scene, windows: Sequence[Any], dates: int, bands: int) -> TrainingData:
    """Return what a training takes, all windows for training and the first for validation."""
    from nadir.config.classes import CATALONIA
    from nadir.segmentation.dataset import TrainingData

    return TrainingData(
        [scene],
        windows,
        windows[:1],
        statistics(dates, bands),
        np.full(CLASSES, 1000, np.int64),
        BANDS[:bands],
        tuple(f"date_{date}" for date in range(dates)),
        CATALONIA,
    )


def predictor(
    folder: Path, model: Any, dates: int, bands: int, tile: int, device: str, threads: int
) -> Predictor:
    """Write a bundle of random weights, unless it is there, and load it."""
    import torch

    from nadir.learn.bundle import save_bundle
    from nadir.segmentation.describe import describe_model
    from nadir.segmentation.models.registry import build_model
    from nadir.segmentation.patches import Scene, Window
    from nadir.segmentation.predictor import load_predictor

    if not (folder / "model.yaml").is_file():
        torch.manual_seed(0)
        nothing: Any = Scene(None, None)  # type: ignore[arg-type]
        data = training_data(nothing, [Window(0, 0, 0, tile)], dates, bands)
        network = build_model(model, dates * bands, CLASSES, dates=dates, bands=data.bands)
        weights = {name: one.numpy() for name, one in network.state_dict().items()}
        save_bundle(folder, describe_model(data, model, {}), weights)
    return load_predictor(folder, device, threads)
