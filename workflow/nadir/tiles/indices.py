"""Spectral indices, and simple published tests for cloud, snow and water.

The tests are the spectral, per-pixel part of Fmask without thermal band and cirrus: good enough to
measure how much of a tile is covered, no substitute for a cloud mask. They expect reflectance in
0..1. Where a band that a test needs is lacking, its answer is None, never a guess.

Sources:
    Rouse et al. 1974 (NDVI); McFeeters 1996, doi:10.1080/01431169608948714 (NDWI);
    Xu 2006, doi:10.1080/01431160600589179 (MNDWI); Hall et al. 1995,
    doi:10.1016/0034-4257(95)00137-P (NDSI and the snow test's thresholds);
    Zha et al. 2003, doi:10.1080/01431160304987 (NDBI); Zhu and Woodcock 2012,
    doi:10.1016/j.rse.2011.10.028 (equations 1 to 5: cloud and water).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

ROLES: dict[str, tuple[str, ...]] = {
    "blue": ("b02", "b2", "blue"),
    "green": ("b03", "b3", "green"),
    "red": ("b04", "b4", "red"),
    "nir": ("b08", "b8", "nir", "b8a", "nir08"),
    "swir1": ("b11", "swir1", "swir16"),
    "swir2": ("b12", "swir2", "swir22"),
}
"""Role of a band -> Sentinel-2 and common names, best first, in lower case."""

INDICES: dict[str, tuple[str, str]] = {
    "ndvi": ("nir", "red"),
    "ndwi": ("green", "nir"),
    "mndwi": ("green", "swir1"),
    "ndsi": ("green", "swir1"),
    "ndbi": ("swir1", "nir"),
}
"""Index -> the two roles (p, q) of its normalized difference (p - q) / (p + q)."""

NEEDS: dict[str, tuple[str, ...]] = {
    "cloud": ("blue", "green", "red", "nir", "swir1", "swir2"),
    "snow": ("green", "nir", "swir1"),
    "water": ("red", "nir"),
}
"""Test -> roles of the bands it needs."""


def band_roles(bands: Sequence[str]) -> dict[str, int]:
    """Return role -> position in `bands`, for the roles that are there."""
    positions = {name.lower(): number for number, name in reversed(list(enumerate(bands)))}
    found = {}
    for role, names in ROLES.items():
        for name in names:
            if name in positions:
                found[role] = positions[name]
                break
    return found


def normalized_difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return (one - other) / (one + other), 0 where the sum is not positive.

    Surface reflectance may be slightly negative over dark ground; a sum at or below zero carries
    no signal, and the ratio would leave -1..1.
    """
    total = one + other
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(total > 0, (one - other) / total, 0).astype(np.result_type(one, np.float32))


def spectral_index(name: str, image: np.ndarray, bands: Sequence[str]) -> np.ndarray:
    """Return a normalized-difference index.

    Args:
        name: One of `INDICES`.
        image: (band, h, w) reflectance, 0..1.
        bands: Names of the bands.

    Returns:
        (h, w) float array in -1..1 for reflectances that are not negative; all NaN where a band
        that the index needs is lacking.
    """
    roles = band_roles(bands)
    first, second = INDICES[name]
    if first not in roles or second not in roles:
        return np.full(image.shape[1:], np.nan, np.float32)
    return normalized_difference(image[roles[first]], image[roles[second]])


def surface_tests(image: Mapping[str, np.ndarray]) -> dict[str, np.ndarray | None]:
    """Test every pixel for cloud, snow and water.

    Cloud is Fmask's potential cloud pixel without temperature: SWIR2 > 0.03, NDSI < 0.8,
    NDVI < 0.8, whiteness < 0.7, haze-optimized transform > 0, NIR / SWIR1 > 0.75, and not snow.
    Snow: NDSI > 0.4, NIR > 0.11, green > 0.10. Water: NDVI < 0.01 and NIR < 0.11, or
    0 < NDVI < 0.1 and NIR < 0.05.

    Args:
        image: Role -> (h, w) float reflectance; roles of bands that are there.

    Returns:
        "cloud", "snow", "water" -> (h, w) bool, or None where a band is lacking.
    """
    answers: dict[str, np.ndarray | None] = dict.fromkeys(NEEDS)
    able = {test: all(role in image for role in roles) for test, roles in NEEDS.items()}
    ndvi = normalized_difference(image["nir"], image["red"]) if able["water"] else None
    ndsi = normalized_difference(image["green"], image["swir1"]) if able["snow"] else None
    if ndvi is not None:
        nir = image["nir"]
        answers["water"] = ((ndvi < 0.01) & (nir < 0.11)) | (
            (ndvi < 0.1) & (ndvi > 0) & (nir < 0.05)
        )
    if ndsi is not None:
        snow = (ndsi > 0.4) & (image["nir"] > 0.11) & (image["green"] > 0.10)
        answers["snow"] = snow
    if able["cloud"] and ndvi is not None and ndsi is not None:
        blue, green, red = image["blue"], image["green"], image["red"]
        mean = (blue + green + red) / 3
        spread = np.abs(blue - mean) + np.abs(green - mean) + np.abs(red - mean)
        cloud = (image["swir2"] > 0.03) & (ndsi < 0.8) & (ndvi < 0.8)
        cloud &= spread < 0.7 * mean  # whiteness, without the division
        cloud &= blue - 0.5 * red - 0.08 > 0
        cloud &= image["nir"] > 0.75 * image["swir1"]
        cloud &= ~snow
        answers["cloud"] = cloud
    return answers
