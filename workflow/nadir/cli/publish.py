"""Copy a folder (a bundle, results) into an object store, under a version of its own.

Files first, their list last: a reader sees a whole version or none. Give the bundle's address to
`nadir serve` afterwards.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.provenance.publishing import publish


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("folder", type=Path, help="what to publish")
    parser.add_argument("address", help="prefix above the versions, s3://bucket/prefix")
    parser.add_argument("--name", help="name of the version (by default the digest of the content)")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    print(publish(options.folder, options.address, options.name))
