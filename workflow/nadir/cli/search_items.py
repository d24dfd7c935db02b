"""Search a STAC catalogue for the images of one date of a scene, and choose which to take.

What was chosen is kept, so that loading goes on with the same images after a kill, whatever the
catalogue says by then.
"""

from __future__ import annotations

import argparse

from nadir.cli.fetching import add_patience
from nadir.cli.options import add_cfg, add_out, section
from nadir.config.fetch import DateConfig, FetchConfig
from nadir.fetch.catalog import search
from nadir.fetch.choice import choose, cloud_of, day_of
from nadir.fetch.web import shown
from nadir.provenance.atomic import write_json
from nadir.raster.assets import image_assets


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_out(parser, "the chosen items, GeoJSON")
    add_cfg(parser)
    add_patience(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    fetch = section(options.cfg, "fetch", FetchConfig)
    wanted = section(options.cfg, "date", DateConfig)
    bands = section(options.cfg, "bands", tuple[str, ...])
    catalog = fetch.catalog
    found = search(
        catalog.url,
        catalog.collection,
        fetch.area,
        (wanted.start, wanted.end),
        options.attempts,
        options.pause,
        options.timeout,
    )
    items = choose(found, wanted, fetch.area, shown(catalog.url))
    for item in items:
        image_assets(item, bands)  # what is missing is said before anything is loaded
        print(f"{item['id']}: {day_of(item)}, {cloud_of(item):g} % cloud")
    write_json(options.out, {"type": "FeatureCollection", "features": items})
