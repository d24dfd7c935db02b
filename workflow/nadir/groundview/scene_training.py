"""Training of the small classifier of scenes, on labelled photos."""

from __future__ import annotations

import copy
import csv
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from tqdm import tqdm

from nadir.config.groundview import ScenesConfig
from nadir.errors import InputError
from nadir.groundview.photo_files import read_photo, squared
from nadir.groundview.photos import read_photos
from nadir.groundview.scene_network import TASK, SceneNetwork, scaled
from nadir.learn.bundle import save_bundle

log = logging.getLogger(__name__)

_TAG = 0x5CE7E
_HELD_OUT = 5  # one photo of so many judges
_BATCH = 32
_WIDTH = 16


def train_scenes(
    photos: str | os.PathLike[str],
    labels: str | os.PathLike[str],
    cfg: ScenesConfig,
    folder: str | os.PathLike[str],
    *,
    seed: int = 0,
    threads: int | None = None,
) -> dict[str, Any]:
    """Train a classifier on labelled photos, and write its bundle.

    Every class is seen equally often, whatever its share; photos are mirrored, cut and made darker
    or brighter by chance. One photo of five does not train but judges; then the network is trained
    again on all of them, with the same steps. Equal arguments give equal bytes.

    Args:
        photos: Table of photos.
        labels: A csv file with the columns photo and scene, or the truth of simulated photos.
        cfg: Steps and sizes.
        folder: Where to write the bundle.
        seed: Seed of everything random.
        threads: CPU threads; by default as torch chooses.

    Returns:
        `held_out`: photos, accuracy, recall of each class (None where none was held out).

    Raises:
        InputError: When labels are wrong, name unknown photos, or are of one class only.
        OutputError: When the disk is full or not writable.
    """
    if threads:
        torch.set_num_threads(threads)
    table = read_photos(photos)
    scenes = read_labels(labels)
    rows = table[table["photo"].isin(scenes) & (table["fault"] != "corrupt")]
    if rows.empty:
        raise InputError(labels, "it names none of the photos", f"Names are those of {photos}.")
    names = [scenes[photo] for photo in rows["photo"]]
    classes = tuple(sorted(set(names)))
    if len(classes) < 2:
        problem = f"all {len(rows)} photos are of one class, {classes[0]!r}"
        raise InputError(labels, problem, "Label photos of at least two classes.")
    if strange := sorted(set(cfg.keep) - set(classes)):
        problem = f"no photo is of the class {strange[0]!r}, which filters.scenes.keep names"
        raise InputError(labels, problem, f"There are {', '.join(classes)}.")
    pixels = np.stack([squared(read_photo(path), cfg.image_px) for path in rows["path"]])
    truth = np.array([classes.index(name) for name in names])
    held = _held_out(truth, seed)
    judge = _fit(pixels[~held], truth[~held], len(classes), cfg, seed)
    report = _judged(judge, pixels[held], truth[held], classes)
    network = _fit(pixels, truth, len(classes), cfg, seed)
    description = {
        "task": TASK,
        "classes": list(classes),
        "image_px": cfg.image_px,
        "width": _WIDTH,
        "steps": cfg.steps,
        "photos": {name: int((truth == k).sum()) for k, name in enumerate(classes)},
        "held_out": report,
    }
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    save_bundle(folder, description, weights)
    log.info("scenes %s: accuracy %s of held-out photos", ", ".join(classes), report["accuracy"])
    return report


