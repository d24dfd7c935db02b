"""Sliding-window prediction: equal to blending whole arrays, whatever the blocks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nadir.errors import NadirError
from nadir.raster.grid import Grid
from nadir.segmentation.blend import NO_CONFIDENCE
from nadir.segmentation.mosaic import Mosaic
from nadir.segmentation.sliding import ALIGN, Layout, predict_scene
from nadir.segmentation.windows import Axis

K = 4


class FakeScene:
    """Random imagery with holes; counts how often each window is read."""

    def __init__(self, height: int, width: int, seed: int = 0) -> None:
        rng = np.random.default_rng([seed, height, width])
        self.grid = Grid("EPSG:32631", (10.0, 0.0, 0.0, 0.0, -10.0, 0.0), height, width)
        self.raw = rng.integers(1, 10_000, (2, 3, height, width), np.uint16)
        self.valid = rng.random((2, height, width)) > 0.3
        self.valid[:, : height // 3, : width // 4] = False
        self.reads: list[tuple[int, int]] = []

    def read(
        self, y: int, x: int, height: int, width: int
    ) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
        self.reads.append((y, x))
        part = self.raw[..., y : y + height, x : x + width]
        mask = self.valid[:, y : y + height, x : x + width]
        pad = ((0, 0), (0, height - part.shape[-2]), (0, width - part.shape[-1]))
        return np.pad(part, ((0, 0), *pad)), np.pad(mask, pad)


class FakeModel:
    """A model whose answer depends on where in the window a pixel lies, as networks' do."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def __call__(self, raw: NDArray[np.uint16], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        self.batches.append(len(raw))
        n, _, _, height, width = raw.shape
        ramp = np.linspace(0, 2, height)[:, None] * np.linspace(0, 1, width)
        logits = np.empty((n, K, height, width))
        for k in range(K):
            logits[:, k] = raw[:, k % 2, k % 3] / 2500 * (1 + 0.1 * k) + ramp * (k - 1) * 0.3
        logits += valid.sum(1)[:, None] * 0.1
        odds = np.exp(logits - logits.max(1, keepdims=True))
        return (odds / odds.sum(1, keepdims=True)).astype(np.float32)


