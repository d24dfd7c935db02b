"""Colors of the ground as an aerial camera sees them: red, green and blue reflectance."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate.materials import BANDS, FAMILY, SPECTRA, Material
from nadir.simulate.noise import draw, mix

RED, GREEN, BLUE = (BANDS.index(band) for band in ("B04", "B03", "B02"))

(CAR_WHITE, CAR_GREY, CAR_DARK, CAR_RED, CAR_BLUE, PAINT, POOL, COVER_COUNT) = range(
    len(Material), len(Material) + 8
)
"""What is too small for the land cover: cars, road paint, pools (and the count of them all)."""

_SMALL = np.array(
    [
        [0.42, 0.42, 0.42],
        [0.16, 0.16, 0.17],
        [0.035, 0.035, 0.04],
        [0.22, 0.04, 0.035],
        [0.05, 0.08, 0.19],
        [0.36, 0.36, 0.35],
        [0.09, 0.26, 0.33],
    ]
)

COLORS = np.concatenate(
    [
        SPECTRA[:, :, [RED, GREEN, BLUE]],
        np.repeat(_SMALL[None], len(SPECTRA), axis=0),
    ],
    axis=1,
)
"""(season, material or small thing, 3) reflectance, 0 to 1."""

_PAVED = 4  # a family of its own here: roads differ less than roofs
_BRIGHT = np.array([0.15, 0.17, 0.12, 0.24, 0.13])
_WARM = np.array([0.07, 0.08, 0.06, 0.10, 0.025])
_FAMILIES = np.concatenate([FAMILY, np.full(len(_SMALL), _PAVED)])
_FAMILIES[[Material.ASPHALT, Material.CONCRETE]] = _PAVED

_ROUGH = {
    Material.CEREAL: (0.09, 0.07, 0.06),
    Material.RAPESEED: (0.10, 0.07, 0.05),
    Material.MAIZE: (0.08, 0.08, 0.11),
    Material.SUNFLOWER: (0.09, 0.09, 0.11),
    Material.ALFALFA: (0.08, 0.05, 0.06),
    Material.FALLOW: (0.15, 0.10, 0.04),
    Material.SOIL: (0.11, 0.08, 0.07),
    Material.PALE_SOIL: (0.10, 0.07, 0.07),
    Material.VINE: (0.14, 0.16, 0.0),
    Material.SHRUB: (0.20, 0.20, 0.0),
    Material.DRY_GRASS: (0.15, 0.12, 0.0),
    Material.MEADOW: (0.13, 0.09, 0.03),
    Material.LAWN: (0.08, 0.06, 0.03),
    Material.ROCK: (0.20, 0.20, 0.0),
    Material.GRAVEL: (0.10, 0.11, 0.0),
    Material.SAND: (0.06, 0.05, 0.0),
    Material.ASPHALT: (0.05, 0.045, 0.03),
    Material.CONCRETE: (0.07, 0.06, 0.0),
    Material.TILE_ROOF: (0.08, 0.10, 0.0),
    Material.GREY_ROOF: (0.07, 0.06, 0.0),
    Material.METAL_ROOF: (0.04, 0.03, 0.03),
    Material.QUARRY_FACE: (0.17, 0.16, 0.0),
    Material.QUARRY_FLOOR: (0.14, 0.10, 0.0),
    Material.WASTE: (0.22, 0.26, 0.0),
    Material.RIVER: (0.05, 0.03, 0.0),
    Material.LAKE: (0.04, 0.02, 0.0),
    Material.SEA: (0.05, 0.05, 0.0),
}
ROUGH = np.zeros((COVER_COUNT, 3))
"""(material, kind of grain) relative change of brightness by fine texture."""
ROUGH[: len(Material)] = [_ROUGH.get(material, (0.12, 0.12, 0.0)) for material in Material]


@njit(cache=True, nogil=True)
def bell(h, k):
    """Return a number of mean 0 and variance 1, about normal, bounded by 3."""
    return 2.0 * (draw(h, 3 * k) + draw(h, 3 * k + 1) + draw(h, 3 * k + 2) - 1.5)


@njit(cache=True, nogil=True)
def tint(material, h, season, own, salt, variation, out):
    """Write the color of a material on one thing into `out` (3,).

    Args:
        material: Code of the material.
        h: Hash of the thing.
        season: Index of the season.
        own: Weight of what belongs to the year alone, see `epochs.OWN`.
        salt: From `epochs.Epoch.salt`.
        variation: Strength of the differences between things.
        out: (3,) float64.
    """
    g = mix(h + np.uint64(material))
    year = mix(g ^ salt)
    family = _FAMILIES[material]
    bright = 0.85 * bell(g, 0) + 0.8 * own * bell(year, 0)
    warm = 0.85 * bell(g, 1) + 0.8 * own * bell(year, 1)
    bright = max(1.0 + variation * bright * _BRIGHT[family], 0.4)
    warm = variation * warm * _WARM[family]
    out[0] = COLORS[season, material, 0] * bright * (1.0 + warm)
    out[1] = COLORS[season, material, 1] * bright
    out[2] = COLORS[season, material, 2] * bright * (1.0 - warm)
