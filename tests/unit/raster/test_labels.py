"""Alignment of fine masks: exactness, geometry, errors, and what must not matter."""

from __future__ import annotations

import errno
import pickle

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio import Affine
from rasterio.crs import CRS as RioCRS
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform

from nadir.config.scenes import CubeConfig, LabelConfig
from nadir.errors import InputError, OutputError
from nadir.raster import alignment, store
from nadir.raster.alignment import Rule, plan_alignment
from nadir.raster.grid import Grid
from nadir.raster.labels import align_labels, open_labels
from nadir.raster.masks import ArrayMask, MaskReader, RasterMask

CRS, LEFT, TOP = "EPSG:32631", 400_000.0, 4_600_000.0


def image_grid(height, width, resolution=10.0, y=0.0, x=0.0, crs=CRS):
    """Return an image grid whose corner lies `y` metres below and `x` right of the mask's."""
    return Grid(crs, (resolution, 0, LEFT + x, 0, -resolution, TOP - y), height, width)


@pytest.fixture
def align(tmp_path, make_table):
    """Return a function that aligns a mask and opens the result."""

    def call(mask, grid, count, name="labels", table=None, cube=None, workers=2, **rule):
        manifest = tmp_path / f"{name}.manifest.json"
        align_labels(
            mask,
            grid,
            table or make_table(count),
            LabelConfig(**rule),
            manifest,
            {"mask": "0"},
            cube,
            workers,
        )
        return open_labels(manifest)

    return call


def placed(mask, factor, y0, x0, height, width):
    """Return the fine pixels under an image, 0 where the mask has none, by plain indexing."""
    fine = np.zeros((height * factor, width * factor), np.uint8)
    for i in range(fine.shape[0]):
        if 0 <= i + y0 < mask.shape[0]:
            for j in range(fine.shape[1]):
                if 0 <= j + x0 < mask.shape[1]:
                    fine[i, j] = mask[i + y0, j + x0]
    return fine


def brute_shares(fine, factor, count):
    height, width = fine.shape[0] // factor, fine.shape[1] // factor
    cells = fine.reshape(height, factor, width, factor)
    return np.stack([(cells == k).sum(axis=(1, 3)) for k in range(count + 1)])


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    factor=st.sampled_from([1, 2, 3, 5, 10, 15, 17]),
    y0=st.integers(-25, 25),
    x0=st.integers(-25, 25),
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 2**32),
)
def test_fractions_are_exactly_brute_force(align, patches, factor, y0, x0, shape, seed):
    mask = patches(60, 50, 12, seed)
    fine = placed(mask, factor, y0, x0, *shape)
    grid = image_grid(*shape, resolution=factor, y=y0, x=x0)
    source = ArrayMask(mask, Grid(CRS, (1, 0, LEFT, 0, -1, TOP), *mask.shape), "mask")
    counts = brute_shares(fine, factor, 12)
    if not counts[1:].any():
        with pytest.raises(InputError):
            align(source, grid, 12)
        return
    labels = align(source, grid, 12, min_share=0)
    window = (0, 0, *shape)
    if factor <= 15:
        assert labels.fraction_scale == factor**2
        assert (labels.fraction(*window) == counts).all()
    else:
        error = labels.fraction(*window) / labels.fraction_scale - counts / factor**2
        assert np.abs(error).max() <= 0.5 / 250 + 1e-12
    votes = counts.copy()
    votes[0] = 0
    assert (labels.hard(*window) == votes.argmax(axis=0)).all()
    assert (
        labels.manifest.content["pixels"]
        == np.bincount(labels.hard(*window).ravel(), minlength=13).tolist()
    )


def test_mode_is_gdals_where_there_is_no_tie(align, patches, write_raster):
    mask = patches(600, 500, 12)
    path = write_raster("mask.tif", mask, nodata=0, tiled=True, blockxsize=64, blockysize=64)
    grid = image_grid(60, 50)
    labels = align(path, grid, 12, min_share=0)
    theirs = np.zeros(grid.shape, np.uint8)
    reproject(
        mask,
        theirs,
        src_transform=Affine(1, 0, LEFT, 0, -1, TOP),
        src_crs=RioCRS.from_string(CRS),
        dst_transform=grid.affine,
        dst_crs=RioCRS.from_string(CRS),
        src_nodata=0,
        dst_nodata=0,
        resampling=Resampling.mode,
    )
    votes = labels.fraction(0, 0, *grid.shape).astype(int)
    votes[0] = 0
    top = np.sort(votes, axis=0)
    clear = top[-1] > top[-2]
    assert clear.mean() > 0.9
    ours = labels.hard(0, 0, *grid.shape)
    assert (ours[clear] == theirs[clear]).all()
    assert (ours[~clear] == votes.argmax(axis=0)[~clear]).all()


