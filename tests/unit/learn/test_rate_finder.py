"""The range test of learning rates, on a loss whose curve is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from nadir.config.experiments import OptimizerConfig, TrainConfig
from nadir.learn.averaging import TailAverage
from nadir.learn.figures_rate import draw_rate
from nadir.learn.learner import Learner
from nadir.learn.rate_finder import find_rate, trace_of


class Parabola(Learner):
    """w^2 / 2: steps of SGD with momentum shrink w at small rates and blow it up at large ones."""

    def __init__(self, clip=None, **options):
        sgd = OptimizerConfig(name="sgd", learning_rate=0.1)
        super().__init__(TrainConfig(optimizer=sgd, clip=clip, **options))
        self.model = nn.Linear(1, 1, bias=False)
        nn.init.constant_(self.model.weight, 3.0)

    def network(self):
        return self.model

    def epoch_scores(self):
        return {}

    def training_step(self, batch, batch_index):
        answer = self.model(batch)
        self.dtype_seen = answer.dtype
        return 0.5 * answer.float().square().mean()


class Ones:
    samples = 8

    def __init__(self):
        self.epochs = []

    def set_epoch(self, epoch):
        self.epochs.append(epoch)

    def __len__(self):
        return 2

    def __iter__(self):
        yield from [torch.ones(4, 1)] * 2


def test_the_rate_lies_between_where_nothing_happens_and_where_it_breaks():
    batches = Ones()
    trace = find_rate(Parabola(), batches, torch.device("cpu"), low=1e-5, high=100.0, steps=140)
    assert batches.epochs[:3] == [0, 1, 2], "short epochs are begun anew"
    assert len(trace.rates) < 140, "it ends once the loss has blown up"
    assert 1e-4 < trace.steepest < trace.lowest < 4.0
    assert np.isfinite(trace.losses).all()
    np.testing.assert_allclose(trace.rates, np.geomspace(1e-5, 100, 140)[: len(trace.rates)])


def test_the_steepest_fall_is_that_of_the_curve():
    rates = np.geomspace(1e-6, 1, 61)
    smooth = 2 - 1 / (1 + np.exp(-3 * np.log(rates / 1e-3)))
    smooth[50:] += np.linspace(0, 5, 11)
    trace = trace_of(rates, smooth, smooth)
    assert trace.steepest == pytest.approx(1e-3, rel=0.3)
    assert trace.lowest == pytest.approx(rates[50], rel=0.3)


def test_too_few_steps_are_refused():
    with pytest.raises(ValueError, match="10 steps"):
        find_rate(Parabola(), Ones(), torch.device("cpu"), steps=5)


class Halves(Ones):
    """Batches of which every other one is 0, so that a pair has half of the loss."""

    def __iter__(self):
        yield from [2**0.5 * torch.ones(4, 1), torch.zeros(4, 1)] * 2


def test_a_step_is_of_as_many_batches_as_in_a_training():
    options = {"low": 1e-3, "high": 1.0, "steps": 20}
    one = find_rate(Parabola(), Ones(), torch.device("cpu"), **options)
    two = find_rate(Parabola(accumulate=2), Halves(), torch.device("cpu"), **options)
    np.testing.assert_allclose(two.losses, one.losses, rtol=1e-5)
    assert one.losses[0] == pytest.approx(4.5)


@pytest.mark.parametrize(
    ("precision", "dtype"), [("bf16", torch.bfloat16), ("32", torch.float32), ("auto", None)]
)
def test_the_precision_is_that_of_a_training(precision, dtype):
    learner = Parabola(precision=precision)
    find_rate(learner, Ones(), torch.device("cpu"), steps=10)
    assert learner.dtype_seen == (dtype or torch.float32)  # on a CPU `auto` is 32 bits


def test_the_picture_is_written(tmp_path):
    trace = find_rate(Parabola(clip=1.0), Ones(), torch.device("cpu"), steps=30)
    draw_rate(trace, tmp_path / "rate.png", 0.1)
    assert (tmp_path / "rate.png").read_bytes().startswith(b"\x89PNG")


def test_the_tail_is_averaged_plainly():
    network = nn.Linear(1, 1, bias=False)
    average = TailAverage(network, 0.5)
    for step in range(1, 11):
        nn.init.constant_(network.weight, float(step))
        average.update(network, step / 10)
        expected = step if step < 5 else np.mean(np.arange(5, step + 1))
        assert average.network.weight.item() == pytest.approx(expected)
    other = TailAverage(nn.Linear(1, 1, bias=False), 0.5)
    other.load_state_dict(average.state_dict())
    for one in (average, other):
        nn.init.constant_(network.weight, 20.0)
        one.update(network, 1.0)
    assert other.network.weight.item() == average.network.weight.item()
