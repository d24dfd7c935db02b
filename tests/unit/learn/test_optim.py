"""Schedules as the configuration states them, and their state."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
import torch

from nadir.config.experiments import OptimizerConfig, SchedulerConfig
from nadir.learn.optim import Schedule, build_optimizer, cosine_factor, learning_rate


def _optimizer(name="adam", rate=1e-3):
    weight = torch.nn.Parameter(torch.ones(2))
    return build_optimizer(OptimizerConfig(name=name, learning_rate=rate), [weight])


def test_plateau_halves_after_patience_epochs_without_improvement():
    optimizer = _optimizer()
    schedule = Schedule(SchedulerConfig(name="plateau", factor=0.5, patience=3), optimizer, 100)
    rates = []
    for loss in [1.0, 0.9, 0.95, 0.95, 0.95, 0.95, 0.95]:
        schedule.step(loss)
        rates.append(learning_rate(optimizer))
    assert rates == [1e-3] * 5 + [5e-4, 5e-4]


def test_state_of_a_schedule_carries_over():
    losses = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    for cfg in (
        SchedulerConfig(name="plateau", patience=1),
        SchedulerConfig(name="cosine", warmup=2),
    ):
        straight, first = _optimizer(), _optimizer()
        whole, half = Schedule(cfg, straight, 6), Schedule(cfg, first, 6)
        for loss in losses:
            whole.step(loss)
        for loss in losses[:3]:
            half.step(loss)
        second = _optimizer()
        rest = Schedule(cfg, second, 6)
        second.load_state_dict(first.state_dict())
        rest.load_state_dict(half.state_dict())
        for loss in losses[3:]:
            rest.step(loss)
        assert learning_rate(second) == learning_rate(straight)


def test_cosine_rises_then_falls_and_still_learns_in_the_last_epoch():
    factors = [cosine_factor(epoch, 10, 2) for epoch in range(10)]
    assert factors[0] < factors[1] < factors[2] == 1.0
    assert all(a > b for a, b in pairwise(factors[2:]))
    assert 0 < factors[-1] < 0.1


def test_a_cosine_by_time_falls_with_the_seconds_that_are_spent():
    optimizer = _optimizer()
    schedule = Schedule(SchedulerConfig(name="cosine", warmup=1), optimizer, 1000, 40.0)
    rates = [learning_rate(optimizer)]
    for spent in (10.0, 20.0, 30.0, 40.0):
        schedule.step(1.0, spent)
        rates.append(learning_rate(optimizer))
    full = 1e-3
    expected = [0.5, *(0.5 * (1 + math.cos(math.pi * share)) for share in (0.25, 0.5, 0.75, 1))]
    assert rates == pytest.approx([full * factor for factor in expected])


def test_a_warmup_of_a_share_of_an_epoch_goes_by_batches():
    optimizer = _optimizer()
    schedule = Schedule(SchedulerConfig(name="cosine", warmup=0.5), optimizer, 4)
    rates = []
    for epoch in range(4):
        for batch in range(8):
            schedule.begin_batch(epoch, batch, 8)
            rates.append(learning_rate(optimizer) / 1e-3)
        schedule.step(1.0)
    assert rates[:8] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1])
    later = [cosine_factor(epoch, 4, 0) for epoch in (1, 2, 3)]
    assert rates[8::8] == pytest.approx(later) and rates[15::8] == pytest.approx(later)


@pytest.mark.parametrize("warmup", [0, 2])
def test_a_warmup_of_epochs_is_left_alone_by_batches(warmup):
    optimizer = _optimizer()
    cfg = SchedulerConfig(name="cosine", warmup=warmup)
    assert type(cfg.warmup) is int and cfg.model_dump()["warmup"] == warmup
    schedule = Schedule(cfg, optimizer, 6)
    for epoch in range(6):
        for batch in range(3):
            schedule.begin_batch(epoch, batch, 3)
            assert learning_rate(optimizer) == 1e-3 * cosine_factor(epoch, 6, warmup)
        schedule.step(1.0)


@pytest.mark.parametrize("warmup", [-1, 1.5, -0.5])
def test_a_warmup_of_epochs_and_a_half_is_refused(warmup):
    with pytest.raises(ValueError, match="warmup"):
        SchedulerConfig(name="cosine", warmup=warmup)


def test_optimizers_by_name():
    kinds = {name: type(_optimizer(name)).__name__ for name in ("adam", "adamw", "sgd")}
    assert kinds == {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}
