"""Answers of a trained regression baseline, turned and averaged where it is told to."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from tqdm import tqdm

from nadir.config.localization import Regression
from nadir.errors import InputError
from nadir.learn.bundle import DESCRIPTION, WEIGHTS, Bundle, check_tensors, load_bundle
from nadir.localization.poses import pose_table
from nadir.localization.regression import (
    RegressionNetwork,
    average_answers,
    build_regression,
    decode_poses,
    full_turn,
)
from nadir.localization.regression_data import normalized, resize_photo
from nadir.localization.regression_fit import TASK, member_tensor
from nadir.raster.pictures import read_picture

_TRAIN_AGAIN = "Train the regression again."


class Regressor:
    """A trained regression, ready to answer; made by `load_regressor`.

    Args:
        members: The networks.
        cfg: The method.
        substrate: The (width, height) of the substrate that they know.
        scale: Substrate pixels per photo pixel of the training photos.
        device: Where to compute.
    """

    def __init__(
        self,
        members: list[RegressionNetwork],
        cfg: Regression,
        substrate: tuple[int, int],
        scale: float,
        device: torch.device,
    ) -> None:
        self.members = [member.eval().to(device) for member in members]
        self.cfg = cfg
        self.substrate = substrate
        self.scale = scale
        self.device = device

    def answer(
        self, photos: Iterable[NDArray[np.uint8]]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return where photos lie, and how far the answers for each spread.

        Args:
            photos: uint8 (h, w, 3) each, of any size; taken one after the other.

        Returns:
            x, y and angle (N, 3), and their standard deviations over members and turns (N, 3),
            NaN with a single answer.
        """
        means, spreads = [np.empty((0, 3))], [np.empty((0, 3))]
        batch: list[NDArray[np.uint8]] = []
        for photo in photos:
            batch.append(resize_photo(photo, self.cfg.size))
            if len(batch) == self.cfg.batch_size:
                self._flush(batch, means, spreads)
        if batch:
            self._flush(batch, means, spreads)
        return np.concatenate(means), np.concatenate(spreads)

    def _flush(
        self,
        batch: list[NDArray[np.uint8]],
        means: list[NDArray[np.float64]],
        spreads: list[NDArray[np.float64]],
    ) -> None:
        mean, spread = average_answers(self._answers(np.stack(batch)))
        means.append(mean)
        spreads.append(spread)
        batch.clear()

    def _answers(self, photos: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return every answer for a batch (answers, B, 3)."""
        answers = []
        for quarter in range(4 if self.cfg.test_time_augmentation else 1):
            turned = normalized(np.rot90(photos, quarter, axes=(1, 2))).to(self.device)
            for member in self.members:
                with torch.inference_mode():
                    outputs = member(turned).cpu().numpy()
                poses = decode_poses(outputs, self.substrate)
                # The rows of a photo turned counter-clockwise run downwards in the photo.
                poses[:, 2] = full_turn(poses[:, 2] - 90.0 * quarter)
                answers.append(poses)
        return np.stack(answers)


def load_regressor(
    folder: str | os.PathLike[str], case: dict[str, Any], device: torch.device, threads: int = 1
) -> Regressor:
    """Read a bundle that `train_regression` made. Nothing in it is executed or unpickled.

    Args:
        folder: The bundle's folder.
        case: Content of `case.json` of the case to answer.
        device: Where to compute.
        threads: CPU threads.

    Raises:
        InputError: When it is no such bundle, or was trained on another substrate.
    """
    bundle = load_bundle(folder)
    cfg, substrate, scale = _settings(bundle)
    known, asked = bundle.description["substrate"], case["substrate"]
    if any(known[key] != asked[key] for key in ("width", "height", "digest")):
        raise InputError(
            bundle.folder / DESCRIPTION,
            "the network was trained on another substrate, and knows no other place",
            "Train the regression on this case.",
        )
    torch.set_num_threads(threads)
    members = [build_regression(cfg, pretrained=False) for _ in range(cfg.members)]
    expected = {
        member_tensor(number, name): tuple(tensor.shape)
        for number, member in enumerate(members)
        for name, tensor in member.state_dict().items()
    }
    given = {name: array.shape for name, array in bundle.weights.items()}
    check_tensors(bundle.folder / WEIGHTS, expected, given)
    for number, member in enumerate(members):
        member.load_state_dict(
            {
                name: torch.from_numpy(bundle.weights[member_tensor(number, name)])
                for name in member.state_dict()
            }
        )
    return Regressor(members, cfg, substrate, scale, device)


def _settings(bundle: Bundle) -> tuple[Regression, tuple[int, int], float]:
    """Return method, substrate size and scale of a description."""
    path = Path(bundle.folder) / DESCRIPTION
    task = bundle.description.get("task")
    if task != TASK:
        raise InputError(path, f"this is a model for {task!r}, not for {TASK}", _TRAIN_AGAIN)
    try:
        cfg = Regression.model_validate(bundle.description["method"])
        size = bundle.description["substrate"]
        sides = int(size["width"]), int(size["height"])
        return cfg, sides, float(bundle.description["scale"])
    except (ValidationError, KeyError, TypeError, ValueError) as error:
        raise InputError(path, "it does not describe this kind of model", _TRAIN_AGAIN) from error


def regress_poses(regressor: Regressor, photos: pd.DataFrame) -> pd.DataFrame:
    """Locate photos: one row a photo, with the columns of `poses.parquet`.

    The network says nothing of scale, which is that of the training photos; nor of how sure it is:
    margin and probability are NaN, and no answer counts as resolved.

    Args:
        regressor: The network.
        photos: Rows of the photo table.

    Raises:
        InputError: When a photo cannot be read.
    """
    paths = tqdm(photos["path"], desc="regression", unit="photo", disable=None)
    poses, spread = regressor.answer(read_picture(path) for path in paths)
    names = ("x", "y", "angle", "sd_x", "sd_y", "sd_angle")
    fixed = {"scale": regressor.scale, "stage": "regression"}
    rows = np.column_stack([poses, spread]).tolist()
    return pose_table(
        [
            {"photo": photo, **dict(zip(names, row, strict=True)), **fixed}
            for photo, row in zip(photos["photo"], rows, strict=True)
        ]
    )
