"""Training of generators: kept, resumed to the bit, ended by NaN, said to have collapsed."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from gen_pairs import plain_pairs

from nadir.config.groundview_experiments import ConditionalGan, DcganEncoder, Flow, ViewTrain
from nadir.errors import InputError
from nadir.groundview import fitting
from nadir.groundview.batches import Places, ViewBatches
from nadir.groundview.conditions import Frame
from nadir.groundview.fitting import fit_groundview
from nadir.groundview.frames import FrameKeeper, grid, read_frames
from nadir.groundview.generator import load_generator
from nadir.groundview.learner import AdversarialLearner, Adversaries, FlowLearner, slope_penalty
from nadir.groundview.pairs import open_pairs
from nadir.groundview.probe import collapsed, diversity
from nadir.groundview.training import train_groundview, view_data
from nadir.learn.history import read_history
from nadir.learn.kept import TrainingRun

SMALL = {"widths": (8, 8), "crop_px": 16, "embedding": 4}
GAN = ConditionalGan(**SMALL, latent=4, discriminator_width=4)
FLOW = Flow(**SMALL, steps=2)
DCGAN = DcganEncoder(width=4, crop_px=16)
TRAIN = ViewTrain(epochs=4, passes=2, batch_size=4, shown=4, precision="32")


def run(folder, pairs, model, train=TRAIN, fit=fit_groundview, cache="cache"):
    return train_groundview(
        fit,
        pairs,
        network=model,
        train=train,
        model=folder / "model",
        history=folder / "history.parquet",
        frames=folder / "frames.npz",
        run=TrainingRun(folder / cache, "code", device="cpu", threads=1),
    )


@pytest.fixture
def pairs(tmp_path):
    return plain_pairs(tmp_path)


@pytest.mark.parametrize("model", [GAN, FLOW, DCGAN], ids=["gan", "flow", "dcgan"])
def test_a_training_is_kept_and_its_generator_read(tmp_path, pairs, model):
    key = run(tmp_path, pairs, model)
    history = read_history(tmp_path / "history.parquet")
    if model is DCGAN:  # 65 % and 35 % of four passes, two at a time
        assert history["stage"].tolist() == [1.0, 1.0, 2.0]
    else:
        assert len(history) == 2
    frames, steps = read_frames(tmp_path / "frames.npz")
    assert frames.shape == (len(history), 64, 64, 3)
    assert steps.tolist() == history["epoch"].tolist()
    test = open_pairs(pairs).of("test")
    generator = load_generator(tmp_path / "model")
    assert (generator.image_px, generator.crop_px, generator.crop_m) == (32, 24, 48.0)
    views = generator.generate(test.crops, test.headings, 2, seed=3)
    assert views.shape == (3, 2, 3, 32, 32) and views.dtype == np.uint8

    def never(*args):
        raise AssertionError("this has been trained before")

    assert run(tmp_path, pairs, model, fit=never) == key


@pytest.mark.parametrize("model", [GAN, FLOW], ids=["gan", "flow"])
def test_a_killed_training_goes_on_to_the_same_bits(tmp_path, pairs, model, monkeypatch):
    train = TRAIN.model_copy(update={"epochs": 6})
    whole = tmp_path / "whole"
    run(whole, pairs, model, train)
    halves = tmp_path / "halves"
    look = fitting.Probe.look

    def killed(self, network, epoch):
        if epoch == 3:
            raise KeyboardInterrupt
        return look(self, network, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(fitting.Probe, "look", killed)
        with pytest.raises(BaseException, match=""):
            run(halves, pairs, model, train)
    run(halves, pairs, model, train)
    for name in ("model/model.safetensors", "model/model.yaml", "frames.npz"):
        assert (halves / name).read_bytes() == (whole / name).read_bytes(), name


def test_encoders_of_two_losses_share_the_adversarial_stage(tmp_path, pairs):
    stages = []

    def fit(data, model, cfg, session):
        stages.append(session.stage)
        return fit_groundview(data, model, cfg, session)

    made = []
    for loss in ("mse", "ssim"):
        encoder = DCGAN.encoder.model_copy(update={"loss": loss})
        run(tmp_path, pairs, DCGAN.model_copy(update={"encoder": encoder}), fit=fit)
        made.append(fitting.load_network(tmp_path / "model")[0])
    assert stages == ["adversarial", "encoder", "encoder"]
    one, other = made
    assert torch.equal(one.generator.lift[0].weight, other.generator.lift[0].weight)
    assert not torch.equal(one.encoder.encode[0].weight, other.encoder.encode[0].weight)


def test_nan_ends_the_training_and_leaves_the_last_sound_state(tmp_path, pairs, monkeypatch):
    losses = fitting.FlowLearner.losses

    def spoiled(self, batch, number):
        terms = losses(self, batch, number)
        if self.current_epoch == 1:
            terms["flow"] = terms["flow"] * float("nan")
        return terms

    monkeypatch.setattr(fitting.FlowLearner, "losses", spoiled)
    with pytest.raises(InputError, match=r"epoch 2 .*NaN.*learning_rate") as caught:
        run(tmp_path, pairs, FLOW)
    state = torch.load(caught.value.file, weights_only=True)
    assert state["progress"]["epochs"] == 1
    assert all(value.isfinite().all() for value in state["network"].values())
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("model", [GAN, FLOW, DCGAN], ids=lambda model: model.name)
def test_too_little_memory_is_one_line_and_no_talk_of_parts(tmp_path, pairs, model, monkeypatch):
    """What is computed of a generator's batch is no sum over its samples."""

    def no_room(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB")

    for learner in (AdversarialLearner, FlowLearner):
        monkeypatch.setattr(learner, "training_step", no_room)
    with pytest.raises(InputError) as told:
        run(tmp_path, pairs, model)
    assert str(told.value) == (
        "train.batch_size: a batch needs more memory than this cpu has free. "
        "Set train.batch_size to a smaller value."
    )


def test_a_generator_of_one_picture_is_said_to_have_collapsed(tmp_path, pairs, monkeypatch, caplog):
    monkeypatch.setattr(
        fitting,
        "adversarial_views",
        lambda trained, condition, latents: torch.zeros(len(condition), 3, 32, 32),
    )
    train = TRAIN.model_copy(update={"epochs": 10})
    with caplog.at_level(logging.WARNING):
        run(tmp_path, pairs, GAN, train)
    assert "collapsed" in caplog.text and "train.adversary.r1" in caplog.text
    history = read_history(tmp_path / "history.parquet")
    assert (history["diversity"] < 0.01).all()
    assert collapsed(history.to_dict("records"), 0.15)


def test_fewer_pairs_than_a_batch_are_shown_twice_in_it(tmp_path, caplog):
    pairs = plain_pairs(tmp_path, n=6, test=3)
    train = TRAIN.model_copy(update={"batch_size": 8})
    with caplog.at_level(logging.WARNING):
        data = view_data(open_pairs(pairs), FLOW, train, pairs)
    assert "3 training pairs and 8 in a batch" in caplog.text
    own = data.train
    places = Places(own.photos, own.crops, own.headings)
    ((photos, condition),) = ViewBatches(places, FLOW, Frame(32, 24, 48.0), train, 0)
    assert len(photos) == len(condition) == 8


@pytest.mark.parametrize(
    ("n", "px", "model", "words"),
    [
        (4, 32, FLOW, "1 training pairs"),
        (8, 36, DCGAN, "multiple of 32"),
        (8, 33, GAN, "multiple of 2"),
    ],
)
def test_pairs_that_cannot_be_learnt_from_are_refused(tmp_path, n, px, model, words):
    pairs = plain_pairs(tmp_path, n=n, px=px)
    with pytest.raises(InputError, match=words):
        run(tmp_path, pairs, model, fit=lambda *args: pytest.fail("it began to train"))


def test_epochs_show_every_pair_as_often_and_depend_on_their_number_alone(pairs):
    own = open_pairs(pairs).of("train")  # nine pairs
    places = Places(own.photos, own.crops, own.headings)
    train = ViewTrain(passes=4, batch_size=6, drop_heading=0.0, turn_deg=3.0)
    batches = ViewBatches(places, FLOW, Frame(32, 24, 48.0), train, seed=1)
    assert len(batches) == 6 and batches.samples == 36
    first = [photos for photos, _ in batches]
    shown = torch.cat(first)[:, 0, -1, -1]
    assert set(torch.unique(shown, return_counts=True)[1].tolist()) == {4}
    batches.set_epoch(1)
    assert not torch.equal(torch.cat([photos for photos, _ in batches]), torch.cat(first))
    batches.set_epoch(0)
    assert torch.equal(torch.cat([photos for photos, _ in batches]), torch.cat(first))


def test_neither_of_two_adversaries_learns_from_the_other_ones_loss():
    class Point(torch.nn.Module):
        latent_size = 1

        def __init__(self):
            super().__init__()
            self.value = torch.nn.Parameter(torch.tensor(0.5))

        def views(self, condition, latents):
            return self.value * torch.ones(len(condition), 3, 4, 4)

    class Judge(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.slope = torch.nn.Parameter(torch.tensor(2.0))

        def forward(self, pictures, condition):
            return self.slope * pictures.mean((1, 2, 3))

    train = TRAIN.model_copy(
        update={
            "adversary": TRAIN.adversary.model_copy(
                update={"r1": 0.0, "augment": (), "distance_weight": 0.0}
            )
        }
    )
    both = Adversaries(Point(), Judge())
    learner = AdversarialLearner(both, train, probe=None, work=None)
    photos = torch.full((2, 3, 4, 4), 0.25)
    learner.training_step((photos, _Told(2)), 0).backward()
    sigmoid = torch.sigmoid(torch.tensor([-0.5, 1.0, -1.0]))  # -D(photo), D(view), -D(view)
    assert both.discriminator.slope.grad == pytest.approx(
        float(-sigmoid[0] * 0.25 + sigmoid[1] * 0.5), abs=1e-5
    )
    assert both.generator.value.grad == pytest.approx(float(-sigmoid[2] * 2.0), abs=1e-5)
    # the slope at a photo is 2 / 48 in each of its 48 numbers
    penalty = slope_penalty(both.discriminator, photos, None)
    assert float(penalty) == pytest.approx(4 / 48, rel=1e-5)


class _Told:
    """A condition of which nothing is asked but how many places it is of."""

    def __init__(self, n):
        self.crops = torch.zeros(n, 3, 2, 2)

    def __len__(self):
        return len(self.crops)


def test_diversity_is_the_mean_distance_of_pictures():
    pictures = torch.zeros(3, 3, 16, 16)
    pictures[0] = 1.0  # from -1..1 to 0..1: half apart from two, the others equal
    assert diversity(pictures) == pytest.approx((0.5 + 0.5 + 0.0) / 3)


def test_frames_are_thinned_and_end_with_the_last(tmp_path):
    keeper = FrameKeeper(tmp_path / "frames", 4)
    for epoch in range(1, 38):
        keeper.add(epoch, np.full((2, 2, 3), epoch, np.uint8))
        assert len(list((tmp_path / "frames").iterdir())) <= 10
    frames, steps = keeper.frames()
    assert len(steps) == 4 and steps[-1] == 37
    assert frames[:, 0, 0, 0].tolist() == steps.tolist()


def test_a_grid_holds_pictures_row_by_row():
    pictures = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 2, 4), np.uint8)
    shown = grid(pictures)
    assert shown.shape == (4, 12, 3)
    assert shown[::2, ::4, 0].tolist() == [[0, 1, 2], [3, 4, 0]]
