"""Hash raw files into the cache that Snakemake reads, so that it need not hash them itself.

For huge files on a cluster: run it inside a job first, and drawing the graph costs a `stat` a file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from nadir.provenance.digest import file_digest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("files", nargs="+", type=Path, help="raw files")


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    for path in tqdm(options.files, unit="file", disable=None):
        digest = file_digest(path)
        tqdm.write(f"{digest}  {path}")
