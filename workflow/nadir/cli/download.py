"""Copy a folder of an object store to this machine: raw data, a published bundle, results.

A killed copy goes on where it stopped. Published files are checked against their digests.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.provenance.transfer import download_folder, newest_version


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("address", help="s3://bucket/prefix; of published versions the newest")
    parser.add_argument("folder", type=Path, help="where to put the files")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    names = download_folder(newest_version(options.address), options.folder)
    print(f"{len(names)} files in {options.folder}")
