"""Every job on a GPU whose memory is too small says so in one line, with the setting to lower."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from nadir.cli import extract_features, held_out
from nadir.config.experiments import TrainConfig
from nadir.config.groundview_evaluate import JudgeConfig
from nadir.errors import InputError
from nadir.groundview.judge_learner import JudgeBatches, JudgedPhotos, JudgeLearner
from nadir.groundview.judge_network import SHARES, JudgeNetwork
from nadir.learn import devices, loop
from nadir.localization.descriptor import Descriptor
from nadir.localization.descriptor_task import DescriptorLearner
from nadir.localization.regression_fit import RegressionLearner

CPU = torch.device("cpu")
SAID = "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 8.00 GiB"


def no_room(*_, **__):
    raise torch.OutOfMemoryError(SAID)


def test_what_helps_is_said_wherever_a_device_is_held():
    with pytest.raises(InputError) as told, devices.lease("cpu", lower=["predict.window", "a.b"]):
        no_room()
    assert str(told.value) == (
        "predict.window: the free memory of this cpu is too small: 2.50 GiB more are needed. Set "
        "predict.window or a.b to a smaller value, take a GPU with more memory, or set "
        "compute.device to cpu."
    )
    words = r"^compute\.device: .*Stop what fills it"
    with pytest.raises(InputError, match=words), devices.lease("cpu"):
        raise torch.OutOfMemoryError("words of another version of torch")
    with pytest.raises(ValueError, match="another"), devices.lease("cpu"):
        raise ValueError("another fault")


def test_predictions_name_batch_and_window(monkeypatch):
    monkeypatch.setenv("NADIR_DEVICE", "cpu")
    monkeypatch.setattr(held_out, "needs_device", lambda folder: True)
    monkeypatch.setattr(held_out, "load_models", lambda *_: SimpleNamespace(predict=no_room))
    words = r"Set predict\.batch_size or predict\.window to a smaller"
    model = [Path("model/model.safetensors")]
    with pytest.raises(InputError, match=words), held_out.models(model, 1) as predictor:
        predictor.predict()


def test_features_are_no_traceback(monkeypatch):
    monkeypatch.setenv("NADIR_DEVICE", "cpu")
    given = {"views": ("drone", "satellite"), "upright": True}
    monkeypatch.setattr(extract_features, "section", lambda cfg, key, kind: given.get(key))
    monkeypatch.setattr(extract_features, "read_images", lambda path: None)
    monkeypatch.setattr("nadir.retrieval.extraction.asked_for", lambda *_: None)
    monkeypatch.setattr("nadir.retrieval.extraction.load_embedder", no_room)
    options = SimpleNamespace(images="i", model=Path("m/w"), cfg="{}", threads=1)
    with pytest.raises(InputError, match=r"compute\.device: the free memory"):
        extract_features.run(options)


class Batches:
    """Two batches of six, each a pure function of its number."""

    samples = 12

    def __init__(self, *shapes):
        self.shapes = shapes

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __len__(self):
        return 2

    def __iter__(self):
        for number in range(2):
            random = torch.Generator().manual_seed(number)
            yield tuple(torch.rand((6, *shape), generator=random) for shape in self.shapes)


def _regression():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(48, 5))
    learner = RegressionLearner(network, TrainConfig(epochs=1, precision="32"), (90, 80))
    return learner, Batches((3, 4, 4), (5,)), "method.batch_size", 6


def _descriptor():
    network = Descriptor(4, 8)
    learner = DescriptorLearner(network, TrainConfig(epochs=1, precision="32"))
    return learner, Batches((3, 32, 32), (3, 64, 64), (2,)), "descriptor.batch_size", 6


def _judge():
    cfg = JudgeConfig(size=32, width=8, features=8, batch_size=6, epochs=1, precision="32")
    random = np.random.default_rng(0)
    photos = random.integers(0, 256, (6, 3, 32, 32), np.uint8)
    shares = random.dirichlet(np.ones(SHARES), 6).astype(np.float32)
    data = JudgedPhotos.of(photos, shares, 32)
    return JudgeLearner(JudgeNetwork(cfg), cfg), JudgeBatches(data, 6, 1), "judge.batch_size", 12


@pytest.fixture(params=[_regression, _descriptor, _judge], ids=lambda make: make.__name__)
def task(request):
    torch.manual_seed(3)
    return request.param()


def _narrow(learner, room, monkeypatch):
    """Let a network refuse more than some samples while it learns."""
    plain = learner.network().forward

    def forward(inputs):
        return no_room() if torch.is_grad_enabled() and len(inputs) > room else plain(inputs)

    monkeypatch.setattr(learner.network(), "forward", forward)


def _fit(learner, batches, folder, how):
    folder.mkdir(exist_ok=True)
    return loop.fit(learner, batches, batches, work=folder, seed=1, device=CPU, out_of_memory=how)


def test_trainings_name_their_own_setting(task, tmp_path, monkeypatch):
    learner, batches, key, seen = task
    _narrow(learner, seen // 2, monkeypatch)
    found = []
    monkeypatch.setattr(loop, "GpuMemory", None)

    def room_for(step, samples, memory, network):
        step(samples // 2)  # a real step of half the batch has room
        found.append(samples)
        return SimpleNamespace(measured=samples // 2, likely=samples // 2)

    monkeypatch.setattr(loop, "room_for", room_for)
    make_room = loop._make_room
    monkeypatch.setattr(
        loop, "_make_room", lambda *given, **how: make_room(*given, **how, memory=lambda _: None)
    )
    with pytest.raises(InputError) as told:
        _fit(learner, batches, tmp_path, "stop")
    assert found == [6]
    assert str(told.value).startswith(f"{key}: a batch of 6 samples needs more memory than")
    assert f"3 were tried and fit. Set {key} to 3, or compute.out_of_memory to split" in str(
        told.value
    )


def test_their_batches_are_computed_in_parts(task, tmp_path, monkeypatch):
    learner, batches, _, seen = task
    start = {name: value.clone() for name, value in learner.network().state_dict().items()}
    _, whole = _fit(learner, batches, tmp_path / "whole", "split")
    learner.network().load_state_dict(start)
    _narrow(learner, seen // 2, monkeypatch)
    _, parts = _fit(learner, batches, tmp_path / "parts", "split")
    assert learner.parts == 2
    one, other = (progress.rows[0]["train_loss"] for progress in (whole, parts))
    # Normalization over a batch sees parts; all else is the same.
    assert other == pytest.approx(one, rel=0.2 if isinstance(learner, JudgeLearner) else 1e-4)
