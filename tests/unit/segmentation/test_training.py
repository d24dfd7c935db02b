"""Training: resumed to the bit, repeatable, and able to learn."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from nadir.config.experiments import (
    AugmentConfig,
    LossConfig,
    SchedulerConfig,
    TrainConfig,
    UNet,
    UNetScratch,
)
from nadir.errors import InputError
from nadir.learn import keeper
from nadir.learn.bundle import load_bundle
from nadir.learn.history import read_history
from nadir.segmentation.fitting import fit_network
from nadir.segmentation.predictor import load_predictor
from nadir.segmentation.task import SegmentationLearner
from nadir.segmentation.train import MapSession

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
from segmentation_fakes import make_data, with_statistics  # noqa: E402

SMALL = UNetScratch(width=4, depth=2)
CFG = TrainConfig(
    epochs=4,
    batch_size=4,
    # Steps of the schedule fall between the epochs that a resumed run does in another process.
    scheduler=SchedulerConfig(name="plateau", patience=0, factor=0.5),
    augment=AugmentConfig(
        dihedral="random", rare_classes=("water",), crops=14, scale=1.3, jitter=0.1
    ),
    loss=LossConfig(terms={"cross_entropy": 1.0, "dice": 0.5}, border_weight=1.0),
    ema=0.9,
)


def _fit(folder, cfg=CFG, data=None, model=SMALL, **options):
    work, made = folder / "work", folder / "made"
    for path in (work, made):
        path.mkdir(parents=True, exist_ok=True)
    given = {"seed": 5, "device": "cpu", "threads": 1, "keys": {}, "logs": None} | options
    session = MapSession(work=work, folder=made, **given)
    return fit_network(data or make_data(), model, cfg, session)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A training that nobody interrupts."""
    folder = tmp_path_factory.mktemp("straight")
    facts = _fit(folder)
    return folder, facts


def _last_weights(folder):
    return torch.load(folder / "work/state.pt", weights_only=True)["network"]


def _assert_same_training(one, other):
    for name in ("model.safetensors", "model.yaml"):
        assert (one / "made" / name).read_bytes() == (other / "made" / name).read_bytes(), name
    last, again = _last_weights(one), _last_weights(other)
    assert all(np.array_equal(last[name].numpy(), again[name].numpy()) for name in last)
    times = ["seconds", "images_per_second"]
    left, right = (
        read_history(f / "made/history.parquet").drop(columns=times) for f in (one, other)
    )
    assert left.equals(right)


# Runs that die by themselves, each in a child of a process that has only imported: (step that is
# killed, epoch after which the run ends, whether it ends between best weights and state).
_SCENARIOS = {
    "after epoch 2": (-1, 2, False),
    "mid-epoch": (11, -1, False),
    "at the first step": (1, -1, False),
    "between best weights and state": (-1, -1, True),
}
_DYING = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {here!r})
import test_training
from nadir.learn import keeper
from nadir.segmentation import task

def run(folder, last_step, last_epoch, before):
    steps = saved = 0
    plain, save = task.SegmentationLearner.training_step, keeper.Keeper._save
    def step(self, batch, index):
        nonlocal steps
        steps += 1
        if steps == last_step:
            os.kill(os.getpid(), signal.SIGKILL)
        return plain(self, batch, index)
    def saving(self, *args):
        nonlocal saved
        if before and saved == 1:
            os._exit(9)
        save(self, *args)
        saved += 1
        if saved == last_epoch:
            os._exit(9)
    task.SegmentationLearner.training_step, keeper.Keeper._save = step, saving
    test_training._fit(folder)