def test_rules_and_least_share(align, make_table):
    mask = np.zeros((4, 8), np.uint8)
    mask[:, :4] = 1
    mask[1:3, 1:4] = 2  # 6 of 16 pixels, and the center
    mask[0, 4:7] = 1  # 3 of 16 pixels are labelled
    source = ArrayMask(mask, Grid(CRS, (1, 0, LEFT, 0, -1, TOP), 4, 8), "mask")
    grid = image_grid(1, 2, 4)
    assert align(source, grid, 2).hard(0, 0, 1, 2).tolist() == [[1, 0]]
    assert align(source, grid, 2, min_share=0.1).hard(0, 0, 1, 2).tolist() == [[1, 1]]
    assert align(source, grid, 2, rule="nearest").hard(0, 0, 1, 2).tolist() == [[2, 0]]
    weighted = align(source, grid, 2, rule="weighted", weights={"class 2": 2.0})
    assert weighted.hard(0, 0, 1, 2).tolist() == [[2, 0]]
    with pytest.raises(InputError, match="did you mean 'class 2'"):
        align(source, grid, 2, rule="weighted", weights={"clas 2": 2.0})


def test_smoothing_does_not_depend_on_blocks(align, patches):
    mask = patches(530 * 2, 300 * 2, 5)
    source = ArrayMask(mask, Grid(CRS, (1, 0, LEFT, 0, -1, TOP), *mask.shape), "mask")
    grid = image_grid(530, 300, 2)
    rule = {"rule": "weighted", "smoothing": 3, "weights": {"class 3": 1.5}}
    small = align(source, grid, 5, "small", cube=CubeConfig(chunk=16, shard=256), **rule)
    large = align(source, grid, 5, "large", cube=CubeConfig(chunk=1024, shard=1024), **rule)
    assert (small.hard(0, 0, *grid.shape) == large.hard(0, 0, *grid.shape)).all()
    assert small.manifest.digest == large.manifest.digest
    plain = align(source, grid, 5, "plain", rule="weighted", weights={"class 3": 1.5})
    edges = [np.count_nonzero(np.diff(item.hard(0, 0, *grid.shape))) for item in (small, plain)]
    assert edges[0] < 0.8 * edges[1]  # smoother borders


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize(("fine", "coarse"), [(1.0, 2.5), (3.0, 10.0), (7.0, 3.0), (0.8, 1.0)])
def test_other_ratios_are_exact_areas(align, patches, write_raster, fine, coarse, flip):
    """Brute force: both grids are cut into common squares of 0.1 m (all sizes are multiples)."""
    mask = patches(40, 44, 6, 3)
    transform = (fine, 0, LEFT, 0, -fine, TOP)
    stored = mask
    if flip:  # the first row in the file is the southernmost
        transform, stored = (fine, 0, LEFT, 0, fine, TOP - 40 * fine), mask[::-1]
    path = write_raster("mask.tif", np.ascontiguousarray(stored), transform=transform)
    shape, y, x = (6, 7), -1.3, 2.2
    grid = image_grid(*shape, coarse, y, x)
    labels = align(path, grid, 6, min_share=0)
    assert labels.manifest.content["alignment"] == "area"
    cells, unit = round(coarse * 10), round(fine * 10)
    expected = np.zeros((7, *shape))
    for i, j in np.ndindex(*shape):
        rows = (np.arange(cells) + round(y * 10) + i * cells) // unit
        columns = (np.arange(cells) + round(x * 10) + j * cells) // unit
        inside = ((rows >= 0) & (rows < 40))[:, None] & ((columns >= 0) & (columns < 44))
        values = np.where(inside, mask[np.clip(rows, 0, 39)][:, np.clip(columns, 0, 43)], 0)
        expected[:, i, j] = np.bincount(values.ravel(), minlength=7) / cells**2
    error = labels.fraction(0, 0, *shape) / labels.fraction_scale - expected
    assert np.abs(error).max() <= 0.5 / 250 + 1e-5


