"""What calibration found, and the layers of a map that follow from it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.segmentation.blend import LEVELS, NO_CONFIDENCE, ONE
from nadir.segmentation.conformal import pixel_draw, score_of
from nadir.segmentation.reliability import LEAST

CONFIDENCE, ENTROPY, SETS, SET_SIZE = "confidence", "entropy", "sets", "set_size"
"""Names of the layers that calibration gives."""
MOST = 32
"""Most classes that a set's bits can tell apart."""


@dataclass(frozen=True)
class Calibration:
    """A fitted calibration.

    Attributes:
        temperatures: Of the blended probabilities, by the number of dates on which a pixel is
            valid, from 0; the last holds for more.
        threshold: Greatest score of a class in a set.
        method: `lac` or `aps`.
        coverage: The promise.
        at_least_one: Whether every set holds the most probable class.
    """

    temperatures: tuple[float, ...]
    threshold: float
    method: str
    coverage: float
    at_least_one: bool

    def heat(self, dates: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the temperature of pixels that are valid on so many dates."""
        return np.array(self.temperatures)[np.minimum(dates, len(self.temperatures) - 1)]

    def parts(self) -> dict[str, Any]:
        """Return what depends on it, ready for JSON."""
        return asdict(self)


def read_calibration(path: str | os.PathLike[str]) -> Calibration:
    """Read a `calibration.json`.

    Raises:
        InputError: When there is no such file, or it is none.
    """
    remedy = "Run calibrate-model again."
    try:
        facts = json.loads(Path(path).read_text())
        conformal = facts["conformal"]
        return Calibration(
            temperatures=tuple(float(value) for value in facts["temperatures"]),
            threshold=float(conformal["threshold"]),
            method=str(conformal["method"]),
            coverage=float(conformal["coverage"]),
            at_least_one=bool(conformal["at_least_one"]),
        )
    except OSError as error:
        raise InputError(path, "there is no such file", remedy) from error
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(path, f"this is no calibration ({error!r})", remedy) from error


class CalibratedLayers:
    """Reads calibrated layers off finished totals.

    Args:
        calibration: The calibration.
        classes: Number of classes K, at most `MOST`.

    Attributes:
        layers: Name -> dtype of what a call gives.
    """

    def __init__(self, calibration: Calibration, classes: int) -> None:
        if classes > MOST:
            raise InputError(
                "predict.calibrate",
                f"sets of {classes} classes do not fit into {MOST} bits",
                "Join classes in the class table, or switch predict.calibrate off.",
            )
        self.calibration = calibration
        bits = "uint16" if classes <= 16 else "uint32"
        self.layers = {CONFIDENCE: "uint8", ENTROPY: "uint8", SET_SIZE: "uint8", SETS: bits}

    def __call__(self, total: NDArray[np.int32], y: int, x: int) -> dict[str, NDArray]:
        """Return name -> layer (height, width).

        Args:
            total: (K + 1, height, width) as for `nadir.segmentation.blend.decide`.
            y: Row of its first pixel in the scene.
            x: Column of its first pixel.

        Returns:
            `confidence`: calibrated probability of the class taken in percent; `entropy`: in
            steps of 1 / `LEVELS` of the greatest possible; `set_size`: classes in the set, each
            255 without valid data; `sets`: bit k - 1 says that class id k is in the set, 0
            without valid data.
        """
        shape = total.shape[1:]
        made = {name: np.empty(shape, dtype) for name, dtype in self.layers.items()}
        own = self.calibration
        _read_off(
            np.ascontiguousarray(total),
            np.array(own.temperatures),
            own.threshold,
            own.method == "aps",
            own.at_least_one,
            np.array([y, x], np.int64),
            *(made[name] for name in (CONFIDENCE, ENTROPY, SET_SIZE, SETS)),
        )
        return made


@numba.njit(cache=True, nogil=True)
def _read_off(
    total: Any,
    temperatures: Any,
    threshold: float,
    aps: bool,
    at_least_one: bool,
    corner: Any,
    confidence: Any,
    entropy: Any,
    size: Any,
    sets: Any,
) -> None:
    """Fill the layers pixel by pixel."""
    classes = total.shape[0] - 1
    p = np.empty(classes)
    for i in range(total.shape[1]):
        for j in range(total.shape[2]):
            if total[classes, i, j] == 0:
                confidence[i, j] = entropy[i, j] = size[i, j] = NO_CONFIDENCE
                sets[i, j] = 0
                continue
            best = 0
            for k in range(1, classes):
                if total[k, i, j] > total[best, i, j]:
                    best = k
            temperature = temperatures[min(total[classes, i, j], len(temperatures) - 1)]
            _temper(total[:classes, i, j], temperature, best, p)
            spread = 0.0
            for k in range(classes):
                if p[k] > 0:
                    spread -= p[k] * np.log(p[k])
            confidence[i, j] = min(np.int64(np.rint(100 * p[best])), 100)
            share = spread / np.log(max(classes, 2))
            entropy[i, j] = min(max(np.int64(np.rint(LEVELS * share)), 0), LEVELS)
            draw = pixel_draw(corner[0] + i, corner[1] + j)
            bits, count = np.int64(0), 0
            for k in range(classes):
                if score_of(p, k, aps, draw) <= threshold or (at_least_one and k == best):
                    bits |= np.int64(1) << k
                    count += 1
            size[i, j] = count
            sets[i, j] = bits


@numba.njit(cache=True, nogil=True)
def _temper(total: Any, temperature: float, best: int, p: Any) -> None:
    """Write the calibrated probabilities of one pixel into `p`; as `reliability.tempered`."""
    top = np.log(max(total[best] / ONE, LEAST)) / temperature
    norm = 0.0
    for k in range(p.shape[0]):
        p[k] = np.exp(np.log(max(total[k] / ONE, LEAST)) / temperature - top)
        norm += p[k]
    for k in range(p.shape[0]):
        p[k] /= norm
