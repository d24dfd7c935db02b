"""References: what the index holds equals the raster, at every level and in every window."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import rasterio
from ground_fakes import Waves, indexed, write_tiff
from rasterio.transform import from_origin

from nadir.config.scenes import CubeConfig
from nadir.errors import InputError
from nadir.localization import references
from nadir.localization.features import array_reader, extract_tiled
from nadir.localization.references import LEVELS, Reference, build_reference
from nadir.provenance.manifest import read_manifest

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def picture(width: int = 203, height: int = 158, seed: int = 0) -> np.ndarray:
    return Waves(seed, count=60).substrate(width, height)


def reduced(raster: np.ndarray, level: int) -> np.ndarray:
    rows, columns = (side // level for side in raster.shape[:2])
    cut = np.ascontiguousarray(raster[: rows * level, : columns * level])
    return cv2.resize(cut, (columns, rows), interpolation=cv2.INTER_AREA)


def same(one: Reference, other: Reference) -> None:
    """See that two references hold the same."""
    for level in LEVELS:
        rows, columns = one.level_size(level)
        whole = (level, 0, 0, columns, rows)
        assert np.array_equal(one.picture(*whole), other.picture(*whole))
        assert np.array_equal(one.valid(*whole), other.valid(*whole))
    first, second = one.features(), other.features()
    for name in ("points", "angles", "sizes", "descriptors"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    raster = picture()
    return raster, indexed(tmp_path_factory.mktemp("reference"), "ground", raster)


def test_what_is_known_of_it(built):
    reference = built[1]
    assert (reference.name, reference.width, reference.height) == ("ground", 203, 158)
    assert reference.whole and reference.grid is None
    features = reference.features()
    assert len(features) > 100 and features.descriptors.dtype == np.uint8
    assert (features.points >= 0).all() and (features.points <= (203, 158)).all()


@pytest.mark.parametrize("level", [1, 2, 4, 8])
def test_every_level_is_the_raster_reduced(built, level):
    raster, reference = built
    rows, columns = reference.level_size(level)
    assert (rows, columns) == (158 // level, 203 // level)
    found = reference.picture(level, 0, 0, columns, rows)
    expected = reduced(raster, level)
    assert found.dtype == np.uint8 and found.shape == expected.shape
    if level in LEVELS:
        assert np.array_equal(found, expected)
    else:  # reduced twice, so rounded twice
        assert np.abs(found.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("level", LEVELS)
def test_windows_are_zeros_outside(built, level):
    raster, reference = built
    whole = reduced(raster, level)
    rows, columns = whole.shape[:2]
    framed = np.zeros((rows + 60, columns + 60, 3), np.uint8)
    framed[30:-30, 30:-30] = whole
    windows = [(-7, -9, 20, 30), (columns - 11, rows - 5, 25, 33), (-20, 5, 10, 10), (3, 4, 1, 1)]
    for x, y, width, height in [*windows, (-30, -30, columns + 60, rows + 60)]:
        expected = framed[y + 30 : y + 30 + height, x + 30 : x + 30 + width]
        assert np.array_equal(reference.picture(level, x, y, width, height), expected)


@pytest.mark.parametrize("level", LEVELS)
def test_far_outside_nothing_is_valid_and_inside_all_is(built, level):
    rows, columns = built[1].level_size(level)
    valid = built[1].valid(level, -8, -8, columns + 16, rows + 16)
    assert valid.shape == (rows + 16, columns + 16) and valid.dtype == np.float32
    assert valid[8:-8, 8:-8].all()
    for beyond in (valid[:4], valid[-4:], valid[:, :4], valid[:, -4:]):
        assert not beyond.any()


@pytest.mark.parametrize("level", LEVELS)
def test_the_pixel_before_the_first_is_not_valid(built, level):
    valid = built[1].valid(level, -1, -1, 4, 4)
    assert valid[1:, 1:].all() and not valid[0].any() and not valid[:, 0].any()


def test_the_pixel_after_the_last_is_not_valid(built):
    assert not built[1].valid(1, 203, 0, 4, 4).any()


def holed() -> tuple[np.ndarray, np.ndarray]:
    """Return a picture and where it shows ground: not in a rectangle and in one pixel."""
    raster, shown = np.maximum(picture(), 1), np.ones((158, 203), bool)
    shown[41:83, 50:121] = False
    shown[10, 10] = False
    return raster, shown


def check_holes(reference: Reference, raster: np.ndarray, shown: np.ndarray) -> None:
    filled = np.where(shown[..., None], raster, 0).astype(np.uint8)
    for level in LEVELS:
        rows, columns = reference.level_size(level)
        assert np.array_equal(reference.picture(level, 0, 0, columns, rows), reduced(filled, level))
        valid = reference.valid(level, 0, 0, columns, rows)
        cells = shown[: rows * level, : columns * level].reshape(rows, level, columns, level)
        assert not valid[~cells.any((1, 3))].any(), "what shows nothing is not valid"
        assert not valid[~cells.all((1, 3))].any(), "nor what shows part of a hole"
        grown = cv2.erode(shown.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
        safe = grown[: rows * level, : columns * level].reshape(rows, level, columns, level)
        assert valid[safe.all((1, 3))].all(), "far from holes all is"
    assert not reference.whole
    x, y = reference.features().points.astype(int).T
    inside = (x >= 50) & (x < 121) & (y >= 41) & (y < 83)
    assert len(x) > 50 and not inside.any()


def test_holes_by_mask(tmp_path):
    raster, shown = holed()
    check_holes(indexed(tmp_path, "m", raster, mask=shown), raster, shown)
    manifest = read_manifest(tmp_path / "m.manifest.json", "reference")
    assert manifest.content["valid_share"] == pytest.approx(shown.mean(), abs=1e-6)


def test_holes_by_value_and_dark_pixels_are_none(tmp_path):
    raster, shown = holed()
    raster = np.where(shown[..., None], raster, 0).astype(np.uint8)
    raster[120, 60:70] = (0, 0, 7)  # dark, but not in every band
    check_holes(indexed(tmp_path, "n", raster, nodata=0), raster, shown)


def test_holes_by_alpha(tmp_path):
    raster, shown = holed()
    four = np.dstack([raster, np.where(shown, 255, 0).astype(np.uint8)])
    reference = indexed(tmp_path, "a", four, photometric="rgb", alpha="yes")
    check_holes(reference, raster, shown)


def test_four_bands_and_gray(tmp_path):
    raster = picture()
    other = np.random.default_rng(0).integers(0, 256, raster.shape[:2], np.uint8)
    four = indexed(tmp_path, "four", np.dstack([raster, other]), photometric="minisblack")
    assert np.array_equal(four.picture(1, 0, 0, 203, 158), raster)
    gray = indexed(tmp_path, "gray", raster[..., 1])
    assert np.array_equal(gray.picture(1, 0, 0, 203, 158), np.dstack([raster[..., 1]] * 3))
    assert len(gray.features()) > 100


def test_a_georeference_is_kept(tmp_path):
    place = {"crs": "EPSG:32631", "transform": from_origin(450_000, 4_600_000, 0.5, 0.5)}
    reference = indexed(tmp_path, "g", picture(), **place)
    assert reference.grid.crs == "EPSG:32631" and reference.grid.shape == (158, 203)
    assert reference.grid.transform[:3] == (0.5, 0.0, 450_000.0)


def test_equal_pixels_have_equal_digests_however_they_are_packed(tmp_path, built):
    raster, reference = built
    packed = indexed(
        tmp_path,
        "p",
        raster,
        compress="deflate",
        tiled=True,
        blockxsize=64,
        blockysize=64,
        interleave="pixel",
    )
    assert packed.digest == reference.digest
    same(packed, reference)
    other = raster.copy()
    other[100, 100, 2] ^= 1
    assert indexed(tmp_path, "o", other).digest != reference.digest
    all_shown = indexed(tmp_path, "s", raster, mask=np.ones(raster.shape[:2], bool))
    assert all_shown.digest == reference.digest and all_shown.whole


@pytest.mark.parametrize("sides", [(203, 158), (131, 66), (129, 260)])
def test_blocks_do_not_show(tmp_path, monkeypatch, sides):
    raster = picture(*sides)
    shown = np.ones(raster.shape[:2], bool)
    shown[30:50, 60:64] = False
    usual = indexed(tmp_path, "usual", raster, mask=shown)
    layout = CubeConfig(codec="lz4", chunk=16, shard=32)
    monkeypatch.setattr(references, "_LAYOUT", layout)
    monkeypatch.setattr(
        references.Layout, "of", classmethod(lambda cls, *_: cls(16, 16, 16, "lz4"))
    )
    small = indexed(tmp_path, "small", raster, mask=shown)
    same(small, usual)


def test_pictures_of_few_pixels(tmp_path):
    for width, height in ((5, 7), (16, 3), (1, 1)):
        raster = np.full((height, width, 3), 90, np.uint8)
        reference = indexed(tmp_path, f"r{width}", raster)
        assert np.array_equal(reference.picture(1, 0, 0, width, height), raster)
        assert len(reference.features()) == 0 and reference.valid(1, 0, 0, width, height).all()


def test_features_come_back_as_they_were_found(built):
    from nadir.localization.features import array_reader, extract_tiled

    raster, reference = built
    found = reference.features()
    again = extract_tiled(
        array_reader(raster, 1), (158, 203), 1, limit=references.FEATURES_PER_TILE
    )
    for name in ("points", "angles", "sizes", "descriptors"):
        assert np.array_equal(getattr(found, name), getattr(again, name))


@pytest.mark.parametrize(
    ("raster", "options", "problem"),
    [
        (np.ones((20, 30, 3), np.uint16), {}, "3 bands of uint16"),
        (np.ones((20, 30, 3), np.float32), {}, "3 bands of float32"),
        (np.ones((20, 30, 2), np.uint8), {}, "2 bands of uint8"),
        (np.zeros((20, 30, 3), np.uint8), {"nodata": 0}, "no data at all"),
        (np.ones((20, 30, 3), np.uint8), {"mask": np.zeros((20, 30), bool)}, "no data at all"),
    ],
)
def test_what_is_no_picture_is_refused_and_nothing_is_left(tmp_path, raster, options, problem):
    path = write_tiff(tmp_path / "bad.tif", raster, **options)
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=problem):
        build_reference(path, tmp_path / "out" / "bad.manifest.json")
    assert not list((tmp_path / "out").iterdir())


def test_a_damaged_raster_is_told(tmp_path):
    path = write_tiff(tmp_path / "cut.tif", picture())
    path.write_bytes(path.read_bytes()[:40_000])
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"cut\.tif"):
        build_reference(path, tmp_path / "out" / "cut.manifest.json")
    assert not list((tmp_path / "out").iterdir())


def test_a_failure_on_the_way_leaves_nothing_and_what_was_there_stays(tmp_path, monkeypatch):
    reference = indexed(tmp_path, "keep", picture())
    before = {path.name for path in tmp_path.iterdir()}

    def broken(*_):
        raise RuntimeError("power cut")

    monkeypatch.setattr(references, "_extract", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        build_reference(tmp_path / "keep.tif", tmp_path / "keep.manifest.json")
    with pytest.raises(RuntimeError, match="power cut"):
        build_reference(tmp_path / "keep.tif", tmp_path / "new.manifest.json")
    assert {path.name for path in tmp_path.iterdir()} == before
    same(Reference(tmp_path / "keep.manifest.json"), reference)


def test_sources_are_recorded(tmp_path):
    raster = write_tiff(tmp_path / "r.tif", picture())
    built = build_reference(raster, tmp_path / "r.manifest.json", {"r.tif": "abc"})
    assert built.sources == {"r.tif": "abc"}
    assert read_manifest(tmp_path / "r.manifest.json", "reference") == built
    with rasterio.open(raster) as dataset:
        assert (built.content["width"], built.content["height"]) == (dataset.width, dataset.height)


def test_features_without_equalization_are_others(built):
    """The baseline without CLAHE meets a reference without CLAHE."""
    reference = built[1]
    limit = references.FEATURES_PER_TILE
    plain, kept = reference.features(clahe=False), reference.features()
    alone = extract_tiled(array_reader(built[0], 1), built[0].shape[:2], 1, False, limit)
    assert np.array_equal(plain.points, alone.points)
    assert len(plain) != len(kept) or not np.array_equal(plain.descriptors, kept.descriptors)