@pytest.mark.parametrize("case", ["other CRS", "rotated"])
def test_warped_masks_match_supersampling(align, patches, write_raster, case):
    mask = patches(400, 420, 5, 4, blob=25)
    if case == "rotated":
        turned = Affine.translation(LEFT, TOP) * Affine.rotation(-20) * Affine.scale(1, -1)
        crs, at = CRS, turned
    else:
        (x,), (y,) = transform(CRS, "EPSG:4326", [LEFT], [TOP])
        crs, at = "EPSG:4326", Affine(1.2e-5, 0, x, 0, -0.9e-5, y)
    path = write_raster("mask.tif", mask, crs=crs, transform=tuple(at))
    grid = image_grid(20, 22, 10, 60, 60)
    labels = align(path, grid, 5, min_share=0)
    assert labels.manifest.content["alignment"] == "warped"
    dense = 30  # samples along the side of a pixel
    steps = (np.arange(20 * dense) + 0.5) / dense, (np.arange(22 * dense) + 0.5) / dense
    rows, columns = (part.ravel() for part in np.meshgrid(*steps, indexing="ij"))
    xs, ys = grid.affine * (columns, rows)
    if case != "rotated":
        xs, ys = (np.array(part) for part in transform(CRS, crs, xs, ys))
    column, row = ~at * (xs, ys)
    row, column = np.floor(row).astype(int), np.floor(column).astype(int)
    inside = (row >= 0) & (row < 400) & (column >= 0) & (column < 420)
    values = np.where(inside, mask[np.clip(row, 0, 399), np.clip(column, 0, 419)], 0)
    cells = values.reshape(20, dense, 22, dense)
    expected = np.stack([(cells == k).mean(axis=(1, 3)) for k in range(6)])
    error = np.abs(labels.fraction(0, 0, 20, 22) / labels.fraction_scale - expected)
    assert error.max() < 0.15
    assert error.mean() < 0.012
    clear = np.sort(expected, axis=0)[-1] > 0.6
    votes = expected.copy()
    votes[0] = 0
    same = labels.hard(0, 0, 20, 22) == votes.argmax(axis=0)
    assert same[clear & (expected[0] < 0.3)].all()


def test_neither_blocks_nor_workers_nor_codec_nor_compression_matter(
    align, patches, write_raster, monkeypatch
):
    mask = patches(600 * 3, 530 * 3, 12)
    grid = image_grid(620, 540, 3, y=-21, x=6)
    digests, hards = set(), []
    for number, (codec, chunk, shard, workers, piece, options) in enumerate(
        [
            ("lz4", 256, 2048, 1, 1 << 25, {"compress": "deflate"}),
            ("zstd", 64, 256, 3, 5000, {"compress": "lzw", "tiled": True}),
            ("lz4", 512, 512, 2, 70000, {}),
        ]
    ):
        monkeypatch.setattr(alignment, "_PIECE", piece)
        path = write_raster(f"mask{number}.tif", mask, **options)
        cube = CubeConfig(codec=codec, chunk=chunk, shard=shard)
        labels = align(path, grid, 12, f"labels{number}", cube=cube, workers=workers)
        digests.add(labels.manifest.digest)
        hards.append(labels.hard(0, 0, *grid.shape))
    assert len(digests) == 1
    assert all((hard == hards[0]).all() for hard in hards)
    mask[900, 900] = 1 + mask[900, 900] % 12
    other = align(write_raster("other.tif", mask), grid, 12, "other")
    assert other.manifest.digest not in digests


def test_warps_do_not_depend_on_blocks(align, patches, write_raster, monkeypatch):
    mask = patches(700, 700, 5, blob=20)
    (x,), (y,) = transform(CRS, "EPSG:4326", [LEFT], [TOP])
    path = write_raster("mask.tif", mask, crs="EPSG:4326", transform=(4e-5, 0, x, 0, -3e-5, y))
    grid = image_grid(300, 310, 8, 60, 60)
    digests = set()
    for piece, workers in ((1 << 25, 1), (30_000, 2)):
        monkeypatch.setattr(alignment, "_PIECE", piece)
        digests.add(align(path, grid, 5, f"l{piece}", workers=workers).manifest.digest)
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("method", "change"),
    [
        ("nested", {}),
        ("area", {"resolution": 1.3}),
        ("warped", {"crs": "EPSG:32630", "origin": (900_300.0, 4_610_500.0)}),
    ],
)
def test_alignments_travel_to_other_processes(patches, write_raster, make_table, method, change):
    path, table = write_raster("mask.tif", patches(900, 900, 3), **change), make_table(3)
    grid = image_grid(20, 20, 10, 200, 200)
    plan = plan_alignment(MaskReader(RasterMask(str(path)), table), grid, table)
    rule = Rule.of(LabelConfig(), table)
    here = plan.aggregate(0, 0, 20, 20, 4, rule)
    there = pickle.loads(pickle.dumps(plan)).aggregate(0, 0, 20, 20, 4, rule)
    assert plan.method == method
    assert here[1].any()
    assert all((one == other).all() for one, other in zip(here, there, strict=True))


def test_striped_masks_are_pointed_out(align, write_raster, caplog, patches):
    mask = patches(20, 4200, 3)
    grid = image_grid(10, 2100, 2)
    align(write_raster("tiled.tif", mask, tiled=True), grid, 3)
    assert "strips" not in caplog.text
    align(write_raster("strips.tif", mask, compress="deflate"), grid, 3)
    assert "strips.tif is stored in strips, not tiles: each strip is decoded 2 times" in caplog.text