def read_labels(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return photo -> scene: from a csv file with both columns, or the truth of simulated photos.

    The truth's flags give `indoor`, `night` and else `outdoor`.

    Raises:
        InputError: When the file cannot be read, lacks columns, or has empty scenes.
    """
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputError(path, f"it cannot be read ({error})", "Give a csv file.") from error
    columns = set(rows[0]) if rows else set()
    if {"file", "indoor", "night"} <= columns:
        return {Path(row["file"]).with_suffix("").name: _true_scene(row) for row in rows}
    if not {"photo", "scene"} <= columns:
        problem = "it has no lines with the columns photo and scene"
        raise InputError(path, problem, "Give one line a photo: photo,scene.")
    if empty := next((row["photo"] for row in rows if not (row["scene"] or "").strip()), None):
        raise InputError(path, f"the photo {empty!r} has no scene", "Name it, or remove the line.")
    return {row["photo"]: row["scene"].strip() for row in rows}


def _true_scene(row: dict[str, str]) -> str:
    return next((name for name in ("indoor", "night") if row[name] == "1"), "outdoor")


def _held_out(truth: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Return which photos judge: every fifth of each class, by chance; none of single photos."""
    held = np.zeros(len(truth), bool)
    rng = np.random.default_rng([seed, _TAG, 0])
    for value in np.unique(truth):
        rows = rng.permutation(np.flatnonzero(truth == value))
        count = max(1, len(rows) // _HELD_OUT) if len(rows) > 1 else 0
        held[rows[:count]] = True
    return held


def _fit(
    pixels: NDArray[np.uint8], truth: NDArray[np.int64], classes: int, cfg: ScenesConfig, seed: int
) -> SceneNetwork:
    """Return a network trained on photos (n, 3, s, s) of classes (n,), averaged over its steps."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SceneNetwork(classes, _WIDTH)
    mean = copy.deepcopy(network).eval()
    optimizer = torch.optim.AdamW(network.parameters(), 3e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=cfg.steps + 1)
    members = [np.flatnonzero(truth == value) for value in np.unique(truth)]
    for step in tqdm(range(cfg.steps), "scenes", disable=None):
        rng = np.random.default_rng([seed, _TAG, 1, step])
        rows = np.array([rng.choice(members[k % len(members)]) for k in range(_BATCH)])
        batch = torch.from_numpy(np.stack([_varied(pixels[row], rng) for row in rows]))
        loss = functional.cross_entropy(
            network(scaled(batch)), torch.from_numpy(truth[rows]), label_smoothing=0.05
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        _follow(mean, network, min(0.98, (1 + step) / (10 + step)))
    return mean


@torch.no_grad()
def _follow(mean: SceneNetwork, network: SceneNetwork, keep: float) -> None:
    """Move the averaged weights towards the network's."""
    for old, new in zip(mean.state_dict().values(), network.state_dict().values(), strict=True):
        if old.is_floating_point():
            old.lerp_(new, 1 - keep)
        else:
            old.copy_(new)


def _varied(photo: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a photo mirrored, cut and its light changed, by chance."""
    side = photo.shape[-1]
    part = int(side * rng.uniform(0.75, 1.0))
    top, left = rng.integers(0, side - part + 1, 2)
    cut = photo[:, top : top + part, left : left + part]
    if rng.random() < 0.5:
        cut = cut[:, :, ::-1]
    light = cut.astype(np.float32) * rng.uniform(0.85, 1.15) + rng.uniform(-8, 8)
    varied = np.clip(np.rint(light), 0, 255).astype(np.uint8)
    return squared(varied.transpose(1, 2, 0), side)


@torch.no_grad()
def _judged(
    network: SceneNetwork,
    pixels: NDArray[np.uint8],
    truth: NDArray[np.int64],
    classes: tuple[str, ...],
) -> dict[str, Any]:
    """Return how a network does on photos that it has not seen."""
    if not len(truth):
        return {"photos": 0, "accuracy": None, "recall": dict.fromkeys(classes)}
    right = network(scaled(torch.from_numpy(pixels))).argmax(1).numpy() == truth
    recall = {
        name: round(float(right[truth == k].mean()), 4) if (truth == k).any() else None
        for k, name in enumerate(classes)
    }
    return {"photos": len(truth), "accuracy": round(float(right.mean()), 4), "recall": recall}
