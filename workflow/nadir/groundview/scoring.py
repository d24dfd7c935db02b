"""The scores of generated views: alike as sets, alike place by place, found, varied, not copied."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nadir.config.groundview_evaluate import ViewEvaluateConfig
from nadir.errors import InputError
from nadir.groundview import perceptual
from nadir.groundview.distributions import (
    frechet_distance,
    mean_pairwise,
    nearest_distances,
    overlap,
)
from nadir.groundview.intervals import Figure
from nadir.groundview.judge_fitting import Judge
from nadir.groundview.judged import Judged
from nadir.groundview.land_cover import agreement, by_class, chance_agreement, without_sky
from nadir.groundview.pairing_scores import check_losses, score_pairing
from nadir.groundview.pairs import Pairs
from nadir.groundview.similarity import signal_to_noise, structural_similarity
from nadir.groundview.sliced import Descriptors, describe_patches, sliced_distance

log = logging.getLogger(__name__)

_FEW = 50
_NEAREST = 0.01  # quantile of the photos' own distances below which a view counts as copied
_REAL = 0x4EA1


def score_views(
    pairs: Pairs,
    views: NDArray[np.uint8],
    judge: Judge,
    cfg: ViewEvaluateConfig,
    seed: int = 0,
) -> dict[str, Any]:
    """Score generated views; figures are objects of `value`, `low` and `high`.

    Sets, similarity and pairing look at the first sample of each place, so that the number of
    samples moves none of them.

    Args:
        pairs: All pairs.
        views: uint8 (n, samples, 3, image_px, image_px) for the test pairs, in their order.
        judge: The judge.
        cfg: How to score.
        seed: Seed of the configuration.

    Raises:
        InputError: When there are fewer than two test pairs, an unknown loss is named, or a file
            of weights does not fit.
    """
    check_losses(cfg.pairing)
    test, training = pairs.of("test"), pairs.photos[pairs.rows("train")]
    if len(test) < 2:
        problem = f"there is no set of {len(test)} test pairs to compare with"
        raise InputError("pairs", problem, "Give a larger share to test.")
    if len(test) < _FEW:
        log.warning(
            "there are only %d test pairs: the intervals tell how little is known", len(test)
        )
    flat = judge.features(views.reshape(-1, *views.shape[2:]))
    own_seed = int(np.random.SeedSequence([seed, cfg.seed]).generate_state(1)[0])
    judged = Judged(
        test,
        views,
        judge.features(test.photos),
        flat.reshape(*views.shape[:2], -1),
        judge.features(training),
        cfg,
        own_seed,
    )
    return {
        "pairs": len(test),
        "places": len(set(judged.places)),
        "samples": int(views.shape[1]),
        "swd": _swd(judged, training),
        "fd_own": _fd_own(judged),
        **_overlaps(judged),
        "ssim": judged.mean(structural_similarity(judged.first, test.photos)),
        "psnr": judged.mean(signal_to_noise(judged.first, test.photos)),
        "land_cover": _land_cover(judged, judge),
        "pairing": score_pairing(judged),
        "diversity": _diversity(judged),
        "copying": _copying(judged),
        **_weighted(judged),
    }


def _swd(judged: Judged, training: NDArray[np.uint8]) -> dict[str, Any]:
    """Return the sliced Wasserstein distance, by level and their mean, and what photos have."""
    cfg, seed = judged.cfg.sliced, judged.seed
    made, real = (describe_patches(some, cfg, seed) for some in (judged.first, judged.test.photos))

    def distance(some: NDArray[np.intp]) -> float:
        levels = sliced_distance(_chosen(made, some), _chosen(real, some), cfg, seed)
        return float(np.mean(list(levels.values())))

    own = _real_sample(judged, len(training))
    levels = sliced_distance(made, real, cfg, seed)
    return {
        **judged.left_out(distance),
        "levels": {str(side): value for side, value in sorted(levels.items())},
        "photos": _swd_of_photos(training[own], judged) if len(own) > 1 else None,
    }


def _swd_of_photos(photos: NDArray[np.uint8], judged: Judged) -> float:
    """Return the distance of training photos from as many test photos."""
    cfg, seed = judged.cfg.sliced, judged.seed
    one = describe_patches(photos, cfg, seed)
    other = describe_patches(judged.test.photos[: len(photos)], cfg, seed)
    return float(np.mean(list(sliced_distance(one, other, cfg, seed).values())))


def _chosen(patches: Descriptors, some: NDArray[np.intp]) -> Descriptors:
    return {side: values[some] for side, values in patches.items()}


def _real_sample(judged: Judged, training: int) -> NDArray[np.intp]:
    """Return the numbers of as many training photos as there are test photos, or all."""
    random = np.random.default_rng([judged.seed, _REAL])
    return random.permutation(training)[: len(judged.test)]


def _fd_own(judged: Judged) -> dict[str, Any]:
    """Return the Frechet distance over the judge's features, and what photos have."""
    made, real = judged.made[:, 0], judged.real
    own = judged.train[_real_sample(judged, len(judged.train))]
    return {
        **judged.left_out(lambda some: frechet_distance(made[some], real[some])),
        "photos": frechet_distance(own, real) if len(own) > 1 else None,
        "features": int(real.shape[1]),
    }


