"""Pictures: made, deterministic, of the right colors."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from nadir.config.classes import CATALONIA
from nadir.errors import InputError
from nadir.raster.cog import MapWriter
from nadir.raster.composite import natural_color, stretched
from nadir.raster.grid import Grid
from nadir.raster.style import paint, palette, short_count
from nadir.segmentation.confusion import summary
from nadir.segmentation.figures_confusion import draw_confusion
from nadir.segmentation.figures_curves import draw_curves
from nadir.segmentation.figures_map import draw_map
from nadir.segmentation.split_ground import paint_tiles

COUNT = CATALONIA.count
GRID = Grid("EPSG:32631", (10.0, 0.0, 5e5, 0.0, -10.0, 4.6e6), 60, 90)


def share_of(path: Path, color: str) -> float:
    """Return the share of a picture's pixels that have exactly this color."""
    picture = np.rint(imread(path)[..., :3] * 255).astype(np.uint8)
    wanted = np.frombuffer(bytes.fromhex(color.removeprefix("#")), np.uint8)
    return float((picture == wanted).all(-1).mean())


def metrics() -> dict:
    matrix = np.random.default_rng(0).integers(0, 900, (COUNT, COUNT))
    matrix[3] = matrix[:, 3] = 0
    scores = summary(matrix) | {"confusion": matrix.tolist()}
    return {"classes": CATALONIA.names[1:], "splits": {"test": scores}}


def test_confusion_is_drawn_alike_each_time(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw_confusion(metrics(), CATALONIA, tmp_path / name, title="x")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert b"Software" not in (tmp_path / "a.png").read_bytes()
    for color in CATALONIA.colors[1:]:
        assert share_of(tmp_path / "a.png", color) > 0, "each class has its chips"


def test_confusion_of_other_classes_is_refused(tmp_path: Path) -> None:
    wrong = metrics() | {"classes": ["a", "b"]}
    with pytest.raises(InputError, match="another class table"):
        draw_confusion(wrong, CATALONIA, tmp_path / "a.png")


@pytest.mark.parametrize("epochs", [1, 12])
def test_curves(tmp_path: Path, epochs: int) -> None:
    number = np.arange(1, epochs + 1)
    history = pd.DataFrame(
        {
            "epoch": number,
            "train_loss": 1 / number,
            "validation_loss": 1 / number,
            "learning_rate": 1e-3,
            "validation_miou": 0.5,
            **{f"iou/{name}": np.nan for name in CATALONIA.names[1:]},
            "iou/forest": 0.9,
        }
    )
    draw_curves(history, CATALONIA, tmp_path / "curves.png")
    assert share_of(tmp_path / "curves.png", CATALONIA.colors[3]) > 0, "forest has its color"
    assert share_of(tmp_path / "curves.png", CATALONIA.colors[12]) == 0, "water has no score"


def scene() -> tuple[SimpleNamespace, SimpleNamespace]:
    truth = np.full(GRID.shape, 3, np.uint8)
    truth[:, 45:] = 12

    def read_date(
        number: int, y: int, x: int, height: int, width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        ramp = np.arange(x, x + width, dtype=np.uint16) + 500
        return np.broadcast_to(ramp, (3, height, width)), np.ones((height, width), bool)

    cube = SimpleNamespace(
        grid=GRID,
        bands=("B02", "B03", "B04"),
        dates=("april", "august"),
        present=(0, 1),
        read_date=read_date,
    )
    labels = SimpleNamespace(grid=GRID, hard=lambda y, x, h, w: truth[y : y + h, x : x + w])
    return cube, labels


@pytest.mark.parametrize("labelled", [True, False])
def test_map_beside_truth(tmp_path: Path, labelled: bool) -> None:
    cube, labels = scene()
    with MapWriter(tmp_path / "map.tif", GRID, table=CATALONIA) as writer:
        writer.write(0, 0, np.full(GRID.shape, 3, np.uint8))
    with MapWriter(tmp_path / "confidence.tif", GRID, nodata=255) as writer:
        writer.write(0, 0, np.full(GRID.shape, 100, np.uint8))
    held_out = pd.DataFrame({"y": [10], "x": [20], "size": [30]})
    draw_map(
        cube,
        tmp_path / "map.tif",
        CATALONIA,
        tmp_path / "map.png",
        labels=labels if labelled else None,
        confidence_path=tmp_path / "confidence.tif",
        held_out=held_out,
        title="x",
    )
    assert share_of(tmp_path / "map.png", CATALONIA.colors[3]) > 0.1
    assert (share_of(tmp_path / "map.png", CATALONIA.colors[12]) > 0.05) == labelled
    assert (share_of(tmp_path / "map.png", "#d6336c") > 0.05) == labelled, "half of it differs"
    assert (share_of(tmp_path / "map.png", "#123c5a") > 0.05) != labelled, "it is sure"


def test_map_of_another_size_is_refused(tmp_path: Path) -> None:
    cube, _ = scene()
    with MapWriter(tmp_path / "map.tif", GRID.window(0, 0, 30, 30), table=CATALONIA) as writer:
        writer.write(0, 0, np.ones((30, 30), np.uint8))
    with pytest.raises(InputError, match="another size"):
        draw_map(cube, tmp_path / "map.tif", CATALONIA, tmp_path / "map.png")


def test_natural_color_finds_its_bands() -> None:
    assert natural_color(("B02", "B03", "B04", "B08")) == (2, 1, 0)
    assert natural_color(("blue", "green", "red")) == (2, 1, 0)
    assert natural_color(("x", "y", "z", "w")) == (0, 1, 2)
    assert natural_color(("pan",)) == (0, 0, 0)


def test_stretch_keeps_order_and_marks_invalid() -> None:
    values = np.broadcast_to(np.linspace(0, 1, 200), (3, 2, 200))
    valid = np.ones((2, 200), bool)
    valid[1] = False
    picture = stretched(values, valid, empty=(1, 2, 3))
    assert (np.diff(picture[0, :, 0].astype(int)) >= 0).all()
    assert picture[0, 0, 0] == 0
    assert picture[0, -1, 0] == 255
    assert (picture[1] == (1, 2, 3)).all()
    assert (stretched(values, np.zeros_like(valid)) == (243, 245, 247)).all()


def test_classes_are_painted_in_their_colors() -> None:
    assert paint(np.array([[12]], np.uint8), CATALONIA)[0, 0].tolist() == [0x2E, 0x86, 0xC1]
    assert palette(CATALONIA).shape == (256, 3)


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0"), (950, "950"), (1234, "1.2k"), (35_400, "35k"), (4.1e6, "4.1M")]
)
def test_short_counts(count: float, text: str) -> None:
    assert short_count(count) == text


def test_tiles_are_painted_once_and_clipped() -> None:
    tiles = pd.DataFrame({"y": [0, 5, 90], "x": [0, 5, 90], "size": [10, 10, 10]})
    mask = paint_tiles(tiles, 2, 2, 20, 20)
    expected = np.zeros((100, 100), bool)
    expected[0:10, 0:10] = expected[5:15, 5:15] = True
    np.testing.assert_array_equal(mask, expected[2:22, 2:22])
