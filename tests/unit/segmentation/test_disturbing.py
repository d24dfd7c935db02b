"""What befalls a sample befalls image, labels, shares and validity alike."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from nadir.config.experiments import AugmentConfig, LossConfig, TrainConfig
from nadir.segmentation.data import TileBatches
from nadir.segmentation.dataset import tile_counts
from nadir.segmentation.disturbing import cloud_opacity, mix_samples
from nadir.segmentation.fitting import training_batches
from nadir.segmentation.loss_terms import at_edges
from nadir.segmentation.patches import Scene, Shot, Window
from nadir.segmentation.sources import ResidentSource, StoredSource
from nadir.segmentation.turning import turn, turned_inside
from nadir.tiles.disturb import Cloud, Disturbance, Mix, random_disturbance, random_mix

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from segmentation_fakes import MemoryLabels, make_data  # noqa: E402

CPU = torch.device("cpu")


class SharedLabels(MemoryLabels):
    """Labels whose pixels are wholly of one class."""

    fraction_scale = 100

    def fraction(self, y, x, h, w):
        ids = self.hard(y, x, h, w)
        return (np.arange(5, dtype=np.uint8)[:, None, None] == ids) * np.uint8(100)


@pytest.fixture(scope="module")
def data():
    found = make_data(train=8)
    scenes = [Scene(scene.cube, SharedLabels(scene.labels._ids)) for scene in found.scenes]
    return type(found)(**{**found.__dict__, "scenes": scenes})


def _source(data, kind=ResidentSource, extras=("shares", "seen")):
    windows = [*data.train, *data.validation]
    places = (CPU,) if kind is ResidentSource else ()
    return kind(data.scenes, windows, data.statistics, CPU, *places, extras=extras)


AUGMENT = AugmentConfig(
    dihedral="random",
    crops=10,
    crop=24,
    scale=1.3,
    rotate=30,
    balance=0.7,
    jitter=0.1,
    date_jitter=0.1,
    drop_band=0.2,
    drop_date=0.3,
    clouds=0.6,
    mix="classmix",
)


def _epoch(data, kind, epoch, **changes):
    cfg = TrainConfig(
        batch_size=4,
        augment=AUGMENT.model_copy(update=changes),
        loss=LossConfig(labels="fraction", cloud_weight=0.5, edge_weight=1.0),
    )
    source = _source(data, kind, cfg.loss.extras)
    batches = training_batches(source, data, cfg, 3)
    batches.set_epoch(epoch)
    found = list(batches)
    source.close()
    return found


@pytest.mark.parametrize("mix", ["none", "cutmix", "classmix"])
def test_samples_are_a_function_of_seed_and_epoch_wherever_data_live(data, mix):
    one, again, other = (
        _epoch(data, kind, epoch, mix=mix)
        for kind, epoch in ((ResidentSource, 1), (StoredSource, 1), (ResidentSource, 2))
    )
    for left, right in zip(one, again, strict=True):
        for a, b in zip(left, right, strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(one[0][0], other[0][0])


@pytest.mark.parametrize("mix", ["none", "cutmix", "classmix"])
def test_hard_labels_and_shares_stay_together(data, mix):
    inside = 0
    for _, target, shares, seen, _ in _epoch(data, ResidentSource, 0, mix=mix, rotate=0, scale=1.0):
        whole = shares.amax(dim=1) == 1
        assert torch.equal(whole, target >= 0)
        assert torch.equal(shares.argmax(dim=1)[whole], target[whole])
        assert (seen[whole] > 0).all(), "labels are only where the ground is seen"
        inside += int(whole.sum())
    assert inside > 1000


@pytest.mark.parametrize("symmetry", [1, 2, 3])
def test_turning_by_an_angle_turns_as_quarter_turns_do(symmetry):
    values = torch.randn(1, 2, 9, 9)
    for smooth in (True, False):
        found = turned_inside(values, 90.0 * symmetry, 9, smooth=smooth)
        torch.testing.assert_close(found, turn(values, symmetry), atol=1e-5, rtol=1e-5)


def test_a_turned_crop_shows_its_ground_and_labels_alike(data):
    """A ramp of class ids in image and labels is turned the same way in both."""
    shot = Shot(Window(0, 20, 20, 45), 0, 32, None, 20.0)
    source = _source(data)
    raw = list(source.raw([shot.window]))
    image, valid, *_ = raw[0]
    ramp = torch.arange(45 * 45).reshape(45, 45) // 250 % 5
    image = ramp.to(torch.uint16).expand(image.shape).contiguous()
    fraction = (torch.arange(5)[:, None, None] == ramp).to(torch.uint8) * 100
    shown, target, shares, _ = source.prepare(
        [(image, torch.ones_like(valid), ramp.to(torch.uint8), fraction)], [shot]
    )
    gain, bias = source.gain[0, 0, 0], source.bias[0, 0, 0]
    ids = (shown[0, 0] - bias) / gain
    flat = (ids - ids.round()).abs() < 1e-3
    assert flat.float().mean() > 0.4
    assert (ids[flat].round().long() - 1 == target[0][flat]).float().mean() > 0.98
    sums = shares[0].sum(dim=0)
    assert (sums[target[0] < 0] < 0.8).all() and sums[flat & (target[0] >= 0)].min() > 0.9


def test_crops_never_leave_the_training_ground(data):
    cfg = TrainConfig(augment=AUGMENT.model_copy(update={"crops": 60}))
    batches = training_batches(_source(data), data, cfg, 0)
    plan = batches.plan(4)
    assert (plan.angle != 0).any()
    covered = {scene: np.zeros((96, 96), bool) for scene in (0, 1)}
    for w in data.train:
        covered[w.scene][w.y : w.y + w.size, w.x : w.x + w.size] = True
    for tile, (y, x, side) in zip(plan.tile, plan.crop, strict=True):
        assert covered[data.train[tile].scene][y : y + side, x : x + side].all()


def test_disturbances_do_what_they_say(data):
    shot = Shot(data.train[0])
    source = _source(data)
    raw = list(source.raw([shot.window]))
    plain, target, _, seen = source.prepare(raw, [shot])
    silent = np.zeros((2, 3), bool)
    silent[1, 2] = True
    quiet = Disturbance(
        np.ones(2, np.float32), np.zeros((2, 3), np.float32), silent, np.array([True, False]), ()
    )
    shown, other, _, less = source.prepare(raw, [Shot(shot.window, disturbance=quiet)])
    assert (shown[:, :3] == 0).all() and (shown[:, 5] == 0).all()
    assert torch.equal(shown[:, 3:5], plain[:, 3:5])
    second = raw[0][1][1]
    assert torch.equal(less[0], second.float() / 2)
    assert ((other[0] >= 0) == ((target[0] >= 0) & second)).all()
    assert torch.equal(source.prepare(raw, [shot])[0], plain), "the held data are untouched"
    assert seen.max() == 1


@pytest.mark.parametrize("known", [True, False])
def test_a_cloud_covers_its_share_and_hides_labels_only_on_all_dates(data, known):
    noise = tuple(
        np.random.default_rng(0).normal(size=(5 * 2**o,) * 2).astype("f4") for o in (0, 1)
    )
    clouds = tuple(Cloud(date, noise, 0.3, known, 0.8) for date in (0, 1))
    opacity = cloud_opacity(clouds[0], 32, 32, CPU)
    assert abs(float((opacity >= 0.5).float().mean()) - 0.3) < 0.02
    still = (np.ones(2, "f4"), np.zeros((2, 3), "f4"), np.zeros((2, 3), bool), np.zeros(2, bool))
    source, shot = _source(data), Shot(data.train[1])
    raw = list(source.raw([shot.window]))
    plain, target, *_ = source.prepare(raw, [shot])
    one, partly, *_ = source.prepare(
        raw, [Shot(shot.window, disturbance=Disturbance(*still, clouds[:1]))]
    )
    _, hidden, shares, _ = source.prepare(
        raw, [Shot(shot.window, disturbance=Disturbance(*still, clouds))]
    )
    thick = opacity >= 0.5
    assert ((hidden[0] >= 0) == ((target[0] >= 0) & ~thick)).all()
    assert (shares[0].sum(0)[thick] == 0).all()
    assert (partly[0] >= 0)[thick].any(), "the other date still shows the ground"
    assert torch.equal(one[:, 3:], plain[:, 3:])
    bright = (one - plain)[0, 0][thick & raw[0][1][0]]
    assert (one[0, :3][:, thick] == 0).all() if known else (bright > 0).all()


def test_a_part_of_the_next_sample_is_pasted():
    image = torch.arange(3.0).reshape(3, 1, 1, 1).expand(3, 2, 10, 10).clone()
    target = torch.arange(3).reshape(3, 1, 1).expand(3, 10, 10).clone()
    target[1, :5] = 7
    box = Mix((0.2, 0.0, 0.7, 0.5), None)
    mixed, labels = mix_samples([image, target], [box, None, box])
    assert (mixed[0, :, 2:7, :5] == 1).all() and (mixed[0] == 1).sum() == 2 * 25
    assert torch.equal(mixed[1], image[1]) and (mixed[2, 0, 2:7, :5] == 0).all()
    order = np.arange(10.0)
    mixed, labels = mix_samples([image, target], [Mix(None, order), None, None])
    assert (labels[0, 5:] == 1).all() and (labels[0, :5] == 0).all(), "half of classes 1 and 7"
    assert torch.equal(mixed[0, 0] == 1, labels[0] == 1)
    alone = mix_samples([image[:1], target[:1]], [box])
    assert torch.equal(alone[0], image[:1])


@pytest.mark.parametrize("side", [None, 20])
@pytest.mark.parametrize("kind", [ResidentSource, StoredSource])
def test_seams_of_mixed_samples_are_no_borders(data, kind, side):
    source = _source(data, kind, extras=("shares", "edges"))
    box = Mix((0.2, 0.1, 0.7, 0.6), None)
    windows = [window for window in data.train if window.size == data.train[0].size][:3]
    raw = list(source.raw(windows))
    plain = source.prepare(raw, [Shot(window, side=side) for window in windows])
    mixed = source.prepare(raw, [Shot(window, side=side, mix=box) for window in windows])
    source.close()
    assert torch.equal(plain[-1], at_edges(plain[1]))
    expected = mix_samples([plain[0], plain[1], plain[-1]], [box] * 3)
    assert torch.equal(mixed[1], expected[1]) and torch.equal(mixed[-1], expected[2])
    assert not torch.equal(mixed[-1], at_edges(mixed[1])), "there are seams"


def test_draws_follow_their_chances():
    rng = np.random.default_rng(1)
    drawn = [
        random_disturbance(rng, 3, 4, jitter=0.2, drop_band=0.25, drop_date=0.9, clouds=0.5)
        for _ in range(400)
    ]
    assert abs(np.mean([d.silent.mean() for d in drawn]) - 0.25) < 0.03
    assert abs(np.mean([len(d.clouds) for d in drawn]) - 1.5) < 0.2
    assert not any(d.missing.all() for d in drawn) and np.mean([d.missing for d in drawn]) > 0.5
    mixes = [random_mix(rng, "cutmix", 0.25, 4) for _ in range(400)]
    assert abs(np.mean([m is not None for m in mixes]) - 0.25) < 0.08
    assert all(0 <= m.box[0] <= m.box[2] <= 1 for m in mixes if m)


@pytest.mark.parametrize("balance", [0.5, 1.0])
def test_middles_of_balanced_crops_are_of_each_class_as_often_as_promised(data, balance):
    augment = AugmentConfig(dihedral="none", crops=1200, crop=16, balance=balance)
    plan = training_batches(_source(data), data, TrainConfig(augment=augment), 3).plan(2)
    hit = np.zeros(4)
    for tile, (y, x, side) in zip(plan.tile, plan.crop, strict=True):
        window = data.train[tile]
        ids = data.scenes[window.scene].labels.hard(y, x, side, side)
        inside = window.y < y and y + side < window.y + window.size
        inside = inside and window.x < x and x + side < window.x + window.size
        if inside:  # others may have been moved
            assert ids[8, 8] > 0
            hit[ids[8, 8] - 1] += 1
    wanted = np.bincount(np.repeat(np.arange(4), tile_counts(data)[:, 1:].sum(0))) ** (1 - balance)
    assert hit.sum() > 200
    np.testing.assert_allclose(hit / hit.sum(), wanted / wanted.sum(), atol=0.1)


def test_what_needs_crops_says_so():
    for key, value in {"rotate": 10, "balance": 0.5, "scale": 1.5, "crop": 64}.items():
        with pytest.raises(ValueError, match=f"{key} is for random crops"):
            AugmentConfig(**{key: value})
        AugmentConfig(**{key: value, "crops": 8})
    with pytest.raises(ValueError, match="outlines"):
        TrainConfig(augment=AugmentConfig(mix="cutmix"), loss=LossConfig(border_weight=1))


def test_a_plan_without_extras_is_as_before(data):
    source = _source(data, extras=())
    batches = TileBatches(source, data.train, lambda _: _plan(len(data.train)), 4)
    assert [len(batch) for batch in batches] == [2, 2]


def _plan(count):
    from nadir.tiles.sampling import sample_plan

    return sample_plan(count, 0, 0, shuffle=False)
