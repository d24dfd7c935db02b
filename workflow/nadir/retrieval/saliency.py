"""Which parts of two pictures make them alike, by occlusion.

A square of each picture in turn is covered with the picture's mean color; how much the similarity
of the two falls is what that square contributed (Zeiler and Fergus 2014). It needs no gradients,
and means the same for every network.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from nadir.retrieval.extraction import Embedder

CELLS = 10
"""Squares along a side; each is covered together with half of its neighbors."""


def occlusion(
    embedder: Embedder,
    picture: NDArray[np.uint8],
    view: str,
    other: NDArray[np.float32],
    cells: int = CELLS,
) -> NDArray[np.float32]:
    """Return how much the similarity falls where a picture is covered.

    Args:
        embedder: The network.
        picture: uint8 (rows, columns, 3).
        view: Its view.
        other: float32 (dimensions,), the feature of the picture that it is compared with.
        cells: Squares along a side.

    Returns:
        float32 (rows, columns): positive where the picture speaks for the pair.

    Raises:
        InputError: When the network knows no such view.
    """
    side = embedder.side
    shown = np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.uint8)
    blank = shown.reshape(-1, 3).mean(axis=0).astype(np.uint8)
    edges = np.linspace(0, side, cells + 1)
    reach = 0.5 * side / cells
    covered = [shown]
    for top in edges[:-1]:
        for left in edges[:-1]:
            one = shown.copy()
            rows = slice(max(0, round(top - reach)), round(top + 3 * reach))
            columns = slice(max(0, round(left - reach)), round(left + 3 * reach))
            one[rows, columns] = blank
            covered.append(one)
    scores = embedder.features(covered, view, flip=False) @ other
    fall = (scores[0] - scores[1:]).reshape(cells, cells).astype(np.float32)
    height, width = picture.shape[:2]
    return np.asarray(cv2.resize(fall, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
