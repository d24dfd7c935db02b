"""Imports that others attempt and nadir has no use for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def unneeded(name: str) -> Iterator[None]:
    """Let imports of a module fail meanwhile, as where it is not installed.

    For packages that do without it then; rasterio, say, imports boto3 wherever it is, for
    credentials of rasters in object stores, and that is a quarter of the start of many a command.
    nadir copies such rasters itself. Nothing happens where the module is imported already.

    Args:
        name: A top-level module.
    """
    if name in sys.modules:
        yield
        return
    modules: dict[str, Any] = sys.modules
    modules[name] = None  # Python's own mark of a module that cannot be imported
    try:
        yield
    finally:
        if modules.get(name, name) is None:
            del modules[name]