def brute_force(
    scene: FakeScene, window: int, overlap: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Blend on whole arrays, in double precision."""
    height, width = scene.grid.shape
    total = np.zeros((K, height + window, width + window))
    weight = np.zeros((height + window, width + window))
    rows, columns = Axis.of(height, window, overlap), Axis.of(width, window, overlap)
    model = FakeModel()
    for y, wy in zip(rows.starts, rows.weights, strict=True):
        for x, wx in zip(columns.starts, columns.weights, strict=True):
            raw, valid = scene.read(y, x, window, window)
            answer = model(raw[None], valid[None])[0]
            part = np.s_[y : y + window, x : x + window]
            total[(slice(None), *part)] += answer * np.outer(wy, wx)
            weight[part] += np.outer(wy, wx)
    inside = np.s_[:height, :width]
    return total[:, :height, :width] / weight[inside], scene.valid.any(0)


def run(
    folder: Path, scene: FakeScene, model: FakeModel | None = None, **options: object
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Predict and return class ids and confidence."""
    folder.mkdir(exist_ok=True)
    settings = {"window": 32, "overlap": 0.5, "batch_size": 4, "progress": False} | options
    mosaic = Mosaic(folder, *scene.grid.shape)
    try:
        predict_scene(scene, model or FakeModel(), K, mosaic, **settings)
        return tuple(
            raster.read(0, 0, *scene.grid.shape) for raster in (mosaic.ids, mosaic.confidence)
        )
    finally:
        mosaic.close()


@pytest.mark.parametrize(
    ("shape", "window", "overlap"),
    [
        ((90, 131), 32, 0.5),
        ((90, 131), 32, 0.0),
        ((64, 64), 32, 0.75),
        ((20, 50), 32, 0.5),  # lower than a window
        ((20, 10), 32, 0.5),  # smaller than a window
        ((600, 41), 40, 0.25),  # several blocks of rows, aligned
    ],
)
def test_equals_blending_whole_arrays(
    tmp_path: Path, shape: tuple[int, int], window: int, overlap: float
) -> None:
    scene = FakeScene(*shape)
    expected, valid = brute_force(scene, window, overlap)
    ids, confidence = run(tmp_path / "a", scene, window=window, overlap=overlap, block_bytes=1)
    assert (ids[~valid] == 0).all()
    assert (confidence[~valid] == NO_CONFIDENCE).all()
    top = np.sort(expected, 0)
    clear = valid & (top[-1] - top[-2] > 1e-5)
    assert clear.mean() > 0.4
    np.testing.assert_array_equal(ids[clear], expected.argmax(0)[clear] + 1)
    np.testing.assert_allclose(confidence[valid], 100 * top[-1][valid], atol=0.51)


def test_block_size_changes_nothing(tmp_path: Path) -> None:
    scene = FakeScene(700, 600)
    results = []
    for number, block_bytes in enumerate((1, 1 << 21, 1 << 30)):
        layout = Layout.of(scene.grid.shape, 32, 0.5, K, block_bytes)
        results.append(
            (len(layout.row_blocks), run(tmp_path / str(number), scene, block_bytes=block_bytes))
        )
    assert len({blocks for blocks, _ in results}) == 3, "the three runs use different blocks"
    for _, (ids, confidence) in results[1:]:
        np.testing.assert_array_equal(ids, results[0][1][0])
        np.testing.assert_array_equal(confidence, results[0][1][1])


def test_batch_size_changes_nothing_for_a_model_that_is_blind_to_it(tmp_path: Path) -> None:
    scene = FakeScene(90, 131)
    one, many = run(tmp_path / "1", scene, batch_size=1), run(tmp_path / "7", scene, batch_size=7)
    np.testing.assert_array_equal(one, many)


def test_models_are_given_whole_groups(tmp_path: Path) -> None:
    scene, model = FakeScene(300, 400), FakeModel()
    run(tmp_path / "a", scene, model, batch_size=4, group=3, block_bytes=1)
    assert set(model.batches) == {3, 6}, "batches of 4 are two groups, a short one may be one"


def test_each_window_is_predicted_once_and_empty_ones_are_not(tmp_path: Path) -> None:
    scene, model = FakeScene(300, 400), FakeModel()
    run(tmp_path / "a", scene, model, block_bytes=1)
    layout = Layout.of(scene.grid.shape, 32, 0.5, K, 1)
    expected = sorted((y, x) for y in layout.rows.starts for x in layout.columns.starts)
    assert len(set(scene.reads)) == len(scene.reads) < len(expected)  # neighbors are read together
    empty = sum(not scene.valid[:, y : y + 32, x : x + 32].any() for y, x in expected)
    assert empty > 0
    assert set(model.batches) == {4}, "every batch has the full size"
    full = len(expected) - empty
    assert full <= sum(model.batches) < full + 4 * len(layout.row_blocks)


class Interrupted(Exception):
    """Stands for a kill."""


def test_a_killed_run_goes_on_with_the_block_row_it_was_at(tmp_path: Path) -> None:
    scene = FakeScene(3 * ALIGN, 150)
    expected = run(tmp_path / "whole", scene, block_bytes=1)
    layout = Layout.of(scene.grid.shape, 32, 0.5, K, 1)

    class Dying(FakeModel):
        def __call__(self, raw: NDArray, valid: NDArray) -> NDArray:
            if len(self.batches) == 50:
                raise Interrupted
            return super().__call__(raw, valid)

    with pytest.raises(Interrupted):
        run(tmp_path / "cut", scene, Dying(), block_bytes=1)
    mosaic = Mosaic(tmp_path / "cut", *scene.grid.shape)
    mosaic.close()
    assert 0 < mosaic.done < len(layout.row_blocks)
    scene.reads.clear()
    result = run(tmp_path / "cut", scene, block_bytes=1)
    assert (
        min(y for y, _ in scene.reads) == layout.rows.starts[layout.row_blocks[mosaic.done].first]
    )
    np.testing.assert_array_equal(result, expected)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    class Diverged(FakeModel):
        def __call__(self, raw: NDArray, valid: NDArray) -> NDArray:
            return np.full_like(super().__call__(raw, valid), np.nan)

    with pytest.raises(NadirError, match="not finite"):
        run(tmp_path / "a", FakeScene(64, 64), Diverged())
