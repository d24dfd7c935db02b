"""The clearest ground, against a choice pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from parts import Held, grid

from nadir.config.scenes import SceneConfig
from nadir.errors import InputError
from nadir.raster import clearest
from nadir.raster.check import check_scene  # what reads it later
from nadir.raster.clearest import ClearImage, to_form, write_clearest

BANDS = ("B02", "B8A")
SIDE = 120
UNCLEAR = (0, 3, 8, 9)


def image(name, rng, encoding=(1e-4, -1000.0)):
    bands = [
        Held(grid(), rng.integers(1, 9000, (SIDE, SIDE), np.uint16), rng.random((SIDE, SIDE)) > 0.1)
        for _ in BANDS
    ]
    classes = Held(grid(), rng.choice([4, 5, 8, 9, 0], (SIDE, SIDE)).astype(np.uint8))
    opened = []

    def opener(layer):
        def get():
            opened.append(name)
            return layer

        return get

    made = ClearImage(
        name, [opener(band) for band in bands], [encoding] * 2, opener(classes), lambda _: True
    )
    return made, bands, classes.values, opened


@pytest.mark.parametrize("step", [1024, 64])
def test_each_pixel_is_of_the_first_image_that_sees_it(tmp_path, monkeypatch, step):
    monkeypatch.setattr(clearest, "STEP", step)
    rng = np.random.default_rng(3)
    made = [image("new", rng), image("old", rng, (1e-4, 0.0)), image("third", rng)]
    path = tmp_path / "a.tif"
    counts = write_clearest([m[0] for m in made], BANDS, grid(), UNCLEAR, "bilinear", path)
    expected = np.zeros((2, SIDE, SIDE), np.uint16)
    seen = np.zeros((SIDE, SIDE), bool)
    for (one, bands, classes, _), added in zip(made, (0, 1000, 0), strict=True):
        take = ~seen & ~np.isin(classes, UNCLEAR) & bands[0].valid & bands[1].valid
        for number, band in enumerate(bands):
            expected[number][take] = band.values[take] + added
        assert counts[one.name] == take.sum()
        seen |= take
    with rasterio.open(path) as file:
        assert np.array_equal(file.read(), expected)
        assert file.descriptions == BANDS
        assert file.tags()["PROCESSING_BASELINE"] == "04.00"
        assert (file.nodata, file.scales[0], file.offsets[0]) == (0, 1e-4, -0.1)
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    assert 0 < (~seen).sum() < seen.sum()


def test_equal_input_gives_equal_bytes(tmp_path):
    for name in "ab":
        rng = np.random.default_rng(4)
        made = [image("x", rng)[0], image("y", rng)[0]]
        write_clearest(made, BANDS, grid(), UNCLEAR, "bilinear", tmp_path / f"{name}.tif")
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_images_that_are_not_needed_are_not_opened(tmp_path):
    rng = np.random.default_rng(5)
    first, bands, classes, _ = image("first", rng)
    classes[:] = 4
    for band in bands:
        band.valid[:] = True
    second, _, _, opened = image("second", rng)
    write_clearest([first, second], BANDS, grid(), UNCLEAR, "bilinear", tmp_path / "a.tif")
    assert not opened


def test_too_little_ground_is_an_error_and_leaves_nothing(tmp_path):
    made, _, classes, _ = image("x", np.random.default_rng(6))
    classes[: SIDE // 2] = 9
    with pytest.raises(InputError, match=r"only \d.*% of the area is seen"):
        write_clearest([made], BANDS, grid(), UNCLEAR, "bilinear", tmp_path / "a.tif", 0.5)
    classes[:] = 9
    with pytest.raises(InputError, match=r"only 0.0%"):
        write_clearest([made], BANDS, grid(), UNCLEAR, "bilinear", tmp_path / "a.tif")
    assert not list(tmp_path.iterdir())


def test_the_form_of_numbers():
    raw = np.array([0, 1, 999, 65535], np.uint16)
    assert to_form(raw, 1e-4, -1000).tolist() == [1, 1, 999, 65535]
    assert to_form(raw, 1e-4, 0).tolist() == [1000, 1001, 1999, 65535]
    assert to_form(np.array([0.25, -0.02], np.float32), 1.0, 0).tolist() == [3500, 800]


def test_readers_take_the_file_as_it_is(tmp_path):
    rng = np.random.default_rng(7)
    made, *_ = image("x", rng)
    path = tmp_path / "april.tif"
    write_clearest([made], BANDS, grid(), UNCLEAR, "bilinear", path)
    scene = SceneConfig(dates={"april": {"file": str(path)}}, role="predict")
    facts = check_scene("s", scene, BANDS)
    assert "offset" in str(facts)
    assert "-1000" in str(facts)
