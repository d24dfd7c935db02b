"""A training step fed by nadir, and the same step on data that are on the device already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from speed.contest import Case, Claim, Contestant, Row, Task
from speed.scenes import StoredScene, training_data

_FED, _THERE, _STORED = "nadir, resident data", "the same step, batches ready", "nadir, from disk"
_SIDE = 1024


def row(device: str) -> Row:
    """Return the row."""
    on_gpu = device == "cuda"
    what = "ResNet50 U-Net, 32 tiles of 300" if on_gpu else "nadir_landcover, 8 crops of 64"
    return Row(
        "step",
        f"step: training, {what}, 2 dates, {_steps(device)} steps",
        [
            Contestant(_FED, _fed, ours=True, times=7),
            Contestant(_THERE, _there, times=7),
            Contestant(_STORED, _from_disk, ours=True, times=7),
        ],
        [Claim(_FED, _THERE, "within", 1 / (0.97 if on_gpu else 0.95))],
        prepare,
        compare,
        together=True,
        rounds=3,
        devices=("cpu", "cuda"),
    )


def prepare(case: Case) -> None:
    """Make the scene."""
    _scene(case).make()


def compare(given: Mapping[str, Any]) -> dict[str, str]:
    """See that all have learnt from the same batches: the sum of the losses is the same."""
    told = {}
    for name, one in given.items():
        assert np.allclose(one["value"], given[_THERE]["value"], rtol=1e-2), f"{name}: other losses"
        told[name] = f"mean loss {float(one['value']):.4f}"
    return told


def _steps(device: str) -> int:
    return 32 if device == "cuda" else 8


def _scene(case: Case) -> StoredScene:
    return StoredScene(case, case.side(_SIDE, 512))


def _fed(case: Case) -> Task:
    return _task(case, lambda batches: batches, resident=True)


def _from_disk(case: Case) -> Task:
    return _task(case, lambda batches: batches, resident=False)


def _there(case: Case) -> Task:
    return _task(case, list, resident=True)


def _task(case: Case, feed: Callable[[Any], Iterable[Any]], resident: bool) -> Task:
    """Return some steps on batches as `feed` hands them out; each run begins anew."""
    import torch

    from nadir.learn.seeds import deterministic
    from nadir.segmentation.data import choose_source
    from nadir.segmentation.fitting import build_learner, training_batches
    from nadir.segmentation.patches import Window

    device, scene = torch.device(case.device), _scene(case)
    deterministic(device)
    torch.set_num_threads(case.threads)
    model, train = _recipe(case.device)
    tile = train.augment.crop or 300
    starts = range(0, scene.side - tile + 1, tile)
    windows = [Window(0, y, x, tile) for y in starts for x in starts]
    data = training_data(scene.open(), windows, scene.dates, scene.bands)
    source = choose_source(
        data.scenes, windows, data.statistics, device, case.threads, None if resident else 0
    )
    batches = feed(training_batches(source, data, train, 0))
    learner = build_learner(data, model, train, 0).to(device).train()
    learner.in_parts = lambda compute, inputs: compute(inputs)  # type: ignore[method-assign]
    optimizer = learner.configure_optimizers()
    start = {name: one.clone() for name, one in learner.state_dict().items()}
    half = torch.autocast(case.device, torch.bfloat16, enabled=case.device == "cuda")

    def work() -> float:
        learner.load_state_dict(start)
        losses = []
        for batch in batches:
            optimizer.zero_grad(set_to_none=True)
            with half:
                loss = learner.training_step(batch, 0)
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return float(torch.stack(losses).mean())

    return Task(work, note=source.name if batches is not None else "")


def _recipe(device: str) -> tuple[Any, Any]:
    """Return model and training: nadir's recipe, or a ResNet50 U-Net on whole tiles for a GPU."""
    from nadir.config.experiments import TrainConfig
    from nadir.config.networks import UNet, UNetScratch
    from nadir.config.recipes import RECIPES

    if device == "cuda":
        crops = {"dihedral": "random", "crops": 32 * _steps(device), "crop": 300}
        return UNet(), TrainConfig.model_validate({"batch_size": 32, "augment": crops})
    recipe = RECIPES["nadir_landcover"]
    augment = {**recipe["train"]["augment"], "crops": 8 * _steps(device)}
    model = UNetScratch.model_validate(recipe["model"])
    return model, TrainConfig.model_validate({**recipe["train"], "ema": None, "augment": augment})
