"""Locate photos on a substrate, without a workflow: one answer a photo."""

from __future__ import annotations

import argparse
import json
import logging
from pathlib import Path

import torch

from nadir.cli.options import device
from nadir.config.localization import SearchConfig
from nadir.errors import InputError, NadirError
from nadir.learn.devices import lease
from nadir.localization.deployment import descriptions, load_localizer
from nadir.localization.references import Reference
from nadir.localization.standalone import (
    Locator,
    PhotoLocator,
    answer_photo,
    index_folder,
    kept_reference,
    readable,
)

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO", help="photos to locate")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--substrate", type=Path, help="picture to locate them on")
    where.add_argument(
        "--localiser",
        type=Path,
        metavar="FOLDER",
        help="folder of a localiser's experiment: its references, descriptor and confidence",
    )
    parser.add_argument(
        "--index",
        type=Path,
        metavar="FOLDER",
        help="where the substrate's index is kept; by default in the user's cache folder",
    )
    parser.add_argument(
        "--references",
        nargs="+",
        default=[],
        type=Path,
        metavar="MANIFEST",
        help="further references on the substrate's grid, as the workflow indexes them",
    )
    parser.add_argument(
        "--descriptor", type=Path, metavar="FOLDER", help="folder of a trained descriptor's bundle"
    )
    parser.add_argument(
        "--scale", type=_positive, default=1.0, help="substrate pixels per photo pixel, about"
    )
    parser.add_argument(
        "--scale-range",
        type=_share,
        default=0.0,
        help="largest relative deviation from that scale, 0 to 0.5; 0 takes it as known",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document a line")


def _positive(text: str) -> float:
    """Return a positive number."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def _share(text: str) -> float:
    """Return a number from 0 to 0.5."""
    value = float(text)
    if not 0 <= value <= 0.5:
        raise argparse.ArgumentTypeError(f"{text} is not within 0 and 0.5")
    return value


def run(options: argparse.Namespace) -> None:
    """Run the command; photos that cannot be read are told at the end, the others are answered."""
    faults: list[InputError] = []
    with lease(device()) as place:
        locator = _locator(options, place)
        for photo in options.photos:
            try:
                document = answer_photo(photo, locator, options.scale)
            except InputError as fault:
                faults.append(fault)
                continue
            print(json.dumps(document) if options.json else readable(document), flush=True)
    if len(faults) == 1:
        raise faults[0]
    if faults:
        head = f"{len(faults)} of {len(options.photos)} photos could not be located:"
        raise NadirError("\n  - ".join([head, *map(str, faults)]))


def _locator(options: argparse.Namespace, place: torch.device) -> Locator:
    """Return what the options ask for: what a run left, or a search on one picture."""
    if options.localiser:
        return load_localizer(options.localiser, place.type)
    substrate = kept_reference(options.substrate, options.index or index_folder(options.substrate))
    return PhotoLocator(
        [substrate, *(Reference(path) for path in options.references)],
        SearchConfig(scale_range=options.scale_range),
        describe=descriptions(options.descriptor, place),
        device=place,
        scale=options.scale,
    )
