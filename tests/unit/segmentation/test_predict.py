"""Maps of whole scenes as files: content, kept results, faults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio

from nadir.config.classes import ClassTable
from nadir.config.experiments import PredictConfig
from nadir.errors import InputError
from nadir.learn.bundle import load_bundle, save_bundle
from nadir.raster.cog import read_class_names
from nadir.raster.grid import Grid
from nadir.segmentation.predict import predict_map
from nadir.segmentation.predictor import Predictor

CLASSES = ClassTable.model_validate(
    {
        "classes": [
            {"value": 10, "name": "dark", "color": "#202020"},
            {"value": 20, "name": "bright", "color": "#e0e0e0"},
        ]
    }
)
BANDS = ("B02", "B03")


@dataclass
class FakeCube:
    """A cube in memory; its left half is dark, its right half bright, one corner is empty."""

    height: int = 90
    width: int = 140
    bands: tuple[str, ...] = BANDS
    brightness: int = 3000
    dates = ("april",)
    path = Path("cube.manifest.json")
    reads: int = 0  # pixels

    def __post_init__(self) -> None:
        self.grid = Grid("EPSG:32631", (10.0, 0.0, 5e5, 0.0, -10.0, 4e6), self.height, self.width)
        self.scale, self.offset = {"april": 1e-4}, {"april": 0.0}
        self.manifest = SimpleNamespace(digest=f"{self.brightness}")
        self.raw = np.full((1, len(self.bands), self.height, self.width), 1000, np.uint16)
        self.raw[..., self.width // 2 :] = self.brightness
        self.valid = np.ones((1, self.height, self.width), bool)
        self.valid[:, :20, :30] = False

    def read(self, y: int, x: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        self.reads += height * width
        raw = self.raw[..., y : y + height, x : x + width]
        pad = ((0, 0), (0, height - raw.shape[-2]), (0, width - raw.shape[-1]))
        mask = np.pad(self.valid[:, y : y + height, x : x + width], pad)
        return np.pad(raw, ((0, 0), *pad)), mask


class Threshold(Predictor):
    """Bright is what is brighter than the mean."""

    calls = 0

    def _probabilities(self, raw, valid, gain, bias):
        self.calls += 1
        high = (raw * gain[..., None, None] + bias[..., None, None]).mean((1, 2)) > 0
        share = np.where(high, 0.9, 0.2)
        return np.stack([1 - share, share], 1).astype(np.float32)


@pytest.fixture
def predictor(tmp_path: Path) -> Threshold:
    description = {
        "classes": CLASSES.model_dump(mode="json"),
        "bands": list(BANDS),
        "dates": 1,
        "tile": 32,
        "statistics": {"mean": [[0.2, 0.2]], "std": [[0.1, 0.1]]},
    }
    save_bundle(tmp_path / "model", description, {"w": np.zeros(1, np.float32)})
    return Threshold(load_bundle(tmp_path / "model"))


def test_map_confidence_and_style(tmp_path: Path, predictor: Threshold) -> None:
    cube, out = FakeCube(), tmp_path / "out"
    predict_map(cube, predictor, PredictConfig(), out / "map.tif", progress=False)
    assert sorted(path.name for path in out.iterdir()) == ["confidence.tif", "map.qml", "map.tif"]
    expected = np.full((90, 140), 1, np.uint8)
    expected[:, 70:] = 2
    expected[:20, :30] = 0
    with rasterio.open(out / "map.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(1), expected)
        assert Grid.of(dataset).same_as(cube.grid)
        assert dataset.nodata == 0
        assert dataset.colormap(1)[2][:3] == (0xE0, 0xE0, 0xE0)
    with rasterio.open(out / "confidence.tif") as dataset:
        confidence = dataset.read(1)
        assert dataset.nodata == 255
    assert (confidence[expected == 0] == 255).all()
    np.testing.assert_array_equal(confidence[expected == 1], 80)
    np.testing.assert_array_equal(confidence[expected == 2], 90)
    assert read_class_names(out / "map.tif")[2] == "bright"


def test_equal_predictions_give_equal_bytes_and_are_kept(
    tmp_path: Path, predictor: Threshold
) -> None:
    cache = tmp_path / "cache"

    def predict(name: str, cube: FakeCube, cfg: PredictConfig = PredictConfig()) -> bytes:  # noqa: B008
        predict_map(cube, predictor, cfg, tmp_path / name / "map.tif", cache=cache, progress=False)
        return (tmp_path / name / "map.tif").read_bytes()

    first = predict("first", FakeCube())
    calls = predictor.calls
    again = FakeCube()
    assert predict("again", again) == first
    assert predictor.calls == calls, "nothing was predicted"
    assert again.reads == 0, "nothing was read"
    predict("other", FakeCube(), PredictConfig(overlap=0.25))
    assert predictor.calls > calls, "another configuration is another prediction"
    calls = predictor.calls
    predict("darker", FakeCube(brightness=2500))
    assert predictor.calls > calls, "another image is another prediction"
    predict_map(FakeCube(), predictor, PredictConfig(), tmp_path / "m.tif", progress=False)
    assert (tmp_path / "m.tif").read_bytes() == first
    assert not list(tmp_path.glob(".predict-*")), "without a cache nothing is left"


@pytest.mark.parametrize(
    ("cube", "problem"),
    [
        (FakeCube(bands=("B03", "B02")), "another order"),
        (FakeCube(bands=("B02", "B03", "B04")), "other bands"),
        (FakeCube(brightness=65535 - 1), None),
    ],
)
def test_images_that_do_not_fit_are_refused_before_anything_is_written(
    tmp_path: Path, predictor: Threshold, cube: FakeCube, problem: str | None
) -> None:
    if problem is None:  # reflectance taken for digital numbers
        cube.scale, problem = {"april": 1.0}, "scale"
    with pytest.raises(InputError, match=problem):
        predict_map(cube, predictor, PredictConfig(), tmp_path / "o" / "map.tif", progress=False)
    assert not list((tmp_path / "o").iterdir())
    assert predictor.calls == 0
