"""Tables of the page of maps: experiments, classes, accuracies by a sample of pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from nadir.config.classes import ClassTable
from nadir.report.maps import Judged
from nadir.report.page import cell, sortable_table

OVERVIEW = (
    ("mIoU", "mean intersection over union of the classes that occur on held-out ground"),
    ("accuracy", "share of held-out pixels mapped right"),
    ("boundary IoU", "IoU of the bands along borders (Cheng et al. 2021), mean of classes"),
    ("ECE as given", "mean gap between confidence and accuracy (Guo et al. 2017)"),
    ("ECE", "the same after calibration on validation ground"),
    ("Brier", "squared distance of calibrated probabilities to the truth, 0 to 2"),
    ("coverage", "share of held-out pixels whose class set holds the truth; promised in brackets"),
    ("set size", "classes in a set, on average"),
)


def overview_table(judged: Sequence[Judged], number: int) -> list[str]:
    """Return the table of all experiments.

    Args:
        judged: The experiments.
        number: Number of the table on the page.
    """
    rows = []
    for one in judged:
        facts, found = one.facts, one.facts["probability"]
        sets = found["sets"]
        held = f"{sets['coverage']:.3f} ({sets['promised']:g})"
        off = abs(sets["coverage"] - sets["promised"]) > 0.02
        rows += [
            "<tr>",
            f'<th scope="row"><a href="#{escape(one.name)}">{escape(one.name)}</a></th>',
            cell(facts["scores"]["miou"]),
            cell(facts["scores"]["accuracy"]),
            cell(facts["boundary"]["miou"]),
            cell(found["before"]["ece"]),
            cell(found["after"]["ece"]),
            cell(found["after"]["brier"]),
            f'<td class="number{" off" if off else ""}" data-value="{sets["coverage"]:.6f}">'
            f"{held}</td>",
            cell(sets["size"], digits=2),
            "</tr>",
        ]
    heads = [("text", "experiment"), *(("number", name) for name, _ in OVERVIEW)]
    return sortable_table("Held-out ground, all scenes together.", heads, rows, number)


def classes_table(one: Judged, classes: ClassTable, number: int) -> list[str]:
    """Return the table of classes of one experiment.

    Args:
        one: The experiment.
        classes: The class table.
        number: Number of the table on the page.
    """
    facts = one.facts
    scores = facts["scores"]["class"]
    sets = facts["probability"]["sets"]["class_coverage"]
    areas = facts["areas"]
    heads = [("text", "class"), ("number", "true pixels")]
    heads += [
        ("number", name)
        for name in ("IoU", "user's accuracy", "producer's accuracy", "boundary IoU")
    ]
    heads.append(("number", "set coverage"))
    for scene, found in areas.items():
        where = f" of {scene}" if len(areas) > 1 else ""
        heads += [
            ("number", f"mapped{where} ({found['unit']})"),
            ("number", f"area{where} ({found['unit']})"),
        ]
    rows = []
    for at, name in enumerate(facts["classes"]):
        if not (scores["truth"][at] or scores["predicted"][at]):
            continue
        cells = [
            f'<th scope="row">{chip(classes.colors[at + 1])}{escape(name)}</th>',
            cell(scores["truth"][at], text=f"{scores['truth'][at]:,}"),
            *(cell(scores[key][at], shaded=True) for key in ("iou", "precision", "recall")),
            cell(facts["boundary"]["iou"][at], shaded=True),
            cell(sets[at]),
        ]
        for found in areas.values():
            cells += _area_cells(found["classes"][name])
        rows += ["<tr>", *cells, "</tr>"]
    caption = f"{one.name}: classes on held-out ground; areas of whole scenes."
    return sortable_table(caption, heads, rows, number)


def accuracy_table(one: Judged, classes: ClassTable, numbers: Iterator[int]) -> list[str]:
    """Return the table of accuracies by a sample of pixels, where areas are estimated from one.

    Args:
        one: The experiment.
        classes: The class table.
        numbers: Yields the number of a table on the page.
    """
    found = {
        scene: areas["accuracy"]
        for scene, areas in one.facts["areas"].items()
        if areas.get("accuracy", {}).get("classes")
    }
    if not found:
        return []
    heads = [("text", "scene")] * (len(found) > 1) + [("text", "class")]
    heads += [("number", f"{whose} accuracy, sampled") for whose in ("user's", "producer's")]
    colors = dict(zip(classes.names, classes.colors, strict=True))
    rows = []
    for scene, accuracy in found.items():
        for name, row in accuracy["classes"].items():
            label = f'<th scope="row">{chip(colors[name])}{escape(name)}</th>'
            pair = [_with_error(row, key) for key in ("users", "producers")]
            if any(row[key] is not None for key in ("users", "producers")):
                first = [f"<td>{escape(scene)}</td>"] * (len(found) > 1)
                rows += ["<tr>", *first, label, *pair, "</tr>"]
    overall = ", ".join(
        f"{accuracy['overall']:.3f} ± {accuracy['overall_error']:.3f} ({scene})"
        for scene, accuracy in found.items()
    )
    caption = (
        f"{one.name}: accuracies of whole scenes by a stratified sample of labelled pixels, with "
        f"standard errors. Overall accuracy: {overall}."
    )
    return sortable_table(caption, heads, rows, next(numbers))


def _with_error(row: Mapping[str, float | None], key: str) -> str:
    """Return the cell of an accuracy and its standard error, where there is one."""
    value, error = row[key], row[f"{key}_error"]
    if value is None or error is None:
        return cell(value)
    return cell(value, text=f"{value:.3f} ± {error:.3f}")


def _area_cells(row: dict[str, Any]) -> list[str]:
    """Return what the map counts, and the estimate with its interval."""
    if row["low"] is None or row["high"] is None:
        return [cell(row["mapped"], 1), cell(None)]
    inside = row["low"] <= row["mapped"] <= row["high"]
    mark = "" if inside else " off"
    return [
        f'<td class="number{mark}" data-value="{row["mapped"]:.6f}">{row["mapped"]:,.1f}</td>',
        f'<td class="number" data-value="{row["area"]:.6f}">{row["area"]:,.1f}<br>'
        f'<small style="white-space: nowrap">{row["low"]:,.1f}–{row["high"]:,.1f}</small></td>',
    ]


def chip(color: str) -> str:
    """Return the patch of a class's color."""
    return f'<span class="chip" style="background: {color}"></span>'
