"""Generating: deterministic, of places and samples alone; walks, and views along a line."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from gen_pairs import bundle_of, plain_pairs
from rasterio.transform import from_origin

from nadir.cli.generate_path import run as run_path
from nadir.cli.generate_views import run as run_views
from nadir.config.groundview_experiments import DcganEncoder, Flow, GenerateConfig, PathConfig
from nadir.config.views import ViewsConfig
from nadir.config.worlds import WorldConfig
from nadir.errors import InputError
from nadir.groundview.conditions import Frame
from nadir.groundview.generating import generate_views, walk_places
from nadir.groundview.generator import load_generator
from nadir.groundview.latents import draw_latents, walk_latents
from nadir.groundview.pairs import open_pairs
from nadir.groundview.path import WorldGround, follow, generate_path
from nadir.groundview.view_store import read_views
from nadir.learn.bundle import save_bundle
from nadir.raster.metric import GEOD, transformer

FRAME = Frame(32, 24, 48.0)
FLOW = Flow(widths=(8, 8), crop_px=16, embedding=4, steps=2)


def bundle(folder, cfg=FLOW, frame=FRAME):
    return bundle_of(folder, cfg, frame)


@pytest.fixture
def model(tmp_path):
    return bundle(tmp_path / "model")


def crops(n):
    return np.random.default_rng(0).integers(0, 255, (n, 3, 24, 24), dtype=np.uint8)


def test_views_depend_on_seed_place_and_sample_alone(model):
    generator = load_generator(model)
    given, headings = crops(35), np.where(np.arange(35) % 2, np.nan, 40.0)
    views = generator.generate(given, headings, 2, seed=1)
    assert views.shape == (35, 2, 3, 32, 32)
    again = load_generator(model).generate(given, headings, 3, seed=1)
    assert np.abs(again[:, :2].astype(int) - views).max() <= 1  # batches differ, sums round
    assert (again[:, 2] != again[:, 1]).any()
    assert (generator.generate(given, headings, 2, seed=2) != views).any()
    calm = generator.generate(given[:2], headings[:2], 2, seed=1, temperature=0.0)
    assert np.array_equal(calm[:, 0], calm[:, 1])


def test_latents_are_drawn_for_each_place_and_sample():
    drawn = draw_latents(5, range(4), range(3), 200)
    assert np.array_equal(drawn[2:3, 1:2], draw_latents(5, [2], [1], 200))
    assert len(np.unique(drawn.reshape(12, -1)[:, 0])) == 12
    assert drawn.std() == pytest.approx(1.0, abs=0.05)


def test_walks_keep_the_length_of_latents():
    one, other = draw_latents(0, [0, 1], [0], 500)[:, 0]
    way = walk_latents(one, other, 7)
    assert way[0] == pytest.approx(one, abs=1e-4) and way[-1] == pytest.approx(other, abs=1e-4)
    assert np.linalg.norm(way, axis=1) == pytest.approx(np.full(7, 500**0.5), rel=0.1)


def test_the_first_view_of_a_dcgan_is_the_encoders_own(tmp_path):
    generator = load_generator(bundle(tmp_path / "dcgan", DcganEncoder(width=4, crop_px=16)))
    latent = generator.latent([0, 1], [0, 1], 3)
    assert not latent[:, 0].any() and latent[:, 1].std() < 1.0
    shifted = generator.latent([0, 1], [1, 0], 3)
    assert not shifted[:, 1].any() and np.array_equal(shifted[:, 0], latent[:, 1])


def test_views_of_the_test_places_are_written_with_walks(tmp_path, model):
    pairs, out = plain_pairs(tmp_path), tmp_path / "views.manifest.json"
    options = _Options(
        pairs=pairs,
        model=model / "model.safetensors",
        out=out,
        cfg={"generate": {"samples": 2, "walks": 2, "walk_steps": 5}},
        threads=1,
    )
    run_views(options)
    test = open_pairs(pairs).of("test")
    stored = read_views(out, test)
    assert stored.views.shape == (3, 2, 3, 32, 32) and stored.walk.shape == (2, 5, 3, 32, 32)
    assert stored.facts["walks"] == [stored.pairs[0], stored.pairs[2]]
    digest = json.loads(out.read_text())["digest"]
    run_views(options)
    assert json.loads(out.read_text())["digest"] == digest


def test_pairs_without_test_and_of_other_sizes_are_refused(tmp_path, model):
    with pytest.raises(InputError, match="no test pairs"):
        pairs = plain_pairs(tmp_path / "none", test=0)
        generate_views(model, pairs, tmp_path / "views.manifest.json", GenerateConfig())
    with pytest.raises(InputError, match="64 pixels, views 32"):
        pairs = plain_pairs(tmp_path / "large", px=64)
        generate_views(model, pairs, tmp_path / "views.manifest.json", GenerateConfig())
    with pytest.raises(InputError, match="24 pixels"):
        load_generator(model).generate(np.zeros((1, 3, 32, 32), np.uint8), [0.0])


def test_walks_are_of_places_evenly_spread():
    assert walk_places(9, 3).tolist() == [0, 4, 8]
    assert walk_places(2, 5).tolist() == [0, 1]
    assert walk_places(4, 0).tolist() == []


def test_bundles_of_something_else_are_refused(tmp_path):
    folder = tmp_path / "model"
    save_bundle(folder, {"task": "place retrieval"}, {"a": np.zeros(2, np.float32)})
    with pytest.raises(InputError, match="not for ground view"):
        load_generator(folder)


def test_a_line_is_followed_at_equal_distances():
    way = follow(PathConfig(points=((5.0, 45.0), (5.0, 45.01), (5.01, 45.01)), steps=20))
    lengths = GEOD.inv(way.longitude[:-1], way.latitude[:-1], way.longitude[1:], way.latitude[1:])
    assert (way.longitude[0], way.latitude[0]) == pytest.approx((5.0, 45.0))
    assert (way.longitude[-1], way.latitude[-1]) == pytest.approx((5.01, 45.01))
    straight = np.delete(lengths[2], np.flatnonzero(np.diff(way.heading)))
    assert straight == pytest.approx(np.full(len(straight), straight[0]), rel=1e-3)
    assert way.heading[0] == pytest.approx(0.0, abs=0.1)
    assert way.heading[-1] == pytest.approx(90.0, abs=0.1)
    with pytest.raises(InputError, match="one point"):
        follow(PathConfig(points=((5.0, 45.0), (5.0, 45.0))))


def ground_picture(path, side=200):
    """A picture of half a metre, red in the west and green in the east."""
    pixels = np.zeros((3, side, side), np.uint8)
    pixels[0, :, : side // 2], pixels[1, :, side // 2 :] = 200, 200
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 3, "dtype": "uint8"}
    transform = from_origin(500000.0, 5000000.0, 1.0, 1.0)
    with rasterio.open(path, "w", crs="EPSG:32631", transform=transform, **profile) as file:
        file.write(pixels)
    return path


def degrees(*points):
    back = transformer("EPSG:32631", "OGC:CRS84")
    return [tuple(back.transform(500000.0 + x, 5000000.0 - y)) for x, y in points]


def test_views_along_a_line_over_a_picture(tmp_path, model):
    out = tmp_path / "path.npz"
    points = degrees((40, 100), (160, 100))
    run_path(
        _Options(
            model=model / "model.safetensors",
            map=ground_picture(tmp_path / "map.tif"),
            out=out,
            cfg={"path": {"points": points, "steps": 5}},
            threads=1,
        )
    )
    with np.load(out) as made:
        assert made["views"].shape == (5, 3, 32, 32) and made["crops"].shape == (5, 3, 24, 24)
        assert made["heading"] == pytest.approx(np.full(5, 90.0), abs=0.1)
        assert made["crops"][0, 0].mean() > 150 and made["crops"][-1, 1].mean() > 150
        assert made["x"][0] == pytest.approx(points[0][0], abs=1e-7)


def test_a_line_that_leaves_the_picture_is_refused(tmp_path, model):
    cfg = PathConfig(points=degrees((40, 100), (198, 100)), steps=4)
    picture = ground_picture(tmp_path / "map.tif")
    with pytest.raises(InputError, match="leaves what is shown"):
        generate_path(model, tmp_path / "path.npz", cfg, picture=picture, device="cpu")
    with pytest.raises(InputError, match="not both"):
        generate_path(model, tmp_path / "path.npz", cfg)


def test_the_ground_of_a_world_lies_around_the_position(monkeypatch):
    asked = []

    def rendered(world, epoch, x, y, width, height, step):
        asked.append((x, y, width, height, step))
        return SimpleNamespace(rgb=np.full((height, width, 3), 7, np.uint8))

    monkeypatch.setattr("nadir.groundview.path.render_aerial", rendered)
    world = WorldConfig(width_km=2.0, height_km=2.0)
    ground = WorldGround(world, ViewsConfig(), 24, 48.0)
    back = transformer(world.crs, "OGC:CRS84")
    crop = ground.crop(*back.transform(world.origin[0] + 900, world.origin[1] - 800))
    assert crop is not None and crop.shape == (3, 24, 24)
    assert asked[0] == pytest.approx((876.0, 776.0, 24, 24, 2.0), abs=1e-3)
    assert ground.crop(*back.transform(world.origin[0] + 10, world.origin[1] - 800)) is None
    assert len(asked) == 1


class _Options:
    """Options of a command."""

    def __init__(self, **given):
        self.__dict__.update(given)
