"""The cube: what is stored, how it is read, and what is refused."""

from __future__ import annotations

import errno
import pickle

import numpy as np
import pytest

from nadir.config.scenes import CubeConfig, ImageSource
from nadir.errors import InputError, OutputError
from nadir.raster import store
from nadir.raster.cube import build_cube, open_cube
from nadir.raster.encoding import Encoding
from nadir.raster.sources import open_source

BANDS = ("B02", "B03", "B04")


def scene(height=300, width=280, seed=0, low=1000, high=6000, dtype=np.uint16):
    rng = np.random.default_rng(seed)
    return rng.integers(low, high, (len(BANDS), height, width)).astype(dtype)


@pytest.fixture
def build(tmp_path, write_raster):
    """Return a function that writes dates as GeoTIFF, builds their cube and opens it."""

    def call(dates, name="cube", cfg=None, workers=2, options=None, **config):
        images = []
        for date, values in dates.items():
            if values is None:
                images.append((date, None))
                continue
            given = {"resolution": 10, "bands": BANDS, **(options or {}).get(date, {})}
            own = {**config, **given.pop("config", {})}
            path = write_raster(f"{name}-{date}.tif", values, **given)
            images.append((date, open_source(ImageSource(file=str(path), **own), BANDS)))
        manifest = tmp_path / f"{name}.manifest.json"
        build_cube(images, None, manifest, cfg or CubeConfig(), {"raw": "0"}, workers)
        return open_cube(manifest)

    return call


def nothing_left(folder):
    return not [path for path in folder.rglob("*") if path.suffix != ".tif"]


def test_raw_integers_scale_and_offset_are_kept_by_date(build):
    april, august = scene(seed=1), scene(seed=2)
    april[:, :20] = 0  # no data in all bands
    august[1, 50, 60] = 0  # no data in one band
    baselines = {
        "april": {"config": {"baseline": "02.08"}},
        "august": {"config": {"baseline": "05.10"}},
    }
    cube = build({"april": april, "august": august}, options=baselines)
    assert cube.dates == ("april", "august")
    assert cube.bands == BANDS
    assert cube.scale == {"april": 1e-4, "august": 1e-4}
    assert cube.offset == {"april": 0, "august": -1000}
    assert cube.shape == (2, 3, 300, 280)
    raw, valid = cube.load()
    assert raw.dtype == np.uint16
    assert valid.dtype == bool
    august[:, 50, 60] = 0  # a pixel with a hole has no spectrum
    assert (raw == np.stack([april, august])).all()
    assert (valid == (raw != 0).all(axis=1)).all()
    assert cube.manifest.content["valid"] == {"april": 280 * 280, "august": 300 * 280 - 1}
    assert cube.manifest.sources == {"raw": "0"}


def test_a_date_that_the_scene_lacks_has_no_valid_pixel(build):
    june = scene(seed=3)
    cube = build({"april": None, "june": june, "august": None}, cfg=CubeConfig(shard=256))
    whole = build({"june": june}, name="whole")
    raw, valid = cube.load()
    assert cube.dates == ("april", "june", "august") and cube.present == (1,)
    assert cube.manifest.content["valid"] == {"april": 0, "june": 300 * 280, "august": 0}
    assert (raw[1] == whole.load()[0][0]).all() and valid[1].all()
    assert not raw[[0, 2]].any() and not valid[[0, 2]].any()
    assert set(cube.scale.values()) == {whole.scale["june"]}
    assert set(cube.offset.values()) == {whole.offset["june"]}


def test_windows_are_boundless_pickle_and_dask(build):
    cube = build({"one": scene(), "two": scene(seed=3)})
    whole, ok = cube.load()
    cube = pickle.loads(pickle.dumps(cube))
    raw, valid = cube.read(-10, 270, 30, 30)
    assert (raw[..., 10:, :10] == whole[..., :20, 270:]).all()
    assert (valid[..., 10:, :10] == ok[..., :20, 270:]).all()
    assert not raw[..., :10, :].any()
    assert not valid[..., 10:].any()
    lazy, lazy_valid = cube.dask()
    assert (lazy[1, :, 40:290, 5:200].compute() == whole[1, :, 40:290, 5:200]).all()
    assert (lazy_valid.compute() == ok).all()


def test_eight_bits_are_stored_as_they_are(build):
    values = scene(low=3, high=255, dtype=np.uint8)
    values[:, :5] = 255
    cube = build({"one": values}, scale=1 / 255, nodata=255, baseline="none")
    raw, valid = cube.load()
    assert (raw[0][:, 5:] == values[:, 5:]).all()
    assert not valid[0, :5].any()
    assert valid[0, 5:].all()
    assert cube.scale["one"] == pytest.approx(1 / 255)


