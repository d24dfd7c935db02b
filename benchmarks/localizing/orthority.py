"""Windows of aerial frames located on the orthophoto of another frame, made by exact projection.

Four frames of a metric camera over a gorge, with interior and exterior orientation and a DEM. The
orthophoto of one frame is the reference; windows of the other frames, as the camera saw them, are
the photos. The DEM tells where each pixel of a window lies on the ground. Relief moves pixels by
their height, so no similarity is exact here: the best one is reported beside the answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import rasterio
import yaml
from numpy.typing import NDArray
from tqdm import tqdm

from localizing import tables
from localizing.collinearity import Camera, Frame, Terrain, best_similarity
from localizing.looks import laid_over, side_by_side
from localizing.methods import Method, localiser
from localizing.naip import read_rgb
from nadir.config.localization import SearchConfig
from nadir.errors import InputError
from nadir.localization.pose import Pose, angle_difference
from nadir.localization.standalone import kept_reference
from nadir.raster.grid import Grid
from nadir.raster.picture_cog import new_picture
from nadir.raster.style import save_png

SIDE = 160
"""Side of a window in pixels: two frames of a strip share a stripe that is hardly wider."""

RESOLUTION = 5.6
"""Pixel of the orthophotos in metres, about that of the frames over the middle heights."""

PLACE, PIXELS, DEGREES = 20.0, 10.0, 5.0
"""Errors that are told apart, root mean square over a window: the right place (an eighth of its
side), and a place found well; and of the angle. On steep ground the best similarity itself misses
single points by more, the center as well.
"""

SCALE_RANGE = 0.12
"""Heights range over a tenth of the flying height, and scales with them."""

_FOLDER = "localization/orthority/tests/data"
_TAG = 0x0A71
_POINTS = 9  # points along a window's side whose ground is looked up


@dataclass(frozen=True)
class Survey:
    """Frames and the ground below.

    Attributes:
        frames: Name -> orientation.
        pictures: Name -> (height, width, 3) uint8.
        terrain: The DEM.
        crs: System of all coordinates.
    """

    frames: dict[str, Frame]
    pictures: dict[str, NDArray[np.uint8]]
    terrain: Terrain
    crs: str


@dataclass(frozen=True)
class Window:
    """A window of a frame, and where it lies on an orthophoto.

    Attributes:
        frame: Name of the frame.
        left: First column.
        top: First row.
        ground: (points, points, 2) positions on the orthophoto in pixels, from exact projection.
        inside: Share of these that lie on ground which the orthophoto shows.
    """

    frame: str
    left: int
    top: int
    ground: NDArray[np.float64]
    inside: float

    @property
    def center(self) -> NDArray[np.float64]:
        """Where the middle pixel lies."""
        return np.asarray(self.ground[_POINTS // 2, _POINTS // 2])

    @property
    def corners(self) -> NDArray[np.float64]:
        """Where the corners lie, (4, 2), in the order of `Pose.corners`."""
        return np.asarray(self.ground[[0, 0, -1, -1], [0, -1, 0, -1]])

    def best(self) -> Pose:
        """Return the similarity that fits best."""
        matrix = best_similarity(_grid_of_points(), self.ground.reshape(-1, 2))
        return Pose.of_matrix(matrix, SIDE, SIDE)

    def off(self, pose: Pose) -> float:
        """Return how far a pose puts the window's points from their ground, rms in pixels."""
        points = _grid_of_points()
        laid = np.column_stack([points, np.ones(len(points))]) @ pose.matrix(SIDE, SIDE).T
        return float(np.sqrt(((laid - self.ground.reshape(-1, 2)) ** 2).sum(1).mean()))


def _grid_of_points() -> NDArray[np.float64]:
    """Return the pixels (n, 2) of a window whose ground is looked up."""
    steps = np.linspace(0, SIDE, _POINTS)
    return np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)