def _overlaps(judged: Judged) -> dict[str, Figure]:
    """Return precision, recall, density and coverage."""
    made, real, k = judged.made[:, 0], judged.real, judged.cfg.neighbors

    def figure(name: str, most: float) -> Figure:
        return judged.left_out(lambda some: getattr(overlap(real[some], made[some], k), name), most)

    names = {"precision": 1.0, "recall": 1.0, "density": np.inf, "coverage": 1.0}
    return {name: figure(name, most) for name, most in names.items()}


def _land_cover(judged: Judged, judge: Judge) -> dict[str, Any]:
    """Return how far views show the land cover of their crops, and of the photos' truth."""
    samples = judged.views.shape[1]
    flat = judge.shares(judged.views.reshape(-1, *judged.views.shape[2:]))
    seen = judge.shares(judged.test.photos)
    crop, truth = judged.test.crop_shares(), judged.test.view_shares()
    if flat is None or seen is None:
        return {"agreement": None, "reason": "the judge has seen no truth to learn classes from"}
    if crop is None and truth is None:
        return {"agreement": None, "reason": "the land cover of the test pairs is not known"}
    shown = flat.reshape(len(judged.test), samples, -1)
    found: dict[str, Any] = {}
    known = {"agreement": crop, "agreement_view": None if truth is None else without_sky(truth)}
    for name, shares in known.items():
        if shares is None:
            found[name] = None
            continue
        each = [agreement(without_sky(shown[:, k]), shares) for k in range(samples)]
        first = without_sky(shown[:, 0])
        found[name] = {
            **judged.mean(np.mean(each, axis=0)),
            "photos": float(np.nanmean(agreement(without_sky(seen), shares))),
            "chance": float(np.nanmean(chance_agreement(first, shares))),
        }
        found["classes" if name == "agreement" else "classes_view"] = by_class(first, shares)
    if truth is not None:
        found["sky_error"] = judged.mean(np.abs(shown[:, :, 0].mean(axis=1) - truth[:, 0]))
    return found


def _diversity(judged: Judged) -> dict[str, Any]:
    """Return how far samples of one place differ, beside photos of different places."""
    if judged.views.shape[1] < 2:
        return {"value": None, "reason": "there is one sample of each place"}
    between = mean_pairwise(judged.real[None])[0]
    of_places = mean_pairwise(judged.made[:, 0][None])[0]
    values = judged.views.astype(np.float32) / 255
    pixels = values.std(axis=1, ddof=1).mean(axis=(1, 2, 3))
    photos = (judged.test.photos.astype(np.float32) / 255).std(axis=0, ddof=1).mean()
    return {
        **judged.mean(mean_pairwise(judged.made) / between),
        "unit": "mean distance of samples of a place over that of photos of different places",
        "places": float(of_places / between),
        "pixels": judged.mean(pixels),
        "pixels_photos": float(photos),
    }


def _copying(judged: Judged) -> dict[str, Any]:
    """Return how near views come to training photos, beside test photos."""
    if not len(judged.train):
        return {"ratio": None, "reason": "there are no training photos"}
    flat = judged.made.reshape(-1, judged.made.shape[-1])
    made = nearest_distances(flat, judged.train).reshape(judged.made.shape[:2])
    real = nearest_distances(judged.real, judged.train)
    near = float(np.quantile(real, _NEAREST))
    return {
        "distance": judged.mean(made.mean(axis=1)),
        "photos": float(real.mean()),
        "ratio": float(made.mean() / real.mean()) if real.mean() > 0 else None,
        "nearer": judged.mean((made < near).mean(axis=1)),
        "near": near,
    }


def _weighted(judged: Judged) -> dict[str, Any]:
    """Return the figures that need weights of others, or why they are not there."""
    found: dict[str, Any] = {}
    cfg = judged.cfg
    no = {"value": None, "reason": "no file of weights is named in the configuration"}
    if cfg.inception is None:
        found["fid"] = no
    else:
        made, real = (
            perceptual.inception_features(pictures, cfg.inception)
            for pictures in (judged.first, judged.test.photos)
        )
        found["fid"] = {"value": frechet_distance(made, real), "pictures": len(made)}
    if cfg.alexnet is None:
        found["lpips"] = no
    else:
        distances = perceptual.perceptual_distance(judged.first, judged.test.photos, cfg.alexnet)
        found["lpips"] = judged.mean(distances)
    return found
