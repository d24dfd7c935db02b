"""Which of the images that a catalogue offers are taken for one date of a scene."""

from __future__ import annotations

import re
from datetime import UTC, date
from typing import Any

from shapely import box, union_all

from nadir.config.fetch import DateConfig
from nadir.errors import InputError
from nadir.fetch.catalog import Area, footprint, time_of

_TILE = re.compile(r"_T?(\d{2}[A-Z]{3})_")


def choose(
    items: list[dict[str, Any]], wanted: DateConfig, area: Area, where: str
) -> list[dict[str, Any]]:
    """Return the images to take, in the order in which they fill the scene.

    Of several processings of one image the newest baseline stays. What is cloudier than allowed is
    left out; an image that does not state its cloud counts as all cloud.

    Args:
        items: What the catalogue has of the area and the range of days.
        wanted: The date.
        area: West, south, east, north in degrees.
        where: What to name in messages (the catalogue).

    Returns:
        Items, the least cloudy first.

    Raises:
        InputError: When nothing is left, with what was there.
    """
    if not items:
        raise InputError(
            where,
            f"it has no image of this area from {wanted.start} to {wanted.end}",
            "Check area, collection and days; widen the range.",
        )
    newest = _newest(items)
    on_days = [item for item in newest if not wanted.days or day_of(item) in wanted.days]
    if not on_days:
        there = ", ".join(sorted({str(day_of(item)) for item in newest})[:20])
        raise InputError(
            where, f"it has no image of the chosen days (there are: {there})", "Choose others."
        )
    clear = [item for item in on_days if cloud_of(item) <= wanted.cloud]
    if not clear:
        least = min(cloud_of(item) for item in on_days)
        raise InputError(
            where,
            f"all {len(on_days)} images have more cloud than {wanted.cloud:g} % (the least: "
            f"{least:g} %)",
            "Allow more `cloud`, or widen the range of days.",
        )
    ranked = sorted(clear, key=lambda item: (cloud_of(item), time_of(item), item["id"]))
    if wanted.choose == "day":
        best = _best_day(ranked, area)
        return [item for item in ranked if day_of(item) == best]
    return _first_of_each_place(ranked, wanted.at_most)


def day_of(item: dict[str, Any]) -> date:
    """Return the day (UTC) on which an image was taken."""
    return time_of(item).astimezone(UTC).date()


def cloud_of(item: dict[str, Any]) -> float:
    """Return the share of cloud in an image, percent; 100 where it is not stated."""
    value = item["properties"].get("eo:cloud_cover")
    return 100.0 if value is None else float(value)


def tile_of(item: dict[str, Any]) -> str:
    """Return the tile of the military grid that an image is of, such as 31TDF; "" if unknown."""
    facts = item["properties"]
    text = str(facts.get("grid:code") or facts.get("s2:mgrs_tile") or "")
    if text:
        return text.removeprefix("MGRS-")
    named = _TILE.search(f"_{item['id']}_")
    return named[1] if named else ""


def _baseline(item: dict[str, Any]) -> tuple[int, ...]:
    facts = item["properties"]
    text = str(facts.get("s2:processing_baseline") or facts.get("processing:version") or "")
    return tuple(int(part) for part in re.findall(r"\d+", text))


def _newest(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return one item for each tile and passage: that of the newest processing."""
    kept: dict[Any, dict[str, Any]] = {}
    for item in items:
        # Two passages over one place are days apart; the parts of one (its two data strips, whose
        # times differ by seconds) show other ground, and both stay.
        ground = tuple(round(value, 2) for value in footprint(item).bounds)
        key = (tile_of(item), day_of(item), ground)
        if key not in kept or (_baseline(item), item["id"]) > (
            _baseline(kept[key]),
            kept[key]["id"],
        ):
            kept[key] = item
    return list(kept.values())


def _best_day(ranked: list[dict[str, Any]], area: Area) -> date:
    """Return the day that covers most of the area, of nearly equal ones the least cloudy."""
    ground = box(*area)
    days = sorted({day_of(item) for item in ranked})

    def merit(day: date) -> tuple[float, float]:
        of_day = [item for item in ranked if day_of(item) == day]
        parts = [footprint(item).intersection(ground) for item in of_day]
        total = sum(part.area for part in parts)
        cloud = sum(cloud_of(item) * part.area for item, part in zip(of_day, parts, strict=True))
        return round(union_all(parts).area / ground.area, 2), -cloud / total

    return max(days, key=merit)


def _first_of_each_place(ranked: list[dict[str, Any]], at_most: int) -> list[dict[str, Any]]:
    """Return the first images of each tile, so that a composite's work stays bounded."""
    counts: dict[Any, int] = {}
    taken = []
    for item in ranked:
        place = tile_of(item) or tuple(round(value, 1) for value in footprint(item).bounds)
        counts[place] = counts.get(place, 0) + 1
        if counts[place] <= at_most:
            taken.append(item)
    return taken
