"""Photos of one year located on an orthophoto of another: six dates of one place (NAIP)."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from tqdm import tqdm

from localizing import tables
from localizing.methods import Method, localiser, sift_ransac, sift_voting
from nadir.errors import InputError
from nadir.localization.pose import Pose, angle_difference, index_matrix
from nadir.localization.references import Reference
from nadir.localization.standalone import kept_reference

SIDE = 256
"""Side of a photo in pixels of 5 m."""

PIXELS, DEGREES = 2.5, 1.0
"""Largest error of a success."""

_FOLDER = "localization/naip_multidate"
_TAG = 0x4A19


@dataclass(frozen=True)
class Crop:
    """A photo cut from one date, to be located on another.

    Attributes:
        pixels: (SIDE, SIDE, 3) uint8.
        pose: Its exact pose.
    """

    pixels: NDArray[np.uint8]
    pose: Pose


def dates_of(real_data: Path) -> dict[str, Path]:
    """Return date -> file, sorted by date."""
    files = sorted((real_data / _FOLDER).glob("*.tif"), key=lambda path: path.stem[-8:])
    if len(files) < 2:
        raise InputError(
            real_data / _FOLDER, "there are no two dates", "Set NADIR_REAL_DATA to the real data."
        )
    return {path.stem[-8:]: path for path in files}


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Return the first three bands (height, width, 3)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        dataset = rasterio.open(path)
    with dataset:
        return np.ascontiguousarray(np.moveaxis(dataset.read((1, 2, 3)), 0, -1))


def cut(picture: NDArray[np.uint8], key: tuple[int, ...], side: int = SIDE) -> Crop:
    """Cut a photo at a random place in a random direction; it lies inside of the picture.

    Args:
        picture: (height, width, 3) uint8.
        key: What the draw is a function of.
        side: Side of the photo.
    """
    rng = np.random.default_rng([_TAG, *key])
    height, width = picture.shape[:2]
    reach = 0.5 * side * np.sqrt(2.0) + 2.0
    x, y = rng.uniform(reach, width - reach), rng.uniform(reach, height - reach)
    pose = Pose(float(x), float(y), float(rng.uniform(0, 360)))
    matrix = index_matrix(pose.matrix(side, side))
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    pixels = cv2.warpAffine(picture, matrix, (side, side), flags=flags)
    return Crop(np.asarray(pixels, np.uint8), pose)


def methods_on(reference: Reference) -> dict[str, Method]:
    """Return the methods that are compared."""
    return {
        "SIFT + ratio + RANSAC": sift_ransac(reference, clahe=False),
        "SIFT + CLAHE + ratio + RANSAC": sift_ransac(reference, clahe=True),
        "SIFT + CLAHE + voting": sift_voting(reference),
        "localiser, untrained": localiser(reference, SIDE),
    }


def crops_for(
    pictures: dict[str, NDArray[np.uint8]], reference: str, count: int, seed: int
) -> Iterator[tuple[str, int, Crop]]:
    """Yield date, index and photo of all photos to be located on one date."""
    dates = list(pictures)
    for date, index in itertools.product(dates, range(count)):
        if date != reference:
            key = (seed, dates.index(reference), dates.index(date), index)
            yield date, index, cut(pictures[date], key)


def run(real_data: Path, out: Path, work: Path, count: int, seed: int) -> None:
    """Locate photos of every date on every other one, by all methods, and report.

    Args:
        real_data: Folder of real data.
        out: Folder of the tables.
        work: Folder of indexed references.
        count: Photos an ordered pair of dates.
        seed: Seed of the photos.
    """
    files = dates_of(real_data)
    pictures = {date: read_rgb(path) for date, path in files.items()}
    rows = []
    progress = tqdm(total=len(files) * (len(files) - 1) * count, unit="photo", disable=None)
    for reference, path in files.items():
        methods = methods_on(kept_reference(path, work / reference))
        for date, index, crop in crops_for(pictures, reference, count, seed):
            for name, method in methods.items():
                found = method(crop.pixels)
                pose, truth = found.pose, crop.pose
                rows.append(
                    {
                        "method": name,
                        "reference": reference,
                        "photo": date,
                        "index": index,
                        "x": truth.x,
                        "y": truth.y,
                        "angle": truth.angle,
                        "error_px": float(np.hypot(pose.x - truth.x, pose.y - truth.y)),
                        "error_deg": float(
                            angle_difference(np.array(pose.angle), np.array(truth.angle))
                        ),
                        "resolved": found.resolved,
                        "probability": found.probability,
                        "cpu_s": found.seconds,
                    }
                )
            progress.update()
    progress.close()
    trials = pd.DataFrame(rows)
    trials["right"] = (trials["error_px"] <= PIXELS) & (trials["error_deg"] <= DEGREES)
    tables.report(out, "naip", summarize(trials), trials)
    wrong = trials[~trials["right"] & trials["method"].str.startswith("localiser")]
    for row in wrong.itertuples():
        print(
            f"wrong: {row.photo} on {row.reference}, index {row.index}, seed {seed}: "
            f"{row.error_px:.1f} px, {row.error_deg:.2f} degrees, resolved {row.resolved}"
        )


def summarize(trials: pd.DataFrame) -> list[dict[str, object]]:
    """Return one row a method."""
    return [
        {
            "method": name,
            "photos": len(part),
            "right, %": tables.share(part["right"]),
            "median, px": tables.median(part["error_px"]),
            "median, degrees": tables.median(part["error_deg"], 3),
            "resolved, %": tables.share(part["resolved"]),
            "right of the resolved, %": tables.share(part.loc[part["resolved"], "right"]),
            "CPU s a photo": tables.average(part["cpu_s"]),
        }
        for name, part in trials.groupby("method", sort=False)
    ]
