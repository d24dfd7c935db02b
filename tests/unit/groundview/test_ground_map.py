"""Maps to stand on: crops as those of the training, whole or refused, equal for equal products."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from gen_pairs import plain_pairs
from test_gen_generating import bundle

from nadir.cli.export_ground import run as run_export
from nadir.config.groundview import CropsConfig, PhotosDataset
from nadir.config.groundview_experiments import DcganEncoder
from nadir.config.scenes import CubeConfig, ImageSource
from nadir.config.views import ViewsConfig
from nadir.config.worlds import WorldConfig
from nadir.errors import InputError
from nadir.groundview.conditions import Frame
from nadir.groundview.crops import CubeCrops, RasterCrops
from nadir.groundview.ground_export import export_ground
from nadir.groundview.ground_map import FILE, MAP, read_ground_map
from nadir.groundview.ground_sources import CubeSource, RasterSource, WorldSource, ground_source
from nadir.groundview.pairs import SCHEMA, read_pair_table, table_path
from nadir.groundview.photo_files import squared
from nadir.provenance.tables import write_table
from nadir.raster.cube import build_cube
from nadir.raster.metric import transformer
from nadir.raster.sources import open_source
from nadir.simulate.aerial import render_aerial
from nadir.simulate.epochs import Epoch
from nadir.simulate.world import World

CRS = "EPSG:32631"
WORLD = WorldConfig(width_km=0.6, height_km=0.5)
VIEWS = ViewsConfig(crop_px=32, crop_resolution=1.5)


def picture(path, width=260, height=180, step=2.0, turn=0.0):
    rng = np.random.default_rng(3)
    pixels = rng.integers(1, 255, (3, height, width), dtype=np.uint8)
    transform = rasterio.Affine(step, 0, 500_000, 0, -step, 4_500_000) @ rasterio.Affine.rotation(
        turn
    )
    with rasterio.open(
        path, "w", width=width, height=height, count=3, dtype="uint8", crs=CRS,
        transform=transform,
    ) as dataset:  # fmt: skip
        dataset.write(pixels)
    return path


def substrate(path):
    return CropsConfig(source="substrate", substrate=str(path), size_px=24, resolution=2.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return bundle(tmp_path_factory.mktemp("town") / "flow" / "model")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Pairs of unknown positions."""
    return plain_pairs(tmp_path_factory.mktemp("pairs"))


def placed(folder, x, y):
    """Write test pairs at places, and return their manifest."""
    manifest = plain_pairs(folder, n=len(x), test=len(x))
    path = table_path(manifest)
    table = read_pair_table(path)
    longitude, latitude = transformer(CRS, "OGC:CRS84").transform(x, y)
    table = table.assign(longitude=longitude, latitude=latitude, x=x, y=y)
    write_table(path, table, SCHEMA)
    return manifest


def test_crops_of_a_picture_are_those_of_the_training(model, pairs, tmp_path):
    path = picture(tmp_path / "a.tif", turn=12)
    source = RasterSource(substrate(path))
    export_ground(model, pairs, source, tmp_path / "g" / FILE, side=170)
    ground, crops = read_ground_map(tmp_path / "g"), RasterCrops(substrate(path))
    assert ground.facts.north == "true" and ground.grid.shape == (170, 170)
    x, y = ground.grid.affine @ (85.3, 84.9)
    cut = ground.cut(x, y)
    longitude, latitude = ground.degrees(x, y)
    known = crops.crop({"longitude": longitude, "latitude": latitude})
    np.testing.assert_array_equal(cut.crop, known)
    assert (cut.x, cut.y) == (x, y) and ground.place(longitude, latitude) == pytest.approx((x, y))
    assert ground.cut(*(ground.grid.affine @ (5, 85))) is None
    assert ground.cut(np.inf, 0.0) is None and ground.cut(1e300, 1e300) is None


