"""What every tile of a scene holds, counted while the scene is read once."""

from __future__ import annotations

import numpy as np

from nadir.tiles.cells import CellCounts, CellExtents
from nadir.tiles.indices import NEEDS, band_roles, surface_tests
from nadir.tiles.scene import CubeLike, LabelsLike

_STRIP = 128  # rows whose reflectance is tested at a time: float temporaries stay in the cache


class SceneCounts:
    """Counts over windows of a scene; several threads may call `read` at a time.

    Args:
        cube: The imagery.
        labels: Labels on its grid, or None.
        windows: (n, 4) integer array of (y, x, h, w).
        classes: Number of classes K.
    """

    def __init__(
        self, cube: CubeLike, labels: LabelsLike | None, windows: np.ndarray, classes: int
    ) -> None:
        self._cube, self._labels = cube, labels
        self._roles = band_roles(cube.bands)
        self._ids = classes + 1
        # Channels: ids 0..K, valid on all dates of the scene, and labelled too; then each date's
        # valid pixels and one channel for each surface test.
        self._per_date = 1 + len(NEEDS)
        self._first_date = self._ids + 2
        self._cells = CellCounts(windows, self._first_date + len(cube.dates) * self._per_date)
        self._extents = CellExtents(windows)

    def read(self, block: tuple[int, int, int, int]) -> None:
        """Read and count one block (y, x, h, w) of the scene."""
        y, x, h, w = block
        raw, good = self._cube.read(y, x, h, w)
        everywhere = np.logical_and.reduce([good[date] for date in self._cube.present], axis=0)
        labelled = everywhere
        if self._labels is not None:
            ids = self._labels.hard(y, x, h, w)
            self._cells.add_classes(y, x, ids, self._ids)
            self._extents.add(y, x, ids != 0)
            labelled = np.logical_and(everywhere, ids != 0)
        self._cells.add(y, x, everywhere, self._ids)
        self._cells.add(y, x, labelled, self._ids + 1)
        for date in range(len(self._cube.dates)):
            self._cells.add(y, x, good[date], self._first_date + date * self._per_date)
            for top in range(0, h, _STRIP):
                rows = slice(top, top + _STRIP)
                self._test(y + top, x, raw[date, :, rows], good[date, rows], date)

    def _test(self, y: int, x: int, raw: np.ndarray, seen: np.ndarray, date: int) -> None:
        """Count cloud, snow and water among the valid pixels of a strip (band, h, w)."""
        if not seen.any():
            return
        name = self._cube.dates[date]
        scale, offset = np.float32(self._cube.scale[name]), np.float32(self._cube.offset[name])
        image = {
            role: (raw[band].astype(np.float32) + offset) * scale
            for role, band in self._roles.items()
        }
        channel = self._first_date + date * self._per_date
        for number, hit in enumerate(surface_tests(image).values(), start=1):
            if hit is not None:
                self._cells.add(y, x, hit & seen, channel + number)

    @property
    def classes(self) -> np.ndarray:
        """Pixels by id: (n, K + 1) int64."""
        return self._cells.totals()[:, : self._ids]

    @property
    def image_valid(self) -> np.ndarray:
        """Pixels that are valid on all dates that the scene has: (n,) int64."""
        return self._cells.totals()[:, self._ids]

    @property
    def valid(self) -> np.ndarray:
        """The same, and labelled where there are labels: (n,) int64."""
        return self._cells.totals()[:, self._ids + 1]

    @property
    def boxes(self) -> np.ndarray:
        """Bounding box of the labelled pixels: (n, 4) int64 (y0, x0, y1, x1), -1 for none."""
        return self._extents.boxes()

    def surface_shares(self) -> dict[str, np.ndarray]:
        """Return cloud, snow (share of the valid pixels, largest of all dates) and water (mean).

        Returns:
            Test -> (n,) float64, NaN where a band is lacking or no pixel is valid.
        """
        by_date = self._cells.totals()[:, self._first_date :]
        by_date = by_date.reshape(len(by_date), len(self._cube.dates), self._per_date)
        seen = by_date[:, :, 0]
        some = (seen > 0).any(axis=1)
        shares = {}
        for number, (test, needs) in enumerate(NEEDS.items(), start=1):
            share = np.full(len(by_date), np.nan)
            if all(role in self._roles for role in needs) and some.any():
                with np.errstate(divide="ignore", invalid="ignore"):
                    each = by_date[some][:, :, number] / seen[some]
                share[some] = np.nanmean(each, 1) if test == "water" else np.nanmax(each, 1)
            shares[test] = share
        return shares
