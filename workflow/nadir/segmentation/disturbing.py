"""Applying to pixels what befalls a sample: see `nadir.tiles.disturb`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as functional

from nadir.segmentation.loss_terms import IGNORED
from nadir.tiles.disturb import Cloud, Disturbance, Mix

_THICK = 0.5  # opacity from which ground cannot be told
_SOFT = 0.35  # width of a cloud's rim, in standard deviations of its thickness


def disturb(
    values: torch.Tensor,
    valid: torch.Tensor,
    disturbance: Disturbance,
    gain: torch.Tensor,
    bias: torch.Tensor,
) -> torch.Tensor:
    """Disturb one sample in place, and return where its ground is hidden.

    Args:
        values: float32 (date, band, h, w), normalized.
        valid: bool (date, h, w).
        disturbance: What befalls it.
        gain: float32 (date, band): normalized = reflectance * gain + bias.
        bias: float32 (date, band).

    Returns:
        bool (date, h, w): valid pixels under thick cloud that no mask knows.
    """
    device = values.device
    values *= torch.from_numpy(disturbance.gain).to(device)[:, None, None, None]
    values += torch.from_numpy(disturbance.shift).to(device)[:, :, None, None]
    hidden = torch.zeros_like(valid)
    for cloud in disturbance.clouds:
        opacity = cloud_opacity(cloud, values.shape[-2], values.shape[-1], device)
        thick = opacity >= _THICK
        if cloud.known:
            valid[cloud.date] &= ~thick
        hidden[cloud.date] |= thick & valid[cloud.date]
        white = cloud.brightness * gain[cloud.date] + bias[cloud.date]
        values[cloud.date] += opacity * (white[:, None, None] - values[cloud.date])
    values *= ~torch.from_numpy(disturbance.silent).to(device)[:, :, None, None]
    valid &= ~torch.from_numpy(disturbance.missing).to(device)[:, None, None]
    return hidden & valid


def cloud_opacity(cloud: Cloud, height: int, width: int, device: torch.device) -> torch.Tensor:
    """Return the opacity of a cloud, float32 (height, width) in 0..1.

    Half of it or more over the share `cloud.cover` of the pixels.
    """
    thickness = torch.zeros(height, width, device=device)
    for octave, noise in enumerate(cloud.noise):
        field = torch.from_numpy(noise).to(device)[None, None]
        smooth = functional.interpolate(
            field, size=(height, width), mode="bilinear", align_corners=False
        )
        thickness += smooth[0, 0] * 0.5**octave
    rank = min(height * width - 1, int((1 - cloud.cover) * height * width))
    level = thickness.flatten().sort().values[rank]
    spread = _SOFT * thickness.std().clamp_min(1e-6)
    return ((thickness - level) / spread + _THICK).clamp(0, 1)


def mix_samples(parts: Sequence[torch.Tensor], mixes: Sequence[Mix | None]) -> list[torch.Tensor]:
    """Paste on samples of a batch parts of the next one: input, target and all that goes with them.

    Args:
        parts: Input (B, C, h, w), target int64 (B, h, w), and others of either form.
        mixes: What is pasted, by sample. The last sample gets parts of the first.

    Returns:
        The same parts, mixed; samples are mixed with what others were before.
    """
    if len(mixes) < 2 or not any(mixes):
        return list(parts)
    target = parts[1]
    mask = torch.zeros_like(target, dtype=torch.bool)
    for row, mix in enumerate(mixes):
        if mix is not None:
            mask[row] = _pasted(mix, target[(row + 1) % len(mixes)])
    return [
        torch.where(mask[:, None] if part.ndim == 4 else mask, part.roll(-1, 0), part)
        for part in parts
    ]


def _pasted(mix: Mix, other: torch.Tensor) -> torch.Tensor:
    """Return which pixels of the other sample are pasted, bool (h, w)."""
    if mix.box is not None:
        mask = torch.zeros_like(other, dtype=torch.bool)
        height, width = other.shape
        top, left, bottom, right = mix.box
        mask[
            round(top * height) : round(bottom * height),
            round(left * width) : round(right * width),
        ] = True
        return mask
    order = mix.order
    assert order is not None
    there = [number for number in other.unique().tolist() if number != IGNORED]
    there.sort(key=lambda number: float(order[number]))
    chosen = torch.tensor(there[: (len(there) + 1) // 2], device=other.device, dtype=other.dtype)
    return torch.isin(other, chosen)
