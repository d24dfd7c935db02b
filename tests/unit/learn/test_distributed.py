"""Several processes train as one does, from whatever any number of processes left."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.numpy import load_file
from torch import nn

from nadir.errors import InputError
from nadir.learn import batch_norm, distributed
from nadir.learn.group import ALONE, Group
from nadir.learn.history import read_history
from nadir.learn.kept import TrainingRun, keep_training

sys.path.insert(0, str(Path(__file__).parent))
import trainings_in_groups as trainings

TOLERANCE = 2e-5
"""How far losses may differ: sums of 32-bit numbers are added up in another order."""

TIMES = ["seconds", "images_per_second"]


def test_shares_cover_a_batch_in_order():
    for count in range(12):
        shares = [list(range(count))[Group(rank, 5).share(count)] for rank in range(5)]
        assert [one for share in shares for one in share] == list(range(count))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_the_group_is_what_torchrun_says(monkeypatch):
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    assert Group.of_environment() == ALONE and ALONE.leads
    for name, value in zip(names, "51213", strict=True):
        monkeypatch.setenv(name, value)
    with_two = Group.of_environment()
    assert with_two == Group(5, 1, 2, 1, 3) and not with_two.leads
    monkeypatch.setenv("WORLD_SIZE", "many")
    with pytest.raises(InputError, match="WORLD_SIZE='many'"):
        Group.of_environment()


def test_what_one_process_trains_alone_is_refused_to_a_group(tmp_path, monkeypatch):
    for name, value in zip(
        ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK"), "02020", strict=True
    ):
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match="by one process alone"):
        keep_training(lambda session: {}, TrainingRun(tmp_path, "c"), {}, {}, cfg=())


def test_alone_all_is_as_it_was():
    part = torch.arange(6.0).view(2, 3)
    assert distributed.gathered(ALONE, part) is part and distributed.summed(ALONE, part) is part
    assert distributed.handed_out(ALONE, b"state") == b"state"
    assert distributed.agreed(ALONE, {"loss": 1.0}) == {"loss": 1.0}


@pytest.mark.parametrize("momentum", [0.1, None])
def test_normalization_of_a_group_is_that_of_a_batch(monkeypatch, momentum):
    """With a group of one that is told to be a group: the same numbers as torch's layer."""
    monkeypatch.setattr(distributed.dist, "all_reduce", lambda tensor: None)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=momentum), nn.ReLU())
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=momentum), nn.ReLU())
    other.load_state_dict(network.state_dict())
    batch_norm.synchronize_norms(other, Group(0, 2), torch.device("cpu"))
    assert isinstance(other[1], batch_norm.GroupNormalization)
    assert list(other.state_dict()) == list(network.state_dict())
    for _ in range(2):
        inputs = torch.randn(5, 3, 8, 8) * 3 + 1
        wanted, found = network(inputs), other(inputs)
        torch.testing.assert_close(found, wanted)
        for one in (network, other):
            one.zero_grad()
        wanted.square().sum().backward()
        found.square().sum().backward()
        for one, two in zip(network.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(two.grad, one.grad, rtol=1e-4, atol=1e-3)
    for one, two in zip(network.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(two, one)
    torch.testing.assert_close(other.eval()(inputs), network.eval()(inputs))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Trainings by one process and by two, straight and from what the other number left."""
    folder = tmp_path_factory.mktemp("groups")
    trainings.make_images(folder / "images")
    with pytest.MonkeyPatch.context() as monkey:
        trainings.put_aside(monkey)
        for job in (*trainings.JOBS, "adding up"):
            trainings.train(job, folder / "images", folder / job / "one")
    asked = [f"{job}/two" for job in (*trainings.JOBS, "adding up")]
    for job in trainings.JOBS:
        shutil.copytree(folder / job / "one/left", folder / job / "two after one/work")
        asked.append(f"{job}/two after one")
    processes = trainings.start(folder, 2, *asked)
    messages = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], messages
    for job in trainings.JOBS:
        shutil.copytree(folder / job / "two/left", folder / job / "one after two/work")
        trainings.train(job, folder / "images", folder / job / "one after two")
    return folder


def _history(folder: Path) -> pd.DataFrame:
    return read_history(folder / "made/history.parquet").drop(columns=TIMES)


@pytest.mark.parametrize(
    ("job", "name"),
    [
        *[(job, name) for job in trainings.JOBS for name in ("two", "two after one")],
        *[(job, "one after two") for job in trainings.JOBS],
        ("adding up", "two"),
    ],
)
def test_curves_and_weights_are_those_of_one_process(folders, job, name):
    alone, together = _history(folders / job / "one"), _history(folders / job / name)
    assert len(together) == trainings.EPOCHS and list(together) == list(alone)
    losses = [column for column in alone if "loss" in column]
    assert {"train_loss", "validation_loss"} <= set(losses)
    np.testing.assert_allclose(together[losses], alone[losses], rtol=TOLERANCE)
    assert np.abs(np.diff(alone["train_loss"])).min() > 10 * TOLERANCE * alone["train_loss"].max()
    one, other = (
        load_file(folders / job / which / "made/model.safetensors") for which in ("one", name)
    )
    for tensor, value in one.items():
        np.testing.assert_allclose(other[tensor], value, rtol=0.02, atol=2e-4, err_msg=tensor)


def test_only_the_first_process_writes(folders):
    for job in trainings.JOBS:
        two = folders / job / "two"
        assert {"made", "work", "left", "thrown-away-1"} == {path.name for path in two.iterdir()}
        assert not list(two.rglob("*.partial*")) and (two / "work/state.pt").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_all_and_the_rest_is_done_by_others(tmp_path, rank):
    trainings.make_images(tmp_path / "images")
    processes = trainings.start(tmp_path, 2, f"dies={rank}", "retrieval/killed")
    begun = time.monotonic()
    messages = [process.communicate(timeout=120)[1] for process in processes]
    assert processes[rank].returncode == -9
    assert processes[1 - rank].returncode not in (0, -9)
    assert "another process of this training has ended" in messages[1 - rank]
    assert time.monotonic() - begun < 60, "nobody waits for the dead"
    trainings.train("retrieval", tmp_path / "images", tmp_path / "retrieval/killed")
    trainings.train("retrieval", tmp_path / "images", tmp_path / "retrieval/one")
    killed, alone = (_history(tmp_path / "retrieval" / name) for name in ("killed", "one"))
    np.testing.assert_allclose(killed["train_loss"], alone["train_loss"], rtol=TOLERANCE)


def test_only_the_first_process_tells_but_gpus_of_all_machines_count(monkeypatch, caplog):
    monkeypatch.setattr(distributed, "_meeting_place", lambda group: None)
    for name in ("init_process_group", "barrier", "destroy_process_group", "PrefixStore"):
        monkeypatch.setattr(distributed.dist, name, lambda *_, **__: None)
    names = ("nadir", "nadir.learn.gpu_meter")
    before = [logging.getLogger(name).level for name in names]
    try:
        logging.getLogger("nadir").setLevel(logging.INFO)
        with distributed.joined(Group(rank=1, size=2, node=1)):
            logging.getLogger("nadir.learn.loop").info("epoch 1")
            logging.getLogger("nadir.learn.gpu_meter").info("GPU energy")
    finally:
        for name, level in zip(names, before, strict=True):
            logging.getLogger(name).setLevel(level)
    assert caplog.messages == ["GPU energy"]
