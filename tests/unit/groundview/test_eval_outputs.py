"""What is written: stored views, pictures, films, and the dataset for retrieval."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from judged_pairs import make_pairs
from PIL import Image

from nadir.config.groundview_evaluate import ClosingConfig
from nadir.errors import InputError
from nadir.groundview.closing import export_views
from nadir.groundview.figures_views import draw_pairing, draw_samples, draw_walk
from nadir.groundview.films import Walked, map_of_crops, path_film, read_path, training_film
from nadir.groundview.view_store import Views, read_views, write_views
from nadir.raster.pictures import read_picture


@pytest.fixture(scope="module")
def pairs():
    return make_pairs(24, test=9, validation=2)


def made(pairs, samples=3):
    test = pairs.of("test")
    random = np.random.default_rng(1)
    shape = (len(test), samples, *test.photos.shape[1:])
    walk = random.integers(0, 256, (2, 5, *test.photos.shape[1:]), dtype=np.uint8)
    views = random.integers(0, 256, shape, dtype=np.uint8)
    return Views(tuple(test.table["pair"]), views, walk, {}, "d")


def test_stored_views_come_back_and_fit_their_pairs(pairs, tmp_path):
    views, test = made(pairs), pairs.of("test")
    path = tmp_path / "views.manifest.json"
    first = write_views(path, views.pairs, views.views, views.walk, {"model": "flow"})
    found = read_views(path, test)
    assert np.array_equal(found.views, views.views) and np.array_equal(found.walk, views.walk)
    assert found.facts["model"] == "flow" and found.digest == first.digest
    assert write_views(path, views.pairs, views.views, views.walk, {"model": "flow"}) == first
    assert write_views(path, views.pairs, views.views + 1, None).digest != first.digest
    assert len(read_views(path).walk) == 0
    with pytest.raises(InputError, match="other pairs"):
        read_views(path, test.take(np.arange(8)))
    write_views(path, views.pairs, views.views[..., :16, :16].copy())
    with pytest.raises(InputError, match="16 px where photos have 32"):
        read_views(path, test)
    with pytest.raises(ValueError, match="9 rows"):
        write_views(path, views.pairs[:3], views.views)


def test_pictures_are_drawn_with_equal_bytes(pairs, tmp_path):
    views, test = made(pairs), pairs.of("test")
    losses = {
        name: {
            "accuracy": {"value": 0.5, "low": None, "high": 0.7},
            "distances": np.random.default_rng(0).random((4, 4)).tolist(),
        }
        for name in ("judge", "mse")
    }
    pairing = {"losses": losses, "n": 4, "chance": 0.25, "drawn": [0, 3, 5, 8]}
    before = []
    for _ in range(2):
        draw_samples(test, views, tmp_path / "s.png", title="t", rows=2)
        draw_walk(views, tmp_path / "w.png")
        draw_pairing(test, views, pairing, tmp_path / "p.png")
        files = [(tmp_path / name).read_bytes() for name in ("s.png", "w.png", "p.png")]
        assert not before or files == before
        before = files
    assert all(len(data) > 4000 for data in before)
    nothing = Views(views.pairs, views.views, views.views[:0])
    draw_walk(nothing, tmp_path / "w.png")
    assert len((tmp_path / "w.png").read_bytes()) < len(before[1])


def test_the_film_shows_every_epoch_that_was_kept(tmp_path):
    frames = np.zeros((5, 32, 48, 3), np.uint8)
    for number in range(5):
        frames[number] = 40 * number + 20
    np.savez(tmp_path / "f.npz", frames=frames, steps=np.arange(5) * 10)
    training_film(tmp_path / "f.npz", tmp_path / "f.gif", "flow")
    with Image.open(tmp_path / "f.gif") as film:
        assert film.n_frames == 5 and film.size == (480, 320 + 30)
        shades = []
        for number in range(5):
            film.seek(number)
            shades.append(int(film.convert("RGB").getpixel((240, 200))[0]))
    assert np.allclose(shades, 40 * np.arange(5) + 20, atol=12)
    first = (tmp_path / "f.gif").read_bytes()
    training_film(tmp_path / "f.npz", tmp_path / "f.gif", "flow")
    assert (tmp_path / "f.gif").read_bytes() == first
    np.savez(tmp_path / "f.npz", frames=frames[:0], steps=np.arange(0))
    with pytest.raises(InputError, match="Train the generator again"):
        training_film(tmp_path / "f.npz", tmp_path / "f.gif", "flow")
    with pytest.raises(InputError, match="no such file"):
        training_film(tmp_path / "g.npz", tmp_path / "f.gif", "flow")


def test_the_map_puts_crops_where_they_lie():
    crops = np.zeros((2, 3, 8, 8), np.uint8)
    crops[0, 0], crops[1, 2] = 200, 200  # red in the west, blue in the east and north
    walked = Walked(crops, crops, np.array([0.0, 300]), np.array([0.0, 300]), 100.0)
    ground, places = map_of_crops(walked, 400)
    assert places.round().tolist() == [[50, 350], [350, 50]]
    assert ground[350, 50].tolist() == [200, 0, 0] and ground[50, 350].tolist() == [0, 0, 200]
    assert ground[200, 200].tolist() == [238] * 3
    assert (ground == [200, 0, 0]).all(-1).sum() == 100 * 100


def test_the_line_is_read_in_metres_and_filmed(tmp_path):
    views = np.random.default_rng(0).integers(0, 256, (4, 3, 16, 16), dtype=np.uint8)
    arrays = {"views": views, "crops": views, "y": np.full(4, 41.0), "crop_m": np.float64(64)}
    np.savez(tmp_path / "p.npz", x=1 + np.arange(4) * 1e-3, **arrays)
    walked = read_path(tmp_path / "p.npz")
    assert walked.crop_m == 64 and np.ptp(walked.y) < 0.1
    assert np.diff(walked.x) == pytest.approx(np.full(3, 84.1), abs=0.3)  # a milliradian's share
    path_film(walked, tmp_path / "p.gif", "flow")
    with Image.open(tmp_path / "p.gif") as film:
        assert film.n_frames == 4 and film.size == (968, 510)
    np.savez(tmp_path / "p.npz", x=np.zeros(3), **arrays)
    with pytest.raises(InputError, match="different lengths"):
        read_path(tmp_path / "p.npz")
    np.savez(tmp_path / "p.npz", views=views)
    with pytest.raises(InputError, match="lacks crops, x, y"):
        read_path(tmp_path / "p.npz")


def listed(path):
    with path.open() as file:
        return list(csv.reader(file))


def test_the_dataset_of_retrieval_trains_on_photos_and_ranks_views(pairs, tmp_path):
    views, out = made(pairs), tmp_path / "closing" / "export.json"
    export_views(pairs, views, out, ClosingConfig(sample=1))
    told = json.loads(out.read_text())
    assert told["counts"] == {"train": 15, "test": 9} and told["ranked"] == "generated views"
    for split, count in told["counts"].items():
        lines = listed(out.parent / f"{split}.csv")
        assert len(lines) == count
        for satellite, ground in lines:
            row = int(pairs.table.index[pairs.table["pair"] == satellite[10:-4]][0])
            shown = read_picture(out.parent / ground).transpose(2, 0, 1)
            test = split == "test"
            wanted = views.views[row - 15, 1] if test else pairs.photos[row]
            assert np.array_equal(shown, wanted)
            crop = read_picture(out.parent / satellite).transpose(2, 0, 1)
            assert np.array_equal(crop, pairs.turned[row])
    export_views(pairs, None, out, ClosingConfig(crop="crops"))
    satellite, ground = listed(out.parent / "test.csv")[0]
    assert np.array_equal(read_picture(out.parent / ground).transpose(2, 0, 1), pairs.photos[15])
    assert np.array_equal(read_picture(out.parent / satellite).transpose(2, 0, 1), pairs.crops[15])
    assert json.loads(out.read_text())["ranked"] == "photos"
    with pytest.raises(InputError, match="3 samples"):
        export_views(pairs, views, out, ClosingConfig(sample=3))
    with pytest.raises(InputError, match="split 'train'"):
        export_views(pairs.of("test"), None, out, ClosingConfig())
