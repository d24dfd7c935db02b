"""The coarse search: one photo against all of a reference, in every direction.

Two steps on the same features: at cells twice as large everywhere, by FFT; then at full cells
around the best places only, and around proposed ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from nadir.localization.channels import gradient_channels
from nadir.localization.correlation import Spectrum, correlate, spectrum
from nadir.localization.descriptor import STRIDE, Descriptor
from nadir.localization.proposals import Proposal
from nadir.localization.references import Reference
from nadir.localization.turning import disk, turn, turned_weight

CELLS = 64
"""Cells along a photo's side, about."""

_PLACES = 48  # places of the first step that the second looks at
_BLOCK = 512  # cells of the reference that are described at a time
_HALO = 24  # cells around, so that a block's border does not show

Describe = Callable[[torch.Tensor], torch.Tensor]
"""(n, 3, h, w) float32 pictures, 0 to 1 -> (n, channel, h / 4, w / 4) features."""


@dataclass(frozen=True)
class Guess:
    """A place from the coarse search.

    Attributes:
        x: Of the photo's center, in substrate pixels.
        y: The same, downwards.
        angle: In degrees; see `Pose`.
        scale: Substrate pixels per photo pixel.
        score: Correlation, -1 to 1.
        proposed: Whether it is the best near a proposed place, and not of all.
    """

    x: float
    y: float
    angle: float
    scale: float
    score: float
    proposed: bool = False


def cell_size(photo_side: int) -> int:
    """Return the side of a coarse cell in pixels: a power of two, at least 4."""
    return max(STRIDE, 2 ** round(np.log2(max(photo_side, 1) / CELLS)))


def gradient_description(pictures: torch.Tensor) -> torch.Tensor:
    """Describe pictures by gradient-orientation channels, which need no training."""
    gray = (pictures * pictures.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, True)
    return gradient_channels(gray, support=40.0, pool=STRIDE)


def description_of(network: Descriptor | None) -> Describe:
    """Return how pictures are described: by a trained network, else by gradients."""
    return gradient_description if network is None else network