def read_survey(real_data: Path) -> Survey:
    """Return frames, orientations and DEM.

    Raises:
        InputError: When the data are not there.
    """
    folder = real_data / _FOLDER
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", "Set NADIR_REAL_DATA to the real data.")
    cameras = {}
    for name, facts in yaml.safe_load((folder / "io/ngi_int_param.yaml").read_text()).items():
        width, height = facts["im_size"]
        focal = facts["focal_len"] * width / facts["sensor_size"][0]
        cameras[name] = Camera(width, height, focal, facts["cx"] * width, facts["cy"] * width)
    exterior = json.loads((folder / "io/ngi_ext_param.geojson").read_text())
    frames, pictures = {}, {}
    for feature in exterior["features"]:
        facts = feature["properties"]
        name = facts["filename"].removeprefix("3324c_2015_1004_").removesuffix("_RGB")
        frames[name] = Frame(cameras[facts["camera"]], np.array(facts["xyz"]), *facts["opk"])
        pictures[name] = read_rgb(folder / "ngi" / f"{facts['filename']}.tif")
    terrain = Terrain.read(folder / "ngi/dem.tif")
    return Survey(frames, pictures, terrain, rasterio.CRS.from_wkt(exterior["world_crs"]).to_wkt())


def write_orthophoto(survey: Survey, name: str, path: Path) -> None:
    """Write the orthophoto of a frame, on the extent of its ground."""
    camera = survey.frames[name].camera
    border = np.array(
        [
            (u, v)
            for u in np.linspace(0, camera.width, 17)
            for v in np.linspace(0, camera.height, 17)
        ]
    )
    ground = survey.frames[name].meet(border, survey.terrain)
    left, low = np.nanmin(ground[:, :2], 0)
    right, high = np.nanmax(ground[:, :2], 0)
    width, height = (int(np.ceil(one / RESOLUTION)) for one in (right - left, high - low))
    transform = (RESOLUTION, 0.0, float(left), 0.0, -RESOLUTION, float(high))
    grid = Grid(survey.crs, transform, height, width)
    laid, valid = survey.frames[name].orthophoto(survey.pictures[name], survey.terrain, grid)
    with new_picture(path, grid) as picture:
        picture.write(0, 0, laid, valid)


def windows(survey: Survey, name: str, ortho: Path, key: tuple[int, ...]) -> Iterator[Window]:
    """Yield windows of a frame in random order, with their place on an orthophoto.

    Windows whose ground is not in the DEM are left out.
    """
    rng = np.random.default_rng([_TAG, *key])
    camera = survey.frames[name].camera
    with rasterio.open(ortho) as dataset:
        valid, affine = dataset.dataset_mask() > 0, dataset.transform
    for _ in range(400):
        left = int(rng.integers(0, camera.width - SIDE + 1))
        top = int(rng.integers(0, camera.height - SIDE + 1))
        pixels = _grid_of_points() + np.array([left, top])
        ground = survey.frames[name].meet(pixels, survey.terrain)
        if not np.isfinite(ground).all():
            continue
        places = np.column_stack(~affine @ (ground[:, 0], ground[:, 1]))
        column, row = np.floor(places).astype(int).T
        there = (column >= 0) & (row >= 0) & (column < valid.shape[1]) & (row < valid.shape[0])
        shown = np.zeros(len(places), bool)
        shown[there] = valid[row[there], column[there]]
        yield Window(name, left, top, places.reshape(_POINTS, _POINTS, 2), float(shown.mean()))


def chosen(
    survey: Survey, name: str, ortho: Path, key: tuple[int, ...], count: int
) -> list[tuple[str, Window]]:
    """Return up to `count` windows wholly on an orthophoto, and as many that miss it."""
    kinds: dict[str, list[Window]] = {"overlapping": [], "apart": []}
    for window in windows(survey, name, ortho, key):
        kind = {1.0: "overlapping", 0.0: "apart"}.get(window.inside)
        if kind and len(kinds[kind]) < count:
            kinds[kind].append(window)
        if all(len(found) == count for found in kinds.values()):
            break
    return [(kind, window) for kind, found in kinds.items() for window in found]


