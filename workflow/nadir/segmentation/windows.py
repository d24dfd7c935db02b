"""Where the windows of a sliding prediction lie, and how much each counts at each pixel.

Pure geometry, one axis at a time: windows are squares on a product of two axes, and so are their
weights, which keeps everything exact and small for scenes of any size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Block:
    """A run of consecutive windows along one axis, worked on together.

    Attributes:
        first: Index of its first window.
        last: Index after its last window.
        begin: First pixel that becomes final with this block.
        end: Pixel after the last that becomes final: no later window reaches before it.
        reach: Pixel after the last that its windows touch; `reach` - `end` is carried on.
    """

    first: int
    last: int
    begin: int
    end: int
    reach: int


@dataclass(frozen=True)
class Axis:
    """The windows along one axis of a scene.

    Attributes:
        length: Pixels of the scene along the axis.
        window: Side of a window, in pixels.
        starts: First pixel of each window, ascending; the last window ends with the scene, unless
            the scene is smaller than a window: then there is one, which reaches beyond.
        weights: (windows, window) float64, each in (0, 1]; over all windows the weights of a pixel
            inside the scene add up to 1. Zero where a window lies outside the scene.
    """

    length: int
    window: int
    starts: tuple[int, ...]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, length: int, window: int, overlap: float) -> Axis:
        """Lay windows over an axis, evenly, each sharing at least `overlap` with the next.

        Args:
            length: Pixels of the scene along the axis, at least 1.
            window: Side of a window, in pixels, at least 1.
            overlap: Least share of a window's side that it has in common with the next, in [0, 1).
        """
        starts = window_starts(length, window, overlap)
        raw = taper(window, round(window * overlap))
        total = np.zeros(length)
        for start in starts:
            inside = min(window, length - start)
            total[start : start + inside] += raw[:inside]
        weights = np.zeros((len(starts), window))
        for number, start in enumerate(starts):
            inside = min(window, length - start)
            weights[number, :inside] = raw[:inside] / total[start : start + inside]
        return cls(length, window, starts, weights)

    def inside(self, number: int) -> int:
        """Return how many pixels of a window lie inside the scene."""
        return min(self.window, self.length - self.starts[number])

    def blocks(self, side: int, align: int = 1) -> list[Block]:
        """Group the windows into runs that touch about `side` pixels each.

        Args:
            side: Pixels that a run may touch; a run has at least one window all the same.
            align: The borders between final pixels are multiples of it (tiles of the output).
        """
        blocks: list[Block] = []
        first, begin = 0, 0
        while first < len(self.starts):
            last = first + 1
            while last < len(self.starts) and self.starts[last] + self.window - begin <= side:
                last += 1
            reach = self.starts[last - 1] + self.inside(last - 1)
            end = self.starts[last] // align * align if last < len(self.starts) else self.length
            blocks.append(Block(first, last, begin, end, reach))
            first, begin = last, end
        return blocks


def window_starts(length: int, window: int, overlap: float) -> tuple[int, ...]:
    """Return the first pixels of the fewest evenly spread windows that cover an axis.

    Border windows lie inside the scene, so that the model sees real neighbours instead of padding.

    Raises:
        ValueError: When an argument is out of range.
    """
    if length < 1 or window < 1 or not 0 <= overlap < 1:
        raise ValueError(f"no windows of {window} px and overlap {overlap} on {length} px")
    if length <= window:
        return (0,)
    stride = max(1, window - round(window * overlap))
    room = length - window
    steps = -(-room // stride)
    return tuple(number * room // steps for number in range(steps + 1))


def taper(window: int, overlap: int) -> NDArray[np.float64]:
    """Return the weights of one window along one axis: raised cosines over the overlap, else 1.

    Two ramps that overlap add up to 1 (a Tukey window; with half a window of overlap, Hann's),
    sampled at pixel centers and so positive everywhere.

    Args:
        window: Pixels of the window.
        overlap: Pixels of each ramp; at most half the window is used.

    Returns:
        (window,) float64 in (0, 1].
    """
    ramp = min(overlap, window // 2)
    weights = np.ones(window)
    if ramp:
        rise = np.sin(np.pi * (np.arange(ramp) + 0.5) / (2 * ramp)) ** 2
        weights[:ramp] = rise
        weights[window - ramp :] = rise[::-1]
    return weights


def filled(values: NDArray[Any], count: int) -> NDArray[Any]:
    """Fill a short batch up with copies of its last item.

    Networks' kernels, and with them the last bits of their answers, vary with a batch's size.

    Args:
        values: (n, ...), n from 1 to `count`.
        count: Items to return.
    """
    missing = count - len(values)
    return np.concatenate([values, np.repeat(values[-1:], missing, 0)]) if missing else values