class CoarseSearch:
    """All of a reference, described and transformed once, searched by many photos.

    Args:
        reference: The reference.
        describe: How pictures become features.
        photo_side: Longer side of the photos, in pixels.
        scale: Substrate pixels per photo pixel, about.
        step: Step over directions, in degrees.
        device: Where to compute.
    """

    def __init__(
        self,
        reference: Reference,
        describe: Describe,
        photo_side: int,
        scale: float,
        step: float,
        device: torch.device,
    ) -> None:
        self.cell = cell_size(round(photo_side * scale))
        self.level = self.cell // STRIDE
        self.describe, self.device = describe, device
        self.angles = np.arange(0.0, 360.0, 360.0 / round(360.0 / step))
        self.spectrum: Spectrum | None = None
        self.features = torch.zeros(0, 0, 0)
        if min(reference.level_size(self.level)) < 2 * STRIDE:
            return  # smaller than what can be described: no photo lies on it
        features, valid = self._describe_all(reference)
        weight = valid.sum().clamp_min(1.0)
        self.mean = ((features * valid).sum((1, 2)) / weight).view(-1, 1, 1)
        self.features = (features - self.mean) * valid
        self.valid = None if reference.whole else valid
        wide = F.avg_pool2d(self.features[None], 2)[0]
        halved = None if self.valid is None else F.avg_pool2d(valid[None, None], 2)[0, 0]
        self.spectrum = spectrum(wide, halved)

    @torch.inference_mode()
    def _describe_all(self, reference: Reference) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the features (channel, rows, columns) of all of a reference, and validity."""
        rows, columns = (2 * (side // (2 * STRIDE)) for side in reference.level_size(self.level))
        parts = []
        for y in range(0, rows, _BLOCK):
            strip = []
            for x in range(0, columns, _BLOCK):
                high, wide = min(_BLOCK, rows - y), min(_BLOCK, columns - x)
                picture = self._window(reference, y, x, high, wide)
                found = self.describe(_tensor(picture[None], self.device))[0]
                strip.append(found[:, _HALO : _HALO + high, _HALO : _HALO + wide])
            parts.append(torch.cat(strip, 2))
        valid = reference.valid(self.level, 0, 0, STRIDE * columns, STRIDE * rows)
        cells = -F.max_pool2d(-torch.from_numpy(valid)[None, None], STRIDE)[0, 0]
        return torch.cat(parts, 1), cells.to(self.device)

    def _window(
        self, reference: Reference, y: int, x: int, high: int, wide: int
    ) -> NDArray[np.uint8]:
        """Return the pixels of a block of cells and its halo, mirrored beyond the reference."""
        rows, columns = reference.level_size(self.level)
        top, left = STRIDE * (y - _HALO), STRIDE * (x - _HALO)
        bottom, right = STRIDE * (y + high + _HALO), STRIDE * (x + wide + _HALO)
        inner = (max(top, 0), max(left, 0), min(bottom, rows), min(right, columns))
        picture = reference.picture(
            self.level, inner[1], inner[0], inner[3] - inner[1], inner[2] - inner[0]
        )
        around = (inner[0] - top, bottom - inner[2], inner[1] - left, right - inner[3])
        return cv2.copyMakeBorder(picture, *around, cv2.BORDER_REFLECT)  # type: ignore[return-value]

    @torch.inference_mode()
    def search(
        self,
        photo: NDArray[np.uint8],
        weight: NDArray[np.float32],
        scales: tuple[float, ...],
        count: int,
        middle: tuple[float, float] | None = None,
        proposals: Sequence[Proposal] = (),
    ) -> list[Guess]:
        """Return the best places, one a neighborhood, the best first; then those proposed.

        Args:
            photo: (height, width, 3) uint8, reduced by `level`.
            weight: (height, width) float32 of the same pixels, 0 where clouds hide the ground.
            scales: Scales to try, in substrate pixels per photo pixel.
            count: Most places to return, but for proposed ones.
            middle: The photo's center (x, y) in these pixels; by default the array's.
            proposals: Places near which the best is returned as well, where nothing else is.
        """
        side = self._template_side(photo.shape[:2], min(scales))
        if self.spectrum is None or side < 8 or any(side > n for n in self.features.shape[1:]):
            return []
        found: list[Guess] = []
        for scale in scales:
            turned = self._turned(photo, weight, scale, side, middle)
            found += self._places(self.spectrum, *turned, scale, proposals)
        found.sort(key=lambda guess: -guess.score)
        distance = 0.12 * side * self.cell
        best = _apart([guess for guess in found if not guess.proposed], distance)[:count]
        return _apart([*best, *(guess for guess in found if guess.proposed)], distance)

    def _template_side(self, shape: tuple[int, ...], scale: float) -> int:
        """Return the side of the template in cells, even: what a turned photo always covers."""
        return 2 * int(min(shape) * scale / (2 * STRIDE))

    def _turned(
        self,
        photo: NDArray[np.uint8],
        weight: NDArray[np.float32],
        scale: float,
        side: int,
        middle: tuple[float, float] | None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features and weights of the photo in every direction, in cells."""
        size = (STRIDE * side, STRIDE * side)
        round_window = disk(side)
        features, weights = [], []
        for first in range(0, len(self.angles), 12):
            angles = self.angles[first : first + 12]
            turned = np.stack([turn(photo, angle, scale, size, middle) for angle in angles])
            features.append(self.describe(_tensor(turned, self.device)) - self.mean)
            shown = np.stack(
                [turned_weight(weight, angle, scale, size, middle) for angle in angles]
            )
            cells = F.avg_pool2d(torch.from_numpy(shown)[:, None], STRIDE)[:, 0]
            weights.append((cells * torch.from_numpy(round_window)).to(self.device))
        return torch.cat(features), torch.cat(weights)

    def _places(
        self,
        over: Spectrum,
        templates: torch.Tensor,
        weights: torch.Tensor,
        scale: float,
        proposals: Sequence[Proposal] = (),
    ) -> list[Guess]:
        """Return the best places for one scale, and the best one near each proposal."""
        wide = F.avg_pool2d(templates * weights[:, None], 2)
        share = F.avg_pool2d(weights[:, None], 2)
        wide = wide / share.clamp_min(1e-3)
        best: torch.Tensor | None = None
        which: torch.Tensor | None = None
        for index in range(len(templates)):
            scores = correlate(over, wide[index], share[index, 0])
            if best is None or which is None:
                best, which = scores, torch.zeros_like(scores, dtype=torch.long)
            else:
                better = scores > best
                best = torch.where(better, scores, best)
                which[better] = index
        assert best is not None and which is not None
        peaks = F.max_pool2d(best[None, None], 3, 1, 1)[0, 0] == best
        ranked = torch.where(peaks, best, torch.full_like(best, -2.0)).flatten()
        values, flat = ranked.topk(min(_PLACES, len(ranked)))
        columns = best.shape[1]
        guesses = []
        for value, at in zip(values.tolist(), flat.tolist(), strict=True):
            if value > -1.0:
                row, column = divmod(at, columns)
                guesses.append(
                    self._closer(templates, weights, int(which[row, column]), row, column, scale)
                )
        for row, column in self._near(best, proposals, templates.shape[-1]):
            guess = self._closer(templates, weights, int(which[row, column]), row, column, scale)
            guesses.append(replace(guess, proposed=True))
        return guesses

    def _near(
        self, best: torch.Tensor, proposals: Sequence[Proposal], side: int
    ) -> list[tuple[int, int]]:
        """Return row and column of the best score of the first step near each proposal.

        Args:
            best: Scores by the template's upper-left corner, in cells twice as large.
            proposals: Places of its center; those off the reference have none.
            side: Side of the template in full cells.
        """
        found = []
        wide = 2 * self.cell
        for one in proposals:
            row, column = (value / wide - 0.25 * side for value in (one.y, one.x))
            reach = max(1.0, one.reach / wide)
            top, left = (max(0, round(value - reach)) for value in (row, column))
            part = best[
                top : max(0, round(row + reach) + 1), left : max(0, round(column + reach) + 1)
            ]
            if part.numel():
                y, x = divmod(int(part.flatten().argmax()), part.shape[1])
                found.append((top + y, left + x))
        return found

    def _closer(
        self,
        templates: torch.Tensor,
        weights: torch.Tensor,
        index: int,
        row: int,
        column: int,
        scale: float,
    ) -> Guess:
        """Return the best place at full cells around a place of the first step."""
        side, reach = templates.shape[-1], 2
        rows, columns = self.features.shape[1:]
        top = min(max(2 * row - reach, 0), rows - side)
        left = min(max(2 * column - reach, 0), columns - side)
        high = min(side + 2 * reach + 1, rows - top)
        wide = min(side + 2 * reach + 1, columns - left)
        around = torch.tensor([index - 1, index, index + 1]) % len(templates)
        part = self.features[:, top : top + high, left : left + wide]
        valid = None if self.valid is None else self.valid[top : top + high, left : left + wide]
        scores = correlate(spectrum(part, valid), templates[around], weights[around])
        turned, flat = divmod(int(scores.flatten().argmax()), scores[0].numel())
        y, x = divmod(flat, scores.shape[2])
        return Guess(
            (left + x + 0.5 * side) * self.cell,
            (top + y + 0.5 * side) * self.cell,
            float(self.angles[around[turned]]),
            scale,
            float(scores[turned, y, x]),
        )


def _apart(guesses: list[Guess], distance: float) -> list[Guess]:
    """Return guesses of which none lies near a better one."""
    kept: list[Guess] = []
    for guess in guesses:
        if all(np.hypot(guess.x - one.x, guess.y - one.y) > distance for one in kept):
            kept.append(guess)
    return kept


def _tensor(pictures: NDArray[np.uint8], device: torch.device) -> torch.Tensor:
    """Return (n, h, w, 3) uint8 pictures as (n, 3, h, w) float32, 0 to 1."""
    return torch.from_numpy(pictures).to(device).permute(0, 3, 1, 2).float().div_(255.0)
