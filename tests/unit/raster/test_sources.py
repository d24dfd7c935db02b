"""Opening the imagery of a date: every kind of file, alignment of resolutions, validity."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path

import h5py
import numpy as np
import pytest
import rasterio

from nadir.config.scenes import SENTINEL2_BANDS, ArraySource, DeclaredGrid, ImageSource
from nadir.errors import InputError
from nadir.raster.grid import Grid, same_crs
from nadir.raster.layers import LOCAL_CRS
from nadir.raster.sources import RasterSource, lattice, open_source

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def read_all(source: RasterSource) -> tuple[np.ndarray, np.ndarray]:
    return source.read(0, 0, *source.grid.shape)


def test_multiband_file_is_read_as_it_is(raw) -> None:
    data = raw.noise(3, 40, 50)
    data[1, 7, 9] = 0
    path = raw.tif("a.tif", data)
    source = open_source(ImageSource(file=path, baseline="05.10"), ("B02", "B03", "B04"))
    values, valid = source.read(5, 6, 20, 30)
    assert np.array_equal(values, data[:, 5:25, 6:36])
    expected = np.ones((20, 30), bool)
    expected[2, 3] = False  # one band without a value makes the pixel useless
    assert np.array_equal(valid, expected)
    assert source.grid == Grid("EPSG:32631", (10, 0, 400000, 0, -10, 4600000), 40, 50)
    assert (source.scale, source.offset, source.baseline) == (1e-4, -1000.0, "05.10")
    assert source.dtype == np.uint16


@pytest.mark.parametrize(
    "descriptions",
    [
        ("B04", "B02", "B03"),
        ("B4, central wavelength 665 nm", "B2", "band_03"),
        ("red", "blue", "green"),
    ],
)
def test_bands_are_found_by_description(raw, descriptions: tuple[str, ...]) -> None:
    data = raw.noise(3, 8, 8)
    path = raw.tif("a.tif", data, bands=descriptions)
    source = open_source(ImageSource(file=path), ("B02", "B03", "B04"))
    assert np.array_equal(read_all(source)[0], data[[1, 2, 0]])


def test_file_bands_choose_and_reorder(raw) -> None:
    data = raw.noise(4, 8, 8)
    path = raw.tif("a.tif", data)
    config = ImageSource(file=path, file_bands=("B02", "B03", "B04", "B08"))
    source = open_source(config, ("B08", "B03"))
    assert np.array_equal(read_all(source)[0], data[[3, 1]])


def test_jpeg2000_is_read(raw) -> None:
    data = raw.noise(1, 64, 64)
    path = raw.folder / "T31TCF_20220101_B02_10m.jp2"
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", count=1, height=64, width=64, dtype="uint16",
        crs="EPSG:32631", transform=rasterio.Affine(10, 0, 0, 0, -10, 640),
        QUALITY="100", REVERSIBLE="YES",
    ) as dataset:  # fmt: skip
        dataset.write(data)
    source = open_source(ImageSource(files={"B02": str(path)}), ("B02",))
    assert np.array_equal(read_all(source)[0], data)


def test_coarse_bands_are_aligned_by_georeference(raw) -> None:
    """A plane in ground coordinates stays that plane, whatever the resolution and origin."""

    def plane(resolution: float, left: float, top: float, height: int, width: int) -> np.ndarray:
        x = left + (np.arange(width) + 0.5) * resolution
        y = top - (np.arange(height) + 0.5) * resolution
        return (3 * (x - 400000)[None] + 2 * (4600000 - y)[:, None] + 500).astype("float32")

    fine = plane(10, 400000, 4600000, 60, 80)
    # The coarse file begins 40 m further west and north: only the georeference tells.
    coarse = plane(20, 399960, 4600040, 36, 46)
    files = {
        "B02": raw.tif("B02.tif", fine),
        "B11": raw.tif("B11.tif", coarse, resolution=20, origin=(399960, 4600040)),
    }
    for kernel in ("bilinear", "cubic"):
        source = open_source(ImageSource(files=files, resampling=kernel), ("B02", "B11"))
        values, valid = read_all(source)
        assert valid.all()
        np.testing.assert_allclose(values[1], values[0], rtol=1e-5)


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "cubic"])
def test_resampling_has_no_seams_and_matches_gdal(raw, kernel: str) -> None:
    data = raw.noise(1, 30, 40, seed=3)
    files = {
        "B02": raw.tif("B02.tif", raw.noise(1, 60, 80)),
        "B11": raw.tif("B11.tif", data, resolution=20),
    }
    source = open_source(ImageSource(files=files, resampling=kernel), ("B02", "B11"))
    whole = read_all(source)[0][1]
    for y in range(0, 60, 17):
        for x in range(0, 80, 23):
            h, w = min(17, 60 - y), min(23, 80 - x)
            assert np.array_equal(source.read(y, x, h, w)[0][1], whole[y : y + h, x : x + w])
    with rasterio.open(files["B11"]) as dataset:
        # Away from the border, where GDAL treats missing neighbours in its own way.
        gdal = dataset.read(1, out_shape=(60, 80), resampling=rasterio.enums.Resampling[kernel])
    difference = np.abs(whole.astype(int) - gdal)[6:-6, 6:-6]
    assert difference.max() <= 1


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "cubic"])
def test_no_data_does_not_bleed_into_neighbours(raw, kernel: str) -> None:
    coarse = np.full((10, 10), 3000, "uint16")
    coarse[4:6, 4:6] = 0
    files = {
        "B02": raw.tif("B02.tif", raw.noise(1, 20, 20)),
        "B11": raw.tif("B11.tif", coarse, resolution=20),
    }
    source = open_source(ImageSource(files=files, resampling=kernel), ("B02", "B11"))
    values, valid = read_all(source)
    expected = np.ones((20, 20), bool)
    expected[8:12, 8:12] = False
    assert np.array_equal(valid, expected)
    assert set(np.unique(values[1][valid])) == {3000}


def test_coarse_band_that_covers_part_is_invalid_elsewhere(raw) -> None:
    files = {
        "B02": raw.tif("B02.tif", raw.noise(1, 20, 20)),
        "B11": raw.tif("B11.tif", raw.noise(1, 10, 5), resolution=20),
    }
    _, valid = read_all(open_source(ImageSource(files=files), ("B02", "B11")))
    assert valid[:, :10].all() and not valid[:, 10:].any()


def test_declared_no_data_and_nan(raw) -> None:
    data = np.random.default_rng(0).random((2, 6, 6)).astype("float32")
    data[0, 0, 0] = np.nan
    data[:, 1, 1] = 0
    data[0, 2, 2] = 0
    path = raw.tif("a.tif", data)
    values, valid = read_all(open_source(ImageSource(file=path, nodata="nan"), ("a", "b")))
    assert not valid[0, 0] and valid.sum() == 35 and np.isfinite(values).all()
    with pytest.raises(InputError, match="NaN in 1 of 36 pixels"):
        read_all(open_source(ImageSource(file=path), ("a", "b")))
    data[0, 0, 0] = 0.5
    path = raw.tif("b.tif", data)
    source = open_source(ImageSource(file=path), ("a", "b"))
    valid = read_all(source)[1]
    assert not valid[1, 1] and valid[2, 2] and valid.sum() == 35  # only where all bands are 0
    assert (source.scale, source.offset) == (1.0, 0.0)
    data[1, 3, 3] = np.inf
    path = raw.tif("c.tif", data)
    with pytest.raises(InputError, match=r"c\.tif: its values are infinite"):
        read_all(open_source(ImageSource(file=path), ("a", "b")))


def test_mask_inside_the_file_counts(raw) -> None:
    path = raw.tif("a.tif", raw.noise(1, 8, 8))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as dataset:
        mask = np.full((8, 8), 255, "uint8")
        mask[:3] = 0
        dataset.write_mask(mask)
    _, valid = read_all(open_source(ImageSource(file=path), ("B02",)))
    assert not valid[:3].any() and valid[3:].all()


@pytest.mark.parametrize("axes", ["yxb", "byx", "bxy", "xyb"])
@pytest.mark.parametrize("ending", [".npy", ".npz", ".mat"])
def test_array_files_in_any_order_of_axes(raw, ending: str, axes: str) -> None:
    data = raw.noise(3, 12, 20)
    stored = np.transpose(data, ["byx".index(axis) for axis in axes])
    path = raw.folder / f"a{ending}"
    if ending == ".npy":
        np.save(path, stored)
    elif ending == ".npz":
        np.savez_compressed(path, im=stored, other=np.zeros(3))
    else:
        with h5py.File(path, "w") as file:
            file["group/im"] = stored
    key = {".npy": "", ".npz": "im", ".mat": "group/im"}[ending]
    config = ImageSource(
        arrays=(ArraySource(file=str(path), key=key, axes=axes, bands=("R", "G", "B")),),
        baseline="none",
    )
    source = open_source(config, ("B", "R"))
    values, valid = source.read(3, 4, 7, 11)
    assert np.array_equal(values, data[[2, 0], 3:10, 4:15])
    assert valid.all() and values.flags.c_contiguous
    assert source.grid == Grid(LOCAL_CRS, (10, 0, 0, 0, -10, 0), 12, 20)


def test_arrays_of_two_resolutions(raw) -> None:
    fine, coarse = raw.noise(1, 20, 24), raw.noise(2, 10, 12, seed=1)
    np.savez(raw.folder / "a.npz", fine=np.moveaxis(fine, 0, -1), coarse=np.moveaxis(coarse, 0, -1))
    path = str(raw.folder / "a.npz")
    arrays = (
        ArraySource(file=path, key="coarse", bands=("B11", "B12"), resolution=20),
        ArraySource(file=path, key="fine", bands=("B02",)),
    )
    grid = DeclaredGrid(crs="EPSG:32633", origin=(300000, 4000000))
    config = ImageSource(arrays=arrays, grid=grid, resampling="nearest")
    source = open_source(config, ("B02", "B12", "B11"))
    values, _ = read_all(source)
    assert np.array_equal(values[0], fine[0])
    assert np.array_equal(values[1:], coarse[::-1].repeat(2, axis=1).repeat(2, axis=2))
    assert source.grid == Grid("EPSG:32633", (10, 0, 300000, 0, -10, 4000000), 20, 24)


def test_declared_grid_places_a_raster_without_one(raw) -> None:
    path = raw.tif("a.tif", raw.noise(1, 8, 8), crs=None)
    grid = DeclaredGrid(crs="EPSG:32631", origin=(1000, 2000), resolution=5)
    source = open_source(ImageSource(file=path, grid=grid), ("B02",))
    assert source.grid == Grid("EPSG:32631", (5, 0, 1000, 0, -5, 2000), 8, 8)
    placed = raw.tif("b.tif", raw.noise(1, 8, 8))
    source = open_source(ImageSource(file=placed, grid=grid), ("B02",))
    assert source.grid.transform[2] == 400000
    assert any("declared grid is ignored" in text for text in source.warnings)


def test_local_crs_survives_geotiff(raw) -> None:
    path = raw.tif("a.tif", raw.noise(1, 8, 8), crs=LOCAL_CRS)
    source = open_source(ImageSource(file=path), ("B02",))
    assert source.grid.crs == LOCAL_CRS
    assert same_crs(source.grid.crs, LOCAL_CRS)
    assert source.grid.overlaps(source.grid)


def test_pickles_and_reads_from_many_threads(raw) -> None:
    data = raw.noise(2, 128, 128)
    path = raw.tif("a.tif", data, tiled=True, blockxsize=32, blockysize=32)
    source = open_source(ImageSource(file=path), ("B02", "B03"))
    copy = pickle.loads(pickle.dumps(source))
    wrong: list[str] = []

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(40):
            y, x = rng.integers(0, 96, 2)
            values, _ = copy.read(int(y), int(x), 32, 32)
            if not np.array_equal(values, data[:, y : y + 32, x : x + 32]):
                wrong.append(f"{y} {x}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    copy.close()
    assert np.array_equal(read_all(copy)[0], data)


def test_windows_outside_are_refused(raw) -> None:
    source = open_source(ImageSource(file=raw.tif("a.tif", raw.noise(1, 8, 8))), ("B02",))
    for window in [(-1, 0, 4, 4), (0, 5, 4, 4), (0, 0, 0, 4)]:
        with pytest.raises(ValueError, match="leaves the grid"):
            source.read(*window)


def test_lattice_covers_small_scenes_and_spans_large_ones() -> None:
    assert lattice((100, 200), 5, 64) == [(0, 0, 100, 200)]
    windows = lattice((10_000, 3_000), 5, 64)
    assert len(windows) == 25
    assert windows[0] == (0, 0, 64, 64) and windows[-1] == (9936, 2936, 64, 64)


# Bad input: each makes the file, opens it, and must be told what is wrong and what to do.


def _missing(raw) -> ImageSource:
    return ImageSource(file=raw.path("nowhere/a.tif"))


def _folder(raw) -> ImageSource:
    return ImageSource(file=str(raw.folder))


def _text(raw) -> ImageSource:
    (raw.folder / "a.tif").write_text("this is not a raster\n" * 50)
    return ImageSource(file=raw.path("a.tif"))


def _empty(raw) -> ImageSource:
    (raw.folder / "a.tif").touch()
    return ImageSource(file=raw.path("a.tif"))


def _no_crs(raw) -> ImageSource:
    return ImageSource(file=raw.tif("a.tif", raw.noise(2, 8, 8), crs=None))


def _three_bands(raw) -> ImageSource:
    return ImageSource(file=raw.tif("a.tif", raw.noise(3, 8, 8)))


def _too_few_names(raw) -> ImageSource:
    path = raw.tif("a.tif", raw.noise(3, 8, 8))
    return ImageSource(file=path, file_bands=("B02", "B03"))


def _wrong_order(raw) -> ImageSource:
    path = raw.tif("a.tif", raw.noise(2, 8, 8), bands=("B03", "B02"))
    return ImageSource(file=path, file_bands=("B02", "B03"))


def _swapped_file(raw) -> ImageSource:
    path = raw.tif("a.tif", raw.noise(1, 8, 8), bands=("B08",))
    other = raw.tif("b.tif", raw.noise(1, 8, 8))
    return ImageSource(files={"B02": path, "B03": other})


def _band_not_described(raw) -> ImageSource:
    return ImageSource(file=raw.tif("a.tif", raw.noise(2, 8, 8), bands=("B02", "B04")))


def _band_not_given(raw) -> ImageSource:
    return ImageSource(files={"B02": raw.tif("a.tif", raw.noise(1, 8, 8))})


def _multiband_file(raw) -> ImageSource:
    path = raw.tif("a.tif", raw.noise(2, 8, 8))
    return ImageSource(files={"B02": path, "B03": path})


def _other_crs(raw) -> ImageSource:
    one = raw.tif("b.tif", raw.noise(1, 8, 8))
    other = raw.tif("a.tif", raw.noise(1, 4, 4), resolution=20, crs="EPSG:32632")
    return ImageSource(files={"B02": one, "B03": other})


def _elsewhere(raw) -> ImageSource:
    one = raw.tif("b.tif", raw.noise(1, 8, 8))
    other = raw.tif("a.tif", raw.noise(1, 4, 4), resolution=20, origin=(0, 0))
    return ImageSource(files={"B02": one, "B03": other})


def _eight_bit(raw) -> ImageSource:
    return ImageSource(file=raw.tif("a.tif", raw.noise(2, 8, 8, dtype="uint8")))


def _complex(raw) -> ImageSource:
    return ImageSource(file=raw.tif("a.tif", raw.noise(2, 8, 8, dtype="complex64")))


def _mixed_baselines(raw) -> ImageSource:
    one = raw.tif("a.tif", raw.noise(1, 8, 8), tags={"PROCESSING_BASELINE": "03.01"})
    other = raw.tif("b.tif", raw.noise(1, 8, 8), tags={"PROCESSING_BASELINE": "05.10"})
    return ImageSource(files={"B02": one, "B03": other})


def _bad_baseline(raw) -> ImageSource:
    return ImageSource(file=raw.tif("a.tif", raw.noise(2, 8, 8)), baseline="newest")


def _no_key(raw) -> ImageSource:
    np.savez(raw.folder / "a.npz", images=raw.noise(2, 8, 8))
    return ImageSource(arrays=(ArraySource(file=raw.path("a.npz"), key="image", axes="byx"),))


def _wrong_axes(raw) -> ImageSource:
    np.save(raw.folder / "a.npy", raw.noise(2, 8, 8))
    return ImageSource(arrays=(ArraySource(file=raw.path("a.npy"), axes="yx"),))


def _array_bands(raw) -> ImageSource:
    np.save(raw.folder / "a.npy", raw.noise(3, 8, 8))
    return ImageSource(arrays=(ArraySource(file=raw.path("a.npy"), axes="byx"),))


def _torn_npz(raw) -> ImageSource:
    np.savez(raw.folder / "a.npz", im=raw.noise(2, 64, 64))
    whole = (raw.folder / "a.npz").read_bytes()
    (raw.folder / "a.npz").write_bytes(whole[: len(whole) // 2])
    return ImageSource(arrays=(ArraySource(file=raw.path("a.npz"), key="im", axes="byx"),))


def _objects(raw) -> ImageSource:
    np.save(raw.folder / "a.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    return ImageSource(arrays=(ArraySource(file=raw.path("a.npy"), axes="yx"),))


def _old_mat(raw) -> ImageSource:
    (raw.folder / "a.mat").write_bytes(b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(200))
    return ImageSource(arrays=(ArraySource(file=raw.path("a.mat"), key="im"),))


def _torn_mat(raw) -> ImageSource:
    with h5py.File(raw.folder / "a.mat", "w") as file:
        file["im"] = raw.noise(2, 64, 64)
    whole = (raw.folder / "a.mat").read_bytes()
    (raw.folder / "a.mat").write_bytes(whole[: len(whole) // 2])
    return ImageSource(arrays=(ArraySource(file=raw.path("a.mat"), key="im", axes="byx"),))


def _bad_crs(raw) -> ImageSource:
    np.save(raw.folder / "a.npy", raw.noise(2, 8, 8))
    return ImageSource(
        arrays=(ArraySource(file=raw.path("a.npy"), axes="byx"),),
        grid=DeclaredGrid(crs="UTM31"),
    )


@pytest.mark.parametrize(
    ("make", "file", "problem", "remedy"),
    [
        (_missing, "a.tif", "there is no such file", "exists only as far as"),
        (_folder, "", "this is a folder", "Name the file"),
        (_text, "a.tif", "not a raster", "Give a GeoTIFF"),
        (_empty, "a.tif", "empty", "again"),
        (_no_crs, "a.tif", "no coordinate reference system", "Declare it as `grid"),
        (_three_bands, "a.tif", "3 bands where 2 are wanted", "file_bands"),
        (_too_few_names, "a.tif", "3 bands, but `file_bands` names 2", "every band"),
        (_wrong_order, "a.tif", "'B03' is configured as B02", "in the file's order"),
        (_swapped_file, "a.tif", "'B08' is configured as B02", "in the file's order"),
        (_band_not_described, "a.tif", "band B03 is not given", "leave it out"),
        (_band_not_given, "a.tif", "band B03 is not given; did you mean 'B02'?", "`files`"),
        (_multiband_file, "a.tif", "2 bands where band B02 alone", "as `file`"),
        (_other_crs, "a.tif", "CRS differs", "one CRS"),
        (_elsewhere, "a.tif", "shares no ground", "same scene"),
        (_eight_bit, "a.tif", "8-bit", "Declare `scale`"),
        (_complex, "a.tif", "complex64", "real numbers"),
        (_mixed_baselines, "a.tif", "03.01", "one product"),
        (_bad_baseline, "a.tif", "'newest' is no processing baseline", "05.10"),
        (_no_key, "a.npz", "no array 'image'; did you mean 'images'?", "images"),
        (_wrong_axes, "a.npy", "shape (2, 8, 8)", "Set `axes`"),
        (_array_bands, "a.npy", "3 bands, but 2 names", "Set `bands`"),
        (_torn_npz, "a.npz", "truncated", "copy it again"),
        (_objects, "a.npy", "not a NumPy array file", "no Python objects"),
        (_old_mat, "a.mat", "older than v7.3", "-v7.3"),
        (_torn_mat, "a.mat", "truncated", "truncated"),
        (_bad_crs, "grid.crs", "'UTM31' is not", "EPSG"),
    ],
)
def test_bad_input_is_named(raw, make: object, file: str, problem: str, remedy: str) -> None:
    with pytest.raises(InputError) as caught:
        open_source(make(raw), ("B02", "B03"))
    assert caught.value.file.endswith(file)
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


def test_damaged_block_is_named_when_it_is_read(raw) -> None:
    path = raw.tif("a.tif", raw.noise(1, 64, 64) % 7, compress="deflate")
    data = bytearray(Path(path).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = bytes(400)
    Path(path).write_bytes(bytes(data))
    source = open_source(ImageSource(file=path), ("B02",))
    with pytest.raises(InputError, match=r"a\.tif: its pixels cannot be read"):
        read_all(source)


# Real imagery.


def test_opengeo_band_files(real_data: Path) -> None:
    folder = real_data / "landcover/opengeo_s2_rcr/data/sentinel-2"
    bands = tuple(f"B0{number}" for number in range(1, 9))
    files = {b: str(folder / f"2018-10-13, Sentinel-2B L1C, {b}.tiff") for b in bands}
    config = ImageSource(files=files, nodata=255, scale=1 / 255, baseline="none")
    source = open_source(config, bands)
    assert source.grid.crs == "EPSG:4326" and source.grid.shape == (2201, 2629)
    values, valid = source.read(1000, 1000, 200, 300)
    assert values.shape == (8, 200, 300) and valid.mean() > 0.99
    means = values[:, valid].mean(axis=1)
    assert (np.diff(means) < 0).all()  # haze: each longer wavelength is darker over the sea


def test_dsen2_planes_are_red_green_blue_infrared(real_data: Path) -> None:
    path = str(next((real_data / "landcover/dsen2/data").glob("*T33UUB.mat")))
    arrays = (
        ArraySource(file=path, key="im10", axes="bxy", bands=("B04", "B03", "B02", "B08")),
        ArraySource(
            file=path,
            key="im20",
            axes="bxy",
            bands=("B05", "B06", "B07", "B8A", "B11", "B12"),
            resolution=20,
        ),
    )
    source = open_source(ImageSource(arrays=arrays, baseline="02.05"), SENTINEL2_BANDS)
    values, valid = read_all(source)
    assert values.shape == (10, 600, 600) and valid.all()
    correlation = dict(zip(SENTINEL2_BANDS, np.corrcoef(values.reshape(10, -1))[6], strict=True))
    assert correlation["B8A"] > 0.95  # B08 and B8A are neighbours
    assert correlation["B02"] < 0.1
    haze = values.reshape(10, -1).min(axis=1)[:3]
    assert haze[0] > haze[1] > haze[2]  # blue, green, red: as the sky scatters
    edge = np.corrcoef(values.reshape(10, -1))[3]
    assert edge[2] > edge[0]  # red is nearer to the red edge than blue is
    # 20 m pixels leave no blocks of 2 x 2: steps inside them are like those between them.
    steps = np.abs(np.diff(values[3].astype(float), axis=1)).mean(axis=0)
    assert steps[0::2].mean() > 0.7 * steps[1::2].mean()


def test_ukis_reflectance(real_data: Path) -> None:
    path = str(real_data / "landcover/ukis_csmask/tests/testfiles/sentinel2.npz")
    bands = ("blue", "green", "red", "nir", "swir16", "swir22")
    config = ImageSource(arrays=(ArraySource(file=path, key="img", bands=bands),))
    source = open_source(config, bands)
    values, valid = read_all(source)
    assert values.dtype == np.float32 and values.shape == (6, 512, 512) and valid.all()
    assert (source.scale, source.offset) == (1.0, 0.0)


def test_satclip_has_twelve_crs(real_data: Path) -> None:
    names = ("B01", *SENTINEL2_BANDS[:8], "B09", *SENTINEL2_BANDS[8:])
    zones = set()
    for path in sorted((real_data / "landcover/satclip_s2").glob("*.tif")):
        source = open_source(ImageSource(file=str(path), file_bands=names), SENTINEL2_BANDS)
        values, valid = read_all(source)
        assert values.dtype == np.uint16 and valid.all() and values.shape == (10, 256, 256)
        zones.add(source.grid.crs)
    assert len(zones) >= 10
