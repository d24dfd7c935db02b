"""The localiser on real photos: other years of one place, and aerial frames over steep ground.

Photos, frames and their truth come from `benchmarks/localizing`, which measures more of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from nadir.localization.localizer import Answer, Localizer
from nadir.localization.pose import Pose, angle_difference
from nadir.localization.references import Reference, build_reference
from nadir.raster.grid import Grid

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def benchmarks() -> Iterator[None]:
    """Make the modules of the benchmarks importable, and work on one thread."""
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path, str(BENCHMARKS)])
        yield
    torch.set_num_threads(threads[0])
    cv2.setNumThreads(threads[1])


@pytest.fixture(scope="module")
def survey(real_data):
    from localizing.orthority import read_survey

    return read_survey(real_data)


def errors(answer: Answer, truth: Pose) -> tuple[float, float]:
    turned = angle_difference(np.array(answer.pose.angle), np.array(truth.angle))
    return float(np.hypot(answer.pose.x - truth.x, answer.pose.y - truth.y)), float(turned)


def wrong_on(reference: str, real_data: Path, work: Path, seed: int, count: int) -> list[str]:
    """Return the photos of all other years that are not located right on one year."""
    from localizing import naip

    from nadir.config.localization import SearchConfig

    files = naip.dates_of(real_data)
    pictures = {date: naip.read_rgb(path) for date, path in files.items()}
    manifest = work / f"{reference}.manifest.json"
    build_reference(files[reference], manifest)
    localizer = Localizer([Reference(manifest)], SearchConfig(), naip.SIDE)
    wrong = []
    for date, index, crop in naip.crops_for(pictures, reference, count, seed):
        answer = localizer.locate(crop.pixels)
        pixels, degrees = errors(answer, crop.pose)
        if pixels > naip.PIXELS or degrees > naip.DEGREES:
            wrong.append(f"{date} on {reference}, {index}: {pixels:.1f} px, {degrees:.2f} degrees")
    return wrong


@pytest.mark.parametrize("reference", ["20150926"])
def test_photos_of_other_years(real_data, tmp_path, reference):
    assert wrong_on(reference, real_data, tmp_path, seed=11, count=1) == []


@pytest.mark.slow
def test_photos_of_all_pairs_of_years(real_data, tmp_path):
    from localizing import naip

    dates = naip.dates_of(real_data)
    assert len(dates) == 6
    for reference in dates:
        assert wrong_on(reference, real_data, tmp_path, seed=12, count=1) == []


def test_frames_agree_on_the_ground(survey):
    """Orthophotos of two frames are one picture: the projection that gives the truth is right."""
    one, other = survey.frames["05_0182"], survey.frames["05_0184"]
    left, low, right, high = survey.terrain.grid.bounds
    shape = int((high - low) / 16), int((right - left) / 16)
    grid = Grid(survey.crs, (16.0, 0.0, left, 0.0, -16.0, high), *shape)
    laid = [
        frame.orthophoto(cv2.blur(survey.pictures[name], (3, 3)), survey.terrain, grid)
        for name, frame in (("05_0182", one), ("05_0184", other))
    ]
    both = laid[0][1] & laid[1][1]
    assert both.sum() > 5000
    seen = [picture.mean(-1) for picture, _ in laid]
    agreement = {
        (dy, dx): np.corrcoef(seen[0][both], np.roll(seen[1], (dy, dx), (0, 1))[both])[0, 1]
        for dy in (-1, 0, 1)
        for dx in (-1, 0, 1)
    }
    assert max(agreement, key=agreement.__getitem__) == (0, 0)
    assert agreement[0, 0] > 0.95


def test_rays_return_to_their_pixels(survey):
    pixels = np.random.default_rng(0).uniform((0, 0), (640, 1152), (40, 2))
    for frame in survey.frames.values():
        ground = frame.meet(pixels, survey.terrain)
        np.testing.assert_allclose(frame.project(ground), pixels, atol=1e-6)
        heights = survey.terrain.at(ground[:, 0], ground[:, 1])
        np.testing.assert_allclose(heights, ground[:, 2], atol=0.1)


def strays(survey, ortho: str, names: tuple[str, ...], work: Path) -> list[str]:
    """Return windows of frames that are not located right on an orthophoto, or wrongly sure."""
    from localizing import orthority

    path, manifest = work / f"{ortho}.tif", work / f"{ortho}.manifest.json"
    orthority.write_orthophoto(survey, ortho, path)
    build_reference(path, manifest)
    localizer = Localizer([Reference(manifest)], orthority.search_config(), orthority.SIDE)
    found = []
    for name in names:
        for kind, window in orthority.chosen(survey, name, path, (3, len(name)), 1):
            answer = localizer.locate(orthority.pixels_of(survey, window))
            degrees = errors(answer, window.best())[1]
            pixels = window.off(answer.pose)
            right = pixels < orthority.PLACE and degrees < orthority.DEGREES
            if answer.resolved if kind == "apart" else not right:
                found.append(f"{name}, {kind}: {pixels:.1f} px, {degrees:.2f} degrees")
    return found


def test_windows_of_a_frame_on_the_orthophoto_of_another(survey, tmp_path):
    # From the neighboring strip, which was flown the other way.
    assert strays(survey, "05_0184", ("06_0251",), tmp_path) == []


@pytest.mark.slow
def test_windows_of_frames_on_the_orthophoto_of_another(survey, tmp_path):
    assert strays(survey, "05_0184", ("05_0182", "06_0251"), tmp_path) == []
