"""What Sentinel-2 would record of the world: bottom-of-atmosphere digital numbers.

The chain, per date: the 1 m materials of each pixel are averaged (true mixed pixels), each object
with a spectrum of its own; texture of vigor and moisture; regional drift; snow; slope illumination;
haze; clouds and their shadows; the sensor's blur; the 20 m bands sampled on their own grid and
interpolated; noise.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numba import njit

from nadir.simulate.materials import COARSE, FAMILY, ROUGHNESS, SPECTRA, WAVELENGTHS
from nadir.simulate.noise import (
    draw,
    fractal_noise,
    gradient_noise,
    hash_cell,
    mix,
    smoothstep,
    unit,
)
from nadir.simulate.terrain import SNOW_LINE

HALO = 4
"""Pixels of 10 m beyond a window that blur and resampling need."""

QUANTIFICATION, BASELINE_OFFSET = 10000, -1000
"""Reflectance = (digital number + offset) / quantification, since baseline 04.00."""

SUN = {"azimuth": 147.5, "elevation": 57.0}
"""Direction of the sun in degrees, on both dates (passes at about 10:50 UTC)."""

_TEXTURE, _GRAIN, _DRIFT, _SNOW, _HAZE, _CLOUD, _NOISE = 590, 601, 602, 620, 630, 640, 660
_SNOW_SPECTRUM = np.array([0.72, 0.74, 0.74, 0.73, 0.72, 0.71, 0.69, 0.67, 0.12, 0.09])
_CLOUD_SPECTRUM = np.array([0.56, 0.54, 0.53, 0.53, 0.54, 0.55, 0.56, 0.56, 0.38, 0.28])
_HAZE_SPECTRUM = (WAVELENGTHS / WAVELENGTHS[0]) ** -1.7
_VISIBLE, _INFRARED, _SHORTWAVE = (
    WAVELENGTHS < 700,
    (WAVELENGTHS > 720) & (WAVELENGTHS < 1000),
    WAVELENGTHS > 1000,
)
_TILT = np.clip((WAVELENGTHS - 600.0) / 250.0, -1.0, 1.0)
# How an object's brightness, vigor, moisture and color change each band, by family of materials.
_EVEN = np.ones(len(WAVELENGTHS))
_SHAPES = np.array(
    [
        [0.13 * _EVEN, 0.16 * _INFRARED - 0.13 * _VISIBLE, 0.19 * _SHORTWAVE, 0.06 * _TILT],
        [0.20 * _EVEN, 0.05 * _INFRARED, 0.11 * _SHORTWAVE, 0.09 * _TILT],
        [0.18 * _EVEN, 0.10 * _INFRARED, 0.10 * _SHORTWAVE, 0.10 * _TILT],
        [0.26 * _EVEN, 0.05 * _INFRARED, 0.12 * _SHORTWAVE, 0.11 * _TILT],
    ]
)
# The same for the slow change over a region.
_REGION = np.array(
    [0.07 * _EVEN, 0.10 * _INFRARED - 0.07 * _VISIBLE, 0.11 * _SHORTWAVE, 0.07 * _TILT]
)
_CLOUD_SPREAD = 0.53  # standard deviation of the cloud noise
_SUN_EAST = np.sin(np.radians(SUN["azimuth"])) * np.cos(np.radians(SUN["elevation"]))
_SUN_SOUTH = -np.cos(np.radians(SUN["azimuth"])) * np.cos(np.radians(SUN["elevation"]))
_SUN_UP = np.sin(np.radians(SUN["elevation"]))
_PATCH = np.int64(4)  # metres; the grain of a surface


@njit(cache=True, nogil=True)
def _bell(h, k):
    """Return a number of mean 0 and variance 1, about normal, bounded by 3."""
    return 2.0 * (draw(h, 3 * k) + draw(h, 3 * k + 1) + draw(h, 3 * k + 2) - 1.5)


@njit(cache=True, nogil=True)
def _object_spectrum(material, thing, variation, seed, out):
    """Write the (date, band) reflectance of a material on one object into `out`."""
    h = mix(np.uint64(thing) * np.uint64(64) + np.uint64(material) + seed)
    shapes = _SHAPES[FAMILY[material]]
    for date in range(out.shape[0]):
        for band in range(out.shape[1]):
            factor = 1.0
            for k in range(4):
                z = 0.85 * _bell(h, k) + 0.55 * _bell(h, 4 + 4 * date + k)
                factor += variation * z * shapes[k, band]
            out[date, band] = SPECTRA[date, material, band] * max(factor, 0.25)


@njit(cache=True, nogil=True)
def mix_pixels(material, thing, row0, col0, factor, variation, seed):
    """Average the spectra of factor x factor fine pixels.

    Args:
        material: (rows*factor, columns*factor) at 1 m, see `world.LandCover`.
        thing: Likewise.
        row0: First fine row, in metres south of the world's corner.
        col0: First fine column, in metres east of it.
        factor: Fine pixels along a coarse one.
        variation: Strength of the variation between objects.
        seed: From `noise.seed_hash`.

    Returns:
        (date, band, rows, columns) float32 reflectance.
    """
    rows, columns = material.shape[0] // factor, material.shape[1] // factor
    dates, bands = SPECTRA.shape[0], SPECTRA.shape[2]
    out = np.zeros((dates, bands, rows, columns), np.float32)
    spectrum = np.zeros((dates, bands))
    total = np.zeros((dates, bands))
    for r in range(rows):
        for c in range(columns):
            total[:] = 0.0
            last_material, last_thing = -1, np.uint32(0)
            for fr in range(factor):
                y = row0 + r * factor + fr
                for fc in range(factor):
                    m, t = (
                        material[r * factor + fr, c * factor + fc],
                        thing[r * factor + fr, c * factor + fc],
                    )
                    if m != last_material or t != last_thing:
                        _object_spectrum(m, t, variation, seed, spectrum)
                        last_material, last_thing = m, t
                    x = col0 + c * factor + fc
                    patch = unit(hash_cell(x // _PATCH, y // _PATCH, _GRAIN, seed))
                    weight = 1.0 + ROUGHNESS[m] * (2.0 * patch - 1.0)
                    for date in range(dates):
                        for band in range(bands):
                            total[date, band] += weight * spectrum[date, band]
            for date in range(dates):
                for band in range(bands):
                    out[date, band, r, c] = total[date, band] / (factor * factor)
    return out


@njit(cache=True, nogil=True)
def expose(light, height, row0, col0, relief, snow, drift, texture, cloud_level, seed):
    """Turn surface reflectance, in place, into what arrives at the sensor.

    Args:
        light: (date, band, rows, columns) float32 reflectance of pixels of 10 m.
        height: (rows + 2, columns + 2) float32 heights (m), one pixel beyond on each side.
        row0: First row on the 10 m grid of the world.
        col0: First column.
        relief: Height of the relief (m).
        snow: Whether there is snow on the first date.
        drift: Strength of the regional drift.
        texture: Strength of the texture of surfaces.
        cloud_level: Value of the cloud noise above which there is cloud.
        seed: From `noise.seed_hash`.
    """
    dates, bands, rows, columns = light.shape
    for r in range(rows):
        y = (row0 + r + 0.5) * 10.0
        for c in range(columns):
            x = (col0 + c + 0.5) * 10.0
            east = (height[r + 1, c + 2] - height[r + 1, c]) / 20.0
            south = (height[r + 2, c + 1] - height[r, c + 1]) / 20.0
            facing = (_SUN_UP - east * _SUN_EAST - south * _SUN_SOUTH) / np.sqrt(
                1.0 + east**2 + south**2
            )
            shade = (max(facing, 0.0) + 0.3) / (_SUN_UP + 0.3)
            for date in range(dates):
                cover = 0.0
                if snow and date == 0:
                    line = SNOW_LINE * relief + 0.09 * relief * gradient_noise(
                        x / 420.0, y / 420.0, _SNOW, seed
                    )
                    cover = 0.92 * smoothstep(0.0, 0.09 * relief, height[r + 1, c + 1] - line)
                tag = _CLOUD + 5 * date
                cloud = 0.0
                if cloud_level < 9.0:
                    n = fractal_noise(x / 760.0, y / 760.0, 4, tag, seed)
                    cloud = 0.96 * smoothstep(cloud_level - 0.06, cloud_level + 0.22, n)
                    n = fractal_noise((x + 330.0) / 760.0, (y + 520.0) / 760.0, 4, tag, seed)
                    shade_of_cloud = 1.0 - 0.62 * smoothstep(
                        cloud_level - 0.06, cloud_level + 0.22, n
                    )
                else:
                    shade_of_cloud = 1.0
                haze = 0.008 * (
                    1.0 + 0.7 * gradient_noise(x / 3100.0, y / 3100.0, _HAZE + date, seed)
                )
                region = np.empty(4)
                for k in range(4):
                    fixed = gradient_noise(x / 2300.0, y / 2300.0, _DRIFT + k, seed)
                    dated = gradient_noise(x / 1700.0, y / 1700.0, _DRIFT + 4 + 4 * date + k, seed)
                    region[k] = drift * 1.7 * (0.8 * fixed + 0.6 * dated)
                    grain = gradient_noise(x / 17.0, y / 17.0, _TEXTURE + 4 * date + k, seed)
                    region[k] += texture * 2.2 * grain
                for band in range(bands):
                    value = light[date, band, r, c]
                    factor = 1.0
                    for k in range(4):
                        factor += region[k] * _REGION[k, band]
                    value *= max(factor, 0.3)
                    value += cover * (_SNOW_SPECTRUM[band] - value)
                    value *= shade * shade_of_cloud
                    value = value * 0.98 + haze * _HAZE_SPECTRUM[band]
                    value += cloud * (_CLOUD_SPECTRUM[band] - value)
                    light[date, band, r, c] = value


@njit(cache=True, nogil=True)
def _blur(plane, reach, taps):
    """Return a plane convolved with a separable kernel, smaller by `reach` on each side."""
    rows, columns = plane.shape
    half = np.empty((rows, columns - 2 * reach), np.float32)
    for r in range(rows):
        for c in range(columns - 2 * reach):
            total = 0.0
            for k in range(2 * reach + 1):
                total += taps[k] * plane[r, c + k]
            half[r, c] = total
    out = np.empty((rows - 2 * reach, columns - 2 * reach), np.float32)
    for r in range(rows - 2 * reach):
        for c in range(columns - 2 * reach):
            total = 0.0
            for k in range(2 * reach + 1):
                total += taps[k] * half[r + k, c]
            out[r, c] = total
    return out


def _taps(sigma: float, reach: int) -> np.ndarray:
    """Return a normalized Gaussian kernel of 2 * reach + 1 taps."""
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return taps / taps.sum()


@njit(cache=True, nogil=True)
def _record(plane, row0, col0, rows, columns, offset, step, strength, tag, seed):
    """Return digital numbers of a band.

    `plane` holds reflectance on a grid of `step` pixels of 10 m, whose first value is centered
    `offset` 10 m pixels before the window's first pixel; noise is added there, before
    interpolation.
    """
    noisy = np.empty_like(plane)
    for r in range(plane.shape[0]):
        for c in range(plane.shape[1]):
            h = hash_cell((col0 - HALO) // step + c, (row0 - HALO) // step + r, tag, seed)
            sigma = strength * (0.0016 + 0.006 * plane[r, c])
            noisy[r, c] = plane[r, c] + sigma * _bell(h, 0)
    out = np.empty((rows, columns), np.uint16)
    for r in range(rows):
        y = (r + offset) / step
        i = np.int64(np.floor(y))
        ty = y - i
        for c in range(columns):
            x = (c + offset) / step
            j = np.int64(np.floor(x))
            tx = x - j
            value = (1.0 - ty) * (1.0 - tx) * noisy[i, j]
            if tx > 0.0:
                value += (1.0 - ty) * tx * noisy[i, j + 1]
            if ty > 0.0:
                value += ty * (1.0 - tx) * noisy[i + 1, j]
                if tx > 0.0:
                    value += ty * tx * noisy[i + 1, j + 1]
            number = np.floor(value * QUANTIFICATION + 0.5) - BASELINE_OFFSET
            out[r, c] = np.uint16(min(max(number, 1.0), 65535.0))
    return out


def record(light: np.ndarray, row0: int, col0: int, strength: float, seed: np.uint64) -> np.ndarray:
    """Blur, sample, add noise and quantize.

    Args:
        light: (date, band, rows + 2*HALO, columns + 2*HALO) float32 reflectance.
        row0: First row of the window itself (without the halo) on the 10 m grid; even.
        col0: First column, likewise.
        strength: Strength of the noise.
        seed: From `noise.seed_hash`.

    Returns:
        (date, band, rows, columns) uint16 digital numbers, at least 1.
    """
    dates, bands = light.shape[:2]
    rows, columns = light.shape[2] - 2 * HALO, light.shape[3] - 2 * HALO
    out = np.empty((dates, bands, rows, columns), np.uint16)
    fine, coarse = _taps(0.5, 2), _taps(0.45, 1)
    for date in range(dates):
        for band in range(bands):
            plane, tag = light[date, band], _NOISE + 20 * date + band
            if COARSE[band]:
                # Pairs of 10 m pixels make a 20 m pixel; the blur takes one of its two halo pixels.
                quarter = plane.reshape(plane.shape[0] // 2, 2, plane.shape[1] // 2, 2)
                sampled = np.ascontiguousarray(
                    0.25
                    * (
                        quarter[:, 0, :, 0]
                        + quarter[:, 0, :, 1]
                        + quarter[:, 1, :, 0]
                        + quarter[:, 1, :, 1]
                    )
                )
                sampled, step = _blur(sampled, 1, coarse), 2
                offset = HALO - 2 - 0.5  # of the first kept 20 m pixel's center
            else:
                sampled, step, offset = _blur(np.ascontiguousarray(plane), 2, fine), 1, HALO - 2
            out[date, band] = _record(
                sampled, row0, col0, rows, columns, float(offset), step, strength, tag, seed
            )
    return out


def cloud_level(share: float) -> float:
    """Return the value of the cloud noise that a share of the ground exceeds; 99 for none."""
    return _CLOUD_SPREAD * NormalDist().inv_cdf(1.0 - share) if share > 0 else 99.0
