"""The localiser: one photo against a pool of references, from a fast pass to parts of a pixel.

1. Fast pass: votes of local features at known scale; where they are sure, the search ends.
2. Coarse search on every reference in all directions, by correlation of described cells: first by
   gradients, then, where that leaves doubt, by the trained descriptor. They fail on different
   photos, and the next step tells which of their places is right.
3. The best places are refined; how far the best leads over the runner-up tells right from wrong.
4. A fit over patches gives parts of a pixel, a covariance, and how much of the photo agrees.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from nadir.config.localization import SearchConfig
from nadir.localization.clouds import clear_weight
from nadir.localization.coarse import CoarseSearch, Describe, Guess, gradient_description
from nadir.localization.confidence import Confidence, Evidence
from nadir.localization.features import extract
from nadir.localization.pose import Pose, angle_difference
from nadir.localization.proposals import Proposal
from nadir.localization.references import Reference
from nadir.localization.refine import Fit, Refiner, View, gray_of, view_of
from nadir.localization.sparse import (
    PHOTO_FEATURES,
    SparseReference,
    locate_features,
    voting_estimator,
)
from nadir.localization.turning import reduce

log = logging.getLogger(__name__)

_CLOSE = 3  # places that are refined at twice the resolution
_DOUBT = 0.03  # lead below which an answer is not worth a closer look while places are left
_SAME_PLACE = 0.1  # share of a photo's side within which two answers are one


@dataclass(frozen=True)
class Answer:
    """Where a photo was taken.

    Attributes:
        pose: The best guess, given in any case.
        covariance: (3, 3) of x (px), y (px) and angle (degrees), or None where patches gave none.
        evidence: What speaks for it.
        margin: Lead over the runner-up, in correlation.
        probability: That it is right (10 px and 1 degree), 0 to 1.
        resolved: Whether that is as probable as asked for.
        reference: Name of the reference that it was found on.
        stage: What found it: `features`, `search`, `proposals` or `neighbors`.
    """

    pose: Pose
    covariance: NDArray[np.float64] | None
    evidence: Evidence
    margin: float
    probability: float
    resolved: bool
    reference: str
    stage: str


@dataclass(frozen=True)
class _Place:
    """A refined place on one of the references."""

    guess: Guess
    which: int
    stage: str


class Localizer:
    """Locates photos on references; safe to use from several threads.

    Args:
        references: The substrate first, then mosaics.
        cfg: How to search.
        photo_side: Longer side of the photos, in pixels.
        describe: Ways to describe cells, tried in this order until an answer is sure.
        confidence: What evidence is worth.
        device: Where to compute.
        scale: Substrate pixels per photo pixel, about.
    """

    def __init__(
        self,
        references: Sequence[Reference],
        cfg: SearchConfig,
        photo_side: int,
        describe: Sequence[Describe] = (gradient_description,),
        confidence: Confidence | None = None,
        device: torch.device | None = None,
        scale: float = 1.0,
    ) -> None:
        device = device or torch.device("cpu")
        self.cfg, self.scale = cfg, scale
        self.confidence = confidence or Confidence()
        self.references = list(references)
        self._sparse = [SparseReference.of(one) for one in references] if cfg.sift else []
        self._coarse = [
            [
                CoarseSearch(one, way, photo_side, scale, cfg.rotation_step, device)
                for way in describe
            ]
            for one in references
        ]
        self._refiners = [Refiner(one, device) for one in references]
        self.level = self._coarse[0][0].level

    def locate(self, photo: NDArray[np.uint8], proposals: Sequence[Proposal] = ()) -> Answer:
        """Return where a photo was taken.

        Args:
            photo: (height, width, 3) uint8.
            proposals: Places that are looked at closely besides those that the search finds; they
                are weighed like all others.
        """
        weight = clear_weight(photo)
        gray = gray_of(photo)
        view = view_of(gray, weight, self.level)
        places, sure = self._fast_pass(gray, view)
        if sure:
            answer = self._answer(photo, gray, weight, view, places, sure=True)
            if answer.resolved:
                return answer
        small, count = reduce(photo, self.level), self.cfg.candidates
        for way in range(len(self._coarse[0])):
            # Mosaics come first: they show the photos' own season, so they settle most.
            for which in reversed(range(len(self.references))):
                coarse = self._coarse[which][way]
                guesses = coarse.search(
                    small, view.weight, self._scales(), count, view.middle, proposals
                )
                for stage, proposed in (("search", False), ("proposals", True)):
                    part = [guess for guess in guesses if guess.proposed is proposed]
                    refined = self._refined(view, part, which)
                    places += [_Place(guess, which, stage) for guess in refined]
                if self._margin(places, min(gray.shape)) > _DOUBT:
                    answer = self._answer(photo, gray, weight, view, places, sure=False)
                    if answer.resolved:
                        return answer
        return self._answer(photo, gray, weight, view, places, sure=False)

    def _fast_pass(self, gray: NDArray[np.uint8], view: View) -> tuple[list[_Place], bool]:
        """Return what local features say, and whether that is sure."""
        if not self._sparse:
            return [], False
        height, width = gray.shape
        factor = self.references[0].feature_factor
        features = extract(gray, factor, True, PHOTO_FEATURES)
        estimator = voting_estimator(self.cfg.scale_range)
        found = locate_features(features, width, height, self._sparse, estimator)
        if found.vote is None:
            return [], False
        which = [one.name for one in self.references].index(found.reference)
        return [self._close_to(view, found.vote.pose, which)], found.sure

    def _scales(self) -> tuple[float, ...]:
        """Return the scales that the coarse search tries: steps of some 6 %."""
        spread = self.cfg.scale_range
        if spread == 0:
            return (self.scale,)
        steps = np.arange(-round(spread / 0.06), round(spread / 0.06) + 1)
        return tuple(self.scale * float(np.exp(0.06 * step)) for step in steps)

    def _close_to(self, view: View, pose: Pose, which: int) -> _Place:
        """Return a place from the fast pass, scored like those of the search."""
        guess = Guess(pose.x, pose.y, pose.angle, pose.scale, 0.0)
        turns = np.array([-0.4, 0.0, 0.4])
        return _Place(self._refiners[which].closer(view, guess, 4, turns), which, "features")

    def _refined(self, view: View, guesses: list[Guess], which: int) -> list[Guess]:
        """Return guesses refined, those of two at one place joined, the best first."""
        step = self.cfg.rotation_step
        turns = step * np.array([-0.75, -0.375, 0.0, 0.375, 0.75])
        refiner, reach = self._refiners[which], 8
        stretches = self._stretches()
        found = [refiner.closer(view, guess, reach, turns, stretches) for guess in guesses]
        found.sort(key=lambda guess: -guess.score)
        fine = step * np.array([-0.2, -0.1, 0.0, 0.1, 0.2])
        first = [refiner.closer(view, guess, 3, fine) for guess in found[:_CLOSE]]
        return sorted(first + found[_CLOSE:], key=lambda guess: -guess.score)

    def _stretches(self) -> tuple[float, ...]:
        if self.cfg.scale_range == 0:
            return (1.0,)
        return (0.97, 0.985, 1.0, 1.015, 1.03)

    def _answer(
        self,
        photo: NDArray[np.uint8],
        gray: NDArray[np.uint8],
        weight: NDArray[np.float32],
        view: View,
        places: list[_Place],
        sure: bool,
    ) -> Answer:
        """Return the best place, fitted to parts of a pixel and weighed."""
        if not places:
            return self._nowhere()
        best = max(places, key=lambda place: place.guess.score)
        margin = self._margin(places, min(photo.shape[:2]))
        if len(places) == 1 and sure:
            margin = float("nan")  # there is no runner-up: the fast pass spoke alone
        guess = best.guess
        pose = Pose(guess.x, guess.y, guess.angle, guess.scale)
        fit = self._fit(gray, weight, view, pose, best.which)
        evidence = Evidence(
            score=guess.score,
            margin=margin,
            agreement=fit.agreement if fit else 0.0,
            patches=fit.patches if fit else 0,
            clear=float(view.weight.mean()),
        )
        probability = self.confidence.probability(evidence)
        return Answer(
            fit.pose if fit and fit.agreement >= 0.3 else pose,
            fit.covariance if fit else None,
            evidence,
            margin,
            probability,
            probability >= self.cfg.precision,
            self.references[best.which].name,
            best.stage,
        )

    def _margin(self, places: list[_Place], side: int) -> float:
        """Return the lead of the first place over the best one that lies elsewhere.

        Mosaics and substrate show the same ground: the same place on both is no rival.
        """
        ranked = sorted(places, key=lambda place: -place.guess.score)
        if not ranked:
            return 0.0
        first = ranked[0].guess
        for place in ranked[1:]:
            other = place.guess
            turned = angle_difference(other.angle, first.angle)
            away = np.hypot(other.x - first.x, other.y - first.y)
            if away > _SAME_PLACE * side * first.scale or turned > 5:
                return first.score - other.score
        return first.score

    def _fit(
        self,
        gray: NDArray[np.uint8],
        weight: NDArray[np.float32],
        view: View,
        pose: Pose,
        which: int,
    ) -> Fit | None:
        """Return the fit over patches, from the level of the search to half of it."""
        free = self.cfg.scale_range > 0
        refiner = self._refiners[which]
        fit = refiner.fit(view, pose, 4, free)
        if fit is None or fit.agreement < 0.3:
            return fit
        fine = max(self.level // 2, 1)
        finer = view if fine == view.level else view_of(gray, weight, fine)
        again = refiner.fit(finer, fit.pose, 4, free)
        return again if again is not None and again.agreement >= 0.5 * fit.agreement else fit

    def _nowhere(self) -> Answer:
        """Return the answer for a photo that no reference could be searched for."""
        first = self.references[0]
        middle = Pose(0.5 * first.width, 0.5 * first.height, 0.0, self.scale)
        evidence = Evidence(0.0, 0.0, 0.0, 0, 0.0)
        return Answer(middle, None, evidence, 0.0, 0.0, False, first.name, "none")
