"""Surface materials and their reflectance in April and August.

The spectra are typical bottom-of-atmosphere values of Sentinel-2 over the western Mediterranean,
in reflectance, of the order of those in the USGS and ECOSTRESS libraries.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
"""The bands of a simulated scene, in order."""

WAVELENGTHS = np.array([492, 560, 665, 704, 740, 783, 833, 865, 1614, 2202], np.float64)
"""Their central wavelengths in nm (Sentinel-2A)."""

COARSE = np.array([False, False, False, True, True, True, False, True, True, True])
"""Which bands the instrument takes at 20 m."""

DATES = ("april", "august")
"""The dates of a simulated world, in order."""


class Material(IntEnum):
    """What covers a square metre."""

    CEREAL = 0
    RAPESEED = 1
    MAIZE = 2
    SUNFLOWER = 3
    ALFALFA = 4
    FALLOW = 5
    SOIL = 6
    PALE_SOIL = 7
    VINE = 8
    OLIVE = 9
    ALMOND = 10
    CONIFER = 11
    HOLM_OAK = 12
    BROADLEAF = 13
    SHRUB = 14
    DRY_GRASS = 15
    MEADOW = 16
    LAWN = 17
    ROCK = 18
    GRAVEL = 19
    SAND = 20
    ASPHALT = 21
    CONCRETE = 22
    TILE_ROOF = 23
    GREY_ROOF = 24
    METAL_ROOF = 25
    QUARRY_FACE = 26
    QUARRY_FLOOR = 27
    WASTE = 28
    RIVER = 29
    LAKE = 30
    SEA = 31
    SHADOW = 32
    PLASTIC = 33


_GREEN = (0.030, 0.062, 0.037, 0.092, 0.270, 0.350, 0.390, 0.410, 0.190, 0.092)
_STUBBLE = (0.085, 0.122, 0.160, 0.186, 0.214, 0.236, 0.258, 0.276, 0.365, 0.280)
_SOIL = (0.080, 0.110, 0.145, 0.166, 0.184, 0.202, 0.222, 0.236, 0.310, 0.268)

_SPECTRA: dict[Material, tuple[tuple[float, ...], ...]] = {
    Material.CEREAL: (_GREEN, _STUBBLE),
    Material.RAPESEED: (
        (0.045, 0.105, 0.085, 0.140, 0.290, 0.350, 0.385, 0.405, 0.215, 0.115),
        _STUBBLE,
    ),
    Material.MAIZE: (_SOIL, (0.026, 0.056, 0.032, 0.086, 0.275, 0.365, 0.405, 0.425, 0.180, 0.082)),
    Material.SUNFLOWER: (
        _SOIL,
        (0.050, 0.085, 0.082, 0.125, 0.220, 0.260, 0.290, 0.310, 0.262, 0.170),
    ),
    Material.ALFALFA: (
        _GREEN,
        (0.034, 0.068, 0.045, 0.102, 0.275, 0.345, 0.385, 0.405, 0.208, 0.108),
    ),
    Material.FALLOW: (
        (0.056, 0.086, 0.092, 0.126, 0.200, 0.235, 0.262, 0.280, 0.282, 0.204),
        (0.082, 0.116, 0.148, 0.172, 0.200, 0.220, 0.240, 0.258, 0.345, 0.268),
    ),
    Material.SOIL: (_SOIL, (0.085, 0.117, 0.156, 0.178, 0.198, 0.217, 0.238, 0.252, 0.345, 0.292)),
    Material.PALE_SOIL: (
        (0.122, 0.162, 0.205, 0.228, 0.244, 0.262, 0.280, 0.292, 0.378, 0.338),
        (0.130, 0.172, 0.218, 0.242, 0.259, 0.277, 0.296, 0.308, 0.405, 0.360),
    ),
    Material.VINE: (
        (0.066, 0.092, 0.106, 0.132, 0.176, 0.200, 0.220, 0.236, 0.270, 0.212),
        (0.036, 0.066, 0.048, 0.092, 0.230, 0.290, 0.325, 0.342, 0.205, 0.115),
    ),
    Material.OLIVE: (
        (0.040, 0.064, 0.056, 0.086, 0.166, 0.200, 0.226, 0.242, 0.192, 0.122),
        (0.043, 0.067, 0.061, 0.090, 0.162, 0.194, 0.218, 0.234, 0.204, 0.134),
    ),
    Material.ALMOND: (
        (0.040, 0.070, 0.056, 0.100, 0.218, 0.266, 0.298, 0.316, 0.212, 0.124),
        (0.048, 0.076, 0.070, 0.106, 0.198, 0.236, 0.262, 0.280, 0.236, 0.150),
    ),
    Material.CONIFER: (
        (0.020, 0.036, 0.026, 0.052, 0.128, 0.158, 0.178, 0.192, 0.108, 0.056),
        (0.021, 0.037, 0.028, 0.053, 0.126, 0.155, 0.175, 0.189, 0.112, 0.060),
    ),
    Material.HOLM_OAK: (
        (0.023, 0.042, 0.031, 0.062, 0.156, 0.194, 0.218, 0.234, 0.130, 0.069),
        (0.024, 0.043, 0.034, 0.064, 0.150, 0.186, 0.210, 0.226, 0.138, 0.075),
    ),
    Material.BROADLEAF: (
        (0.034, 0.060, 0.050, 0.090, 0.190, 0.232, 0.258, 0.274, 0.190, 0.112),
        (0.023, 0.050, 0.029, 0.072, 0.238, 0.312, 0.350, 0.368, 0.162, 0.078),
    ),
    Material.SHRUB: (
        (0.036, 0.058, 0.050, 0.082, 0.164, 0.196, 0.220, 0.236, 0.192, 0.118),
        (0.040, 0.061, 0.060, 0.088, 0.152, 0.180, 0.203, 0.218, 0.212, 0.138),
    ),
    Material.DRY_GRASS: (
        (0.045, 0.078, 0.066, 0.112, 0.220, 0.264, 0.294, 0.314, 0.248, 0.150),
        (0.070, 0.100, 0.120, 0.150, 0.196, 0.220, 0.244, 0.262, 0.318, 0.232),
    ),
    Material.MEADOW: (
        (0.034, 0.069, 0.044, 0.100, 0.252, 0.316, 0.350, 0.370, 0.218, 0.116),
        (0.042, 0.076, 0.062, 0.112, 0.232, 0.282, 0.312, 0.332, 0.244, 0.142),
    ),
    Material.LAWN: ((0.036, 0.070, 0.045, 0.102, 0.262, 0.330, 0.366, 0.386, 0.214, 0.114),) * 2,
    Material.ROCK: ((0.112, 0.134, 0.154, 0.168, 0.180, 0.191, 0.202, 0.210, 0.252, 0.228),) * 2,
    Material.GRAVEL: ((0.136, 0.166, 0.192, 0.207, 0.218, 0.230, 0.241, 0.248, 0.296, 0.272),) * 2,
    Material.SAND: ((0.190, 0.236, 0.282, 0.302, 0.318, 0.336, 0.350, 0.358, 0.422, 0.382),) * 2,
    Material.ASPHALT: ((0.072, 0.083, 0.093, 0.101, 0.107, 0.113, 0.119, 0.123, 0.146, 0.136),) * 2,
    Material.CONCRETE: ((0.148, 0.176, 0.198, 0.211, 0.221, 0.232, 0.242, 0.247, 0.284, 0.262),)
    * 2,
    Material.TILE_ROOF: ((0.072, 0.096, 0.148, 0.186, 0.208, 0.228, 0.244, 0.256, 0.318, 0.288),)
    * 2,
    Material.GREY_ROOF: ((0.110, 0.126, 0.138, 0.147, 0.153, 0.159, 0.165, 0.169, 0.196, 0.184),)
    * 2,
    Material.METAL_ROOF: ((0.226, 0.252, 0.270, 0.280, 0.286, 0.292, 0.296, 0.298, 0.302, 0.276),)
    * 2,
    Material.QUARRY_FACE: ((0.178, 0.220, 0.256, 0.274, 0.286, 0.300, 0.312, 0.318, 0.384, 0.352),)
    * 2,
    Material.QUARRY_FLOOR: ((0.140, 0.174, 0.205, 0.222, 0.234, 0.248, 0.261, 0.269, 0.330, 0.298),)
    * 2,
    Material.WASTE: ((0.090, 0.112, 0.130, 0.144, 0.156, 0.168, 0.180, 0.188, 0.240, 0.212),) * 2,
    Material.RIVER: ((0.046, 0.062, 0.050, 0.049, 0.044, 0.040, 0.036, 0.033, 0.020, 0.014),) * 2,
    Material.LAKE: ((0.037, 0.048, 0.036, 0.035, 0.031, 0.029, 0.026, 0.024, 0.015, 0.011),) * 2,
    Material.SEA: ((0.050, 0.045, 0.026, 0.018, 0.013, 0.012, 0.011, 0.010, 0.006, 0.005),) * 2,
    Material.SHADOW: ((0.022, 0.027, 0.028, 0.034, 0.050, 0.058, 0.064, 0.068, 0.062, 0.046),) * 2,
    Material.PLASTIC: ((0.238, 0.262, 0.282, 0.300, 0.330, 0.350, 0.362, 0.366, 0.330, 0.270),) * 2,
}

SPECTRA = np.array([[_SPECTRA[material][date] for material in Material] for date in range(2)])
"""(date, material, band) reflectance, 0 to 1."""

_ROUGH = {
    Material.CONIFER: 0.34,
    Material.HOLM_OAK: 0.28,
    Material.BROADLEAF: 0.26,
    Material.SHRUB: 0.22,
    Material.OLIVE: 0.15,
    Material.ALMOND: 0.15,
    Material.ROCK: 0.25,
    Material.QUARRY_FACE: 0.22,
    Material.QUARRY_FLOOR: 0.18,
    Material.WASTE: 0.30,
    Material.CONCRETE: 0.15,
    Material.RIVER: 0.02,
    Material.LAKE: 0.02,
    Material.SEA: 0.02,
}
ROUGHNESS = np.array([_ROUGH.get(material, 0.08) for material in Material])
"""(material,) relative change of brightness from one 4 m patch (a crown, a slab) to the next."""

_SOIL_LIKE = {Material.SOIL, Material.PALE_SOIL, Material.FALLOW, Material.GRAVEL, Material.ROCK}
_SOIL_LIKE |= {Material.QUARRY_FACE, Material.QUARRY_FLOOR, Material.WASTE, Material.SAND}
_WATER = {Material.RIVER, Material.LAKE, Material.SEA}
_BUILT = {Material.ASPHALT, Material.CONCRETE, Material.TILE_ROOF, Material.GREY_ROOF}
_BUILT |= {Material.METAL_ROOF, Material.SHADOW, Material.PLASTIC}

FAMILY = np.array(
    [3 if m in _BUILT else 2 if m in _WATER else 1 if m in _SOIL_LIKE else 0 for m in Material]
)
"""(material,) how an object's spectrum may vary: 0 vegetation, 1 soil, 2 water, 3 built."""
