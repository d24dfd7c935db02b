"""From lists of files to the image table: sizes and digests, and every damaged file at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from nadir.errors import InputError
from nadir.provenance.digest import sha
from nadir.provenance.files import SUFFIXES, read_bytes
from nadir.raster.pictures import decode_picture
from nadir.retrieval.places import SCHEMA, review

_TAG = 0x91ACE
_SHOWN = 5


@dataclass(frozen=True)
class Listed:
    """An image that a layout found.

    Attributes:
        image: Its name, unique among all.
        place: The place that it shows; "" where that is not known.
        view: Its view.
        split: What it is for, one of `places.SPLITS`.
        path: Its file.
        x: Center on the ground, NaN where not known.
        y: The same.
    """

    image: str
    place: str
    view: str
    split: str
    path: Path
    x: float = float("nan")
    y: float = float("nan")


def pictures_in(folder: Path) -> list[Path]:
    """Return the pictures that lie in a folder, sorted; hidden files are none."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def image_table(
    listed: Sequence[Listed], source: str | os.PathLike[str], threads: int | None = None
) -> pd.DataFrame:
    """Return the image table of what a layout found; every file is decoded once.

    Args:
        listed: The images.
        source: Folder or file that they were found in, for messages.
        threads: Files that are read at the same time; by default one a core.

    Returns:
        Rows sorted by name, all in normal weather. Warnings of `places.review` are logged.

    Raises:
        InputError: When there are no images, a name occurs twice, there are queries but no gallery,
            or files are damaged: all of them are named.
    """
    if not listed:
        remedy = "Check the folder and its layout."
        raise InputError(source, "there are no pictures", remedy)
    _refuse_doubles(listed, source)
    splits = {one.split for one in listed}
    if "query" in splits and "gallery" not in splits:
        raise InputError(source, "there are queries, but the gallery is empty", "Add a gallery.")
    files = sorted({one.path for one in listed})
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        found = list(tqdm(pool.map(_look, files), "images", len(files), disable=None))
    facts = dict(zip(files, found, strict=True))
    faults = [fact for fact in found if isinstance(fact, InputError)]
    if len(faults) == 1:
        raise faults[0]
    if faults:
        told = "; ".join(f"{fault.file}: {fault.problem}" for fault in faults[:_SHOWN])
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        problem = f"{len(faults)} pictures cannot be read ({told}{more})"
        raise InputError(source, problem, "Copy or download them again.")
    rows = [
        (one.image, one.place, one.view, one.split, str(one.path), *facts[one.path], one.x, one.y)
        for one in listed
    ]
    images = pd.DataFrame(rows, columns=SCHEMA.names[:-1]).assign(weather="normal")
    images = images.sort_values("image", kind="stable", ignore_index=True)
    review(images, source)
    return images


def _look(path: Path) -> tuple[int, int, str] | InputError:
    """Return width, height and digest of a picture, or what is wrong with it."""
    try:
        data = read_bytes(path)
        height, width = decode_picture(data, path).shape[:2]
    except InputError as error:
        return error
    return width, height, sha(data)


def _refuse_doubles(listed: Sequence[Listed], source: str | os.PathLike[str]) -> None:
    first: dict[str, Path] = {}
    for one in listed:
        if one.image in first:
            problem = f"two images are called {one.image!r}: {first[one.image]} and {one.path}"
            raise InputError(source, problem, "Rename or remove one of them.")
        first[one.image] = one.path


def chosen_places(places: Iterable[str], share: float, seed: int, fold: int = 0) -> set[str]:
    """Return a share of places by chance; the folds 0, 1, ... choose others until all were chosen.

    Args:
        places: All places.
        share: Share of them, rounded to the nearest number of places.
        seed: Seed of their order.
        fold: Which part of the order; past its end it goes on at the start.
    """
    names = sorted(set(places))
    order = np.random.default_rng([seed, _TAG]).permutation(len(names))
    count = round(share * len(names))
    return {names[k] for k in np.roll(order, -fold * count)[:count]}


def hold_out(listed: Sequence[Listed], share: float, seed: int) -> list[Listed]:
    """Return the same images, with a share of the places of training moved to validation."""
    held = chosen_places((one.place for one in listed if one.split == "train"), share, seed)
    return [
        Listed(one.image, one.place, one.view, "validation", one.path, one.x, one.y)
        if one.split == "train" and one.place in held
        else one
        for one in listed
    ]
