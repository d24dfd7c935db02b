"""From a coarse guess to parts of a pixel: correlation close by, then a fit over patches.

Gradient-orientation channels carry the fine work for every method, since their edges have a place.
The fit over patches tells more than one correlation of the whole photo: how many parts of it agree
on one similarity (clouds, new houses and relief do not), and how certain the answer is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from nadir.localization.channels import gradient_channels
from nadir.localization.coarse import Guess
from nadir.localization.correlation import correlate, refine_peak, spectrum
from nadir.localization.pose import Pose
from nadir.localization.references import Reference
from nadir.localization.turning import reduce, turn, turned_weight

_PATCHES = 8  # patches along a photo's side
_LEAST_WEIGHT = 0.35  # share of a patch that must show ground
_SOFT_RESIDUAL = 0.75  # pixels of the level at which a patch's say begins to fade
_AGREE = 1.5  # pixels of the level within which a patch agrees with the fit
_ITERATIONS = 12
_LEAST_PATCHES = 4
_LEAST_SD = 0.01  # px and degrees that no patch fit can undercut


@dataclass(frozen=True)
class View:
    """A photo at one level.

    Attributes:
        gray: (height, width) uint8.
        weight: (height, width) float32, 0 where clouds hide the ground.
        level: Photo pixels per pixel of these.
        middle: The photo's center (x, y) in these pixels: not that of the array, where the last
            rows or columns did not fill a pixel.
    """

    gray: NDArray[np.uint8]
    weight: NDArray[np.float32]
    level: int
    middle: tuple[float, float]


@dataclass(frozen=True)
class Fit:
    """What the patches of a photo say together.

    Attributes:
        pose: The fitted pose.
        covariance: (3, 3) of x (px), y (px) and angle (degrees).
        agreement: Share of the patches' weight that agrees with the fit, 0 to 1.
        patches: How many patches had a say.
        residual: Root mean square displacement of the agreeing patches, in pixels of full size.
    """

    pose: Pose
    covariance: NDArray[np.float64]
    agreement: float
    patches: int
    residual: float


def view_of(gray: NDArray[np.uint8], weight: NDArray[np.float32], level: int) -> View:
    """Return a photo at a level; `weight` has the photo's full size."""
    small = reduce(gray, level)
    shown = weight if level == 1 else _mean(weight, level)
    middle = (0.5 * gray.shape[1] / level, 0.5 * gray.shape[0] / level)
    return View(small, shown, level, middle)


