"""The moving average of weights: its formula, its state, and what it does not average."""

from __future__ import annotations

import torch
from torch import nn

from nadir.learn.averaging import WeightAverage


def _network(value: float) -> nn.Module:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    with torch.no_grad():
        for tensor in network.state_dict().values():
            tensor.fill_(value)
    return network


def test_the_average_follows_its_recursion():
    average, expected = WeightAverage(_network(0.0), 0.9), 0.0
    for step in range(1, 100):
        average.update(_network(float(step)))
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    found = average.network.state_dict()
    torch.testing.assert_close(found["0.weight"], torch.full((2, 2), expected))
    torch.testing.assert_close(found["1.running_mean"], torch.full((2,), expected))
    assert found["1.num_batches_tracked"] == 99, "counters are copied"


def test_the_average_is_no_part_of_training():
    network = _network(1.0)
    average = WeightAverage(network, 0.5)
    assert not average.network.training
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    average.update(_network(3.0))
    assert (network[0].weight == 1).all()


def test_the_state_carries_over():
    one, other = WeightAverage(_network(0.0), 0.99), WeightAverage(_network(5.0), 0.99)
    for step in range(5):
        one.update(_network(step))
    other.load_state_dict(one.state_dict())
    for average in (one, other):
        average.update(_network(9.0))
    for left, right in zip(
        one.network.state_dict().values(), other.network.state_dict().values(), strict=True
    ):
        assert torch.equal(left, right)
