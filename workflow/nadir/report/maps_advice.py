"""What to do next about a map, said from its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_LEAST = 0.03
"""Share of a class's pixels that a confusion must reach to be named."""


@dataclass(frozen=True)
class Advice:
    """One thing that stands out, and where.

    Attributes:
        text: A sentence or two.
        place: The block that shows it best (row of `quality.json`'s `places`), if any.
    """

    text: str
    place: dict[str, Any] | None = None


def advice_of(facts: dict[str, Any], confusions: int = 4) -> list[Advice]:
    """Return what stands out of a `quality.json`, what costs most first.

    Args:
        facts: Its content.
        confusions: Most pairs of classes to name.
    """
    return [
        *_confusions(facts, confusions),
        *_borders(facts),
        *_purity(facts),
        *_trust(facts),
        *_areas(facts),
    ]


def top_confusions(facts: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Return the pairs of classes that are confused most, by wrong pixels.

    Returns:
        Rows of `truth` and `predicted` (names), `pixels`, `share` (of the true class) and `place`:
        the block where this is the commonest error with the most such pixels, or None.
    """
    names = facts["classes"]
    matrix = np.array(facts["confusion"], np.int64)
    wrong = matrix - np.diag(np.diag(matrix))
    rows = []
    for key in np.argsort(-wrong, axis=None, kind="stable")[:count]:
        i, j = (int(n) for n in np.unravel_index(key, wrong.shape))
        if not wrong[i, j]:
            break
        here = [place for place in facts["places"] if place["error"][:2] == [i + 1, j + 1]]
        rows.append(
            {
                "truth": names[i],
                "predicted": names[j],
                "pixels": int(wrong[i, j]),
                "share": float(wrong[i, j] / matrix[i].sum()),
                "back": float(wrong[j, i] / max(matrix[j].sum(), 1)),
                "place": max(here, key=lambda place: place["error"][2], default=None),
            }
        )
    return rows


def _confusions(facts: dict[str, Any], count: int) -> list[Advice]:
    found = []
    total = max(facts["scores"]["pixels"], 1)
    for row in top_confusions(facts, count):
        if row["share"] < _LEAST and row["pixels"] < 0.005 * total:
            continue
        text = (
            f"{100 * row['share']:.0f} % of {row['truth']} is mapped as {row['predicted']} "
            f"({row['pixels']} pixels, {100 * row['pixels'] / total:.1f} % of all)"
        )
        if row["back"] >= _LEAST:
            text += (
                f", and {100 * row['back']:.0f} % the other way round: the two are alike to the "
                "model. More dates or bands may tell them apart, or one class for both would do."
            )
        else:
            text += (
                f": the model prefers {row['predicted']}. Show it more {row['truth']} (balanced "
                "sampling, class weights), or look whether the labels are right there."
            )
        found.append(Advice(text, row["place"]))
    return found


def _borders(facts: dict[str, Any]) -> list[Advice]:
    rows = [row for row in facts["distance"] if row["pixels"]]
    if len(rows) < 2 or rows[0]["upto"] is None:
        return []
    near, far = rows[0], rows[-1]
    wrong = sum((1 - row["accuracy"]) * row["pixels"] for row in rows)
    share = (1 - near["accuracy"]) * near["pixels"] / wrong if wrong else 0.0
    if far["accuracy"] - near["accuracy"] < 0.1 or share < 0.25:
        return []
    return [
        Advice(
            f"{100 * share:.0f} % of all errors lie within {near['upto']} px of a border "
            f"({100 * near['accuracy']:.0f} % right there, {100 * far['accuracy']:.0f} % far from "
            "any). Train on shares of classes instead of hard labels, weight borders, and see that "
            "image and mask lie on each other."
        )
    ]


def _purity(facts: dict[str, Any]) -> list[Advice]:
    rows = [row for row in facts["purity"] if row["pixels"]]
    if not rows:
        return []
    mixed = [row for row in rows if row["below"] is not None and row["below"] <= 0.75]
    pixels = sum(row["pixels"] for row in mixed)
    total = sum(row["pixels"] for row in rows)
    if pixels < 0.1 * total:
        return []
    right = sum(row["accuracy"] * row["pixels"] for row in mixed) / pixels
    return [
        Advice(
            f"{100 * pixels / total:.0f} % of pixels are mixed (no class covers three quarters); "
            f"{100 * right:.0f} % of those are right. For them no hard label is the truth: read "
            "`set_size.tif` beside the map, or compare areas instead of pixels."
        )
    ]


def _trust(facts: dict[str, Any]) -> list[Advice]:
    found = []
    before, after = (facts["probability"][key]["ece"] for key in ("before", "after"))
    if before > 0.03 and after < before:
        found.append(
            Advice(
                f"As given, confidence errs by {before:.3f} on average; calibrated, by {after:.3f}."
                " Set `predict.calibrate` where the confidence is read."
            )
        )
    if after > 0.03:
        found.append(
            Advice(
                f"Even calibrated, confidence errs by {after:.3f}: the held-out ground is unlike "
                "the validation ground. Give the validation more blocks."
            )
        )
    sets = facts["probability"]["sets"]
    if sets["coverage"] < sets["promised"] - 0.02:
        found.append(
            Advice(
                f"Class sets hold the truth for {100 * sets['coverage']:.1f} % of pixels, and "
                f"{100 * sets['promised']:g} % were promised: too little validation ground, or "
                "ground unlike it."
            )
        )
    return found


def _areas(facts: dict[str, Any]) -> list[Advice]:
    found = []
    for scene, areas in facts["areas"].items():
        off = [
            (name, row)
            for name, row in areas["classes"].items()
            if row["low"] is not None
            and row["high"] is not None
            and not row["low"] <= row["mapped"] <= row["high"]
        ]
        off.sort(key=lambda item: -abs(item[1]["mapped"] - item[1]["area"]))
        for name, row in off[:2]:
            more = "more" if row["mapped"] > row["area"] else "less"
            found.append(
                Advice(
                    f"Counting the map of {scene} gives {_area(row['mapped'], areas['unit'])} of "
                    f"{name}, {more} than there is: {_area(row['low'], areas['unit'])} to "
                    f"{_area(row['high'], areas['unit'])}. Report the estimate, not the count."
                )
            )
    return found


def _area(value: float, unit: str) -> str:
    digits = 0 if value >= 100 else 1
    return f"{value:.{digits}f} {unit}"
