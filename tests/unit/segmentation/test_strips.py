"""Windows of a row that are read together."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nadir.segmentation import strips
from nadir.segmentation.strips import StripReader


class Striped:
    """Imagery of which every pixel is another; remembers what was read."""

    def __init__(self) -> None:
        self.raw = np.arange(2 * 3 * 40 * 200, dtype=np.uint16).reshape(2, 3, 40, 200)
        self.valid = self.raw[:, 0] % 3 > 0
        self.widths: list[int] = []

    def read(
        self, y: int, x: int, height: int, width: int
    ) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
        self.widths.append(width)
        box = np.s_[..., y : y + height, x : x + width]
        return self.raw[box], self.valid[box]


class Picky(Striped):
    """Imagery of which some windows are not wanted."""

    def wanted(self, y: int, x: int, height: int, width: int) -> bool:
        return x not in (16, 24)


@pytest.mark.parametrize("columns", [1, 40, 64, 1000])
def test_windows_are_those_read_one_by_one(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setattr(strips, "STRIP_BYTES", columns * 2 * 3 * 16 * 2)
    scene, starts = Striped(), list(range(0, 180, 8))
    reader = StripReader(scene, 16)
    for y in (3, 11):
        found = list(reader.row(y, starts))
        assert len(found) == len(starts)
        for x, window in zip(starts, found, strict=True):
            assert window is not None
            for part, whole in zip(window, (scene.raw, scene.valid), strict=True):
                np.testing.assert_array_equal(part, whole[..., y : y + 16, x : x + 16])
    assert max(scene.widths) <= max(16, columns)
    if columns >= 40:
        assert len(scene.widths) <= len(starts)  # of two rows


def test_windows_that_are_not_wanted_are_not_read() -> None:
    scene = Picky()
    reader = StripReader(scene, 16)
    list(reader.row(0, [0]))
    scene.widths.clear()
    found = list(reader.row(0, [0, 8, 16, 24, 32, 40]))
    assert [window is None for window in found] == [False, False, True, True, False, False]
    assert scene.widths == [24, 24]
    assert list(reader.row(0, [])) == []
