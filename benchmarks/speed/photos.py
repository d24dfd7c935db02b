"""Finding photos of another season and decade on a substrate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from speed.contest import Case, Contestant, Row, Task
from speed.inputs import folder_of

_PHOTOS, _SUBSTRATE, _PHOTO = 12, 1536, 256
_NADIR, _VOTES = "nadir, localiser without training", "nadir, SIFT and votes"
_OPENCV = "OpenCV: SIFT, FLANN, RANSAC"
_RATIO, _TOLERANCE = 0.8, 8.0


def row(device: str) -> Row:
    """Return the row."""
    return Row(
        "photos",
        f"photos: {_PHOTOS} of {_PHOTO} pixels found on {_SUBSTRATE} x {_SUBSTRATE}, two in five "
        "under clouds",
        [
            Contestant(_NADIR, _nadir, ours=True, times=1, warm=False),
            Contestant(_VOTES, _votes, ours=True, times=1, warm=False),
            Contestant(_OPENCV, _opencv, needs=("cv2",), times=1, warm=False),
        ],
        [],
        prepare,
        compare,
    )


def prepare(case: Case) -> None:
    """Simulate substrate and photos, and index the substrate."""
    from nadir.config.cases import CaseConfig
    from nadir.config.worlds import WorldConfig
    from nadir.localization.references import build_reference
    from nadir.simulate.case import simulate_case

    folder = folder_of(case)
    if not (folder / "truth.json").is_file():
        world = WorldConfig(seed=5, width_km=5.12, height_km=5.12)
        cfg = CaseConfig(
            seed=5,
            substrate_px=_SUBSTRATE,
            resolution=1.0,
            photo_px=_PHOTO,
            train=0,
            test=case.count(_PHOTOS, 2),
        )
        simulate_case(world, cfg, folder, workers=case.threads)
    if not (folder / "reference.manifest.json").is_file():
        build_reference(_substrate(case), folder / "reference.manifest.json")


def compare(given: Mapping[str, Any]) -> dict[str, str]:
    """Say how many photos each finds within 10 pixels and 1 degree."""
    told = {}
    for name, one in given.items():
        off = np.hypot(*(one["poses"][:, :2] - one["truth"][:, :2]).T)
        turned = np.abs((one["poses"][:, 2] - one["truth"][:, 2] + 180) % 360 - 180)
        right = int(np.sum((off <= 10) & (turned <= 1)))
        told[name] = f"{right} of {len(off)} found within 10 pixels and 1 degree"
    return told


def _substrate(case: Case) -> Any:
    return folder_of(case) / "original.tiff"


def _photos(case: Case) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the photos (RGB) and x, y, angle of each."""
    import rasterio

    folder = folder_of(case)
    told = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["photos"]
    photos, truth = [], []
    for name in sorted(told):
        with rasterio.open(folder / "test" / "img" / f"{name}.png") as file:
            photos.append(np.moveaxis(file.read([1, 2, 3]), 0, -1))
        truth.append([told[name][key] for key in ("x", "y", "angle")])
    return photos, np.array(truth)


def _task(case: Case, locate: Any, note: str = "") -> Task:
    photos, truth = _photos(case)

    def work() -> dict[str, np.ndarray]:
        return {"poses": np.array([locate(photo) for photo in photos]), "truth": truth}

    return Task(work, note=note)


def _ours(case: Case, method: Any) -> Task:
    import cv2

    cv2.setNumThreads(case.threads)

    def locate(photo: np.ndarray) -> tuple[float, float, float]:
        pose = method(photo).pose
        return pose.x, pose.y, pose.angle

    return _task(case, locate)


def _nadir(case: Case) -> Task:
    import torch
    from localizing.methods import localiser

    from nadir.localization.references import Reference

    torch.set_num_threads(case.threads)
    return _ours(case, localiser(Reference(folder_of(case) / "reference.manifest.json"), _PHOTO))


def _votes(case: Case) -> Task:
    from localizing.methods import sift_voting

    from nadir.localization.references import Reference

    return _ours(case, sift_voting(Reference(folder_of(case) / "reference.manifest.json")))


def _opencv(case: Case) -> Task:
    """Return what a hundred tutorials do: features of the substrate are found once, before."""
    import cv2
    import rasterio

    cv2.setNumThreads(case.threads)
    with rasterio.open(_substrate(case)) as file:
        substrate = cv2.cvtColor(np.moveaxis(file.read([1, 2, 3]), 0, -1), cv2.COLOR_RGB2GRAY)
    sift = cv2.SIFT_create()
    there, told = sift.detectAndCompute(substrate, None)
    index = cv2.FlannBasedMatcher({"algorithm": 1, "trees": 5}, {"checks": 50})
    index.add([told])
    index.train()

    def locate(photo: np.ndarray) -> tuple[float, float, float]:
        here, found = sift.detectAndCompute(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), None)
        nowhere = (_SUBSTRATE / 2, _SUBSTRATE / 2, 0.0)
        if found is None or len(here) < 2:
            return nowhere
        pairs = [pair for pair in index.knnMatch(found, k=2) if len(pair) == 2]
        good = [one for one, other in pairs if one.distance < _RATIO * other.distance]
        if len(good) < 3:
            return nowhere
        source = np.float32([here[one.queryIdx].pt for one in good])
        target = np.float32([there[one.trainIdx].pt for one in good])
        matrix, _ = cv2.estimateAffinePartial2D(
            source, target, method=cv2.RANSAC, ransacReprojThreshold=_TOLERANCE, maxIters=20_000
        )
        if matrix is None:
            return nowhere
        height, width = photo.shape[:2]
        x, y = matrix @ ((width - 1) / 2, (height - 1) / 2, 1) + 0.5
        return x, y, float(np.degrees(np.arctan2(matrix[1, 0], matrix[0, 0])))

    return _task(case, locate, "a photo without an answer counts as one in the middle")