for name, scenario in test_training._SCENARIOS.items():
    child = os.fork()
    if child == 0:
        run(Path({folder!r}) / name, *scenario)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of each killed run, by scenario."""
    folder = tmp_path_factory.mktemp("killed")
    code = _DYING.format(here=str(HERE), folder=str(folder))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    expected = ["9", str(-signal.SIGKILL), str(-signal.SIGKILL), "9"]
    assert done.stdout.split() == expected, done.stderr
    return folder


@pytest.mark.parametrize("scenario", _SCENARIOS)
def test_a_killed_run_ends_with_the_weights_of_one_that_was_not(straight, killed, scenario):
    folder = killed / scenario
    assert not (folder / "made/model.yaml").exists()
    assert (folder / "work/state.pt").exists() == (scenario != "at the first step")
    _fit(folder)
    _assert_same_training(straight[0], folder)


def test_a_finished_run_is_not_trained_again(straight, tmp_path, monkeypatch):
    shutil.copytree(straight[0], tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(SegmentationLearner, "training_step", None)
    facts = _fit(tmp_path)
    assert facts["result"]["epochs"] == 4
    _assert_same_training(straight[0], tmp_path)


def test_two_runs_give_equal_bytes_whatever_the_slurm_job_around_them(
    straight, tmp_path, monkeypatch
):
    for name, value in {
        "SLURM_NTASKS": "4",
        "SLURM_JOB_ID": "1",
        "SLURM_JOB_NAME": "nadir",
        "SLURM_PROCID": "2",
        "SLURM_LOCALID": "2",
        "SLURM_NODEID": "0",
        "SLURM_NTASKS_PER_NODE": "4",
        "SLURM_JOB_NODELIST": "node[1-4]",
    }.items():
        monkeypatch.setenv(name, value)
    _fit(tmp_path)
    _assert_same_training(straight[0], tmp_path)


def test_reading_from_stores_trains_alike(straight, tmp_path):
    facts = _fit(tmp_path, memory=0)
    assert facts["result"]["data"] == "read from the stores"
    assert straight[1]["result"]["data"] == "resident on cpu"
    _assert_same_training(straight[0], tmp_path)


def test_another_seed_gives_other_weights(straight, tmp_path):
    _fit(tmp_path, CFG.model_copy(update={"epochs": 1}), seed=6)
    one, other = (load_file(f / "made/model.safetensors") for f in (straight[0], tmp_path))
    assert any(not np.array_equal(one[name], other[name]) for name in one)


def test_the_history_tells_each_epoch(straight):
    table = read_history(straight[0] / "made/history.parquet")
    assert table["epoch"].tolist() == [1, 2, 3, 4]
    for name in (
        "train_loss",
        "validation_loss",
        "validation_miou",
        "learning_rate",
        "images_per_second",
    ):
        assert np.isfinite(table[name]).all(), name
    assert {"iou/town", "dice/water"} <= set(table)
    best = straight[1]["result"]["best_epoch"]
    assert table["validation_loss"].idxmin() + 1 == best
    assert straight[1]["result"]["best"] == table["validation_loss"].min()


def test_the_state_is_read_without_unpickling(straight):
    assert _last_weights(straight[0])


def test_early_stopping_stops_and_stays_stopped(tmp_path):
    cfg = CFG.model_copy(update={"epochs": 30, "early_stopping": 1, "monitor": "validation_miou"})
    cfg = cfg.model_copy(
        update={"optimizer": cfg.optimizer.model_copy(update={"learning_rate": 1e-7})}
    )
    facts = _fit(tmp_path, cfg)
    assert facts["result"]["stopped_early"] and facts["result"]["epochs"] < 30
    assert _fit(tmp_path, cfg)["result"]["epochs"] == facts["result"]["epochs"]


def test_the_time_that_a_training_may_take_is_summed_over_its_runs(tmp_path, monkeypatch):
    spent, plain = [0.0], SegmentationLearner.training_step

    def step(self, batch, index):
        spent[0] += 1.0  # a second each, and four of them an epoch
        return plain(self, batch, index)

    monkeypatch.setattr(SegmentationLearner, "training_step", step)
    monkeypatch.setattr(keeper, "_computing", lambda module: spent[0])
    cfg = CFG.model_copy(update={"epochs": 30, "max_seconds": 10.0})
    facts = _fit(tmp_path, cfg)
    assert facts["result"]["epochs"] == 3 and facts["result"]["computing_seconds"] == 10
    table = read_history(tmp_path / "made/history.parquet")
    assert np.isfinite(table["validation_loss"]).all(), "an epoch that is cut short is judged, too"
    state = torch.load(tmp_path / "work/state.pt", weights_only=True)
    state["progress"].update(stopped=False)
    torch.save(state, tmp_path / "work/state.pt")
    again = _fit(tmp_path, cfg.model_copy(update={"max_seconds": 24.0}))
    assert again["result"]["epochs"] == 7 and again["result"]["computing_seconds"] == 24
    assert spent[0] == 24


def test_the_average_is_what_is_judged_and_kept(tmp_path):
    cfg = CFG.model_copy(update={"epochs": 1})
    _fit(tmp_path, cfg)
    state = torch.load(tmp_path / "work/state.pt", weights_only=True)
    kept = load_file(tmp_path / "made/model.safetensors")
    name = "network.head.weight"
    assert np.array_equal(kept[name], state["average"]["network"][name].numpy())
    assert not np.array_equal(kept[name], state["network"][name].numpy())
    assert state["average"]["steps"] == 4


@pytest.mark.parametrize("name", [None, "town"])
def test_the_iou_of_a_class_can_be_watched(tmp_path, name):
    cfg = CFG.model_copy(update={"epochs": 2, "monitor": "validation_iou", "monitor_class": name})
    facts = _fit(tmp_path, cfg)
    table = read_history(tmp_path / "made/history.parquet")
    watched = table[f"iou/{name or 'water'}"]
    assert table["validation_iou"].equals(watched.rename("validation_iou"))
    assert facts["result"]["best"] == watched.max()


def test_a_network_learns_one_tile_by_heart(tmp_path):
    whole = make_data()
    data = with_statistics(whole.scenes, whole.train[:1], whole.train[:1])
    cfg = TrainConfig(
        epochs=60, batch_size=2, optimizer={"learning_rate": 1e-2}, monitor="validation_loss"
    )
    _fit(tmp_path, cfg, data, UNetScratch(width=8, depth=2))
    table = read_history(tmp_path / "made/history.parquet")
    assert table["train_loss"].iloc[-1] < 0.2 * table["train_loss"].iloc[0]
    assert table["validation_accuracy"].max() > 0.95


@pytest.fixture(scope="module")
def unet(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unet")
    cfg = TrainConfig(epochs=1, batch_size=3)
    _fit(folder, cfg, model=UNet(encoder="resnet18", decoder_channels=(16, 8, 8, 8, 4)))
    return folder / "made"


def test_a_bundle_predicts_windows_of_any_size(unet):
    predictor = load_predictor(unet, "cpu", 1)
    data = make_data()
    cube = data.scenes[0].cube
    raw, valid = cube.read(0, 0, 45, 70)
    encoding = ([*cube.scale.values()], [*cube.offset.values()])
    shares = predictor.predict(raw[None], valid[None], *encoding)
    assert shares.shape == (1, 4, 45, 70) and shares.dtype == np.float32
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    twice = predictor.predict(np.stack([raw, raw]), np.stack([valid, valid]), *encoding)
    np.testing.assert_allclose(twice[1], shares[0], atol=1e-5)
    predictor.check("x.tif", data.bands, 2)
    predictor.check_scale("x.tif", raw, valid, *encoding)


def test_windows_are_computed_in_groups_of_one_size(unet):
    predictor = load_predictor(unet)
    sides = (16, 64, 65, 100, 128, 181, 182, 256, 1000)
    assert [predictor.group(side, side) for side in sides] == [16, 16, 8, 4, 4, 2, 1, 1, 1]
    cube = make_data().scenes[0].cube
    starts = [(y, x) for y in range(0, 20, 4) for x in range(0, 20, 4)]
    raw, valid = map(np.stack, zip(*(cube.read(y, x, 32, 32) for y, x in starts), strict=True))
    encoding = ([*cube.scale.values()], [*cube.offset.values()])
    shown = []
    predictor.model.register_forward_hook(lambda _, given, __: shown.append(len(given[0])))
    torch.set_num_threads(3)  # each begins elsewhere in a group
    shares = predictor.predict(raw, valid, *encoding)
    assert shown == [16, 16] and shares.shape == (25, 4, 32, 32)
    parts = [predictor.predict(raw[at], valid[at], *encoding) for at in np.s_[:16, 16:]]
    torch.set_num_threads(1)
    np.testing.assert_array_equal(shares, np.concatenate(parts))
    assert len({one.tobytes() for one in shares}) == 25


def test_inference_refuses_what_does_not_fit(unet):
    predictor = load_predictor(unet)
    with pytest.raises(InputError, match=r"3 date\(s\), and the model .* needs 2"):
        predictor.check("x.tif", predictor.bands, 3)
    with pytest.raises(InputError, match="the same bands in another order"):
        predictor.check("x.tif", predictor.bands[::-1], 2)
    with pytest.raises(InputError, match="other bands"):
        predictor.check("x.tif", ("B02", "B03", "B04"), 2)
    raw, valid = make_data().scenes[0].cube.read(0, 0, 32, 32)
    with pytest.raises(InputError, match="times that of the tiles"):
        predictor.check_scale("x.tif", raw, valid, [1.0, 1.0], [-1000, 0])
    predictor.check_scale("x.tif", raw, np.zeros_like(valid), [1.0, 1.0], [-1000, 0])


def test_weights_of_another_model_are_named(unet, straight, tmp_path):
    from nadir.learn.bundle import save_bundle

    one, other = load_bundle(unet), load_bundle(straight[0] / "made")
    description = {k: v for k, v in one.description.items() if k != "weights_sha256"}
    save_bundle(tmp_path, description, other.weights)
    with pytest.raises(InputError, match=r"weights of another model: network\..* lacking"):
        load_predictor(tmp_path)


def test_a_model_of_another_task_is_refused(unet, tmp_path):
    from nadir.learn.bundle import save_bundle

    bundle = load_bundle(unet)
    save_bundle(tmp_path, bundle.description | {"task": "retrieval"}, bundle.weights)
    with pytest.raises(InputError, match="a model for 'retrieval'"):
        load_predictor(tmp_path)
