"""What scores are made of: test pairs, generated views, and the judge's features of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nadir.config.groundview_evaluate import ViewEvaluateConfig
from nadir.groundview.intervals import Figure, jackknife_interval, mean_interval
from nadir.groundview.pairs import Pairs


@dataclass(frozen=True, eq=False)
class Judged:
    """Test pairs and what was generated for them, with the judge's features of all.

    Attributes:
        test: The test pairs.
        views: uint8 (n, samples, 3, image_px, image_px).
        real: Features of the test photos, (n, d).
        made: Features of the views, (n, samples, d).
        train: Features of the training photos, (m, d).
        cfg: How to score.
        seed: Seed of draws, directions and resamples.
    """

    test: Pairs
    views: NDArray[np.uint8]
    real: NDArray[np.float32]
    made: NDArray[np.float32]
    train: NDArray[np.float32]
    cfg: ViewEvaluateConfig
    seed: int

    @property
    def places(self) -> NDArray[np.object_]:
        """Labels of the places of the test pairs."""
        return self.test.table["place"].to_numpy(object)

    @property
    def first(self) -> NDArray[np.uint8]:
        """The first sample of each place."""
        return np.ascontiguousarray(self.views[:, 0])

    def mean(self, values: NDArray[np.floating]) -> Figure:
        """Return a mean over the test pairs with its interval."""
        numbers = np.asarray(values, np.float64)
        return mean_interval(numbers, self.places, seed=self.seed, resamples=self.cfg.resamples)

    def left_out(self, figure: Callable[[NDArray[np.intp]], float], most: float = np.inf) -> Figure:
        """Return a figure of sets, of values from 0 to `most`, with its interval."""
        found = jackknife_interval(figure, self.places, seed=self.seed, groups=self.cfg.groups)
        return {name: float(np.clip(value, 0, most)) for name, value in found.items()}
