"""Lists of files by digest that lie beside what they list, whoever wrote them.

A bundle's `item.json`, the `gallery.json` and `ground.json` of exports, `published.json` of a
version, and the seal of a folder of results.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

_NAMES = ("item.json", "gallery.json", "ground.json", "published.json")
_LARGEST = 256 << 20
_MULTIHASH = "1220"
_BLOCK = 1 << 20


def digest_by_blocks(path: Path, tick: Callable[[int], object]) -> str:
    """Return the sha256 of a file; `tick` is called with the bytes read."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_BLOCK):
            state.update(data)
            tick(len(data))
    return state.hexdigest()


def listed_by(path: Path) -> dict[Path, str]:
    """Return file -> sha256 as a list says; empty where this is none.

    Names that lead out of the list's folder are left out: nobody is made to read what lies there.
    """
    if path.name not in _NAMES or path.stat().st_size > _LARGEST:
        return {}
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}  # its form is judged elsewhere
    if not isinstance(found, dict):
        return {}
    names = _assets(found) if path.name == "item.json" else _files(found)
    return {path.parent / name: digest for name, digest in names.items() if is_inner(name)}


def is_inner(name: str) -> bool:
    """Whether a name stays in its folder."""
    parts = PurePosixPath(name).parts
    return bool(parts) and ".." not in parts and not name.startswith("/") and "\0" not in name


def _files(found: dict[str, Any]) -> dict[str, str]:
    """Return the digests of `files`: name -> sha256, or name -> facts with `sha256`."""
    files = found.get("files")
    names = {}
    for name, value in files.items() if isinstance(files, dict) else ():
        digest = value.get("sha256") if isinstance(value, dict) else value
        if isinstance(digest, str) and len(digest) == 64:
            names[str(name)] = digest
    return names


def _assets(found: dict[str, Any]) -> dict[str, str]:
    """Return the digests of a STAC item's files."""
    assets = found.get("assets")
    names = {}
    for asset in assets.values() if isinstance(assets, dict) else ():
        digest = asset.get("file:checksum") if isinstance(asset, dict) else None
        if isinstance(digest, str) and digest.startswith(_MULTIHASH) and len(digest) == 68:
            names[str(asset.get("href", "")).removeprefix("./")] = digest[len(_MULTIHASH) :]
    return names
