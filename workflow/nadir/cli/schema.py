"""Write the configuration's reference (config/README.md) and its JSON schema from the models."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.config.reference import write_reference


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--readme", type=Path, default=Path("config/README.md"), help="page to write"
    )
    parser.add_argument(
        "--schema",
        type=Path,
        default=Path("workflow/schemas/config.schema.json"),
        help="JSON schema to write",
    )


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    write_reference(options.readme, options.schema)