def test_floats_are_quantized_in_one_place(build):
    values = np.random.default_rng(0).uniform(-0.1, 6.4, (3, 300, 280)).astype(np.float32)
    values[:, 7] = np.nan
    values[2, 9, 9] = np.nan
    cube = build({"one": values}, nodata="nan", baseline="none")
    raw, valid = cube.load()
    assert (valid[0] == np.isfinite(values).all(axis=0)).all()
    reflectance = cube.scale["one"] * (raw[0].astype(float) + cube.offset["one"])
    assert np.abs(reflectance - values)[:, valid[0]].max() < 0.51e-4
    assert not raw[0][:, ~valid[0]].any()


def test_signed_integers_keep_negative_reflectance():
    raw = np.array([[[-900, 0, 20_000, -1]]], np.int16)
    encoding = Encoding.of(raw.dtype, 1e-4, 0.0)
    stored, clipped = encoding.encode(raw, np.array([[True, True, True, False]]), "f")
    assert (encoding.scale, encoding.offset) == (1e-4, -1000)
    assert stored.tolist() == [[[100, 1000, 21_000, 0]]]
    assert clipped == 0


def test_neither_blocks_nor_workers_nor_codec_nor_compression_matter(build):
    dates = {"one": scene(600, 530), "two": scene(600, 530, 5)}
    dates["one"][:, 100:130, 200:] = 0
    tiled = {"tiled": True, "blockxsize": 128, "blockysize": 64, "compress": "deflate"}
    cubes = [
        build(dates, "a", CubeConfig(), 1),
        build(dates, "b", CubeConfig(codec="zstd", chunk=64, shard=256), 3),
        build(dates, "c", CubeConfig(chunk=512, shard=512), options={"one": tiled, "two": tiled}),
    ]
    assert len({cube.manifest.digest for cube in cubes}) == 1
    loads = [cube.load() for cube in cubes]
    assert all((raw == loads[0][0]).all() and (ok == loads[0][1]).all() for raw, ok in loads)
    renamed = build({"uno": dates["one"], "two": dates["two"]}, "d")
    changed = dict(dates, two=dates["two"] + np.uint16(1))
    other_baseline = {"two": {"config": {"baseline": "05.10"}}}
    digests = {renamed.manifest.digest, build(changed, "e").manifest.digest,
               build(dates, "f", options=other_baseline).manifest.digest}  # fmt: skip
    assert len(digests | {cubes[0].manifest.digest}) == 4


def constant():
    values = scene()
    values[1] = 1500
    return values


def holed(value):
    values = scene().astype(np.float32) / 10_000
    values[1, 30, 40] = value
    return values


@pytest.mark.parametrize(
    ("dates", "options", "words"),
    [
        ({"one": constant()}, {}, r"band B03 of date 'one' has one value \(1500\)"),
        ({"one": scene(), "two": scene() * 0}, {}, "date 'two' has no valid pixel"),
        ({"one": scene(), "two": scene(290)}, {}, "date 'two' lies on another grid.*290 x 280"),
        (
            {"one": scene(), "two": scene()},
            {"two": {"origin": (400_005, 4_600_000)}},
            "date 'two' lies on another grid.*400005",
        ),
        ({"one": scene(), "two": scene()}, {"two": {"crs": "EPSG:32630"}}, "lies on another grid"),
        ({"one": holed(np.nan)}, {}, "NaN"),
        ({"one": holed(np.inf)}, {"one": {"config": {"nodata": "nan"}}}, "infinite"),
        ({"one": scene().astype(np.float32)}, {}, r"100% of the values .* outside reflectance"),
    ],
)
def test_scenes_that_cannot_be_used(build, tmp_path, dates, options, words):
    with pytest.raises(InputError, match=words) as caught:
        build(dates, options=options)
    assert caught.value.file.endswith(f"-{list(dates)[-1]}.tif")
    assert caught.value.remedy
    assert nothing_left(tmp_path)


def test_a_few_values_beyond_the_range_are_clipped_and_said(build, caplog):
    values = holed(9.0)
    cube = build({"one": values}, baseline="none")
    assert cube.load()[0][0, 1, 30, 40] == 65535
    assert "1 values of date 'one' lie outside reflectance" in caplog.text


def test_a_full_disk_leaves_nothing(build, tmp_path, monkeypatch):
    def full(self, *args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.StoredArray, "write", full)
    with pytest.raises(OutputError, match="the disk is full"):
        build({"one": scene()})
    assert nothing_left(tmp_path)


def test_other_bands_are_refused(tmp_path, write_raster):
    path = str(write_raster("a.tif", scene(), resolution=10, bands=BANDS))
    images = [
        ("one", open_source(ImageSource(file=path), BANDS)),
        ("two", open_source(ImageSource(file=path), BANDS[:2])),
    ]
    with pytest.raises(InputError, match="date 'two' has the bands B02, B03, others B02, B03, B04"):
        build_cube(images, None, tmp_path / "c.manifest.json", CubeConfig(), {})
