"""Sentinel-2: names of bands, processing baselines, reflectance, what is implausible."""

from __future__ import annotations

import json

import numpy as np
import pytest

from nadir.config.scenes import SENTINEL2_BANDS, ImageSource
from nadir.raster.sentinel2 import (
    BANDS,
    baseline_offset,
    canonical_band,
    detect_baseline,
    is_product_name,
    normalize_baseline,
    physical_warnings,
    to_reflectance,
)
from nadir.raster.sources import open_source


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("B02", "B02"),
        ("b2", "B02"),
        ("Band 11", "B11"),
        ("B8A, central wavelength 865 nm", "B8A"),
        ("band_8a", "B8A"),
        ("B08_10m", "B08"),
        ("NIR", "B08"),
        ("swir16", "B11"),
        ("B13", None),
        ("B123", None),
        ("brightness", None),
        ("stackstac-c2eb4960", None),
        (None, None),
        ("", None),
    ],
)
def test_band_descriptions(text: str | None, band: str | None) -> None:
    assert canonical_band(text) == band


def test_table_of_bands() -> None:
    assert [BANDS[name].resolution for name in SENTINEL2_BANDS] == [
        10, 10, 10, 20, 20, 20, 10, 20, 20, 20,
    ]  # fmt: skip
    wavelengths = [BANDS[name].wavelength for name in SENTINEL2_BANDS]
    assert wavelengths == sorted(wavelengths)


@pytest.mark.parametrize(
    ("text", "baseline"),
    [("05.10", "05.10"), ("5.1", "05.10"), ("N0400", "04.00"), ("0214", "02.14"), ("new", None)],
)
def test_baseline_texts(text: str, baseline: str | None) -> None:
    assert normalize_baseline(text) == baseline


@pytest.mark.parametrize(
    ("baseline", "offset"),
    [("02.04", 0), ("03.01", 0), ("04.00", -1000), ("05.11", -1000), ("99.99", -1000)],
)
def test_offset_since_4(baseline: str, offset: float) -> None:
    assert baseline_offset(baseline) == offset


@pytest.mark.parametrize(
    ("name", "tags", "item", "expected"),
    [
        ("S2A_MSIL2A_20220401T105031_N0400_R051_T31TCF_20220401T152008.tif", {}, None, "04.00"),
        ("S2B_MSIL1C_20180401T105031_N0206_R051_T31TCF.tif", {}, None, "02.06"),
        ("a.tif", {"PROCESSING_BASELINE": "05.10"}, None, "05.10"),
        ("a.tif", {"baseline": "3.0"}, None, "03.00"),
        ("a.tif", {"s2:processing_baseline": "05.09"}, None, "05.09"),
        ("S2A_MSIL2A_20220401_N0400_x.tif", {"BASELINE": "05.10"}, None, "05.10"),
        ("a.tif", {}, {"properties": {"s2:processing_baseline": "04.00"}}, "04.00"),
        ("a.tif", {}, {"properties": {}}, None),
        ("a.tif", {}, "torn {", None),
        ("N0400.tif", {}, None, None),
    ],
)
def test_baseline_is_found(raw, name: str, tags: dict, item: object, expected: str | None) -> None:
    path = raw.tif(name, raw.noise(2, 8, 8), tags=tags)
    if item is not None:
        text = item if isinstance(item, str) else json.dumps(item)
        (raw.folder / name).with_suffix(".json").write_text(text)
    assert detect_baseline(path, tags) == expected
    source = open_source(ImageSource(file=path), ("B02", "B03"))
    assert source.baseline == expected
    assert source.offset == (baseline_offset(expected) if expected else 0)
    assert bool(source.warnings) == (expected is None)


def test_baseline_of_a_safe_folder(tmp_path) -> None:
    folder = "S2A_MSIL1C_20220401T105031_N0400_R051_T31TCF_20220401T152008.SAFE/GRANULE/IMG_DATA"
    assert detect_baseline(f"{tmp_path}/{folder}/T31TCF_20220401T105031_B02.jp2") == "04.00"
    assert is_product_name("x/S2A_MSIL1C_20170527_T33UUB.mat")
    assert not is_product_name("x/april.tif")


