"""What the commands that fetch share: options, and images of a catalogue as rasters in parts."""

from __future__ import annotations

import argparse
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shapely import box

from nadir.fetch.catalog import footprint
from nadir.fetch.partial import LocalFile, PartialFile, open_part
from nadir.fetch.web import Web
from nadir.provenance.atomic import remove_path
from nadir.provenance.transfer import locked
from nadir.raster.assets import SCL, Asset
from nadir.raster.clearest import ClearImage
from nadir.raster.grid import Grid
from nadir.raster.windowed import WindowedRaster

log = logging.getLogger(__name__)


def add_patience(parser: argparse.ArgumentParser) -> None:
    """Add how long a server that fails is asked again."""
    parser.add_argument(
        "--attempts", type=int, default=6, help="tries of one request (%(default)s)"
    )
    parser.add_argument(
        "--pause",
        type=float,
        default=1.0,
        help="seconds before the second try, which double (%(default)s)",
    )
    parser.add_argument(
        "--timeout", type=float, default=30.0, help="seconds between two packets (%(default)s)"
    )


def web_of(options: argparse.Namespace) -> Web:
    """Return what reads addresses."""
    return Web(options.attempts, options.pause, options.timeout)


@contextmanager
def parts_beside(out: Path) -> Iterator[Path]:
    """Yield the folder of parts of what a job makes: kept over kills, removed when it is made."""
    folder = out.with_name(f"{out.stem}.parts")
    with locked(folder):
        yield folder
        remove_path(folder)


class Files:
    """The remote files of a job, each opened once and checked as the catalogue allows.

    Args:
        folder: Where parts are kept.
        web: What reads addresses.
        whole: Whether files are loaded whole and compared with checksums.
    """

    def __init__(self, folder: Path, web: Web, whole: bool = False) -> None:
        self.folder, self.web, self.whole = folder, web, whole
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._open: dict[str, WindowedRaster] = {}
        self.parts: dict[str, PartialFile | LocalFile] = {}
        self.checked: set[str] = set()

    def opener(self, asset: Asset) -> Callable[[], WindowedRaster]:
        """Return a function that opens an asset, when it is called for the first time."""

        def opened() -> WindowedRaster:
            with self._lock:
                lock = self._locks.setdefault(asset.href, threading.Lock())
            with lock:
                if asset.href not in self._open:
                    self._open[asset.href] = self._raster(asset)
                return self._open[asset.href]

        return opened

    def _raster(self, asset: Asset) -> WindowedRaster:
        part = open_part(asset.href, self.folder, self.web)
        if isinstance(part, PartialFile):
            if asset.size:
                part.size_is(asset.size)
            if self.whole:
                part.need_all()
                if asset.checksum and part.check_multihash(asset.checksum):
                    self.checked.add(asset.href)
        self.parts[asset.href] = part
        return WindowedRaster(part)

    def close(self) -> None:
        """Close every file."""
        for raster in self._open.values():
            raster.close()

    def unchecked(self, name: str, assets: Mapping[str, Asset]) -> list[str]:
        """Return which assets of an image were read and compared with no checksum.

        Where files are to be checked, a warning names the image and these assets.
        """
        names = [
            key
            for key, asset in assets.items()
            if asset.href in self.parts and asset.href not in self.checked
        ]
        if self.whole and names:
            log.warning(
                "%s: `verify` is on, but %s could not be compared: the catalogue gives no checksum "
                "of a kind that is known, or the file lies on this machine",
                name,
                ", ".join(names),
            )
        return names

    def record(self) -> list[dict[str, Any]]:
        """Return what was read: address, version and, where compared, that it was."""
        return [
            {
                "address": part.name,
                "size": part.path.stat().st_size,
                "tag": part.facts.tag if isinstance(part, PartialFile) else "",
                "checked": href in self.checked,
            }
            for href, part in sorted(self.parts.items())
        ]


def image_of(
    item: dict[str, Any], assets: dict[str, Asset], bands: tuple[str, ...], files: Files
) -> ClearImage:
    """Return an image of a catalogue, whose files are opened when they are needed."""
    ground = footprint(item)

    def covers(grid: Grid) -> bool:
        return bool(ground.intersects(box(*grid.bounds_in("EPSG:4326"))))

    return ClearImage(
        name=item["id"],
        bands=[files.opener(assets[band]) for band in bands],
        encodings=[(assets[band].scale, assets[band].offset) for band in bands],
        classes=files.opener(assets[SCL]),
        covers=covers,
    )
