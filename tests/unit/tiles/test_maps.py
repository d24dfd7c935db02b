"""Pictures: equal bytes, colors where they belong, counts in the legend."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from nadir.config.tiling import SplitConfig, TileConfig
from nadir.tiles.index import index_tiles
from nadir.tiles.maps import COLORS, class_bars, draw_filters, draw_split, filter_map, split_map
from nadir.tiles.quicklook import quicklook
from nadir.tiles.split import split_tiles


@pytest.fixture(scope="module")
def drawn(scene, classes):
    cube, labels = scene(240, 300, seed=1, patch=12)
    labels.ids[:40, :60] = 0
    tiles = index_tiles(cube, labels, TileConfig(sizes=(20,)), classes, "a")
    return cube, tiles, split_tiles([tiles], SplitConfig(block=2, buffer=0), seed=0)


def _render(figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[:, :, :3] / 255


def test_tiles_have_the_color_of_their_split(drawn):
    _, tiles, split = drawn
    figure = Figure(figsize=(6, 6))
    axes = figure.add_subplot()
    split_map(axes, split, tiles)
    image = _render(figure)
    gray = 0.93
    for name in ("train", "test"):
        row = split[split["split"] == name].iloc[0]
        column, line = axes.transData.transform((row["x"] + 10, row["y"] + 10))
        seen = image[image.shape[0] - 1 - int(line), int(column)]
        expected = 0.6 * np.array(to_rgb(COLORS[name])) + 0.4 * gray
        assert np.abs(seen - expected).max() < 0.03
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    counts = split["split"].value_counts()
    assert texts[0] == f"train: {counts['train']}" and texts[2] == f"test: {counts['test']}"
    assert texts[-1] == f"filtered out: {int((~tiles['keep']).sum())}"


def test_filter_map_counts_by_cause(drawn):
    _, tiles, _ = drawn
    axes = Figure().add_subplot()
    filter_map(axes, tiles)
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert f"no data: {int((tiles['reason'] == 'no data').sum())}" in texts
    assert (tiles["reason"] == "no data").any()


def test_absent_class_is_named(drawn, classes):
    split = drawn[2].copy()
    pixels = {name: list(values) for name, values in split.attrs["pixels"].items()}
    pixels["test"][2] = 0
    split.attrs = {**split.attrs, "pixels": pixels}
    axes = Figure().add_subplot()
    class_bars(axes, split, classes)
    assert "not in test" in [text.get_text() for text in axes.texts]


def test_pictures_are_equal_byte_by_byte(drawn, classes, tmp_path):
    cube, tiles, split = drawn
    backgrounds = {"a": quicklook(cube)}
    for name in ("one", "two"):
        draw_split(tmp_path / f"{name}.png", split, [tiles], classes, backgrounds)
        draw_filters(tmp_path / f"{name}-filters.png", [tiles], backgrounds)
    for suffix in (".png", "-filters.png"):
        first, second = (tmp_path / f"{name}{suffix}" for name in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
        assert min(Image.open(first).size) > 400


@pytest.mark.parametrize("side", [37, 100, 1000])
def test_quicklook_is_the_same_as_slicing(scene, monkeypatch, side):
    from nadir.tiles import cells

    monkeypatch.setattr(cells.scene_blocks, "__defaults__", (29,))
    cube, _ = scene(120, 90)
    picture = quicklook(cube, date=1, side=side)
    step = -(-120 // side)
    raw = cube.data[1, [2, 1, 0], ::step, ::step].transpose(1, 2, 0).astype(np.float32)
    valid = cube.valid[1, ::step, ::step]
    low, high = np.percentile(raw[valid], [2, 98], axis=0)
    expected = np.where(valid[..., None], np.clip((raw - low) / (high - low), 0, 1), 1)
    assert picture.shape == expected.shape and max(picture.shape[:2]) <= side
    assert np.abs(picture - expected).max() < 1e-6
