"""Views of a window: every symmetry and scale, turned back before they are averaged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nadir.config.classes import ClassTable
from nadir.config.experiments import PredictConfig, UNetScratch
from nadir.learn.bundle import save_bundle
from nadir.segmentation.models.registry import build_model
from nadir.segmentation.predictor import load_predictor
from nadir.segmentation.tta import PLAIN, View, views_of
from nadir.segmentation.turning import (
    nearest,
    resize,
    resize_known,
    turn,
    turned_inside,
    turned_known,
)
from nadir.tiles.augment import COUNT, inverse, transform

ENCODING = ([1 / 255], [0.0])


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    table = ClassTable.model_validate(
        {"nodata": [], "classes": [{"value": 0, "name": "background", "color": "#202020"},
                     {"value": 255, "name": "building", "color": "#e0e0e0"}]}
    )  # fmt: skip
    cfg = UNetScratch(width=4, depth=2)
    torch.manual_seed(0)
    network = build_model(cfg, 3, 2)
    description = {
        "task": "land-cover segmentation",  # as older bundles say
        "model": cfg.model_dump(mode="json"),
        "classes": table.model_dump(mode="json"),
        "bands": ["red", "green", "blue"],
        "dates": 1,
        "tile": 32,
        "statistics": {"mean": [[0.4, 0.4, 0.4]], "std": [[0.2, 0.2, 0.2]]},
    }
    weights = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    save_bundle(folder, description, weights)
    return load_predictor(folder)


@pytest.fixture
def windows():
    rng = np.random.default_rng(1)
    raw = rng.integers(0, 256, (3, 1, 3, 24, 32)).astype(np.uint16)
    return raw, rng.random((3, 1, 24, 32)) > 0.1


def test_views_of_the_configuration():
    assert views_of(PredictConfig()) == PLAIN
    assert {view.symmetry for view in views_of(PredictConfig(tta="flips"))} == {0, 2, 4, 6}
    views = views_of(PredictConfig(tta="dihedral", scales=(1.0, 0.5)))
    assert len(set(views)) == 2 * COUNT and {view.scale for view in views} == {1.0, 0.5}


def test_the_mean_over_symmetries_is_that_of_turned_windows(predictor, windows):
    raw, valid = windows
    expected = 0
    for symmetry in range(COUNT):
        shown = predictor.predict(transform(raw, symmetry), transform(valid, symmetry), *ENCODING)
        expected = expected + transform(shown, inverse(symmetry)) / COUNT
    found = predictor.predict(raw, valid, *ENCODING, views_of(PredictConfig(tta="dihedral")))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    plain = predictor.predict(raw, valid, *ENCODING)
    assert np.abs(found - plain).max() > 1e-3
    assert found.shape == plain.shape == (3, 2, 24, 32)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_turning_the_window_turns_the_answer(predictor, windows):
    raw, valid = windows
    views = views_of(PredictConfig(tta="dihedral", scales=(1.0, 0.75)))
    plain = predictor.predict(raw, valid, *ENCODING, views)
    turned = predictor.predict(transform(raw, 5), transform(valid, 5), *ENCODING, views)
    np.testing.assert_allclose(turned, transform(plain, 5), atol=1e-5)


def test_scales_bring_the_answer_back_to_the_window(predictor, windows):
    raw, valid = windows
    for scale in (0.5, 1.3):
        found = predictor.predict(raw, valid, *ENCODING, (View(scale=scale),))
        assert found.shape == (3, 2, 24, 32)
        np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
        assert np.abs(found - predictor.predict(raw, valid, *ENCODING)).max() > 1e-3


def test_resampling():
    values = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert resize(values, 1.0) is values
    torch.testing.assert_close(
        resize(torch.full((1, 2, 6, 6), 3.0), 0.5), torch.full((1, 2, 3, 3), 3.0)
    )
    half = resize(values, (2, 2))
    assert half[0, 0, 0, 0] < half[0, 0, 1, 1] and half.mean() == pytest.approx(7.5)
    labels = torch.tensor([[[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]])
    assert nearest(labels, 2).tolist() == [[[1, 2], [3, 4]]]
    assert torch.equal(nearest(nearest(labels, 8), 4), labels)
    assert turn(values, 0) is values


def _clouded(n=2, dates=3, bands=2, height=24, width=36):
    """Dates of one value a band, 0 under clouds, and where they are valid."""
    rng = np.random.default_rng(5)
    valid = torch.from_numpy(rng.random((n, dates, height, width)) > 0.3)
    valid[:, 0, :7], valid[0, 1] = False, False
    levels = torch.arange(1.0, dates * bands + 1).reshape(1, dates, bands, 1, 1)
    return (levels * valid[:, :, None]).flatten(1, 2), valid, levels


@pytest.mark.parametrize("to", [0.5, 0.75, 1.3, (31, 50)])
def test_clouds_take_nothing_from_valid_pixels_beside_them(to):
    values, valid, levels = _clouded()
    found, known = resize_known(values, valid, to)
    assert found.shape[-2:] == known.shape[-2:] == resize(values, to).shape[-2:]
    expected = (levels * known[:, :, None]).flatten(1, 2)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert ((found != 0) == (expected != 0)).all(), "what is not known stays exactly 0"
    more = (0.0, 0.3) if to == 0.5 else (-0.12, 0.12)  # one valid pixel of four will do there
    assert more[0] <= known.float().mean() - valid.float().mean() <= more[1]
    for symmetry in range(COUNT):
        turned, seen = resize_known(turn(values, symmetry), turn(valid, symmetry), to)
        if isinstance(to, float):
            assert torch.equal(turn(seen, inverse(symmetry)), known)
            torch.testing.assert_close(turn(turned, inverse(symmetry)), found)


def test_clouds_take_nothing_from_pixels_of_turned_crops():
    values, valid, levels = _clouded(height=30, width=30)
    found, known = turned_known(values, valid, 25.0, 20)
    expected = (levels * known[:, :, None]).flatten(1, 2)
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
    assert ((found != 0) == (expected != 0)).all() and 0.4 < known.float().mean() < 0.7


def test_without_clouds_resampling_is_plain_bit_by_bit():
    values = torch.randn(2, 6, 24, 24)
    valid = torch.ones(2, 3, 24, 24, dtype=torch.bool)
    for to in (0.3, 0.5, 0.77, 1.9, (17, 40)):
        assert torch.equal(resize_known(values, valid, to)[0], resize(values, to))
    for angle in (3.0, 45.0):
        plain = turned_inside(values, angle, 15)
        assert torch.equal(turned_known(values, valid, angle, 15)[0], plain)
    assert resize_known(values, valid, 1.0) == (values, valid)


def test_a_view_at_another_scale_is_free_of_what_is_invalid(predictor, windows, monkeypatch):
    raw, valid = windows
    shown = []
    network = predictor.model
    monkeypatch.setattr(predictor, "model", lambda values: shown.append(values) or network(values))
    predictor.predict(np.full_like(raw, 200), valid, *ENCODING, (View(scale=0.6),))
    levels = torch.cat(shown).unique()
    lightest = (200 / 255 - 0.4) / 0.2
    assert levels[0] == 0 and shown[0].shape[-2:] == (14, 19)
    torch.testing.assert_close(levels[1:], torch.full_like(levels[1:], lightest))
