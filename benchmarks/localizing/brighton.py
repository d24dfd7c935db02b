"""Drone photos located on the mosaic of the others, which the localiser itself puts together.

One photo is laid down by its heading; its neighbors are located on it, then theirs on the mosaic of
all these, until none is left. The photo that was left out is located on the finished mosaic; GPS of
the others turns its place into metres, and its own GPS judges it. Relative errors of GPS, a metre
or two, are part of what is measured.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from localizing import tables
from localizing.collinearity import best_similarity
from localizing.flight import Shot, apart, positions, read_shots
from localizing.looks import laid_over, side_by_side
from localizing.methods import Located, localiser
from localizing.naip import read_rgb
from nadir.config.localization import SearchConfig
from nadir.localization.mosaic import PlacedPhoto, write_mosaic
from nadir.localization.pose import Pose
from nadir.localization.references import Reference, build_reference
from nadir.raster.grid import Grid
from nadir.raster.pictures import read_picture
from nadir.raster.style import save_png

log = logging.getLogger(__name__)

SCALE_RANGE = 0.06
"""The drone keeps its height within some decimetres of 40 m, but trees and shore do not."""

METRES = 5.0
"""Distance that a photo at the right place keeps, with GPS errors of two positions or more."""

_FOLDER = "localization/odm_brighton_beach/images"
_REACH = 0.55  # of a photo's longer side: neighbors that are looked for on a mosaic
_BELIEVED = 0.5  # least probability of a neighbor that is laid down when no other is surer


@dataclass
class Mosaicker:
    """Puts photos together; what it has located before, it remembers.

    Attributes:
        shots: All photos by name.
        work: Folder of mosaics and indexes.
    """

    shots: dict[str, Shot]
    work: Path
    _known: dict[tuple[frozenset[tuple[str, Pose]], str], Located] = field(default_factory=dict)

    @property
    def canvas(self) -> Grid:
        """The grid that all mosaics are made on: room for all photos around the first."""
        places = positions(list(self.shots.values()))
        shot = next(iter(self.shots.values()))
        metres = 1.1 * float(np.ptp(places, 0).max()) * 2
        metres += 1.2 * shot.ground_size * float(np.hypot(shot.width, shot.height))
        side = 64 * int(np.ceil(metres / shot.ground_size / 64))
        return Grid("", (1.0, 0.0, 0.0, 0.0, 1.0, 0.0), side, side)

    def first(self, names: list[str]) -> tuple[str, Pose]:
        """Return the photo nearest to the middle of all, laid down by heading in the middle."""
        middle = positions(list(self.shots.values())).mean(0)
        away = [np.hypot(*(positions([self.shots[name]])[0] - middle)) for name in names]
        name = names[int(np.argmin(away))]
        side = self.canvas.width
        return name, Pose(0.5 * side, 0.5 * side, self.shots[name].heading)

    def grown(self, names: list[str]) -> dict[str, Pose]:
        """Return the poses of photos on the canvas; those that found no place are left out."""
        start, pose = self.first(names)
        placed = {start: pose}
        while True:
            near = [name for name in names if name not in placed and self._near(name, placed)]
            found = {name: self.locate(name, placed) for name in near}
            sure = {name: one for name, one in found.items() if one.resolved}
            if not sure and found:
                name = max(found, key=lambda name: found[name].probability)
                sure = {name: found[name]} if found[name].probability >= _BELIEVED else {}
            if not sure:
                return placed
            placed |= {name: one.pose for name, one in sure.items()}
            log.info("%d of %d photos are laid down", len(placed), len(names))

    def _near(self, name: str, placed: dict[str, Pose]) -> bool:
        shot = self.shots[name]
        reach = _REACH * shot.ground_size * max(shot.width, shot.height)
        return any(apart(shot, self.shots[other]) < reach for other in placed)

    def locate(self, name: str, placed: dict[str, Pose]) -> Located:
        """Return where a photo lies on the mosaic of others."""
        key = (frozenset(placed.items()), name)
        if key not in self._known:
            shot = self.shots[name]
            side = max(shot.width, shot.height)
            search = SearchConfig(scale_range=SCALE_RANGE)
            method = localiser(self.mosaic(placed), side, search)
            missing = [
                one for one in self.shots if one not in placed and (key[0], one) not in self._known
            ]
            for one in missing:  # the mosaic is indexed once for all that may be asked
                if one == name or self._near(one, placed):
                    self._known[key[0], one] = method(read_picture(self.shots[one].path))
        return self._known[key]

    def mosaic(self, placed: dict[str, Pose]) -> Reference:
        """Return the indexed mosaic of placed photos."""
        photos = [
            PlacedPhoto(name, str(shot.path), pose, shot.width, shot.height)
            for name, pose in sorted(placed.items())
            for shot in [self.shots[name]]
        ]
        raster = self.work / "mosaic.tif"
        write_mosaic(photos, self.canvas, raster, 1)
        manifest = self.work / "mosaic.manifest.json"
        build_reference(raster, manifest)
        return Reference(manifest)


def to_ground(placed: dict[str, Pose], shots: dict[str, Shot]) -> NDArray[np.float64]:
    """Return the (2, 3) similarity from canvas (x, -y) to metres that fits GPS best."""
    pixels = np.array([[pose.x, -pose.y] for pose in placed.values()])
    return best_similarity(pixels, positions([shots[name] for name in placed]))


def judged(
    name: str, found: Located, placed: dict[str, Pose], shots: dict[str, Shot]
) -> dict[str, object]:
    """Return the errors of a photo's place and heading against GPS and compass."""
    matrix = to_ground(placed, shots)
    pose, shot = found.pose, shots[name]
    away = matrix @ (pose.x, -pose.y, 1.0) - (shot.east, shot.north)
    upward = np.deg2rad(pose.angle)
    east, north = matrix[:, :2] @ (np.sin(upward), np.cos(upward))
    turned = (np.rad2deg(np.arctan2(east, north)) - shot.heading + 180.0) % 360.0 - 180.0
    fitted = np.array([matrix @ (one.x, -one.y, 1.0) for one in placed.values()])
    off = fitted - positions([shots[one] for one in placed])
    return {
        "photo": name,
        "others": len(placed),
        "error_m": float(np.hypot(*away)),
        # Photos of every other leg were turned upside down after the flight: half a turn is free.
        "heading_deg": float(min(abs(turned), 180.0 - abs(turned))),
        "resolved": found.resolved,
        "probability": found.probability,
        "scale": found.pose.scale,
        "others_rms_m": float(np.sqrt((off**2).sum(1).mean())),
        "metres_a_pixel": float(np.hypot(matrix[0, 0], matrix[1, 0])),
        "cpu_s": found.seconds,
    }


