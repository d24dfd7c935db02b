"""Fetch photos with coordinates from a provider: paced, patient, and resumed after a kill."""

from __future__ import annotations

import argparse

from nadir.cli.options import add_cfg, add_out, section
from nadir.config.groundview import FetchConfig
from nadir.groundview.fetching import fetch_photos


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_out(parser, "list to write, FOLDER/photos.csv; photos lie in FOLDER/photos")
    add_cfg(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    fetch_photos(section(options.cfg, "fetch", FetchConfig), options.out)
