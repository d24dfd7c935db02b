"""Serve models over HTTP, with pages to try them on."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from nadir.errors import InputError
from nadir.service.app import create_app
from nadir.service.context import Capability
from nadir.service.localize import Localize, Locator
from nadir.service.server import is_loopback, listen, serve
from nadir.service.settings import Settings, read_api_key

log = logging.getLogger(__name__)

_PHOTOS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    default = Settings()
    parser.add_argument(
        "--localize",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="folder of a localiser; may be given several times",
    )
    parser.add_argument(
        "--examples",
        nargs="+",
        default=[],
        type=Path,
        metavar="PATH",
        help="photos, or folders of photos, that the page of /localize offers to try",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (%(default)s)")
    parser.add_argument("--port", default=8000, type=int, help="port; 0 takes a free one")
    parser.add_argument(
        "--max-megabytes",
        default=default.max_bytes // 2**20,
        type=int,
        help="largest upload (%(default)s)",
    )
    parser.add_argument(
        "--max-megapixels",
        default=default.max_pixels // 10**6,
        type=int,
        help="largest photo (%(default)s)",
    )
    parser.add_argument(
        "--seconds", default=default.seconds, type=float, help="longest wait (%(default)s)"
    )
    parser.add_argument(
        "--workers", default=default.workers, type=int, help="photos at a time (%(default)s)"
    )
    parser.add_argument(
        "--queue", default=default.queue, type=int, help="requests that may wait (%(default)s)"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    settings = Settings(
        max_bytes=options.max_megabytes * 2**20,
        max_pixels=options.max_megapixels * 10**6,
        seconds=options.seconds,
        workers=options.workers,
        queue=options.queue,
        api_key=read_api_key(),
    )
    app = create_app(settings, _capabilities(options))
    place = listen(options.host, options.port)
    shown = f"[{options.host}]" if ":" in options.host else options.host
    print(f"nadir serves at http://{shown}:{place.getsockname()[1]}/ (Ctrl+C stops it)", flush=True)
    if settings.api_key is None and not is_loopback(options.host):
        log.warning("everyone who reaches %s may use this service: no API key is set", options.host)
    serve(app, place, grace=settings.seconds)


def _capabilities(options: argparse.Namespace) -> list[Capability]:
    """Return what the options ask for, loaded."""
    if not options.localize:
        raise InputError("--localize", "there is nothing to serve", "Give a localiser's folder.")
    return [Localize(_locators(options.localize), find_photos(options.examples))]


def _locators(folders: Sequence[Path]) -> list[Locator]:
    """Load localisers; only here is what they compute with imported."""
    from nadir.localization.deployment import load_localizer

    return [load_localizer(folder) for folder in folders]


def find_photos(paths: Sequence[Path]) -> list[Path]:
    """Return photos: files as given, and those in folders by name.

    Raises:
        InputError: When a path is not there.
    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(path, "there is no such file or folder", "Check --examples.")
        inside = sorted(path.iterdir()) if path.is_dir() else [path]
        found += [item for item in inside if item.suffix.lower() in _PHOTOS]
    return found