def locate(survey: Survey, window: Window, kind: str, method: Method) -> dict[str, Any]:
    """Locate a window, and return what came out beside the truth."""
    found = method(pixels_of(survey, window))
    pose, best = found.pose, window.best()
    off = pose.corners(SIDE, SIDE) - window.corners
    bent = best.corners(SIDE, SIDE) - window.corners
    error = float(np.hypot(pose.x - window.center[0], pose.y - window.center[1]))
    return {
        "kind": kind,
        "photo": window.frame,
        "left": window.left,
        "top": window.top,
        "error_px": error,
        "error_m": error * RESOLUTION,
        "corners_px": float(np.sqrt((off**2).sum(1).mean())),
        "window_px": window.off(pose),
        "best_center_px": float(np.hypot(best.x - window.center[0], best.y - window.center[1])),
        "best_corners_px": float(np.sqrt((bent**2).sum(1).mean())),
        "best_window_px": window.off(best),
        "error_deg": float(angle_difference(np.array(pose.angle), np.array(best.angle))),
        "x": pose.x,
        "y": pose.y,
        "angle": pose.angle,
        "scale": pose.scale,
        "best_scale": best.scale,
        "resolved": found.resolved,
        "probability": found.probability,
        "cpu_s": found.seconds,
        "pose": pose,
    }


def pixels_of(survey: Survey, window: Window) -> NDArray[np.uint8]:
    """Return the pixels of a window."""
    rows = slice(window.top, window.top + SIDE)
    columns = slice(window.left, window.left + SIDE)
    return np.ascontiguousarray(survey.pictures[window.frame][rows, columns])


def search_config() -> SearchConfig:
    """Return how windows are searched for."""
    return SearchConfig(scale_range=SCALE_RANGE)


def run(real_data: Path, out: Path, work: Path, count: int, seed: int) -> None:
    """Locate windows of each frame on the orthophoto of every other one, and report.

    Args:
        real_data: Folder of real data.
        out: Folder of tables and figures.
        work: Folder of orthophotos and indexed references.
        count: Windows of each kind an ordered pair of frames.
        seed: Seed of the windows.
    """
    survey = read_survey(real_data)
    names = list(survey.frames)
    rows, looks = [], []
    progress = tqdm(total=len(names) * (len(names) - 1), unit="pair", disable=None)
    for reference in names:
        ortho = work / f"{reference}.tif"
        write_orthophoto(survey, reference, ortho)
        method = localiser(kept_reference(ortho, work / reference), SIDE, search_config())
        for name in names:
            if name == reference:
                continue
            key = (seed, names.index(reference), names.index(name))
            for kind, window in chosen(survey, name, ortho, key, count):
                row = locate(survey, window, kind, method)
                pose = row.pop("pose")
                rows.append({"reference": reference, **row})
                if kind == "overlapping":
                    text = f"{name} on {reference}: {row['window_px']:.1f} px"
                    photo = pixels_of(survey, window)
                    looks.append((laid_over(read_rgb(ortho), photo, pose), text))
            progress.update()
    progress.close()
    trials = pd.DataFrame(rows)
    fit = (trials["kind"] == "overlapping") & (trials["error_deg"] <= DEGREES)
    trials["right"] = fit & (trials["window_px"] <= PLACE)
    trials["near"] = fit & (trials["window_px"] <= PIXELS)
    tables.report(out, "orthority", summarize(trials), trials)
    save_png(side_by_side(looks[:24]), out / "orthority.png")


def summarize(trials: pd.DataFrame) -> list[dict[str, object]]:
    """Return one row for windows on the orthophoto, their resolved ones, and for those apart."""
    over = trials[trials["kind"] == "overlapping"]
    parts = {
        "on the orthophoto": over,
        "of these resolved": over[over["resolved"]],
        "apart": trials[trials["kind"] == "apart"],
    }
    return [_row(name, part) for name, part in parts.items()]


def _row(name: str, part: pd.DataFrame) -> dict[str, object]:
    """Return a row of the summary; errors mean nothing where there is no right place."""
    row: dict[str, object] = {
        "windows": name,
        "number": len(part),
        "resolved, %": tables.share(part["resolved"]),
    }
    errors = {
        f"right place ({PLACE:g} px, {DEGREES:g} degrees), %": tables.share(part["right"]),
        f"within {PIXELS:g} px, %": tables.share(part["near"]),
        "center: median, px": tables.median(part["error_px"]),
        "center: median, m": tables.median(part["error_m"], 1),
        "corners: median, px": tables.median(part["corners_px"]),
        "window: median, px": tables.median(part["window_px"]),
        "best similarity: center, px": tables.median(part["best_center_px"]),
        "best similarity: corners, px": tables.median(part["best_corners_px"]),
        "best similarity: window, px": tables.median(part["best_window_px"]),
    }
    row |= dict.fromkeys(errors, "–") if name == "apart" else errors
    return row | {"CPU s a photo": tables.average(part["cpu_s"])}