def test_declared_values_win(raw) -> None:
    path = raw.tif("a.tif", raw.noise(1, 8, 8), tags={"BASELINE": "05.10"})

    def encoding(**given: object) -> tuple[float, float]:
        source = open_source(ImageSource(file=path, **given), ("B02",))
        return source.scale, source.offset

    assert encoding() == (1e-4, -1000)
    assert encoding(baseline="03.01") == (1e-4, 0)
    assert encoding(baseline="none") == (1e-4, 0)
    assert encoding(offset=-50.0, scale=0.01) == (0.01, -50)


def test_reflectance_of_one_and_of_many_dates() -> None:
    raw = np.array([[1000, 2000], [11000, 0]], np.uint16)
    expected = np.array([[0, 0.1], [1.0, -0.1]], np.float32)
    result = to_reflectance(raw, 1e-4, -1000)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-7)
    dates = np.stack([raw, raw])
    offset = np.array([-1000, 0]).reshape(2, 1, 1)
    result = to_reflectance(dates, np.full((2, 1, 1), 1e-4), offset)
    np.testing.assert_allclose(result[0], expected, atol=1e-7)
    np.testing.assert_allclose(result[1], raw / 1e4, atol=1e-7)


VEGETATION = (0.03, 0.06, 0.04, 0.09, 0.25, 0.32, 0.35, 0.36, 0.18, 0.09)
SOIL = (0.09, 0.12, 0.16, 0.19, 0.22, 0.24, 0.26, 0.28, 0.35, 0.30)


def scene() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    share = rng.random(2000)
    values = np.outer(VEGETATION, share) + np.outer(SOIL, 1 - share)
    values += rng.normal(0, 0.004, values.shape)
    return values.astype(np.float32), np.ones(2000, bool)


def test_a_plausible_scene_gives_no_warning() -> None:
    assert physical_warnings(*scene(), SENTINEL2_BANDS) == []


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (lambda values: values - 0.1, "is negative"),
        (lambda values: values + 0.1, "may be missing"),
        (lambda values: values * 10, "above 1.6"),
        (lambda values: values / 1e4, "brighter than 0.01"),
        (
            lambda values: values[[6, 1, 2, 3, 4, 5, 0, 7, 8, 9]],
            "blue is brighter than near infrared",
        ),
        (lambda values: values[[0, 1, 2, 3, 4, 5, 9, 7, 8, 6]], "neighbours, differ"),
    ],
)
def test_implausible_scenes_are_told(spoil: object, text: str) -> None:
    values, valid = scene()
    found = physical_warnings(spoil(values), valid, SENTINEL2_BANDS)
    assert any(text in warning for warning in found), found


def test_only_valid_samples_count() -> None:
    values, valid = scene()
    values[:, :500] = -5
    valid[:500] = False
    assert physical_warnings(values, valid, SENTINEL2_BANDS) == []
    assert physical_warnings(values, np.zeros(2000, bool), SENTINEL2_BANDS) == []


OFFSET_PATCHES = {"patch_252161.tif", "patch_57755.tif"}


def test_real_patches_tell_their_offset(real_data) -> None:
    """Twelve patches, two of which were processed with baseline 04.00 or later: all are told."""
    names = ("B01", *SENTINEL2_BANDS[:8], "B09", *SENTINEL2_BANDS[8:])
    for path in sorted((real_data / "landcover/satclip_s2").glob("*.tif")):
        has_offset = path.name in OFFSET_PATCHES
        for baseline in ("03.00", "04.00"):
            config = ImageSource(file=str(path), file_bands=names, baseline=baseline)
            source = open_source(config, SENTINEL2_BANDS)
            values, valid = source.sample()
            reflectance = to_reflectance(values, source.scale, source.offset)
            found = physical_warnings(reflectance, valid, SENTINEL2_BANDS)
            assert bool(found) == (has_offset != (baseline == "04.00")), (path.name, found)
