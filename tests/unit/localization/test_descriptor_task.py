"""The descriptor's training step: scores as the search computes them, and what is counted."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from nadir.config.experiments import TrainConfig
from nadir.localization.descriptor import STRIDE, Descriptor
from nadir.localization.descriptor_task import DescriptorLearner
from nadir.localization.turning import disk


class Coarse(torch.nn.Module):
    """Describes a cell by the mean of its pixels, as a network that has learned it would."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = torch.nn.Parameter(torch.tensor(3.0))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(pictures, STRIDE)


def learner(network) -> DescriptorLearner:
    return DescriptorLearner(network, TrainConfig(epochs=1, batch_size=3))


def batch(count: int = 3, side: int = 48, wide: int = 80, seed: int = 0):
    """Return photos cut from their own grounds at whole cells."""
    random = np.random.default_rng(seed)
    grounds = random.uniform(0, 1, (count, 3, wide // STRIDE, wide // STRIDE))
    grounds = grounds.repeat(STRIDE, 2).repeat(STRIDE, 3).astype(np.float32)
    places = random.integers(0, (wide - side) // STRIDE + 1, (count, 2))
    photos = np.stack(
        [
            ground[:, STRIDE * y : STRIDE * y + side, STRIDE * x : STRIDE * x + side]
            for ground, (x, y) in zip(grounds, places, strict=True)
        ]
    )
    return torch.from_numpy(photos), torch.from_numpy(grounds), torch.from_numpy(places).float()


def test_scores_are_correlations_under_a_disk():
    photos, grounds, _ = batch()
    found = learner(Coarse()).scores(photos, grounds).detach().numpy()
    assert found.shape == (3, 3, 9, 9)
    features, under = (Coarse()(one).detach().numpy().astype(float) for one in (photos, grounds))
    mean = under.mean((0, 2, 3))[None, :, None, None]
    window = disk(12)
    features, under = (features - mean) * window, under - mean
    for photo in range(3):
        for ground in range(3):
            for y, x in ((0, 0), (3, 7), (8, 8)):
                part = under[ground, :, y : y + 12, x : x + 12] * window
                both = np.linalg.norm(part) * np.linalg.norm(features[photo])
                expected = (part * features[photo]).sum() / both
                assert found[photo, ground, y, x] == pytest.approx(expected, abs=1e-4)


def test_what_is_right_costs_little_and_is_counted():
    task = learner(Coarse())
    photos, grounds, places = batch()
    right, found = task._loss((photos, grounds, places))
    assert found == 1.0 and torch.isfinite(right)
    elsewhere = (places + 4) % 9
    wrong, missed = task._loss((photos, grounds, elsewhere))
    assert wrong > right + 1 and missed == 0.0
    swapped, missed = task._loss((photos, grounds.roll(1, 0), places))
    assert swapped > right + 1 and missed == 0.0


def test_scores_of_an_epoch_are_means_over_its_batches():
    task = learner(Coarse())
    batches = [batch(seed=k) for k in range(3)]
    with torch.no_grad():
        losses = [float(task.training_step(one, k)) for k, one in enumerate(batches)]
        task.validation_step(batches[0], 0)
    scores = task.epoch_scores()
    assert scores["train_loss"] == pytest.approx(np.mean(losses), rel=1e-6)
    assert scores["validation_loss"] == pytest.approx(losses[0], rel=1e-6)
    assert scores["train_found"] == scores["validation_found"] == 1.0
    assert all(math.isnan(value) for value in task.epoch_scores().values()), "nothing is left over"


def test_a_step_learns():
    torch.manual_seed(0)
    network = Descriptor(8, 8)
    task = learner(network)
    photos, grounds, places = batch(side=64, wide=96)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(6):
        loss = task.training_step((photos, grounds, places), 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] and np.isfinite(losses).all()


@pytest.mark.parametrize("place", [-12.0, 21.0])
def test_a_place_beyond_the_window_does_not_make_the_loss_nan(place):
    photos, grounds, places = batch()
    places[1, 1] = place
    assert torch.isfinite(learner(Coarse())._loss((photos, grounds, places))[0])
