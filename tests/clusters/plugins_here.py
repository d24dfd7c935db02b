"""Snakemake's plugins, which are kept apart: every start of Snakemake would import them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def plugins_folder(plugin: str, name: str) -> Path | None:
    """Return the folder that holds a plugin, or None.

    Args:
        plugin: The module.
        name: Folder of the environment that it is kept in, where it cannot be imported.
    """
    found = importlib.util.find_spec(plugin)
    if found is not None and found.origin is not None:
        return Path(found.origin).parents[1]
    folder = Path(sys.prefix) / name
    return folder if (folder / plugin).is_dir() else None
