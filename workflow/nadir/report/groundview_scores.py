"""Gathering the scores of ground-view experiments into rows that tables and pictures share."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nadir.errors import InputError
from nadir.groundview.matching import in_order
from nadir.report.pose_scores import Value

_REMEDY = "Delete it, if it is there, and run snakemake again."

PAIRING = "pairing, "
"""Head of the names of pairing accuracies."""

MEASURES: tuple[tuple[str, tuple[str, ...], float, int, str], ...] = (
    (
        "land cover",
        ("land_cover", "agreement"),
        100,
        1,
        "share of the ground, %, about which the land cover of the crop and that of the generated "
        "view, as the judge sees it, agree",
    ),
    (
        "land cover of view",
        ("land_cover", "agreement_view"),
        100,
        1,
        "the same against what the photo of the place shows, where that is known",
    ),
    (
        "SWD",
        ("swd",),
        1,
        1,
        "sliced Wasserstein distance between patches of generated and of real views, x 1000; less "
        "is better",
    ),
    (
        "fd_own",
        ("fd_own",),
        1,
        2,
        "Frechet distance over features of the judge, a network trained on the photos of this "
        "dataset: no FID, and not comparable between datasets; less is better",
    ),
    ("precision", ("precision",), 100, 0, "generated views that lie among real ones, %"),
    ("recall", ("recall",), 100, 0, "real views that lie among generated ones, %"),
    (
        "density",
        ("density",),
        1,
        2,
        "how densely generated views lie among real ones; 1 for equal sets",
    ),
    ("coverage", ("coverage",), 100, 0, "real views with a generated one in their region, %"),
    (
        "diversity",
        ("diversity",),
        1,
        2,
        "distance of samples of one place over that of photos of different places; 0 where all "
        "samples are equal",
    ),
    (
        "copying",
        ("copying", "nearer"),
        100,
        1,
        "views nearer to a training photo than 99 % of the test photos are, %; 1 would be expected "
        "of photos",
    ),
    ("SSIM", ("ssim",), 1, 3, "structural similarity to the photo of the place; rewards blur"),
    ("PSNR", ("psnr",), 1, 2, "peak signal-to-noise ratio in dB; rewards blur"),
    (
        "R@1 of crop",
        ("closing", "recall at 1"),
        100,
        1,
        "generated views whose own crop a retrieval network, trained on real photos, ranks first "
        "among the crops of all test places, %",
    ),
    ("R@5 of crop", ("closing", "recall at 5"), 100, 1, "the same among the first five, %"),
    ("FID", ("fid",), 1, 1, "Frechet inception distance, where its weights are given"),
    ("LPIPS", ("lpips",), 1, 3, "learned perceptual distance, where its weights are given"),
)
"""Name, path in `metrics.json`, factor, digits, meaning."""


@dataclass(frozen=True)
class ViewRow:
    """The scores of one experiment on one dataset.

    Attributes:
        dataset: Name of the dataset.
        experiment: Name of the experiment.
        pairs: Test pairs.
        places: Their places.
        among: Photos among which a place's own is looked for.
        losses: Names of the losses of the pairing, in order.
        values: Measure -> figure; shares in percent.
        photos: Measure -> what real photos reach, where that is told.
        pairing: The section of the scores.
    """

    dataset: str
    experiment: str
    pairs: int
    places: int
    among: int
    losses: tuple[str, ...]
    values: dict[str, Value | None]
    photos: dict[str, float]
    pairing: dict[str, Any]

    @property
    def best(self) -> float:
        """The best pairing accuracy over all losses, in percent."""
        found = [self.values[PAIRING + name] for name in self.losses]
        return max((value.value for value in found if value is not None), default=0.0)

    @property
    def chance(self) -> float:
        """The accuracy of guesses, in percent."""
        return 100 / self.among


def read_view_rows(
    paths: Iterable[str | os.PathLike[str]], closings: Iterable[str | os.PathLike[str]] = ()
) -> list[ViewRow]:
    """Read `.../<dataset>/<experiment>/metrics.json` files.

    Args:
        paths: These files.
        closings: Scores of a retrieval that was asked with the views of an experiment
            (`.../<dataset>/<experiment>/closing/metrics.json`), or with the real photos
            (`.../<dataset>/closing/metrics.json`).

    Returns:
        By dataset, from the best pairing accuracy to the worst.

    Raises:
        InputError: When a file is absent or is no such file, or there is none at all.
    """
    asked = dict(_closing(Path(path)) for path in closings)
    rows = [_row(Path(path), asked) for path in paths]
    if not rows:
        raise InputError("comparison", "there is nothing to compare", "Name metrics.json files.")
    return sorted(rows, key=lambda row: (row.dataset, -row.best, row.experiment))


def _closing(path: Path) -> tuple[Path, dict[str, Any]]:
    """Return whose views asked (the folder), and how well their crops were found."""
    try:
        found = json.loads(path.read_text())["directions"]["ground to satellite"]["standard"]
    except OSError as error:
        raise InputError(path, "there is no such file", _REMEDY) from error
    except (ValueError, KeyError, TypeError) as error:
        problem = f"these are no scores of a retrieval from ground to satellite ({error!r})"
        raise InputError(path, problem, _REMEDY) from error
    return path.absolute().parents[1], found


def _row(path: Path, closings: dict[Path, dict[str, Any]]) -> ViewRow:
    dataset, experiment = path.absolute().parts[-3:-1]
    try:
        scores: dict[str, Any] = json.loads(path.read_text())
        own, real = (closings.get(path.absolute().parents[k], {}) for k in (0, 1))
        scores["closing"] = {
            name: found | {"photos": real.get(name, {}).get("value")} for name, found in own.items()
        }
        pairing = scores["pairing"]
        values: dict[str, Value | None] = {
            PAIRING + name: _value(found["accuracy"], 100)
            for name, found in pairing["losses"].items()
        }
        photos: dict[str, float] = {}
        for name, where, factor, _, _ in MEASURES:
            found = _at(scores, where)
            values[name] = _value(found, factor)
            if isinstance(found, dict) and found.get("photos") is not None:
                photos[name] = factor * float(found["photos"])
        return ViewRow(
            dataset,
            experiment,
            int(scores["pairs"]),
            int(scores["places"]),
            int(pairing["n"]),
            tuple(in_order(pairing["losses"])),
            values,
            photos,
            pairing,
        )
    except OSError as error:
        raise InputError(path, "there is no such file", _REMEDY) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        problem = f"these are no scores of generated views ({error!r})"
        raise InputError(path, problem, _REMEDY) from error


def _at(scores: dict[str, Any], where: tuple[str, ...]) -> Any:
    """Return what lies at a path, or None where the path ends early."""
    found: Any = scores[where[0]]
    for key in where[1:]:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _value(found: Any, factor: float) -> Value | None:
    """Return a figure with its interval; one without an interval has it of no width."""
    if not isinstance(found, dict) or found.get("value") is None:
        return None
    value = found["value"]
    ends = [found.get(name) for name in ("low", "high")]
    return Value(*(factor * float(value if end is None else end) for end in (value, *ends)))
