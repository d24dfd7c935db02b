"""The baseline of the project that nadir grew from: a network guesses a photo's position outright.

An encoder, global average pooling, and a linear layer of five outputs: the photo's upper left and
lower right corner on the substrate as shares of its size, and the angle as a share of 360 degrees.
It learns one substrate by heart, and its angle jumps where 360 degrees meet 0.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nadir.config.localization import Regression
from nadir.learn.encoders import build_encoder
from nadir.localization.pose import Pose

OUTPUTS = ("left_top x", "left_top y", "right_bottom x", "right_bottom y", "angle")
"""What the network says of a photo, each in 0..1."""


class RegressionNetwork(nn.Module):
    """Photos to the five numbers of `OUTPUTS`.

    Args:
        encoder: float32 (B, 3, H, W) -> feature maps, the coarsest last.
        channels: Channels of the coarsest.
        head_only: Train the last layer alone. The encoder's weights then stay as they are; the
            running statistics of its batch normalization follow the photos all the same, without
            which an encoder of random weights gives no usable features.
    """

    def __init__(self, encoder: nn.Module, channels: int, head_only: bool) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(not head_only)
        self.head = nn.Linear(channels, len(OUTPUTS))
        self.head_only = head_only

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        """Return the outputs (B, 5) for normalized photos, float32 (B, 3, H, W)."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.head_only):
            features = self.encoder(photos)[-1]
        return self.head(features.mean(dim=(2, 3)))


def build_regression(cfg: Regression, *, pretrained: bool = True) -> RegressionNetwork:
    """Build the network; random weights come from torch's global generator: seed it first.

    Args:
        cfg: The method's section.
        pretrained: Load the encoder weights that `cfg` names; False when others are loaded anyway.

    Raises:
        InputError: When there are no such weights, or they are those of another encoder.
    """
    weights = cfg.weights if pretrained else None
    encoder = build_encoder(cfg.encoder, weights, 3, where="method")
    channels: list[int] = encoder.out_channels  # type: ignore[assignment]
    return RegressionNetwork(encoder, channels[-1], cfg.head_only)


def encode_pose(
    pose: Pose, photo: tuple[int, int], substrate: tuple[int, int]
) -> NDArray[np.float32]:
    """Return what the network should say of a photo with this pose.

    Args:
        pose: Where it lies.
        photo: Its (width, height).
        substrate: The substrate's (width, height).

    Returns:
        float32 (5,), in the order of `OUTPUTS`.
    """
    left_top, _, _, right_bottom = pose.corners(*photo) / substrate
    return np.array([*left_top, *right_bottom, pose.angle % 360.0 / 360.0], np.float32)


def decode_poses(outputs: NDArray[np.floating], substrate: tuple[int, int]) -> NDArray[np.float64]:
    """Return centers and angles from outputs.

    Args:
        outputs: (..., 5).
        substrate: The substrate's (width, height).

    Returns:
        float64 (..., 3): x, y in substrate pixels, angle in 0..360 degrees. The center is the
        middle between the two corners, as the case's own score has it.
    """
    values = np.asarray(outputs, np.float64)
    center = 0.5 * (values[..., 0:2] + values[..., 2:4]) * substrate
    return np.concatenate([center, full_turn(values[..., 4:5] * 360.0)], axis=-1)


def full_turn(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return angles in degrees as ones from 0 to below 360."""
    turned = angles % 360.0
    return np.where(turned < 360.0, turned, 0.0)  # a tiny negative one is rounded to 360


def average_answers(
    answers: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the average of several answers for one photo, and how far they spread.

    Args:
        answers: (answers, photos, 3) of x, y in pixels and angle in degrees.

    Returns:
        Mean (photos, 3), and standard deviation (photos, 3), NaN where there is a single answer.
        Angles are averaged as directions; their spread is the root mean square of the deviations
        from that mean.
    """
    turns = np.exp(1j * np.deg2rad(answers[..., 2]))
    direction = turns.mean(0)
    mean = answers.mean(0)
    mean[:, 2] = full_turn(np.rad2deg(np.angle(direction)))
    if len(answers) == 1:
        return mean, np.full_like(mean, np.nan)
    away = answers - mean
    away[..., 2] = np.rad2deg(np.angle(turns * np.exp(-1j * np.deg2rad(mean[:, 2]))))
    return mean, np.sqrt((away**2).sum(0) / (len(answers) - 1))
