"""Benchmarks of localization, on real photos and on simulated ones.

    python benchmarks/localization.py naip --count 2 --out results/benchmarks

Real data lie in the folder that NADIR_REAL_DATA names. Each benchmark prints its table and writes
it as CSV and Markdown; everything drawn at random is a function of the seed.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import cv2
import torch

from nadir.errors import NadirError


def real_data() -> Path:
    """Return the folder of real data."""
    folder = os.environ.get("NADIR_REAL_DATA")
    if not folder:
        sys.exit("NADIR_REAL_DATA is not set: name the folder of real data.")
    return Path(folder)


def naip(options: argparse.Namespace) -> None:
    """Run the benchmark of dates."""
    from localizing.naip import run

    run(real_data(), options.out, options.work / "naip", options.count, options.seed)


def orthority(options: argparse.Namespace) -> None:
    """Run the benchmark of aerial frames."""
    from localizing.orthority import run

    run(real_data(), options.out, options.work / "orthority", options.count, options.seed)


def brighton(options: argparse.Namespace) -> None:
    """Run the benchmark of drone photos."""
    from localizing.brighton import run

    run(real_data(), options.out, options.work / "brighton", options.reduce)


def simulated(options: argparse.Namespace) -> None:
    """Run the benchmark of simulated cases."""
    from localizing.simulated import Plan, run

    plan = Plan(
        seeds=tuple(options.seeds),
        world_km=options.world_km,
        substrate_px=options.substrate_px,
        photo_px=options.photo_px,
        resolution=options.resolution,
        train=options.train,
        test=options.test,
        cloudy=options.cloudy,
        steps=options.steps,
        validation=options.validation,
    )
    run(plan, options.methods, options.out, options.work / "simulated", options.threads)


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("-v", "--verbose", action="store_true", help="log what happens")
    commands = parser.add_subparsers(required=True)
    common = argparse.ArgumentParser(add_help=False)
    folder = Path("results/benchmarks/localization")
    common.add_argument("--out", type=Path, default=folder, help="folder of the tables")
    common.add_argument("--work", type=Path, default=folder / "work", help="folder of what is kept")

    def command(name: str, function: object, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, parents=[common], help=text, description=text)
        made.set_defaults(function=function)
        return made

    one = command("naip", naip, "photos of one year on the orthophoto of another (real)")
    one.add_argument("--count", type=int, default=2, help="photos an ordered pair of dates")
    one.add_argument("--seed", type=int, default=7)
    one = command("orthority", orthority, "windows of aerial frames on the orthophoto of another")
    one.add_argument("--count", type=int, default=2, help="windows of each kind a pair of frames")
    one.add_argument("--seed", type=int, default=7)
    one = command("brighton", brighton, "drone photos on the mosaic of the others, against GPS")
    one.add_argument("--reduce", type=int, default=8, help="photo pixels a working pixel")
    one = command("simulated", simulated, "simulated cases: all methods, by cloud cover")
    one.add_argument("--seeds", type=int, nargs="+", default=[101])
    one.add_argument("--world-km", type=float, default=10.24, help="extent of the world")
    one.add_argument("--substrate-px", type=int, default=4096)
    one.add_argument("--photo-px", type=int, default=512)
    one.add_argument("--resolution", type=float, default=0.5, help="metres a pixel")
    one.add_argument("--train", type=int, default=160, help="photos with known position")
    one.add_argument("--test", type=int, default=60, help="photos to locate")
    one.add_argument("--cloudy", type=float, default=0.4, help="share of photos with clouds")
    one.add_argument("--steps", type=int, default=300, help="training steps; 0: gradients")
    one.add_argument("--validation", type=float, default=0.2, help="share kept for calibration")
    one.add_argument("--threads", type=int, default=1)
    one.add_argument(
        "--methods",
        nargs="+",
        default=["localiser", "localiser_pool", "sift_ransac", "sift_voting", "constant"],
    )
    return parser.parse_args()


def main() -> None:
    """Run one benchmark."""
    options = parse()
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING)
    cv2.setNumThreads(1)  # CPU seconds are compared: no time is spent on waiting for each other
    torch.set_num_threads(1)
    try:
        options.function(options)
    except NadirError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
