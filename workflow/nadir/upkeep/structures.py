"""Files against their own formats: whether one is whole, as far as the format can tell.

Formats differ in what they know: pictures, archives and Parquet carry checksums or sizes of all
that they hold, compressed rasters fail to decode, text can be seen to end. Memory is bounded:
files are read in blocks, and what a format would unfold beyond a bound is left unchecked. Nothing
that could run code is opened: no pickle, no checkpoint, no exported program.
"""

from __future__ import annotations

import json
import math
import sqlite3
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

BLOCK = 1 << 20
_LARGEST = 256 << 20  # bytes of a block, or of a text that is parsed whole
_UNFOLDED = 1 << 40  # bytes that an archive may unfold to
_PIXELS = 1 << 30


class Damaged(Exception):
    """A file that is not whole; says why."""


class Unchecked(Exception):
    """A file that is not looked into; says why."""


def check_file(path: Path) -> None:
    """See that a file is whole, as far as its format can tell.

    Raises:
        Damaged: When it is not.
        Unchecked: When its format tells nothing, or looking would take too much memory.
    """
    check = _CHECKS.get(path.suffix.lower())
    if check is None:
        raise Unchecked("a format that is not looked into")
    try:
        size = path.stat().st_size
        if size == 0:
            raise Damaged("it is empty")
        check(path, size)
    except MemoryError as error:
        raise Unchecked("too large for this machine's memory") from error
    except (OSError, EOFError) as error:
        raise Damaged(_brief(error)) from error


def _brief(error: BaseException) -> str:
    """Return the first line of an error, without the path that is shown beside it."""
    lines = str(getattr(error, "strerror", None) or error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:160]


def _text(path: Path, size: int) -> None:
    """Read UTF-8 block by block; zeros are what a crash leaves where data never came."""
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            while data := file.read(BLOCK):
                if b"\0" in data:
                    raise Damaged("zeros where there should be text")
                decoder.decode(data)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise Damaged("it is not UTF-8 text") from error


def _page(path: Path, size: int) -> None:
    _text(path, size)
    with path.open("rb") as file:
        file.seek(max(size - 64, 0))
        if b"</html>" not in file.read().lower():
            raise Damaged("the page does not end")


def _json(path: Path, size: int) -> None:
    if size > _LARGEST:
        raise Unchecked("a very large JSON text")
    try:
        json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise Damaged(f"no JSON ({_brief(error)})") from error


def _picture(path: Path, size: int) -> None:
    """Check the sums of a PNG's parts; decode others at an eighth of their size where they can."""
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=("PNG", "JPEG", "GIF", "WEBP")) as image:
                if math.prod(image.size) > _PIXELS:
                    raise Unchecked("a picture of very many pixels")
                if image.format == "PNG":
                    _chunks(path)
                    return
                image.draft(None, (image.width // 8 or 1, image.height // 8 or 1))
                if math.prod(image.size) * 4 > _LARGEST:
                    raise Unchecked("a picture of very many pixels")
                image.load()
    except (UnidentifiedImageError, SyntaxError, ValueError, zlib.error) as error:
        raise Damaged(f"no whole picture ({_brief(error)})") from error
    except Image.DecompressionBombError as error:
        raise Unchecked("a picture of very many pixels") from error


def _chunks(path: Path) -> None:
    """Check the sum of every part of a PNG, and that its end is there."""
    with path.open("rb") as file:
        file.seek(8)
        while True:
            head = file.read(8)
            if len(head) < 8:
                raise Damaged("the picture is cut off")
            length, kind = struct.unpack(">I4s", head)
            total = zlib.crc32(kind)
            while length:
                data = file.read(min(length, BLOCK))
                if not data:
                    raise Damaged("the picture is cut off")
                total, length = zlib.crc32(data, total), length - len(data)
            if file.read(4) != struct.pack(">I", total):
                raise Damaged("a part of the picture has another checksum")
            if kind == b"IEND":
                return


def _raster(path: Path, size: int) -> None:
    """Decode every block of every band, by the one driver: others may lead to other files."""
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    alone = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
    try:
        with warnings.catch_warnings(), rasterio.Env(**alone):
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, driver="GTiff", sharing=False) as dataset:
                _blocks(dataset)
    except RasterioError as error:
        cause = error.__cause__ or error  # GDAL says what, rasterio that
        raise Damaged(f"a raster that cannot be decoded ({_brief(cause)})") from error


def _blocks(dataset: DatasetReader) -> None:
    """Read every block of every band."""
    for index in dataset.indexes:
        height, width = dataset.block_shapes[index - 1]
        if height * width * 16 > _LARGEST:
            raise Unchecked("a raster in one huge block")
        for _, window in dataset.block_windows(index):
            dataset.read(index, window=window)


def _table(path: Path, size: int) -> None:
    """Read a Parquet file, batch by batch."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as table:
            for _ in table.iter_batches(4096):
                pass
    except pa.ArrowException as error:
        raise Damaged(f"a table that cannot be read ({_brief(error)})") from error


def _archive(path: Path, size: int) -> None:
    """Unfold every member of a ZIP archive into nothing, which checks its sum."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _UNFOLDED:
                raise Unchecked("an archive that unfolds without end")
            bad = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, RuntimeError, ValueError) as error:
        raise Damaged(f"no whole archive ({_brief(error)})") from error
    if bad is not None:
        raise Damaged(f"its member {bad!r} is damaged")


def _weights(path: Path, size: int) -> None:
    """See that a safetensors file is as long as its own head says."""
    with path.open("rb") as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(size - 8, _LARGEST):
            raise Damaged("the head of the weights is cut off")
        try:
            head = json.loads(file.read(length))
            ends = [int(v["data_offsets"][1]) for k, v in head.items() if k != "__metadata__"]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise Damaged("the head of the weights is damaged") from error
    if 8 + length + max(ends, default=0) != size:
        raise Damaged("the weights are cut off, or more than there should be")


def _database(path: Path, size: int) -> None:
    """Let SQLite check a GeoPackage's pages, without writing beside it."""
    try:
        link = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            answer = link.execute("PRAGMA quick_check(1)").fetchone()[0]
        finally:
            link.close()
    except (sqlite3.DatabaseError, UnicodeError) as error:
        raise Damaged(f"no whole GeoPackage ({_brief(error)})") from error
    if answer != "ok":
        raise Damaged(f"no whole GeoPackage ({answer})")


_CHECKS: dict[str, Callable[[Path, int], None]] = {
    **dict.fromkeys((".csv", ".tsv", ".txt", ".yaml", ".yml", ".qml", ".svg", ".rst"), _text),
    **dict.fromkeys((".json", ".geojson"), _json),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".webp"), _picture),
    **dict.fromkeys((".tif", ".tiff"), _raster),
    **dict.fromkeys((".zip", ".npz"), _archive),
    ".html": _page,
    ".parquet": _table,
    ".safetensors": _weights,
    ".gpkg": _database,
}
