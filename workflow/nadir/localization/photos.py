"""Photos: their pixels, and the table of all photos of a case."""

from __future__ import annotations

import io
import logging
import os
import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from nadir.errors import InputError
from nadir.localization.files import read_bytes
from nadir.localization.pose import Pose
from nadir.localization.tables import read_table, refuse_doubles, write_table

log = logging.getLogger(__name__)

SPLITS = ("train", "validation", "test")
"""What a photo is for."""

SCHEMA = pa.schema(
    [
        ("photo", pa.string()),
        ("path", pa.string()),
        ("split", pa.string()),
        ("date", pa.string()),
        ("width", pa.int64()),
        ("height", pa.int64()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("angle", pa.float64()),
        ("scale", pa.float64()),
        ("digest", pa.string()),
    ]
)
"""Columns of the photo table: one row a photo, sorted by name; NaN where a pose is not known."""

_GREY = {"1", "L", "LA"}
_ALPHA = {"RGBA", "LA", "PA"}
_COLOR = {"RGB", "RGBA", "P", "PA", *_GREY}
_REMEDY = "Give an 8-bit RGB photo (PNG, JPEG or TIFF)."


def read_photo(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a photo; see `decode_photo`.

    Raises:
        InputError: When there is no such file, or as `decode_photo` does.
    """
    return decode_photo(read_bytes(path), path)


def decode_photo(data: bytes, name: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Decode the bytes of a photo.

    Grey photos become grey RGB, and alpha is dropped, each with a remark in the log. Pixels come
    as they are stored: poses speak of them, so an EXIF orientation is not applied.

    Args:
        data: Content of the file.
        name: Its name, for messages.

    Returns:
        uint8 (height, width, 3), RGB.

    Raises:
        InputError: When the file is empty, truncated, no picture, or not of 8-bit RGB or grey.
    """
    if not data:
        raise InputError(name, "the file is empty (0 bytes)", "Copy or download it again.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = Image.open(io.BytesIO(data))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            problem = "this is not a picture that can be read"
            raise InputError(name, problem, f"Check that the file is whole. {_REMEDY}") from error
    with image:
        _check_mode(image, name)
        if image.mode in _GREY:
            log.info("%s: grey, taken as RGB", name)
        if image.mode in _ALPHA or "transparency" in image.info:
            log.info("%s: its alpha band is dropped", name)
        try:
            # Pillow raises many kinds of error on torn files.
            pixels = np.asarray(_without_alpha(image).convert("RGB"))
        except (OSError, SyntaxError, ValueError, IndexError, EOFError) as error:
            problem = f"its pixels cannot be read ({error})"
            raise InputError(name, problem, "The file is damaged: copy it again.") from error
    return np.array(pixels, np.uint8)


def _check_mode(image: Image.Image, name: str | os.PathLike[str]) -> None:
    """Refuse what is not 8-bit RGB or grey."""
    # Pillow cuts 16-bit RGB to 8 bits without a word; only the raw mode of a tile tells.
    tiles = getattr(image, "tile", None)
    raw = str(tiles[0][3]) if tiles else ""
    if image.mode not in _COLOR or ";16" in raw:
        kind = "16-bit" if "16" in image.mode or ";16" in raw else f"of kind {image.mode}"
        raise InputError(name, f"its pixels are {kind}, not 8-bit RGB", _REMEDY)


def _without_alpha(image: Image.Image) -> Image.Image:
    """Return a picture whose conversion to RGB will not blend or warn about transparency."""
    if image.mode == "LA":
        return image.getchannel("L")
    image.load()
    image.info.pop("transparency", None)
    return image


def write_photos(path: str | os.PathLike[str], photos: pd.DataFrame) -> None:
    """Write the photo table (columns of `SCHEMA`), sorted by name.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    write_table(path, photos.sort_values("photo", kind="stable"), SCHEMA)


def read_photos(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the photo table.

    Raises:
        InputError: When there is no such file, or it is no photo table.
    """
    frame = read_table(path, SCHEMA, "photo table")
    refuse_doubles(frame, path, "photo table")
    strange = sorted(set(frame["split"]) - set(SPLITS))
    if strange:
        known = ", ".join(SPLITS)
        raise InputError(path, f"it has the split {strange[0]!r}", f"The splits are {known}.")
    return frame


def poses_of(frame: pd.DataFrame) -> list[Pose]:
    """Return the poses in the rows of a table with the columns x, y, angle and scale."""
    columns = (frame[name].to_numpy(float).tolist() for name in ("x", "y", "angle", "scale"))
    return [Pose(*row) for row in zip(*columns, strict=True)]


def sizes_of(frame: pd.DataFrame) -> list[tuple[int, int]]:
    """Return (width, height) of each row of a photo table."""
    return list(zip(frame["width"].tolist(), frame["height"].tolist(), strict=True))


def asked(photos: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the photos that every method must answer: validation and test."""
    return photos[photos["split"] != "train"].reset_index(drop=True)
