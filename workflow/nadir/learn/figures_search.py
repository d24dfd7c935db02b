"""The picture of a search: scores over the trials, importances, and a panel for each parameter."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, NullFormatter

from nadir.config.searches import ChoiceSpace, IntSpace, SearchConfig, choice_text
from nadir.raster.style import ACCENTS, INK, QUIET, new_figure, save_png, styled

_PANELS = 6
_COLUMNS = 3


@styled
def draw_search(
    facts: dict[str, Any], cfg: SearchConfig, path: str | PathLike[str], title: str = ""
) -> None:
    """Draw a search.

    Args:
        facts: What `nadir.learn.search_results.search_facts` gave.
        cfg: The search.
        path: The PNG to write.
        title: Heading.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    ranked = sorted(cfg.space, key=lambda key: -facts["importances"].get(key, 0.0))[:_PANELS]
    rows = -(-len(ranked) // _COLUMNS)
    figure = new_figure(10.0, 3.4 + 2.5 * rows)
    parts: Any = figure.subfigures(2, 1, height_ratios=[3.2, 2.5 * rows])
    above, below = parts
    history, shares = above.subplots(1, 2, width_ratios=[2, 1])
    _draw_history(history, facts)
    _draw_importances(shares, facts, ranked)
    panels = below.subplots(rows, _COLUMNS, sharey=True, squeeze=False)
    for axes, key in zip(panels.flat, ranked, strict=False):
        _draw_slice(axes, facts, cfg, key)
    for row in panels:
        row[0].set_ylabel(_name(facts["metric"]))
    for axes in panels.flat[len(ranked) :]:
        axes.set_visible(False)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    save_png(figure, path)


def _draw_history(axes: Axes, facts: dict[str, Any]) -> None:
    """Draw the score of each trial, and the best so far."""
    complete = [row for row in facts["trials"] if row["score"] is not None]
    early = [row for row in facts["trials"] if row["state"] == "pruned" and row["last"] is not None]
    numbers = np.array([row["number"] for row in complete])
    scores = np.array([row["score"] for row in complete])
    best = (np.maximum if facts["maximizes"] else np.minimum).accumulate(scores)
    axes.step(numbers, best, where="post", color=ACCENTS[0], linewidth=1.6, label="best so far")
    axes.plot(numbers, scores, "o", color=ACCENTS[0], markersize=4.5, alpha=0.75, label="a trial")
    axes.plot(
        [row["number"] for row in early],
        [row["last"] for row in early],
        "x",
        color=QUIET,
        markersize=4.5,
        label="ended early, score then",
    )
    chosen = facts["best"]
    axes.plot([chosen["number"]], [chosen["score"]], "o", color=ACCENTS[1], markersize=7)
    axes.annotate(
        f"{chosen['score']:.3f}",
        (chosen["number"], chosen["score"]),
        xytext=(0, 7 if facts["maximizes"] else -14),
        textcoords="offset points",
        ha="center",
        color=ACCENTS[1],
        fontweight="bold",
    )
    # Trials that diverged would press all others into a line.
    low, high = np.quantile(scores, [0.0, 1.0]) if len(scores) < 5 else _middle(scores, facts)
    room = max(high - low, 1e-3)
    axes.set_ylim(low - 0.12 * room, high + 0.2 * room)
    axes.set_title(f"{facts['finished']} trials, {facts['pruned']} of them ended early")
    own = facts["own"]
    axes.set_xlabel("trial" if own is None else f"trial ({own}: the experiment's own values)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylabel(_name(facts["metric"]))
    axes.grid(visible=True, axis="y")
    axes.set_axisbelow(True)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3)


def _middle(scores: np.ndarray, facts: dict[str, Any]) -> tuple[float, float]:
    """Return the range of the better nine tenths of the scores."""
    worst = np.quantile(scores, 0.1 if facts["maximizes"] else 0.9)
    return (worst, scores.max()) if facts["maximizes"] else (scores.min(), worst)


def _draw_importances(axes: Axes, facts: dict[str, Any], ranked: list[str]) -> None:
    """Draw what the scores vary by."""
    found = [key for key in ranked if key in facts["importances"]]
    axes.set_title("Importance")
    if not found:
        axes.set_axis_off()
        axes.text(0, 0.9, "too few trials came to their end", color=QUIET, va="top")
        return
    shares = [facts["importances"][key] for key in found]
    axes.barh(range(len(found)), shares, color=ACCENTS[0], height=0.62)
    for place, share in enumerate(shares):
        axes.annotate(
            f"{share:.0%}",
            (share, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color=INK,
        )
    axes.set_yticks(range(len(found)), [_short(key) for key in found])
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.18 * max(shares))
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def _draw_slice(axes: Axes, facts: dict[str, Any], cfg: SearchConfig, key: str) -> None:
    """Draw the scores against one parameter."""
    space = cfg.space[key]
    chosen = facts["best"]
    complete = [
        row
        for row in facts["trials"]
        if row["score"] is not None and row["number"] != chosen["number"]
    ]
    scores = [row["score"] for row in complete]
    values = [row["values"][key] for row in complete]
    if isinstance(space, ChoiceSpace):
        texts = [str(choice_text(choice)) for choice in space.choices]
        places: list[float] = []
        for number, value in enumerate(values):  # beside each other, as they came
            aside = 0.24 * ((number * 0.618) % 1 - 0.5)
            places.append(texts.index(str(choice_text(value))) + aside)
        at = float(texts.index(str(choice_text(chosen["values"][key]))))
        axes.set_xticks(range(len(texts)), [_clipped(text) for text in texts])
        axes.set_xlim(-0.5, len(texts) - 0.5)
    else:
        places, at = [float(value) for value in values], float(chosen["values"][key])
        if space.log:
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.xaxis.set_major_locator(MaxNLocator(5, integer=isinstance(space, IntSpace)))
        margin = (space.high / space.low) ** 0.04 if space.log else 0.04 * (space.high - space.low)
        low, high = (
            (space.low / margin, space.high * margin)
            if space.log
            else (space.low - margin, space.high + margin)
        )
        axes.set_xlim(low, high)
    axes.plot(places, scores, "o", color=ACCENTS[0], markersize=4, alpha=0.7)
    axes.plot([at], [chosen["score"]], "o", color=ACCENTS[1], markersize=7)
    axes.set_title(_short(key), fontsize=9, fontweight="normal")
    axes.grid(visible=True, axis="y")
    axes.set_axisbelow(True)


def _name(metric: str) -> str:
    return {"validation_miou": "mean IoU", "validation_iou": "IoU"}.get(metric, "loss") + (
        " (validation)"
    )


def _short(key: str) -> str:
    """Return the last two parts of a dotted key."""
    return ".".join(key.split(".")[-2:])


def _clipped(text: str, width: int = 18) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"
