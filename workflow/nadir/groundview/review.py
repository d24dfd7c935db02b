"""A sheet of all photos for the eye: ticks are saved as a csv file that the filters read."""

from __future__ import annotations

import base64
import csv
import html
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import cv2
import pandas as pd

from nadir.config.groundview import PhotosDataset
from nadir.errors import InputError
from nadir.groundview.photo_files import cut_panel, read_photo, squared
from nadir.provenance.atomic import write_text

log = logging.getLogger(__name__)

_SIDE = 144  # pixels of a thumbnail
_TRUE, _FALSE = {"1", "true", "yes"}, {"0", "false", "no"}


def read_review(path: str | os.PathLike[str], photos: set[str]) -> dict[str, bool]:
    """Return photo -> whether a person keeps it.

    Args:
        path: A csv file with the columns photo and keep (1 or 0).
        photos: The photos that there are; others in the file are told of and ignored.

    Raises:
        InputError: When the file cannot be read, lacks columns, has other values, names a photo
            twice, or knows none of the photos.
    """
    remedy = "Save it from the review sheet again, or give the columns photo and keep (1 or 0)."
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), reader.fieldnames or []
    except (OSError, UnicodeError, csv.Error) as error:
        raise InputError(path, f"it cannot be read ({error})", remedy) from error
    if not {"photo", "keep"} <= set(columns):
        raise InputError(path, f"its columns are {', '.join(columns) or 'none'}", remedy)
    decided: dict[str, bool] = {}
    for number, row in enumerate(rows, start=2):
        photo, value = row["photo"], (row["keep"] or "").strip().lower()
        if value not in _TRUE | _FALSE:
            raise InputError(path, f"line {number}: keep is {value!r}, not 1 or 0", remedy)
        if photo in decided:
            raise InputError(path, f"line {number}: {photo!r} comes twice", remedy)
        decided[photo] = value in _TRUE
    strange = sorted(set(decided) - photos)
    if rows and len(strange) == len(decided):
        problem = f"it knows none of the photos; it names {strange[0]!r}"
        raise InputError(path, problem, "Give the review of this dataset.")
    if strange:
        log.warning("%s: %d photos that it names are not there any more", path, len(strange))
    return {photo: keep for photo, keep in decided.items() if photo in photos}


def write_sheet(
    photos: pd.DataFrame,
    filters: pd.DataFrame,
    dataset: PhotosDataset,
    out: str | os.PathLike[str],
    *,
    title: str = "",
    threads: int | None = None,
) -> None:
    """Write the review sheet: one HTML file that needs no network.

    Photos that can be paired are shown, the kept ones first, with what the filters say. A tick is
    "keep". What is saved are the photos whose tick differs from what the filters say by themselves,
    so that later changes of the filters are not held up by it.

    Args:
        photos: Table of photos.
        filters: Table of filters, of the same photos.
        dataset: The dataset.
        out: The file to write.
        title: What the photos are, for the heading.
        threads: Photos that are read at the same time.

    Raises:
        InputError: When a photo cannot be read.
        OutputError: When the disk is full or not writable.
    """
    both = photos.merge(filters, on="photo", validate="one_to_one")
    shown = both[~both["cause"].isin(["corrupt", "no_coordinates", "outside"])]
    shown = shown.sort_values(["kept", "cause", "photo"], ascending=[False, True, True])
    with ThreadPoolExecutor(threads or os.cpu_count()) as pool:
        pictures = list(pool.map(lambda path: _thumbnail(path, dataset), shown["path"]))
    figures = "\n".join(
        _figure(row, picture)
        for row, picture in zip(shown.to_dict("records"), pictures, strict=True)
    )
    page = files("nadir.groundview").joinpath("pages", "review.html").read_text(encoding="utf-8")
    filled = {
        "{{title}}": html.escape(title or "Photos"),
        "{{name}}": html.escape(title or "review", quote=True),
        "{{left_out}}": str(len(both) - len(shown)),
        "{{figures}}": figures,
    }
    for mark, text in filled.items():
        page = page.replace(mark, text)
    write_text(out, page)


def _thumbnail(path: str, dataset: PhotosDataset) -> str:
    """Return a small JPEG of a photo in base64."""
    pixels = read_photo(path)
    if dataset.panels:
        pixels = cut_panel(pixels, dataset.panels, "ground", path)
    small = squared(pixels, _SIDE, dataset.fit).transpose(1, 2, 0)[..., ::-1]
    data = cv2.imencode(".jpg", small.copy(), [cv2.IMWRITE_JPEG_QUALITY, 82])[1]
    return base64.b64encode(data.tobytes()).decode()


def _figure(row: dict[Any, Any], picture: str) -> str:
    """Return the element of one photo."""
    name = html.escape(str(row["photo"]), quote=True)
    cause, measured = str(row["cause"]), str(row["measured"])
    facts = [str(row["date"])[:10], str(row["scene"] or row["season"])]
    told = html.escape(" · ".join(part for part in facts if part))
    state = " checked" if row["kept"] else ""
    note = f'<b class="cause">{html.escape(cause)}</b>' if cause else ""
    keep = int(not measured)
    label = html.escape(f"keep {row['photo']}" + (f", dropped: {cause}" if cause else ""), True)
    short = html.escape(str(row["photo"]).rpartition("/")[2])
    return (
        f'<label class="photo" data-photo="{name}" data-measured="{keep}" '
        f'data-cause="{html.escape(cause, quote=True)}">'
        f'<img alt="" src="data:image/jpeg;base64,{picture}">'
        f'<span class="line"><input type="checkbox" aria-label="{label}"{state}>'
        f'<span class="name" title="{name}">{short}</span>{note}</span>'
        f'<span class="facts">{told}</span></label>'
    )
