"""Places and their images: the table that every later step reads, `images.parquet`.

A place is seen by images of several views (drone, satellite, street). Training and validation keep
whole places; in the test, queries look for their place in a gallery, which may hold distractors.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from nadir.config.retrieval import Weather
from nadir.errors import InputError, did_you_mean
from nadir.provenance.tables import read_table, refuse_doubles, write_table
from nadir.raster.pictures import read_picture
from nadir.retrieval.weather import WEATHERS, apply_weather

log = logging.getLogger(__name__)

SPLITS = ("train", "validation", "query", "gallery")
"""What an image is for; an image that is both query and gallery has a row for each."""

SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("place", pa.string()),
        ("view", pa.string()),
        ("split", pa.string()),
        ("path", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("digest", pa.string()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("weather", pa.string()),
    ]
)
"""Columns of the image table, sorted by name of the image. An empty place is not known; x and y are
those of the image's center on the ground, in the CRS of the data, NaN where not known.
"""

_SHOWN = 5


def write_images(path: str | os.PathLike[str], images: pd.DataFrame) -> None:
    """Write the image table, sorted by name: equal content gives equal bytes.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    write_table(path, images.sort_values("image", kind="stable"), SCHEMA)


def read_images(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the image table.

    Raises:
        InputError: When there is no such file, it is no image table, or it names an image twice.
    """
    images = read_table(path, SCHEMA, "image table")
    refuse_doubles(images, path, "image table", "image")
    for column, known in (("split", SPLITS), ("weather", WEATHERS)):
        strange = sorted(set(images[column]) - set(known))
        if strange:
            problem = f"it has the {column} {strange[0]!r}"
            raise InputError(path, problem, f"There are {', '.join(known)}.")
    return images


def direction(
    images: pd.DataFrame, query: str, gallery: str, split: str = "test"
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the images that ask and those that are searched, for one direction.

    Args:
        images: The image table.
        query: View of the queries.
        gallery: View of the gallery.
        split: "test" for the splits query and gallery, else the split that gives both.

    Raises:
        InputError: When there is no such view, or either side is empty.
    """
    known = sorted(set(images["view"]))
    sides = []
    for role, view in (("query", query), ("gallery", gallery)):
        if view not in known:
            problem = f"there is no view {view!r}{did_you_mean(view, known)}"
            raise InputError("images", problem, f"The views are {', '.join(known) or 'none'}.")
        wanted = role if split == "test" else split
        side = images[(images["view"] == view) & (images["split"] == wanted)]
        if side.empty:
            problem = f"the {role} of the view {view!r} is empty in the split {wanted!r}"
            raise InputError("images", problem, "Put at least one image there.")
        sides.append(side.reset_index(drop=True))
    return sides[0], sides[1]


def complete_places(images: pd.DataFrame, views: Sequence[str], split: str = "train") -> list[str]:
    """Return the places of a split that all of some views show, sorted; tell of the others.

    Args:
        images: The image table.
        views: The views that a place needs.
        split: The split.

    Raises:
        InputError: When no place is complete.
    """
    rows = images[(images["split"] == split) & images["view"].isin(list(views))]
    seen = rows.groupby("place")["view"].nunique()
    complete = sorted(seen.index[seen == len(set(views))])
    if not complete:
        problem = f"no place of the split {split!r} is seen in all of {', '.join(views)}"
        raise InputError("images", problem, "Give each place at least one image of each view.")
    lacking = sorted(seen.index[seen < len(set(views))])
    if lacking:
        log.warning(
            "%d of %d places of the split %r lack one of the views %s and are left out: %s",
            len(lacking),
            len(seen),
            split,
            ", ".join(views),
            _listed(lacking),
        )
    return complete


def in_weathers(images: pd.DataFrame, weathers: Sequence[Weather]) -> pd.DataFrame:
    """Return each image once in each weather; names of all but `normal` get it as an ending.

    Args:
        images: Rows of the image table, each in normal weather.
        weathers: The weathers.

    Raises:
        ValueError: When an image already has a weather.
    """
    if (images["weather"] != "normal").any():
        raise ValueError("these images have weathers already")
    parts = []
    for weather in weathers:
        part = images.assign(weather=weather)
        if weather != "normal":
            part["image"] = part["image"] + "@" + weather
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def show(
    path: str | os.PathLike[str],
    image: str,
    weather: Weather = "normal",
    *,
    seed: int = 0,
    upright: bool = False,
) -> NDArray[np.uint8]:
    """Return the picture of a row of the image table, in its weather: uint8 (rows, columns, 3) RGB.

    Args:
        path: Its file.
        image: Its name, with or without the ending of a weather.
        weather: Its weather.
        seed: Seed of the weathers.
        upright: Whether to turn it as its EXIF orientation says; by default it is as stored.

    Raises:
        InputError: When the file is not there, or no 8-bit RGB or grey picture.
    """
    name = image.rpartition("@")[0] if weather != "normal" and "@" in image else image
    return apply_weather(read_picture(path, upright=upright), weather, seed=seed, name=name)


def review(images: pd.DataFrame, source: str | os.PathLike[str]) -> None:
    """Warn of what is allowed but seldom meant: leaks, mixed sizes, places of one view alone.

    Args:
        images: The image table.
        source: Folder or file that it was made from, for messages.
    """
    learnt = images["split"].isin(["train", "validation"])
    for column, text in (
        ("place", "%s: %d places are both in training and in the test: %s"),
        ("digest", "%s: %d images of the test are also in training, byte for byte: %s"),
    ):
        both = set(images.loc[learnt, column]) & set(images.loc[~learnt, column]) - {""}
        if both:
            rows = images[~learnt & images[column].isin(both)]
            shown = sorted(both) if column == "place" else sorted(rows["image"])
            log.warning(text, source, len(both), _listed(shown))
    for view, rows in images.groupby("view"):
        sizes = sorted(set(zip(rows["width"], rows["height"], strict=True)))
        if len(sizes) > 1:
            small, large = sizes[0], sizes[-1]
            log.warning(
                "%s: images of the view %r have %d sizes, from %d x %d to %d x %d; all are scaled "
                "to the size of the network",
                *(source, view, len(sizes), *small, *large),
            )
    _review_answers(images, source)


def _review_answers(images: pd.DataFrame, source: str | os.PathLike[str]) -> None:
    """Warn of test places that are asked for but in no gallery."""
    known = images[images["place"] != ""]
    asked = set(known.loc[known["split"] == "query", "place"])
    kept = set(known.loc[known["split"] == "gallery", "place"])
    lacking = sorted(asked - kept)
    if lacking:
        log.warning(
            "%s: %d of %d places that are asked for are in no gallery: %s",
            *(source, len(lacking), len(asked), _listed(lacking)),
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(map(str, names[:_SHOWN])) + more


def coordinates(images: pd.DataFrame, table: str | os.PathLike[str]) -> pd.DataFrame:
    """Return the image table with the coordinates that a csv file gives places or images.

    Args:
        images: The image table.
        table: A csv file with the columns `place` or `image`, `x` and `y`.

    Raises:
        InputError: When the file cannot be read, lacks columns, or knows none of the images.
    """
    path = Path(table)
    try:
        given = pd.read_csv(path, dtype={"place": str, "image": str})
    except (OSError, ValueError) as error:
        raise InputError(path, f"it cannot be read ({error})", "Give a csv file.") from error
    key = next((name for name in ("image", "place") if name in given), None)
    if key is None or not {"x", "y"} <= set(given):
        remedy = "It needs the columns place (or image), x and y."
        raise InputError(path, f"its columns are {', '.join(given.columns)}", remedy)
    refuse_doubles(given, path, "table of coordinates", key)
    placed = images.drop(columns=["x", "y"]).merge(given[[key, "x", "y"]], on=key, how="left")
    if placed["x"].isna().all():
        raise InputError(path, f"it knows none of the {key}s", f"Give the {key}s of the data.")
    return placed[SCHEMA.names]
