"""Copy a folder (a bundle, results) into an object store, under a version of its own.

Files first, their list last: a reader sees a whole version or none. Give the bundle's address to
`nadir serve` afterwards. The threshold of a model of two classes goes along, also where it lies
beside the bundle's folder.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.learn.bundle import DESCRIPTION
from nadir.provenance.publishing import publish
from nadir.service.catalog import THRESHOLD


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("folder", type=Path, help="what to publish")
    parser.add_argument("address", help="prefix above the versions, s3://bucket/prefix")
    parser.add_argument("--name", help="name of the version (by default the digest of the content)")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    folder: Path = options.folder
    threshold = folder.resolve().parent / THRESHOLD
    bundle = (folder / DESCRIPTION).is_file()
    beside = {THRESHOLD: threshold} if bundle and threshold.is_file() else {}
    print(publish(folder, options.address, options.name, beside))
