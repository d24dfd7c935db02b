"""Load fine labels over an area, from an address or a STAC catalogue, as one GeoTIFF."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.fetching import Files, add_patience, parts_beside, web_of
from nadir.cli.options import add_cfg, add_out, section
from nadir.config.fetch import MaskFetch
from nadir.errors import InputError
from nadir.fetch.catalog import search
from nadir.fetch.partial import PartialFile
from nadir.fetch.web import shown
from nadir.provenance.atomic import write_json
from nadir.raster.assets import Asset, mask_asset
from nadir.raster.clip import clip_labels

Area = tuple[float, float, float, float]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_out(parser, "the labels, GeoTIFF")
    parser.add_argument("--record", required=True, type=Path, help="what was read, JSON")
    add_cfg(parser)
    add_patience(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    mask = section(options.cfg, "mask", MaskFetch)
    area = section(options.cfg, "area", Area)
    assets = _assets(mask, area, options)
    with parts_beside(options.out) as folder:
        files = Files(folder, web_of(options), whole=False)
        rasters = [files.opener(asset)() for asset in assets]
        for href, part in files.parts.items():
            if mask.sha256 and isinstance(part, PartialFile):
                part.check(mask.sha256)
                files.checked.add(href)
        count = clip_labels(rasters, area, mask.values, options.out)
        files.close()
        write_json(options.record, {"labelled": count, "files": files.record()})


def _assets(mask: MaskFetch, area: Area, options: argparse.Namespace) -> list[Asset]:
    """Return the files that hold labels of the area."""
    if mask.url:
        return [Asset(mask.url)]
    assert mask.catalog is not None
    catalog, patience = mask.catalog, (options.attempts, options.pause, options.timeout)
    items = search(catalog.url, catalog.collection, area, None, *patience)
    if not items:
        raise InputError(
            shown(mask.catalog.url), "it has no labels of this area", "Check area and collection."
        )
    return [mask_asset(item, mask.asset) for item in items]
