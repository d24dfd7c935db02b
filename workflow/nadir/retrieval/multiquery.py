"""Multi-query: all views of a place ask together, as a drone does that circles it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.retrieval.evaluate import Images
from nadir.retrieval.search import check_features, normalized


def mean_by_place(images: Images) -> Images:
    """Return one feature a place and group: the mean of its images' features, of unit length.

    Args:
        images: Queries; features of unit length weigh the same.

    Returns:
        One row a place (and group, where there are groups), in the order of first appearance; names
        are those of the places.

    Raises:
        InputError: When there are no images, or features and places differ in number.
    """
    features, places = check_features(images.features, "queries"), np.asarray(images.places)
    if len(places) != len(features):
        problem = f"{len(features)} features, and {len(places)} places"
        raise InputError("queries", problem, "Give one place for each feature.")
    keys = [places] if images.groups is None else [np.asarray(images.groups), places]
    code, first = _codes(keys)
    total = np.zeros((len(first), features.shape[1]))
    np.add.at(total, code, features)
    groups = None if images.groups is None else np.asarray(images.groups)[first]
    return Images(normalized(total), places[first], places[first], groups)


def _codes(keys: Sequence[NDArray[Any]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the number of each row's combination of keys, and where each comes first."""
    code = np.zeros(len(keys[0]), np.int64)
    for key in keys:
        part = np.unique(key, return_inverse=True)[1]
        code = code * (int(part.max()) + 1) + part
    _, first, inverse = np.unique(code, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    return position[inverse], first[order]
