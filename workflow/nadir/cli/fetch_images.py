"""Load the clearest ground of chosen Sentinel-2 images as one GeoTIFF for one date of a scene.

Only the parts of the files that lie over the area are loaded. A killed job goes on where it
stopped.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.fetching import Files, add_patience, image_of, parts_beside, web_of
from nadir.cli.options import add_cfg, add_out, add_threads, read_json, section
from nadir.config.fetch import DateConfig, FetchConfig
from nadir.provenance.atomic import write_json
from nadir.raster.assets import baseline_of, image_assets
from nadir.raster.clearest import write_clearest
from nadir.raster.ground_area import area_grid


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--items", required=True, type=Path, help="the chosen items, GeoJSON")
    add_out(parser, "the image, GeoTIFF")
    parser.add_argument("--record", required=True, type=Path, help="what was read, JSON")
    add_cfg(parser)
    add_threads(parser)
    add_patience(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    fetch = section(options.cfg, "fetch", FetchConfig)
    wanted = section(options.cfg, "date", DateConfig)
    bands = section(options.cfg, "bands", tuple[str, ...])
    items = read_json(options.items)["features"]
    grid = area_grid(fetch.area, fetch.crs, fetch.resolution)
    with parts_beside(options.out) as folder:
        files = Files(folder, web_of(options), fetch.verify)
        assets = {item["id"]: image_assets(item, bands) for item in items}
        images = [image_of(item, assets[item["id"]], bands, files) for item in items]
        counts = write_clearest(
            images,
            bands,
            grid,
            fetch.unclear,
            fetch.resampling,
            options.out,
            wanted.least_share,
            {"ITEMS": " ".join(item["id"] for item in items)},
            options.threads,
        )
        files.close()
        write_json(
            options.record,
            {
                "grid": grid.to_dict(),
                "seen": sum(counts.values()) / (grid.height * grid.width),
                "images": [
                    {
                        "id": item["id"],
                        "baseline": baseline_of(item),
                        "pixels": counts[item["id"]],
                        "unchecked": files.unchecked(item["id"], assets[item["id"]]),
                    }
                    for item in items
                ],
                "files": files.record(),
            },
        )
