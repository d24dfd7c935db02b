"""Pictures that are no cubes are mapped as cubes are, byte for byte, also when cut short."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from nadir.config.classes import ClassTable
from nadir.config.experiments import PredictConfig
from nadir.errors import InputError
from nadir.learn.bundle import load_bundle, save_bundle
from nadir.raster.grid import Grid
from nadir.segmentation.image import ArrayImage, Stopped, predict_image
from nadir.segmentation.predict import predict_map, window_model

sys.path.insert(0, str(Path(__file__).parent))
from test_predict import BANDS, FakeCube, Threshold

CFG = PredictConfig(window=32, batch_size=4)


@pytest.fixture
def predictor(tmp_path):
    table = ClassTable.model_validate(
        {"nodata": [], "classes": [{"value": 0, "name": "background", "color": "#202020"},
                     {"value": 255, "name": "building", "color": "#e0e0e0"}]}
    )  # fmt: skip
    description = {
        "classes": table.model_dump(mode="json"),
        "bands": list(BANDS),
        "dates": 1,
        "tile": 32,
        "statistics": {"mean": [[0.2, 0.2]], "std": [[0.1, 0.1]]},
    }
    save_bundle(tmp_path / "model", description, {"w": np.zeros(1, np.float32)})
    return Threshold(load_bundle(tmp_path / "model"))


def picture(cube: FakeCube) -> ArrayImage:
    raw = np.where(cube.valid[:, None], cube.raw, 0)
    return ArrayImage(raw, cube.valid, cube.grid, BANDS, ("april",), 1e-4, 0.0, "picture.tif")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name[0] != "."}


def test_a_picture_gives_the_bytes_of_a_cube(tmp_path, predictor):
    cube = FakeCube()
    told = []
    products = predict_image(
        picture(cube), predictor, CFG, tmp_path / "a", report=lambda *at: told.append(at)
    )
    out = tmp_path / "b"
    predict_map(
        cube,
        predictor,
        CFG,
        out / "map.tif",
        probability_path=out / "probability.tif",
        progress=False,
    )
    assert contents(tmp_path / "a") == contents(out)
    with rasterio.open(products.probability) as dataset:
        levels = dataset.read(1)
        assert dataset.nodata == 255 and Grid.of(dataset).same_as(cube.grid)
        assert dataset.descriptions == ("probability of building",)
    expected = np.where(np.arange(140) >= 70, 225, 50) * np.ones((90, 1), int)
    expected[:20, :30] = 255
    np.testing.assert_array_equal(levels, expected)
    totals = {total for _, total in told}
    assert len(totals) == 1 and told[0][0] == 0 and told[-1] == (*totals, *totals)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_what_was_stopped_is_taken_up(tmp_path, predictor):
    image = ArrayImage(
        np.random.default_rng(0).integers(500, 3000, (1, 2, 800, 60), np.uint16),
        None,
        Grid.of_pixels(800, 60),
        BANDS,
        scale=1e-4,
    )
    straight = predict_image(image, predictor, CFG, tmp_path / "straight")
    calls = predictor.calls
    answers: list[int] = []

    def model(raw, valid):
        answers.append(len(raw))
        return window_model(image, predictor, CFG)(raw, valid)

    # One block row at a time: as a large picture is worked.
    from nadir.segmentation import sliding

    folder = tmp_path / "cut"
    layout = sliding.Layout.of((800, 60), 32, 0.5, 2, sliding.BLOCK_BYTES)
    with pytest.raises(Stopped, match="of"):
        predict_image(image, predictor, CFG, folder, model=model, stop=lambda: len(answers) >= 20)
    assert (folder / ".work").is_dir() and not (folder / "map.tif").exists()
    predict_image(image, predictor, CFG, folder, model=model)
    assert set(answers) == {4}, "batches are filled up"
    assert sum(answers) >= layout.count
    assert contents(folder) == contents(straight.map.parent)
    assert not (folder / ".work").exists()
    predict_image(image, predictor, CFG, folder)
    assert predictor.calls == calls + len(answers), "what has ended is not repeated"
    predict_image(image, predictor, CFG.model_copy(update={"overlap": 0.25}), folder)
    assert predictor.calls > calls + len(answers), "other settings are another prediction"


def test_a_picture_without_georeference_keeps_none(tmp_path, predictor):
    raw = np.full((1, 2, 40, 50), 2500, np.uint16)
    image = ArrayImage(raw, None, Grid.of_pixels(40, 50), BANDS, scale=1e-4)
    products = predict_image(image, predictor, CFG, tmp_path / "a")
    with rasterio.open(products.map) as dataset:
        assert dataset.crs is None and dataset.shape == (40, 50)
        assert (dataset.read(1) == 2).all()


def test_pictures_that_do_not_fit_are_refused(tmp_path, predictor):
    raw = np.full((1, 3, 40, 50), 2500, np.uint16)
    image = ArrayImage(raw, None, Grid.of_pixels(40, 50), (*BANDS, "B04"), path="upload.png")
    with pytest.raises(InputError, match="other bands") as caught:
        predict_image(image, predictor, CFG, tmp_path / "a")
    assert caught.value.file == "upload.png"


def test_reads_beyond_the_border_are_invalid():
    raw = np.arange(12, dtype=np.uint8).reshape(1, 1, 3, 4) + 1
    valid = np.ones((1, 3, 4), bool)
    valid[0, 1, 1] = False
    image = ArrayImage(raw, valid, Grid.of_pixels(3, 4), ("gray",))
    values, known = image.read(-1, 2, 3, 4)
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(values[0, 0], [[0, 0, 0, 0], [3, 4, 0, 0], [7, 8, 0, 0]])
    np.testing.assert_array_equal(known[0], values[0, 0] > 0)
    assert image.read(0, 0, 3, 4)[0][0, 0, 1, 1] == 0, "raw values that are not valid are 0"
