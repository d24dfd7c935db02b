"""A small network that tells scenes apart, and classifiers of scenes as files."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from nadir.config.groundview import ScenesConfig
from nadir.errors import InputError
from nadir.groundview.photo_files import squared
from nadir.learn.bundle import check_tensors, load_bundle
from nadir.learn.imagenet import MEAN, STD

TASK = "scenes"
"""Task in the description of a classifier."""

_BATCH = 64


class SceneNetwork(nn.Module):
    """Four convolutions with strides, and what they see on average: float (n, 3, s, s) -> (n, k).

    The means and deviations of the photo's colors join at the end: they tell night from day even
    when photos to learn from are few.
    """

    def __init__(self, classes: int, width: int = 16) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width, 4 * width)
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 3, 2, 1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1] + 6, classes)

    def forward(self, photos: Tensor) -> Tensor:
        """Return logits (n, k) of photos (n, 3, s, s), from -1 to 1."""
        seen = self.body(photos).mean((2, 3))
        colors = torch.cat([photos.mean((2, 3)), photos.std((2, 3))], 1)
        return self.head(torch.cat([seen, colors], 1))


class SceneClassifier(Protocol):
    """What tells scenes: `classes`, and their probabilities for photos."""

    classes: tuple[str, ...]

    def predict(self, photos: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return probabilities (n, k) of photos, uint8 (height, width, 3) each."""


class TrainedScenes:
    """A classifier that `train-scenes` wrote.

    Raises:
        InputError: When the folder holds no such classifier.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        bundle = load_bundle(folder)
        known = bundle.description
        if known.get("task") != TASK:
            problem = f"this is a model of the task {known.get('task')!r}, not {TASK!r}"
            raise InputError(folder, problem, "Give what train-scenes wrote.")
        self.classes: tuple[str, ...] = tuple(known["classes"])
        self.image_px = int(known["image_px"])
        self.network = SceneNetwork(len(self.classes), int(known["width"]))
        expected = {name: tuple(value.shape) for name, value in self.network.state_dict().items()}
        given = {name: tuple(value.shape) for name, value in bundle.weights.items()}
        check_tensors(Path(folder) / "model.safetensors", expected, given)
        state = {name: torch.from_numpy(np.array(v)) for name, v in bundle.weights.items()}
        self.network.load_state_dict(state)
        self.network.eval()

    @torch.no_grad()
    def predict(self, photos: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return probabilities (n, k) of photos."""
        small = np.stack([squared(photo, self.image_px) for photo in photos])
        found = [
            self.network(scaled(torch.from_numpy(small[k : k + _BATCH]))).softmax(1).numpy()
            for k in range(0, len(small), _BATCH)
        ]
        return np.concatenate(found)


class OnnxScenes:
    """A classifier that somebody gives as ONNX file, run by ONNX Runtime.

    Raises:
        InputError: When the file is absent or no such classifier.
    """

    def __init__(self, path: str, classes: tuple[str, ...]) -> None:
        import onnxruntime

        if not Path(path).is_file():
            raise InputError(path, "there is no such file", "Correct filters.scenes.model.")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                path, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's own classes share no other base
            problem = f"ONNX Runtime cannot read it ({str(error).splitlines()[0][:120]})"
            raise InputError(path, problem, "Give an ONNX file of a classifier.") from error
        self.classes, self._path = classes, path
        first = self._session.get_inputs()[0]
        sides = [side if isinstance(side, int) and side > 0 else 224 for side in first.shape[2:]]
        if len(sides) != 2 or sides[0] != sides[1]:
            problem = f"its input is {first.shape}, not 1 x 3 x side x side"
            raise InputError(path, problem, "Give a classifier of square RGB pictures.")
        self._name, self._side = first.name, sides[0]

    def predict(self, photos: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Return probabilities (n, k) of photos."""
        mean, std = (np.array(v, np.float32)[:, None, None] for v in (MEAN, STD))
        return np.stack([self._one(squared(p, self._side), mean, std) for p in photos])

    def _one(self, photo: NDArray[np.uint8], mean: Any, std: Any) -> NDArray[np.float32]:
        values = ((photo.astype(np.float32) / 255 - mean) / std)[None]
        try:
            found = np.asarray(self._session.run(None, {self._name: values})[0], float).ravel()
        except Exception as error:
            problem = f"it cannot be run ({str(error).splitlines()[0][:120]})"
            raise InputError(self._path, problem, "Give a float32 classifier.") from error
        if len(found) != len(self.classes):
            problem = f"it tells {len(found)} classes apart, where {len(self.classes)} are named"
            raise InputError(self._path, problem, "Correct filters.scenes.classes.")
        if not np.isfinite(found).all():
            problem = "what it tells of a photo is no number"
            raise InputError(self._path, problem, "Give a float32 classifier.")
        if found.min() >= 0 and abs(found.sum() - 1) < 1e-3:  # probabilities already
            return found.astype(np.float32)
        shares = np.exp(found - found.max())
        return (shares / shares.sum()).astype(np.float32)


def scaled(photos: Tensor) -> Tensor:
    """Return photos uint8 as float from -1 to 1."""
    return photos.float() / 127.5 - 1


def open_classifier(
    cfg: ScenesConfig, trained: str | os.PathLike[str] | None = None
) -> SceneClassifier:
    """Return the classifier that a configuration names, or the one trained here.

    Args:
        cfg: The configuration.
        trained: Folder of the classifier that was trained here.

    Raises:
        InputError: When it is absent, no classifier, or does not know the classes to keep.
    """
    where = cfg.model or trained
    if where is None:
        raise InputError("filters.scenes", "no classifier is given", "Give --scenes.")
    if str(where).lower().endswith(".onnx"):
        return OnnxScenes(str(where), cfg.classes)
    found = TrainedScenes(where)
    if strange := sorted(set(cfg.keep) - set(found.classes)):
        problem = f"it does not know the class {strange[0]!r}, which filters.scenes.keep names"
        raise InputError(where, problem, f"It knows {', '.join(found.classes)}.")
    return found