def test_crops_of_a_world_are_those_that_it_renders(tmp_path, pairs):
    """To the pixel, at the place that the map says; also where crops are made smaller."""
    cfg, frame = DcganEncoder(width=4), Frame(32, 24, 48.0)
    model = bundle(tmp_path / "model", cfg, frame)
    source = ground_source(PhotosDataset(world="valley", simulate=VIEWS), world=WORLD)
    assert isinstance(source, WorldSource)
    export_ground(model, pairs, source, tmp_path / "g" / FILE, side=280)
    ground = read_ground_map(tmp_path / "g")
    facts = ground.facts
    assert (facts.north, facts.cut_px, facts.headings) == ("grid", 32, False)
    left, top = WORLD.origin
    assert facts.bounds[2] - facts.bounds[0] == 280 * 1.5
    cut = ground.cut(left + 301.3, top - 266.2)
    assert abs(cut.x - left - 301.3) <= 0.75 and abs(top - 266.2 - cut.y) <= 0.75
    world, epoch = World(WORLD), Epoch(VIEWS.crop_season, VIEWS.crop_year, VIEWS.change)
    x, y = cut.x - left - 24.0, top - cut.y - 24.0
    known = render_aerial(world, epoch, x, y, 32, 32, 1.5).rgb
    np.testing.assert_array_equal(cut.crop, squared(known, 24))
    again = ground.cut(cut.x, cut.y)
    assert (again.x, again.y) == (cut.x, cut.y)
    with pytest.raises(InputError, match="settings of the world"):
        ground_source(PhotosDataset(world="valley"))


def test_crops_of_a_cube_differ_by_a_level_at_most(tmp_path, model, pairs):
    names, path = ("B02", "B03", "B04"), tmp_path / "scene.tif"
    values = np.random.default_rng(4).integers(500, 3000, (3, 80, 90)).astype(np.uint16)
    with rasterio.open(
        path, "w", width=90, height=80, count=3, dtype="uint16", crs=CRS,
        transform=rasterio.Affine(10, 0, 500_000, 0, -10, 4_500_000),
    ) as dataset:  # fmt: skip
        dataset.write(values)
    source = open_source(ImageSource(file=str(path), baseline="02.08"), names)
    cube = tmp_path / "cube.manifest.json"
    build_cube([("april", source)], None, cube, CubeConfig(), {}, 1)
    cfg = CropsConfig(source="cube", scene="s", size_px=24, resolution=2.0)
    dataset = PhotosDataset(folder="x", crop=cfg)
    shown = ground_source(dataset, cube=cube)
    assert isinstance(shown, CubeSource)
    export_ground(model, pairs, shown, tmp_path / "g" / FILE)
    ground = read_ground_map(tmp_path / "g")
    cut = ground.cut(500_431.0, 4_499_617.0)
    longitude, latitude = ground.degrees(cut.x, cut.y)
    known = CubeCrops(cfg, cube).crop({"longitude": longitude, "latitude": latitude})
    assert np.abs(cut.crop.astype(int) - known).max() <= 1 and known.std() > 10


def test_the_window_holds_most_test_places_and_some_are_told(model, tmp_path):
    path = picture(tmp_path / "a.tif", 700, 400)
    many = np.array([[500_000 + 1000 + 15 * n, 4_500_000 - 500 - 9 * n] for n in range(9)])
    few = np.array([[500_000 + 100.0, 4_500_000 - 100.0], [500_000 + 3.0, 4_500_000 - 3.0]])
    manifest = placed(tmp_path, *np.concatenate([few, many]).T)
    source = RasterSource(substrate(path))
    export_ground(model, manifest, source, tmp_path / "g" / FILE, side=150, examples=4)
    ground = read_ground_map(tmp_path / "g")
    left, bottom, right, top = ground.facts.bounds
    assert all(left < x < right and bottom < y < top for x, y in many)
    names = [example.name for example in ground.facts.examples]
    assert names == ["pair_002", "pair_005", "pair_007", "pair_010"]
    assert ground.facts.examples[1].heading is not None
    assert ground.facts.examples[2].heading is None
    for example in ground.facts.examples:
        assert ground.cut(example.x, example.y) is not None


