"""Simulated photos from the ground as files: photos with EXIF, crops, classes, and the truth."""

from __future__ import annotations

import collections
import csv
import io
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from PIL.ExifTags import GPS, IFD, Base
from PIL.TiffImagePlugin import IFDRational
from tqdm import tqdm

from nadir.config.views import NUISANCES, ViewsConfig
from nadir.config.worlds import WorldConfig
from nadir.provenance.atomic import remove_path, write_bytes, write_json, write_text
from nadir.simulate.ahead import available_cpus, in_order
from nadir.simulate.standpoints import map_spots
from nadir.simulate.views import CLASSES, GroundCamera, GroundPhoto, Truth, view_figures
from nadir.simulate.world import World

log = logging.getLogger(__name__)

_FOLDERS = ("photos", "crops", "turned", "classes")
_FILES = ("views.json", "photos.csv", "truth.csv")


@dataclass(frozen=True)
class _Written:
    """What is kept of a photo: its files, and its lines of the tables."""

    files: dict[str, bytes]
    line: list[str]
    truth: list[str]
    fault: str
    kind: str


def simulate_views(
    world_cfg: WorldConfig,
    cfg: ViewsConfig,
    folder: str | os.PathLike[str],
    *,
    workers: int | None = None,
) -> Path:
    """Write `photos/`, `crops/`, `classes/`, the tables and, last, `views.json`.

    A photo depends on the world, the settings and its index alone. Memory is that of `workers + 1`
    photos and of the land around. A killed run leaves no `views.json`.

    Args:
        world_cfg: The world.
        cfg: The photos.
        folder: Where to write; created when absent. An older run's files in it are removed.
        workers: Threads; by default the number of CPUs that this process may use.

    Returns:
        The path of `views.json`.

    Raises:
        InputError: When the world has no open ground.
        OutputError: When the disk is full or not writable.
    """
    world, folder = World(world_cfg), Path(folder)
    camera = GroundCamera(world, cfg, map_spots(world))
    for name in (*_FILES, *_FOLDERS):  # older files must not pass for newer ones
        remove_path(folder / name)

    def work(index: int) -> _Written:
        return _develop(camera, cfg, index)

    items = [(index,) for index in range(cfg.n)]
    done = in_order(work, items, workers or available_cpus())
    photos, truths = [_HEAD], [_truth_head()]
    faults: collections.Counter[str] = collections.Counter()
    kinds: collections.Counter[str] = collections.Counter()
    for _, written in tqdm(done, total=cfg.n, desc="views", disable=None):
        for name, data in written.files.items():
            write_bytes(folder / name, data)
        photos.append(written.line)
        truths.append(written.truth)
        faults[written.fault] += 1
        kinds[written.kind] += 1
    write_text(folder / "photos.csv", _csv(photos))
    write_text(folder / "truth.csv", _csv(truths))
    write_json(
        folder / "views.json",
        {
            "world": world_cfg.model_dump(mode="json"),
            "views": cfg.model_dump(mode="json"),
            "photos": cfg.n,
            "faults": {name: faults[name] for name in NUISANCES},
            "sound": faults[""],
            "spots": dict(kinds),
        },
    )
    log.info("wrote %s: %d photos", folder, cfg.n)
    return folder / "views.json"


_HEAD = ["file", "longitude", "latitude", "heading", "date"]


def _truth_head() -> list[str]:
    return [
        "file", "x", "y", "elevation_m", "heading", "spot", "sky", "depth_m", *CLASSES,
        *(f"crop_{name}" for name in CLASSES), *NUISANCES[:-1], "duplicate_of", "sun_azimuth",
        "sun_elevation",
    ]  # fmt: skip


