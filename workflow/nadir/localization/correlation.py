"""Weighted normalized cross-correlation of many channels, by FFT.

The score at an offset is the weighted cosine between the template's features and the reference's
under it, sum(w t r) / sqrt(sum(w t^2) sum(w r^2)), with the weights `w` of the template's cells
(clouds and corners count little) and, where the reference has holes, only over what both show
(Padfield, "Masked object registration in the Fourier domain", IEEE TIP 21(5), 2012).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.fft import next_fast_len

_FAINT = 0.15  # share of the reference's mean energy below which a place counts as featureless
_LEAST_OVERLAP = 0.25  # share of a template's weight that must lie on valid ground


@dataclass(frozen=True)
class Spectrum:
    """References in the Fourier domain.

    Attributes:
        channels: (..., channel, n, m) complex: features.
        energy: (..., n, m) complex: sum of their squares over the channels.
        valid: (..., n, m) complex, or None where all of the reference is valid.
        shape: Rows and columns of the references.
        size: Rows and columns of the transforms.
        mean_energy: (...) float: mean energy of a valid cell.
    """

    channels: torch.Tensor
    energy: torch.Tensor
    valid: torch.Tensor | None
    shape: tuple[int, int]
    size: tuple[int, int]
    mean_energy: torch.Tensor


def spectrum(reference: torch.Tensor, valid: torch.Tensor | None = None) -> Spectrum:
    """Prepare references for correlation.

    Only offsets at which a template lies wholly inside are of use, so nothing is padded.

    Args:
        reference: (..., channel, rows, columns) float32; zero where not valid.
        valid: (..., rows, columns) float32, 1 on valid ground and 0 on holes; None: all valid.
    """
    rows, columns = reference.shape[-2:]
    size = (next_fast_len(rows, real=True), next_fast_len(columns, real=True))
    energy = reference.square().sum(-3)
    cells = float(rows * columns) if valid is None else valid.sum((-2, -1)).clamp_min(1.0)
    return Spectrum(
        torch.fft.rfft2(reference, s=size),
        torch.fft.rfft2(energy, s=size),
        None if valid is None else torch.fft.rfft2(valid, s=size),
        (rows, columns),
        size,
        energy.sum((-2, -1)) / cells,
    )


def correlate(of: Spectrum, templates: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the scores of templates at every offset at which they lie inside the reference.

    Args:
        of: The references; leading axes broadcast against those of the templates.
        templates: (..., channel, h, w) float32.
        weights: (..., h, w) float32, 0 to 1.

    Returns:
        (..., rows - h + 1, columns - w + 1) float32, -1 to 1.
    """
    high, wide = templates.shape[-2:]
    inside = (slice(0, of.shape[0] - high + 1), slice(0, of.shape[1] - wide + 1))
    dot = _weighted_dot(of, templates * weights.unsqueeze(-3))[(..., *inside)]
    weight = torch.fft.rfft2(weights, s=of.size).conj_physical_()
    under = torch.fft.irfft2(of.energy * weight, s=of.size)[(..., *inside)]
    mass = weights.sum((-2, -1), keepdim=True)
    floor = _FAINT * of.mean_energy[..., None, None] * mass
    squares = (templates.square().sum(-3) * weights).sum((-2, -1), keepdim=True)
    if of.valid is None:
        return dot / (under.clamp_min(0) + floor).mul(squares + 1e-12).sqrt()
    energies = templates.square().sum(-3) * weights
    own = torch.fft.rfft2(energies, s=of.size).conj_physical_()
    shown = torch.fft.irfft2(of.valid * own, s=of.size)[(..., *inside)].clamp_min(0)
    overlap = torch.fft.irfft2(of.valid * weight, s=of.size)[(..., *inside)] / mass.clamp_min(1e-6)
    score = dot / (under.clamp_min(0) + floor * overlap.clamp_min(0)).mul(shown + 1e-12).sqrt()
    # A good score on a sliver proves little.
    score = score * overlap.clamp(0, 1).sqrt()
    return torch.where(overlap < _LEAST_OVERLAP, torch.full_like(score, -1.0), score)


def _weighted_dot(of: Spectrum, templates: torch.Tensor) -> torch.Tensor:
    """Return the correlation summed over channels, without holding all products at once."""
    total: torch.Tensor | None = None
    for channel in range(templates.shape[-3]):
        # The template's rows alone are transformed first: the rest of the frame is zero.
        rows = torch.fft.rfft(templates[..., channel, :, :], n=of.size[1], dim=-1)
        full = torch.fft.fft(rows, n=of.size[0], dim=-2).conj_physical_()
        product = full * of.channels[..., channel, :, :]
        total = product if total is None else total.add_(product)
    assert total is not None
    return torch.fft.irfft2(total, s=of.size)


def refine_peak(scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the highest score of each map, and its position to parts of a cell.

    Args:
        scores: (n, rows, columns).

    Returns:
        Score (n,), row (n,), column (n,); a parabola through the neighbors gives the parts, none
        at the border.
    """
    count, rows, columns = scores.shape
    best, flat = scores.reshape(count, -1).max(1)
    row, column = flat // columns, flat % columns
    which = torch.arange(count, device=scores.device)

    def offset(before: torch.Tensor, after: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        bend = before - 2 * best + after
        shift = 0.5 * (before - after) / torch.where(bend < 0, bend, torch.full_like(bend, -1e9))
        return torch.where(inside, shift.clamp(-0.5, 0.5), torch.zeros_like(shift))

    up, down = (row - 1).clamp_min(0), (row + 1).clamp_max(rows - 1)
    left, right = (column - 1).clamp_min(0), (column + 1).clamp_max(columns - 1)
    dy = offset(scores[which, up, column], scores[which, down, column], (up < row) & (row < down))
    dx = offset(
        scores[which, row, left], scores[which, row, right], (left < column) & (column < right)
    )
    return best, row + dy, column + dx