def _mean(weight: NDArray[np.float32], level: int) -> NDArray[np.float32]:
    rows, columns = (side // level for side in weight.shape)
    cut = weight[: rows * level, : columns * level]
    return cut.reshape(rows, level, columns, level).mean((1, 3), dtype=np.float32)


class Refiner:
    """Refines poses on one reference.

    Args:
        reference: The reference.
        device: Where to compute.
    """

    def __init__(self, reference: Reference, device: torch.device) -> None:
        self.reference, self.device = reference, device

    @torch.inference_mode()
    def closer(
        self,
        view: View,
        guess: Guess,
        reach: int,
        turns: NDArray[np.float64],
        stretches: tuple[float, ...] = (1.0,),
    ) -> Guess:
        """Return the guess moved to the best correlation within `reach` pixels of the level.

        Args:
            view: The photo at the level to work at.
            guess: Where to start.
            reach: How far to look, in pixels of the level.
            turns: Angles to try, added to the guess's, in degrees, ascending and equally spaced.
            stretches: Factors of the scale to try.
        """
        best: Guess | None = None
        for stretch in stretches:
            found = self._one_scale(view, guess, reach, turns, guess.scale * stretch)
            if best is None or found.score > best.score:
                best = found
        assert best is not None
        return best

    def _one_scale(
        self, view: View, guess: Guess, reach: int, turns: NDArray[np.float64], scale: float
    ) -> Guess:
        level, size = view.level, _size(view, scale)
        left, top = self._corner(guess.x, guess.y, level, size, reach)
        turned = np.stack(
            [turn(view.gray, guess.angle + t, scale, size, view.middle) for t in turns]
        )
        weights = np.stack(
            [turned_weight(view.weight, guess.angle + t, scale, size, view.middle) for t in turns]
        )
        templates = gradient_channels(self._tensor(turned))
        reference, valid = self._window(level, left, top, size[0] + 2 * reach, size[1] + 2 * reach)
        mean = reference.mean((1, 2), keepdim=True)
        scores = correlate(
            spectrum(reference - mean, valid),
            templates - mean,
            torch.from_numpy(weights).to(self.device),
        )
        peak, row, column = (part.cpu().numpy() for part in refine_peak(scores))
        k = int(peak.argmax())
        return Guess(
            (left + float(column[k]) + 0.5 * size[0]) * level,
            (top + float(row[k]) + 0.5 * size[1]) * level,
            (guess.angle + float(turns[k]) + _vertex(peak, k) * _step(turns)) % 360.0,
            scale,
            float(peak[k]),
        )

    @torch.inference_mode()
    def fit(self, view: View, pose: Pose, reach: int, free_scale: bool = False) -> Fit | None:
        """Return the similarity on which the photo's patches agree, near a pose.

        Args:
            view: The photo at the level to work at.
            pose: Where to start: right to `reach` pixels of the level everywhere in the photo.
            reach: How far each patch may be off, in pixels of the level.
            free_scale: Whether the scale is fitted as well.

        Returns:
            The fit, or None where too few patches show ground.
        """
        level, size = view.level, _size(view, pose.scale)
        left, top = self._corner(pose.x, pose.y, level, size, reach)
        # Turned onto the reference's own pixels, so that the displacement sought is near zero.
        offset = (
            pose.x / level - left - reach - 0.5 * size[0],
            pose.y / level - top - reach - 0.5 * size[1],
        )
        turned = turn(view.gray, pose.angle, pose.scale, size, view.middle, offset)
        weight = turned_weight(view.weight, pose.angle, pose.scale, size, view.middle, offset)
        photo = gradient_channels(self._tensor(turned[None]))[0]
        ground, valid = self._window(level, left, top, size[0] + 2 * reach, size[1] + 2 * reach)
        side = min(size) // _PATCHES
        if side < 8:
            return None
        places, templates, weights, windows = [], [], [], []
        weight_tensor = torch.from_numpy(weight).to(self.device)
        for y in range(0, size[1] - side + 1, side):
            for x in range(0, size[0] - side + 1, side):
                part = weight_tensor[y : y + side, x : x + side]
                shown = slice(y, y + side + 2 * reach), slice(x, x + side + 2 * reach)
                if part.mean() < _LEAST_WEIGHT or (
                    valid is not None and valid[shown].mean() < _LEAST_WEIGHT
                ):
                    continue
                places.append((x + 0.5 * side, y + 0.5 * side))
                templates.append(photo[:, y : y + side, x : x + side])
                weights.append(part)
                windows.append(ground[(slice(None), *shown)])
        if len(places) < _LEAST_PATCHES:
            return None
        around = torch.stack(windows)
        mean = around.mean((2, 3), keepdim=True)
        scores = correlate(
            spectrum(around - mean), torch.stack(templates) - mean, torch.stack(weights)
        )
        peak, row, column = (part.double().cpu().numpy() for part in refine_peak(scores))
        # A peak that towers over the rest of its patch has more to say than one of many.
        spread = (scores.flatten(1).std(1) + 1e-3).cpu().numpy()
        usual = scores.flatten(1).mean(1).cpu().numpy()
        say = np.clip((peak - usual) / spread - 1.5, 0.05, 4.0) * np.clip(peak, 0.02, 1.0)
        inner = (row > 0) & (row < 2 * reach) & (column > 0) & (column < 2 * reach)
        say = say * np.where(inner, 1.0, 0.3)
        moved = np.column_stack([column - reach, row - reach])
        middle = np.array([pose.x / level - left - reach, pose.y / level - top - reach])
        at = np.array(places) - middle
        return _solve(pose, at, moved, say, level, free_scale)

    def _corner(
        self, x: float, y: float, level: int, size: tuple[int, int], reach: int
    ) -> tuple[int, int]:
        """Return left and top of the window around a center, in pixels of the level."""
        return (
            round(x / level - 0.5 * size[0]) - reach,
            round(y / level - 0.5 * size[1]) - reach,
        )

    def _window(
        self, level: int, left: int, top: int, width: int, height: int
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return the reference's channels in a window, and where it shows ground."""
        margin = 8
        picture = self.reference.picture(
            level, left - margin, top - margin, width + 2 * margin, height + 2 * margin
        )
        channels = gradient_channels(self._tensor(gray_of(picture)[None]))[0]
        inner = channels[:, margin : margin + height, margin : margin + width]
        rows, columns = self.reference.level_size(level)
        inside = left >= 0 and top >= 0 and left + width <= columns and top + height <= rows
        if inside and self.reference.whole:
            return inner, None
        valid = torch.from_numpy(self._valid(level, left, top, width, height)).to(self.device)
        return inner * valid, valid

    def _valid(
        self, level: int, left: int, top: int, width: int, height: int
    ) -> NDArray[np.float32]:
        """Return where a window shows ground, its border with holes left out."""
        shown = self.reference.valid(level, left - 3, top - 3, width + 6, height + 6)
        return np.asarray(
            cv2.erode(shown, np.ones((7, 7), np.uint8))[3:-3, 3:-3], np.float32
        ).copy()

    def _tensor(self, gray: NDArray[np.uint8]) -> torch.Tensor:
        return torch.from_numpy(gray).to(self.device)[:, None].float().div_(255.0)


def gray_of(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (height, width) uint8 luminance of an RGB picture."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)  # type: ignore[return-value]


def _size(view: View, scale: float) -> tuple[int, int]:
    """Return columns and rows of a turned photo on the substrate's grid, at the view's level."""
    side = round(min(view.gray.shape) * scale)
    return side, side


def _vertex(values: NDArray[np.float32], k: int) -> float:
    """Return where a parabola through three values peaks, in steps from the middle one."""
    if not 0 < k < len(values) - 1:
        return 0.0
    before, at, after = (float(value) for value in values[k - 1 : k + 2])
    bend = before - 2 * at + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _step(turns: NDArray[np.float64]) -> float:
    return float(turns[1] - turns[0]) if len(turns) > 1 else 0.0


def _solve(
    pose: Pose,
    at: NDArray[np.float64],
    moved: NDArray[np.float64],
    say: NDArray[np.float64],
    level: int,
    free_scale: bool,
) -> Fit:
    """Fit a similarity to displacements, patches that disagree fading out (Geman-McClure).

    Args:
        pose: Where the displacements were measured from.
        at: (n, 2) patch centers from the photo's center, in pixels of the level.
        moved: (n, 2) displacements, in pixels of the level.
        say: (n,) weights.
        level: Pixels of full size per pixel of the level.
        free_scale: Whether the scale is fitted as well.
    """
    reach = float(np.abs(at).max())  # in units of which angles are of the size of shifts
    rows = np.zeros((len(at), 2, 4 if free_scale else 3))
    rows[:, 0, 0] = rows[:, 1, 1] = 1.0
    rows[:, 0, 2], rows[:, 1, 2] = -at[:, 1] / reach, at[:, 0] / reach
    if free_scale:
        rows[:, :, 3] = at / reach
    design, target = rows.reshape(-1, rows.shape[2]), moved.reshape(-1)
    solution: NDArray[Any] = _median_start(at, moved, say, reach, rows.shape[2])
    softness = 4.0
    for _ in range(_ITERATIONS):
        residual = _lengths(moved - rows @ solution)
        weight = say / (1.0 + (residual / softness) ** 2) ** 2
        both = np.repeat(weight, 2)[:, None]
        normal = design.T @ (both * design) + 1e-9 * np.eye(design.shape[1])
        solution = np.asarray(np.linalg.solve(normal, design.T @ (both[:, 0] * target)), float)
        softness = max(0.7 * softness, _SOFT_RESIDUAL)
    residual = _lengths(moved - rows @ solution)
    agrees = residual < _AGREE
    agreement = float((say * agrees).sum() / say.sum())
    variance = float((weight * residual**2).sum() / max(2 * weight.sum(), 1e-9))
    freedom = max(int(agrees.sum()) - 2, 1) / max(int(agrees.sum()), 1)
    mean_weight = weight.sum() / max(int(agrees.sum()), 1)
    covariance = variance / freedom * mean_weight * np.linalg.inv(normal)
    turn_unit = np.rad2deg(1.0 / reach)
    units = np.array([level, level, turn_unit])
    full = covariance[:3, :3] * np.outer(units, units) + _LEAST_SD**2 * np.eye(3)
    fitted = replace(
        pose,
        x=pose.x + level * solution[0],
        y=pose.y + level * solution[1],
        angle=(pose.angle + turn_unit * solution[2]) % 360.0,
        scale=pose.scale * (1.0 + solution[3] / reach) if free_scale else pose.scale,
    )
    rms = float(np.sqrt((residual[agrees] ** 2).mean())) * level if agrees.any() else float("nan")
    return Fit(fitted, full, agreement, len(at), rms)


def _lengths(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(np.square(vectors).sum(1))


def _median_start(
    at: NDArray[np.float64],
    moved: NDArray[np.float64],
    say: NDArray[np.float64],
    reach: float,
    unknowns: int,
) -> NDArray[np.float64]:
    """Return a start that half of the patches cannot pull away: the weighted median shift."""
    start = np.zeros(unknowns)
    for axis in range(2):
        order = np.argsort(moved[:, axis], kind="stable")
        half = np.searchsorted(np.cumsum(say[order]), 0.5 * say.sum())
        start[axis] = moved[order[min(half, len(order) - 1)], axis]
    return start