def test_windows_are_boundless_and_readers_pickle(align, patches, write_raster):
    mask = patches(100, 100, 3)
    labels = align(write_raster("mask.tif", mask), image_grid(10, 10), 3)
    labels = pickle.loads(pickle.dumps(labels))
    shares, hard = labels.fraction(-3, 6, 8, 9), labels.hard(-3, 6, 8, 9)
    assert shares.shape == (4, 8, 9)
    assert (shares[:, 3:, :4] == labels.fraction(0, 6, 5, 4)).all()
    assert (hard[3:, :4] == labels.hard(0, 6, 5, 4)).all()
    outside = np.ones((8, 9), bool)
    outside[3:, :4] = False
    assert (shares[0][outside] == labels.fraction_scale).all()
    assert not shares[1:, outside].any()
    assert not hard[outside].any()
    assert (labels.fraction(50, 50, 2, 2)[0] == labels.fraction_scale).all()


def test_a_mask_of_other_types(make_table):
    """Integers beyond a byte, negative no data, and floats with NaN are translated, not cast."""
    table = make_table(3, nodata=(0, 250))
    grid = Grid(CRS, (1, 0, LEFT, 0, -1, TOP), 1, 6)
    raw = np.array([[1, 3, -1, 250, 257, 0]], np.int16)
    reader = MaskReader(ArrayMask(raw, grid, "mask", nodata=-1), table)
    assert reader.translate(raw).tolist() == [[1, 3, 0, 0, 255, 0]]
    raw = np.array([[1, 2.5, np.nan, 3, -9999, 250]], np.float32)
    reader = MaskReader(ArrayMask(raw, grid, "mask", nodata=-9999.0), table)
    assert reader.translate(raw).tolist() == [[1, 255, 0, 3, 0, 0]]
    declared = MaskReader(ArrayMask(raw, grid, "mask", nodata=77.0), table)
    assert declared.translate(np.array([[77, 78]], np.uint8)).tolist() == [[0, 255]]


def nothing_left(folder):
    return not [path for path in folder.rglob("*") if path.suffix != ".tif"]


def test_unknown_values_are_named(align, patches, write_raster, tmp_path):
    mask = patches(100, 100, 3)
    mask[57, 31], mask[80, 2] = 200, 99
    path = write_raster("mask.tif", mask)
    with pytest.raises(
        InputError, match=r"99, 200 \(first at row 57, column 31\).*known: 0, 1, 2, 3"
    ):
        align(path, image_grid(10, 10), 3)
    assert nothing_left(tmp_path)
    assert align(path, image_grid(3, 3), 3).hard(0, 0, 3, 3).any()  # they lie outside this image


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"origin": (LEFT + 5000, TOP)}, "does not overlap the image"),
        ({"crs": None}, "no coordinate reference system"),
        ({"values": np.zeros((100, 100), np.uint8)}, "holds no label over the image"),
        ({"values": np.ones((3, 100, 100), np.uint8)}, "one band of class values, this file has 3"),
    ],
)
def test_masks_that_cannot_be_used(align, patches, write_raster, tmp_path, change, words):
    values = change.pop("values", patches(100, 100, 3))
    path = write_raster("mask.tif", values, **change)
    with pytest.raises(InputError, match=words) as caught:
        align(path, image_grid(10, 10), 3)
    assert caught.value.file == str(path)
    assert nothing_left(tmp_path)


def test_a_full_disk_leaves_nothing(align, patches, write_raster, tmp_path, monkeypatch):
    path = write_raster("mask.tif", patches(5000, 5000, 3))
    write, calls = store.StoredArray.write, []

    def full(self, *args):
        calls.append(args)
        if len(calls) > 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, *args)

    monkeypatch.setattr(store.StoredArray, "write", full)
    with pytest.raises(OutputError, match="the disk is full"):
        align(path, image_grid(1000, 1000, 5), 3)
    assert nothing_left(tmp_path)


def test_an_interrupted_run_leaves_no_manifest_and_the_old_result(
    align, patches, write_raster, tmp_path, monkeypatch
):
    path = write_raster("mask.tif", patches(100, 100, 3))
    old = align(path, image_grid(10, 10), 3).manifest

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nadir.raster.labels.content_digest", stop)
        with pytest.raises(KeyboardInterrupt):
            align(path, image_grid(10, 10), 3, "new")
        with pytest.raises(KeyboardInterrupt):
            align(path, image_grid(5, 5), 3)
    assert not (tmp_path / "new.manifest.json").exists()
    assert not (tmp_path / "new.zarr").exists()
    assert open_labels(tmp_path / "labels.manifest.json").manifest == old
