"""Folders of map tiles: which tile of the web map a file is, by its path.

Tile (z, x, y) covers column x and row y of the 2^z x 2^z squares into which the world's square in
web Mercator (EPSG:3857) is cut, rows counted from the north (in TMS from the south).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from nadir.config.base import ConfigModel

ENDINGS = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
"""Endings of the files that count as tiles, in lower case."""

DEEPEST = 30
"""Highest zoom."""

_NUMBER = r"(0|[1-9]\d*)"  # a date such as 2020-05-13 has zeros in front, a tile has not
_NUMBERS = re.compile(rf"(?:.*\D)?{_NUMBER}[-_]{_NUMBER}[-_]{_NUMBER}(?:@\dx)?")
_ROW = re.compile(rf"{_NUMBER}(?:@\dx)?")


class SlippyTile(NamedTuple):
    """A tile of the web map, rows counted from the north."""

    zoom: int
    x: int
    y: int


class TileFolder(ConfigModel):
    """A folder of map tiles of one zoom, or of georeferenced rasters side by side."""

    folder: str
    """The folder; files of all folders below it count: `z/x/y.png` (jpg, tif, webp), or named so
    that they end in `x-y-z` or `z-x-y`.
    """
    zoom: int | None = Field(default=None, ge=0, le=DEEPEST)
    """Zoom of the tiles; null: the files' own georeference counts, not their names."""
    scheme: Literal["xyz", "tms"] = "xyz"
    """Whether rows are counted from the north (xyz) or from the south (tms)."""

    def paths(self) -> list[str]:
        """Return the files, in the order of their names."""
        found = list_tiles(self.folder, self.scheme)
        return [str(path) for path, tile in found.items() if _zoom(tile) == self.zoom]

    def located(self) -> dict[str, SlippyTile]:
        """Return file -> tile, for tiles of a zoom."""
        found = list_tiles(self.folder, self.scheme)
        return {str(path): tile for path, tile in found.items() if tile and tile.zoom == self.zoom}


def _zoom(tile: SlippyTile | None) -> int | None:
    return None if tile is None else tile.zoom


def list_tiles(folder: str, scheme: str = "xyz") -> Mapping[Path, SlippyTile | None]:
    """Return the raster files below a folder, sorted, with the tile that each one's path names.

    Args:
        folder: The folder.
        scheme: "xyz" or "tms".

    Returns:
        File -> tile; None for files whose paths name none.
    """
    root = Path(folder)
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in ENDINGS)
    return {path: tile_of(path.relative_to(root), scheme) for path in files}


def tile_of(path: Path, scheme: str = "xyz") -> SlippyTile | None:
    """Return the tile that a path names, or None.

    >>> tile_of(Path("19/386693/220243.png"))
    SlippyTile(zoom=19, x=386693, y=220243)
    >>> tile_of(Path("OAM-386693-220243-19.tif")), tile_of(Path("austin1.tif"))
    (SlippyTile(zoom=19, x=386693, y=220243), None)
    """
    row, parents = _ROW.fullmatch(path.stem), path.parts[-3:-1]
    tile = None
    if row and len(parents) == 2 and all(part.isdigit() for part in parents):
        tile = _tile(int(parents[0]), int(parents[1]), int(row[1]))
    elif named := _NUMBERS.fullmatch(path.stem):
        first, second, third = map(int, named.groups())
        tile = _tile(third, first, second) or _tile(first, second, third)
    if tile is not None and scheme == "tms":
        return tile._replace(y=2**tile.zoom - 1 - tile.y)
    return tile


def _tile(zoom: int, x: int, y: int) -> SlippyTile | None:
    """Return the tile, or None where the web map has none of these numbers."""
    inside = zoom <= DEEPEST and x < 2**zoom and y < 2**zoom
    return SlippyTile(zoom, x, y) if inside else None
