"""Serve models over HTTP, with pages to try them on.

What is served may come from the environment as well, which suits containers: NADIR_BUNDLES,
NADIR_LOCALIZE, NADIR_RETRIEVE, NADIR_GROUNDVIEW, NADIR_SEGMENT_EXAMPLES, NADIR_EXAMPLES and
NADIR_RETRIEVE_EXAMPLES hold what BUNDLE and the options of these names do, with blanks between. An
option that is given counts instead of its variable.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from nadir.cli.options import device
from nadir.errors import InputError
from nadir.service.app import create_app
from nadir.service.context import Capability
from nadir.service.localize import Localize, Locator
from nadir.service.server import is_loopback, listen, serve
from nadir.service.settings import Settings, read_api_key

log = logging.getLogger(__name__)

SERVED = {
    "bundles": "NADIR_BUNDLES",
    "localize": "NADIR_LOCALIZE",
    "retrieve": "NADIR_RETRIEVE",
    "groundview": "NADIR_GROUNDVIEW",
    "examples": "NADIR_EXAMPLES",
    "segment_examples": "NADIR_SEGMENT_EXAMPLES",
    "retrieve_examples": "NADIR_RETRIEVE_EXAMPLES",
}
"""Option -> the environment variable that counts where it is not given."""

_MODELS = ("bundles", "localize", "retrieve", "groundview")
_PHOTOS = (".png", ".jpg", ".jpeg", ".tif", ".tiff")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    default = Settings()
    parser.add_argument(
        "bundles",
        nargs="*",
        metavar="BUNDLE",
        help="[NAME=]FOLDER of a segmentation model's bundle, or its address in an object store; "
        "without a name it is called like its experiment",
    )
    parser.add_argument(
        "--localize",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="folder of a localiser; may be given several times",
    )
    parser.add_argument(
        "--retrieve",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="folder of a gallery that `nadir export-gallery` made; may be given several times",
    )
    parser.add_argument(
        "--examples",
        nargs="+",
        default=[],
        type=Path,
        metavar="PATH",
        help="photos, or folders of photos, that the page of /localize offers to try",
    )
    parser.add_argument(
        "--segment-examples",
        nargs="+",
        default=[],
        type=Path,
        metavar="PATH",
        help="images, or folders of images, that the page of /segment offers to try",
    )
    parser.add_argument(
        "--retrieve-examples",
        nargs="+",
        default=[],
        type=Path,
        metavar="PATH",
        help="photos, or folders of photos, of the first gallery's first view that the page of "
        "/retrieve offers to try before the gallery's own",
    )
    parser.add_argument(
        "--retrieve-index",
        choices=("flat", "ivf", "hnsw"),
        default="flat",
        help="how galleries are searched: flat is exact, the others are for millions (%(default)s)",
    )
    parser.add_argument(
        "--groundview",
        action="append",
        default=[],
        type=Path,
        metavar="FOLDER",
        help="folder of a map that `nadir export-ground` made; may be given several times",
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
    parser.add_argument(
        "--threads",
        default=os.cpu_count() or 1,
        type=int,
        help="CPU threads of models (%(default)s)",
    )
    _add_job_arguments(parser.add_argument_group("jobs of /segment"), default)


def _add_job_arguments(group: argparse._ArgumentGroup, default: Settings) -> None:
    """Add the options of images that are too large for one request."""
    group.add_argument(
        "--state",
        type=Path,
        metavar="FOLDER",
        help="folder of uploads, jobs and results (by default ~/.local/state/nadir/service)",
    )
    group.add_argument(
        "--direct-megapixels",
        default=default.direct_pixels / 2**20,
        type=float,
        help="largest image answered at once, in 1024 x 1024 pixels (%(default)s)",
    )
    group.add_argument(
        "--max-upload-gigabytes",
        default=default.job_bytes / 2**30,
        type=float,
        help="largest upload (%(default)s)",
    )
    group.add_argument(
        "--max-disk-gigabytes",
        default=default.stored_bytes / 2**30,
        type=float,
        help="most that uploads and results may fill (%(default)s)",
    )
    group.add_argument(
        "--keep-hours",
        default=default.keep_seconds / 3600,
        type=float,
        help="how long results stay (%(default)s)",
    )
    group.add_argument(
        "--job-queue", default=default.job_queue, type=int, help="jobs that may wait (%(default)s)"
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    fill_in(options, os.environ)
    settings = Settings(
        max_bytes=options.max_megabytes * 2**20,
        max_pixels=options.max_megapixels * 10**6,
        seconds=options.seconds,
        workers=options.workers,
        queue=options.queue,
        direct_pixels=round(options.direct_megapixels * 2**20),
        job_bytes=round(options.max_upload_gigabytes * 2**30),
        stored_bytes=round(options.max_disk_gigabytes * 2**30),
        keep_seconds=options.keep_hours * 3600,
        job_queue=options.job_queue,
        api_key=read_api_key(),
    )
    with ExitStack() as held:
        _serve(options, settings, _capabilities(options, held))


def fill_in(options: argparse.Namespace, environment: Mapping[str, str]) -> None:
    """Take what is served from variables, as far as options do not say it.

    Words that name a model stand for all of them: whoever serves one gallery by an option does not
    mean the bundle of the environment.

    Args:
        options: The command's; changed.
        environment: Variables of the process.
    """
    asked = any(getattr(options, name) for name in _MODELS)
    for name, variable in SERVED.items():
        given = environment.get(variable, "").split()
        if not getattr(options, name) and given and not (asked and name in _MODELS):
            setattr(options, name, given if name == "bundles" else [Path(item) for item in given])


def _serve(
    options: argparse.Namespace, settings: Settings, capabilities: Sequence[Capability]
) -> None:
    """Serve capabilities until told to stop."""
    app = create_app(settings, capabilities)
    place = listen(options.host, options.port)
    shown = f"[{options.host}]" if ":" in options.host else options.host
    print(f"nadir serves at http://{shown}:{place.getsockname()[1]}/ (Ctrl+C stops it)", flush=True)
    if settings.api_key is None and not is_loopback(options.host):
        log.warning("everyone who reaches %s may use this service: no API key is set", options.host)
    serve(app, place, grace=settings.seconds)


def _capabilities(options: argparse.Namespace, held: ExitStack) -> list[Capability]:
    """Return what the options ask for, loaded.

    Args:
        options: The command's.
        held: Keeps the device of models as long as the service runs.
    """
    found: list[Capability] = []
    computes = options.bundles or options.retrieve or options.groundview
    place = _place(held) if computes else None
    if options.bundles:
        found.append(_segment(options, place))
    if options.localize:
        found.append(Localize(_locators(options.localize), find_photos(options.examples)))
    if options.retrieve:
        found.append(_retrieve(options, place))
    if options.groundview:
        found.append(_groundview(options, place))
    if not found:
        raise InputError(
            "serve",
            "there is nothing to serve",
            "Give a model's bundle, a localiser's folder (--localize), a gallery (--retrieve) or "
            "a map to stand on (--groundview), or name them in the environment.",
        )
    return found


def _place(held: ExitStack) -> Any:
    """Return the torch device of all models: leased once, since a lease excludes every other."""
    from nadir.learn.devices import lease

    return held.enter_context(lease(device()))


def _segment(options: argparse.Namespace, place: Any) -> Capability:
    """Load segmentation models; only here is what they compute with imported."""
    from nadir.service.catalog import load_models
    from nadir.service.segment import Segment

    models = load_models(options.bundles, place, options.threads)
    return Segment(models, options.state or state_folder(), find_photos(options.segment_examples))


def _retrieve(options: argparse.Namespace, place: Any) -> Capability:
    """Load galleries; only here is what they compute with imported."""
    from nadir.service.galleries import load_galleries
    from nadir.service.retrieve import Retrieve

    galleries = load_galleries(options.retrieve, place, options.threads, options.retrieve_index)
    return Retrieve(galleries, find_photos(options.retrieve_examples))


def _groundview(options: argparse.Namespace, place: Any) -> Capability:
    """Load maps to stand on; only here is what they compute with imported."""
    from nadir.service.grounds import load_grounds
    from nadir.service.groundview import Groundview

    return Groundview(load_grounds(options.groundview, place, options.threads))


def state_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Return where jobs are kept by default: in the user's folder of states (XDG)."""
    variables = os.environ if environment is None else environment
    base = variables.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(base) / "nadir" / "service"


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
