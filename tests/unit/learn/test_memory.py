"""Batches that are too large for a GPU: what would fit is measured, or they come in parts."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from nadir.config.experiments import OptimizerConfig, TrainConfig
from nadir.errors import InputError
from nadir.learn import loop, memory
from nadir.learn.group import Group
from nadir.learn.learner import Learner

CPU = torch.device("cpu")
EACH, FREE = 100, 350  # bytes of a sample, and what there is beside the network


class Narrow(nn.Module):
    """A network that has room for some samples only."""

    def __init__(self, room: int, norm: bool = False) -> None:
        super().__init__()
        self.room, self.most = room, 0
        self.layers = nn.Sequential(
            nn.Linear(4, 8), nn.BatchNorm1d(8) if norm else nn.Tanh(), nn.Linear(8, 3)
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled() and len(inputs) > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        self.most = max(self.most, len(inputs)) if torch.is_grad_enabled() else self.most
        return self.layers(inputs)


class Classifier(Learner):
    """Learns classes; its loss compares all samples of a batch."""

    sample_axis = 0

    def __init__(self, network: nn.Module, cfg: TrainConfig) -> None:
        super().__init__(cfg)
        self.net, self.losses = network, []

    def network(self):
        return self.net

    def training_step(self, batch, batch_index):
        features = functional.normalize(self.in_parts(self.net, batch[0]), dim=1)
        loss = (features @ features.T).logsumexp(1).mean()
        loss = loss + functional.cross_entropy(features, batch[1])
        self.losses.append(float(loss.detach()))
        return loss

    def validation_step(self, batch, batch_index):
        self.net(batch[0])

    def epoch_scores(self):
        losses, self.losses = self.losses, []
        mean = float(np.mean(losses))
        return {"train_loss": mean, "validation_loss": mean}


class Batches:
    """Three batches of eight."""

    samples = 24

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return 3

    def __iter__(self):
        for index in range(3):
            random = torch.Generator().manual_seed(10 * self.epoch + index)
            yield torch.randn(8, 4, generator=random), torch.arange(8) % 3

    epoch = 0


class FakeMemory:
    """Counts what a network of `Narrow` was last shown."""

    def __init__(self, network: Narrow) -> None:
        self.network = network

    def reset(self):
        self.network.most = 0

    def allocated(self):
        return 1000

    def peak(self):
        return 1000 + EACH * self.network.most

    def room(self):
        weights = sum(one.numel() * 4 for one in self.network.parameters())
        return 1000 + 2 * weights + FREE


def _learner(room, norm=False):
    torch.manual_seed(3)
    cfg = TrainConfig(
        epochs=2, optimizer=OptimizerConfig(learning_rate=0.01), monitor="validation_loss", ema=0.9
    )
    return Classifier(Narrow(room, norm), cfg)


def _fit(folder, learner, **options):
    folder.mkdir(exist_ok=True)
    given = {"work": folder, "seed": 1, "device": CPU} | options
    return loop.fit(learner, Batches(), Batches(), **given)


def test_a_split_batch_gives_the_weights_of_a_whole_one(tmp_path):
    whole, wide = _fit(tmp_path / "wide", _learner(8), out_of_memory="split")
    learner = _learner(2)
    parts, narrow = _fit(tmp_path / "narrow", learner, out_of_memory="split")
    assert learner.parts == 4 and learner.net.most == 2
    for name, value in whole.items():
        np.testing.assert_allclose(parts[name], value, rtol=1e-4, atol=1e-6)
    for one, other in zip(wide.rows, narrow.rows, strict=True):
        assert other["train_loss"] == pytest.approx(one["train_loss"], rel=1e-5)
    assert memory.parts_of(tmp_path / "narrow") == 4, "a run after this one need not find out again"
    assert memory.parts_of(tmp_path / "wide") == 1


def test_without_that_it_is_said_what_would_fit(tmp_path, monkeypatch):
    learner = _learner(3)
    make_room = loop._make_room
    monkeypatch.setattr(
        loop,
        "_make_room",
        lambda *given, **options: make_room(
            *given, **options, memory=lambda device: FakeMemory(learner.net)
        ),
    )
    with pytest.raises(InputError) as refused:
        _fit(tmp_path, learner)
    # Half of eight do not fit, two do; 350 bytes have room for three of 100, with some to spare.
    assert "a batch of 8 samples needs more memory than this cpu has free" in str(refused.value)
    assert "2 were tried and fit, and 3 should" in str(refused.value)
    assert "Set train.batch_size to 3, or compute.out_of_memory to split" in str(refused.value)
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"so does a single sample\. Choose a smaller network"):
        learner.net.room = 0
        _fit(tmp_path, learner)


def test_a_single_sample_that_is_too_large_ends_a_split_training(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "room_for", None)
    monkeypatch.setattr(loop, "room_for", lambda *_: memory.Room(0, 0))
    monkeypatch.setattr(loop, "GpuMemory", lambda device: None)
    learner = _learner(0)
    with pytest.raises(InputError, match="so does a single sample"):
        _fit(tmp_path, learner, out_of_memory="split")
    assert learner.parts == 8


def test_a_group_starts_again_in_parts(tmp_path):
    """Others wait for this process's share of the batch: it cannot begin anew alone."""
    learner = _learner(2)
    learner.group, learner.batch = Group(1, 2), next(iter(Batches()))
    with pytest.raises(InputError, match=r"Run the command again.* in 2 parts"):
        loop._make_room(learner, tmp_path, CPU, split=True)
    assert memory.parts_of(tmp_path) == 2
    learner.batch = next(iter(Batches()))
    with pytest.raises(InputError, match=r"Set train\.batch_size to a smaller value, or compute"):
        loop._make_room(learner, tmp_path, CPU, split=False)


@pytest.mark.parametrize("parts", [1, 3])
def test_running_statistics_see_each_part_once(parts):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5))
    plain, inputs = copy.deepcopy(network), torch.randn(12, 4)
    found = memory.in_parts(network, inputs, parts, network, 0)
    found.square().sum().backward()
    wanted = torch.cat([plain(part) for part in inputs.tensor_split(parts)])
    torch.testing.assert_close(found, wanted)
    for one, other in zip(network.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(one, other)
    assert network[1].momentum == 0.1


def test_lost_notes_of_parts_are_no_harm(tmp_path):
    (tmp_path / memory.PARTS).write_text("{")
    assert memory.parts_of(tmp_path) == 1
    memory.remember_parts(tmp_path, 4)
    assert memory.parts_of(tmp_path) == 4 and re.search("4", (tmp_path / memory.PARTS).read_text())