def _develop(camera: GroundCamera, cfg: ViewsConfig, index: int) -> _Written:
    """Return the files and lines of one photo."""
    photo, name = camera.take(index), cfg.names[index]
    truth = photo.truth
    crop, crop_shares = camera.crop(truth.standpoint)
    files = {
        f"photos/{name}.jpg": to_photo(photo, cfg.quality),
        f"classes/{name}.png": _png(photo.view.cover),
    }
    if truth.fault != "far":
        files[f"crops/{name}.png"] = _png(crop)
        if cfg.heading_up and truth.heading_known:
            files[f"turned/{name}.png"] = _png(camera.crop(truth.standpoint, turned=True)[0])
    date = truth.date.strftime("%Y-%m-%dT%H:%M:%SZ")
    heading = f"{truth.standpoint.heading:.2f}"
    file = f"photos/{name}.jpg"
    at = f"{truth.longitude:.7f}", f"{truth.latitude:.7f}"
    left, top = camera.world.cfg.origin
    sky, depth, seen = view_figures(photo.view)
    row = [
        file, f"{left + truth.standpoint.x:.2f}", f"{top - truth.standpoint.y:.2f}",
        f"{truth.elevation:.2f}", heading, truth.standpoint.kind, f"{sky:.5f}", f"{depth:.2f}",
        *(f"{share:.5f}" for share in (*seen, *crop_shares)),
        *(str(int(truth.fault == fault)) for fault in NUISANCES[:-1]),
        cfg.names[truth.source] if truth.fault == "duplicate" else "",
        f"{truth.sun[0]:.3f}", f"{truth.sun[1]:.3f}",
    ]  # fmt: skip
    line = [file, *at, heading if truth.heading_known else "", date]
    return _Written(files, line, row, truth.fault, truth.standpoint.kind)


def to_photo(photo: GroundPhoto, quality: int) -> bytes:
    """Return a photo as a JPEG file with EXIF: time, position and, where known, direction."""
    data = io.BytesIO()
    Image.fromarray(photo.rgb).save(
        data, "JPEG", quality=quality, subsampling=0, exif=_exif(photo.truth)
    )
    return data.getvalue()


def _exif(truth: Truth) -> Image.Exif:
    exif = Image.Exif()
    time = truth.date.strftime("%Y:%m:%d %H:%M:%S")
    exif[Base.Orientation] = 1
    exif[Base.DateTime] = time
    exif.get_ifd(IFD.Exif).update(
        {Base.DateTimeOriginal: time, Base.OffsetTimeOriginal: "+00:00", Base.OffsetTime: "+00:00"}
    )
    gps: dict[int, Any] = {
        GPS.GPSVersionID: b"\x02\x03\x00\x00",
        GPS.GPSLatitudeRef: "N" if truth.latitude >= 0 else "S",
        GPS.GPSLatitude: _sexagesimal(truth.latitude),
        GPS.GPSLongitudeRef: "E" if truth.longitude >= 0 else "W",
        GPS.GPSLongitude: _sexagesimal(truth.longitude),
        GPS.GPSAltitudeRef: b"\x00",
        GPS.GPSAltitude: IFDRational(round(100 * truth.elevation), 100),
        GPS.GPSTimeStamp: tuple(
            IFDRational(part, 1) for part in (truth.date.hour, truth.date.minute, truth.date.second)
        ),
        GPS.GPSDateStamp: truth.date.strftime("%Y:%m:%d"),
        GPS.GPSMapDatum: "WGS-84",
    }
    if truth.heading_known:
        gps[GPS.GPSImgDirectionRef] = "T"
        gps[GPS.GPSImgDirection] = IFDRational(round(100 * truth.standpoint.heading) % 36000, 100)
    exif.get_ifd(IFD.GPSInfo).update(gps)
    return exif


def _sexagesimal(degrees: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    """Return degrees, minutes and seconds of an angle's size, to a ten thousandth of a second."""
    total = round(abs(degrees) * 36_000_000)
    whole, rest = divmod(total, 36_000_000)
    minutes, seconds = divmod(rest, 600_000)
    return IFDRational(whole, 1), IFDRational(minutes, 1), IFDRational(seconds, 10_000)


def _png(image: np.ndarray) -> bytes:
    """Return an image (RGB or one band, uint8) as a PNG file."""
    stored = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 else image
    return cv2.imencode(".png", stored)[1].tobytes()


def _csv(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
