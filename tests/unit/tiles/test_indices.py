"""Spectral indices and tests on typical reflectances."""

from __future__ import annotations

import numpy as np
import pytest

from nadir.tiles.indices import band_roles, normalized_difference, spectral_index, surface_tests

ROLES = ("blue", "green", "red", "nir", "swir1", "swir2")
TYPICAL = {
    "forest": (0.02, 0.04, 0.03, 0.30, 0.14, 0.06),
    "soil": (0.09, 0.13, 0.18, 0.26, 0.33, 0.27),
    "town": (0.12, 0.14, 0.16, 0.22, 0.22, 0.19),
    "lake": (0.05, 0.05, 0.03, 0.02, 0.01, 0.01),
    "turbid": (0.09, 0.11, 0.10, 0.06, 0.02, 0.01),
    "cloud": (0.55, 0.54, 0.54, 0.58, 0.45, 0.35),
    "snow": (0.85, 0.86, 0.84, 0.78, 0.09, 0.07),
}


def test_typical_surfaces():
    image = {role: np.array([[TYPICAL[k][n] for k in TYPICAL]]) for n, role in enumerate(ROLES)}
    found = surface_tests(image)
    names = np.array(list(TYPICAL))
    assert names[found["cloud"][0]].tolist() == ["cloud"]
    assert names[found["snow"][0]].tolist() == ["snow"]
    assert names[found["water"][0]].tolist() == ["lake", "turbid"]


def test_lacking_bands_give_no_answer():
    image = {role: np.ones((1, 1)) for role in ("red", "nir")}
    found = surface_tests(image)
    assert found["cloud"] is None and found["snow"] is None and found["water"] is not None


def test_roles_of_band_names():
    assert band_roles(["B04", "B8A", "B08"]) == {"red": 0, "nir": 2}
    assert band_roles(["B8A"]) == {"nir": 0}
    assert band_roles(["Blue", "NIR", "SWIR1"]) == {"blue": 0, "nir": 1, "swir1": 2}


def test_index_by_name():
    image = np.array([[[0.1]], [[0.3]]], np.float32)
    assert spectral_index("ndvi", image, ["B04", "B08"])[0, 0] == pytest.approx(0.5)
    assert np.isnan(spectral_index("mndwi", image, ["B04", "B08"])).all()
    assert normalized_difference(np.array([-0.01]), np.array([0.005]))[0] == 0
