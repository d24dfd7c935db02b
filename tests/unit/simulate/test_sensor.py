"""The sensor: true mixtures, exact digital numbers, and each effect where it belongs."""

from __future__ import annotations

import numpy as np

from nadir.simulate.materials import BANDS, COARSE, ROUGHNESS, SPECTRA, Material
from nadir.simulate.noise import seed_hash
from nadir.simulate.sensor import HALO, cloud_level, expose, mix_pixels, record

SEED = seed_hash(2)


def test_a_pixel_is_the_mean_of_what_it_covers() -> None:
    material = np.full((20, 20), Material.ASPHALT, np.uint8)
    material[:, 10:15] = Material.LAWN
    light = mix_pixels(material, np.zeros((20, 20), np.uint32), 0, 0, 10, 0.0, SEED)
    assert light.shape == (2, 10, 2, 2)
    rough = ROUGHNESS[Material.ASPHALT]
    np.testing.assert_allclose(light[0, :, 0, 0], SPECTRA[0, Material.ASPHALT], rtol=rough)
    half = 0.5 * (SPECTRA[0, Material.ASPHALT] + SPECTRA[0, Material.LAWN])
    np.testing.assert_allclose(light[0, :, 0, 1], half, rtol=rough)


def test_objects_of_one_material_differ_and_are_uniform_inside() -> None:
    material = np.full((10, 400), Material.CEREAL, np.uint8)
    thing = np.repeat(np.arange(20, dtype=np.uint32), 20)[None].repeat(10, 0)
    light = mix_pixels(material, np.ascontiguousarray(thing), 0, 0, 10, 1.0, SEED)[0, 6, 0]
    pairs = light.reshape(20, 2)
    assert pairs.mean(1).std() > 4 * np.abs(pairs[:, 0] - pairs[:, 1]).mean() / 2


def test_spectra_are_physical() -> None:
    assert SPECTRA.shape == (2, len(Material), len(BANDS))
    assert SPECTRA.min() > 0 and SPECTRA.max() < 0.6
    red, near = BANDS.index("B04"), BANDS.index("B08")
    ndvi = (SPECTRA[..., near] - SPECTRA[..., red]) / (SPECTRA[..., near] + SPECTRA[..., red])
    assert ndvi[:, [Material.CONIFER, Material.LAWN, Material.HOLM_OAK]].min() > 0.6
    assert ndvi[:, [Material.LAKE, Material.SEA, Material.ASPHALT]].max() < 0.2
    assert ndvi[0, Material.CEREAL] > 0.7 > 0.3 > ndvi[1, Material.CEREAL]  # harvested


def test_flat_light_is_recorded_exactly() -> None:
    light = np.full((2, 10, 8 + 2 * HALO, 6 + 2 * HALO), 0.25, np.float32)
    numbers = record(light, 0, 0, 0.0, SEED)
    assert numbers.shape == (2, 10, 8, 6) and numbers.dtype == np.uint16
    assert (numbers == 3500).all()  # 0.25 * 10000 + 1000


def test_dark_is_never_no_data() -> None:
    light = np.full((2, 10, 2 + 2 * HALO, 2 + 2 * HALO), -0.3, np.float32)
    assert record(light, 0, 0, 1.0, SEED).min() == 1


def test_coarse_bands_are_blurrier_and_not_shifted() -> None:
    light = np.zeros((2, 10, 32 + 2 * HALO, 32 + 2 * HALO), np.float32)
    light[..., : 16 + HALO] = 0.4  # an edge between columns 15 and 16 of the window
    numbers = record(light, 0, 0, 0.0, SEED).astype(float) - 1000
    for band in range(10):
        profile = numbers[0, band, 16]
        assert abs((profile / 4000).sum() - 16) < 0.05
        width = ((profile > 200) & (profile < 3800)).sum()
        assert (width >= 3) if COARSE[band] else (width <= 2)


def test_noise_has_the_stated_strength() -> None:
    light = np.full((2, 10, 64 + 2 * HALO, 64 + 2 * HALO), 0.1, np.float32)
    numbers = record(light, 0, 0, 1.0, SEED).astype(float)
    assert 15 < numbers[0, 0].std() < 30  # 0.0016 + 0.006 * 0.1 in reflectance
    assert abs(np.corrcoef(numbers[0, 0].ravel(), numbers[1, 0].ravel())[0, 1]) < 0.06


def test_snow_lies_high_and_clouds_cast_shadows() -> None:
    shape = (2, 10, 120, 120)
    height = np.zeros((122, 122), np.float32)
    height[:, 61:] = 1400.0

    def exposed(snow: bool, share: float) -> np.ndarray:
        light = np.full(shape, 0.1, np.float32)
        expose(light, height, 0, 0, 1500.0, snow, 0.0, 0.0, cloud_level(share), SEED)
        return light

    plain = exposed(False, 0.0)
    snowy = exposed(True, 0.0)
    assert (snowy[0, 0, :, 70:] > 0.5).all() and np.array_equal(snowy[1], plain[1])
    assert np.array_equal(snowy[0, 0, :, :55], plain[0, 0, :, :55])
    cloudy = exposed(False, 0.3)
    assert 0.05 < (cloudy[0, 0] > 0.3).mean() < 0.6
    assert (cloudy[0, 6] < 0.7 * plain[0, 6]).mean() > 0.02
    assert not np.array_equal(cloudy[0], cloudy[1])
