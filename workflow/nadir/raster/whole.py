"""Whether a PNG or a JPEG is whole: GDAL reads a torn one in silence, black where it ends."""

from __future__ import annotations

import os
from typing import BinaryIO

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"

_TAIL = 4096  # bytes at the end of a JPEG in which its end is looked for: some carry padding


def is_torn(file: BinaryIO) -> bool:
    """Whether a file that begins as a PNG or a JPEG ends before its end; others are not.

    Args:
        file: The file, at its start.
    """
    magic = file.read(len(PNG_MAGIC))
    if magic == PNG_MAGIC:
        return not _png_ends(file)
    if magic.startswith(JPEG_MAGIC):
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        return b"\xff\xd9" not in file.read()
    return False


def _png_ends(file: BinaryIO) -> bool:
    """Follow the chunks of a PNG, of which the last one is called IEND."""
    start = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(start)
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        end = file.seek(length + 4, os.SEEK_CUR)  # the content and its checksum
        if kind == b"IEND":
            return end <= size
    return False