def run(real_data: Path, out: Path, work: Path, factor: int) -> None:
    """Leave out each photo in turn, and report how far from its GPS it is put.

    Args:
        real_data: Folder of real data.
        out: Folder of tables and figures.
        work: Folder of reduced photos and mosaics.
        factor: Photo pixels a working pixel.
    """
    shots = read_shots(real_data / _FOLDER, work / f"reduced{factor}", factor)
    mosaicker = Mosaicker(shots, work)
    rows, looks = [], []
    for name in tqdm(shots, unit="photo", disable=None):
        placed = mosaicker.grown([other for other in shots if other != name])
        found = mosaicker.locate(name, placed)
        rows.append(judged(name, found, placed, shots))
        mosaicker.mosaic(placed)
        reference = read_rgb(work / "mosaic.tif")
        text = f"{name}: {rows[-1]['error_m']:.1f} m, p {found.probability:.2f}"
        looks.append((laid_over(reference, read_picture(shots[name].path), found.pose), text))
    trials = pd.DataFrame(rows)
    tables.report(out, "brighton", summarize(trials), trials)
    save_png(side_by_side(looks), out / "brighton.png")


def summarize(trials: pd.DataFrame) -> list[dict[str, object]]:
    """Return one row for all photos, and one for those that the localiser is sure of."""
    parts = {"all": trials, "resolved": trials[trials["resolved"]]}
    return [
        {
            "photos": name,
            "number": len(part),
            "resolved, %": tables.share(part["resolved"]),
            f"within {METRES:g} m, %": tables.share(part["error_m"] <= METRES),
            "distance to GPS: median, m": tables.median(part["error_m"]),
            "largest, m": tables.worst(part["error_m"]),
            "heading: median, degrees": tables.median(part["heading_deg"]),
            "others against GPS: rms, m": tables.median(part["others_rms_m"]),
            "CPU s a photo": tables.average(part["cpu_s"]),
        }
        for name, part in parts.items()
    ]