def test_equal_products_give_equal_bytes(model, pairs, tmp_path):
    path = picture(tmp_path / "a.tif")
    for name in ("g", "h"):
        export_ground(model, pairs, RasterSource(substrate(path)), tmp_path / name / FILE, name="n")
    for file in sorted((tmp_path / "g").rglob("*.*")):
        assert file.read_bytes() == (tmp_path / "h" / file.relative_to(tmp_path / "g")).read_bytes()


def test_a_changed_folder_is_refused(model, pairs, tmp_path):
    path = picture(tmp_path / "a.tif")
    out = tmp_path / "g" / FILE
    export_ground(model, pairs, RasterSource(substrate(path)), out)
    assert read_ground_map(out.parent).facts.name.endswith("-flow")
    whole = {file: file.read_bytes() for file in out.parent.rglob("*.*")}
    for file, data in whole.items():
        for wrong in (data[: len(data) // 2], data[:-9] + b"x" * 9, None):
            file.unlink()
            if wrong is not None:
                file.write_bytes(wrong)
            with pytest.raises(InputError):
                read_ground_map(out.parent)
        file.write_bytes(data)
    facts = json.loads(whole[out])
    out.write_text(json.dumps({**facts, "crop_m": 99.0}))
    with pytest.raises(InputError, match="changed after"):
        read_ground_map(out.parent)
    with pytest.raises(InputError, match=r"no ground\.json"):
        read_ground_map(tmp_path)


def test_what_cannot_be_stood_on(model, pairs, tmp_path):
    panels = PhotosDataset(panels={"folder": "x", "layout": ["satellite", "ground"]})
    with pytest.raises(InputError, match="--map"):
        ground_source(panels)
    path = picture(tmp_path / "a.tif", 20, 20)
    assert isinstance(ground_source(panels, picture=path), RasterSource)
    with pytest.raises(InputError, match="larger picture"):
        export_ground(model, pairs, RasterSource(substrate(path)), tmp_path / "g" / FILE)
    with pytest.raises(InputError, match=r"called ground\.json"):
        export_ground(model, pairs, RasterSource(substrate(path)), tmp_path / "g" / "x.json")
    wide = RasterSource(substrate(picture(tmp_path / "b.tif")))
    for side, name, words in ((20, "n", "larger --side"), (99, "a/b", "address")):
        with pytest.raises(InputError, match=words):
            export_ground(model, pairs, wide, tmp_path / "g" / FILE, side=side, name=name)
    (tmp_path / "mine.txt").touch()
    with pytest.raises(InputError, match="no part of a map"):
        export_ground(model, pairs, RasterSource(substrate(path)), tmp_path / FILE)
    cube = {"folder": "x", "crop": {"source": "cube", "scene": "s"}}
    with pytest.raises(InputError, match="cube is not given"):
        ground_source(PhotosDataset.model_validate(cube))


def test_the_command_makes_a_map(model, pairs, tmp_path):
    path = picture(tmp_path / "a.tif")
    dataset = {"folder": "x", "crop": substrate(path).model_dump(mode="json")}
    options = SimpleNamespace(
        pairs=pairs, model=model / "model.safetensors", out=tmp_path / "g" / FILE, cube=None,
        map=None, name="mine", side=4096, examples=2, cfg={"dataset": dataset},
    )  # fmt: skip
    run_export(options)
    ground = read_ground_map(tmp_path / "g")
    assert ground.facts.name == "mine" and ground.path.name == MAP and not ground.facts.examples
    with rasterio.open(ground.path) as dataset:
        assert dataset.driver == "GTiff" and dataset.block_shapes[0] == (512, 512)
