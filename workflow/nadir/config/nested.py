"""Nested mappings of a configuration as they are read, before anything is known to be valid."""

from __future__ import annotations

from typing import Any


def section_of(raw: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return a nested mapping of the raw configuration, empty where there is none."""
    value: Any = raw
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}
