"""Pictures: 8-bit RGB as ordinary files hold it, without georeference."""

from __future__ import annotations

import io
import logging
import os
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from nadir.errors import InputError
from nadir.provenance.files import read_bytes

log = logging.getLogger(__name__)

_GREY = {"1", "L", "LA"}
_ALPHA = {"RGBA", "LA", "PA"}
_COLOR = {"RGB", "RGBA", "P", "PA", *_GREY}
_REMEDY = "Give an 8-bit RGB picture (PNG, JPEG or TIFF)."


def read_picture(path: str | os.PathLike[str], *, upright: bool = False) -> NDArray[np.uint8]:
    """Read a picture; see `decode_picture`.

    Raises:
        InputError: When there is no such file, or as `decode_picture` does.
    """
    return decode_picture(read_bytes(path), path, upright=upright)


def decode_picture(
    data: bytes, name: str | os.PathLike[str], *, upright: bool = False
) -> NDArray[np.uint8]:
    """Decode the bytes of a picture.

    Grey pictures become grey RGB, and alpha is dropped, each with a remark in the log. Pixels come
    as they are stored: poses speak of them, so an EXIF orientation is not applied unless asked for.

    Args:
        data: Content of the file.
        name: Its name, for messages.
        upright: Whether to turn the picture as its EXIF orientation says.

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
        if not may_hold_pixels(image, len(data)):
            problem = f"it states {image.width} x {image.height} pixels and is far too short"
            raise InputError(name, problem, "The file is damaged: copy it again.")
        _check_mode(image, name)
        if image.mode in _GREY:
            log.info("%s: grey, taken as RGB", name)
        if image.mode in _ALPHA or "transparency" in image.info:
            log.info("%s: its alpha band is dropped", name)
        try:
            # Pillow raises many kinds of error on torn files.
            shown = _without_alpha(image).convert("RGB")
            pixels = np.asarray(ImageOps.exif_transpose(shown) if upright else shown)
        except (OSError, SyntaxError, ValueError, IndexError, EOFError) as error:
            problem = f"its pixels cannot be read ({error})"
            raise InputError(name, problem, "The file is damaged: copy it again.") from error
    return np.array(pixels, np.uint8)


def may_hold_pixels(image: Image.Image, size: int) -> bool:
    """Tell whether a picture is long enough for what its header states; nothing is decoded.

    A block of 64 pixels takes a bit of a JPEG or more, and a byte of a PNG's DEFLATE stands for no
    more than 1032, of 8 pixels each.

    Args:
        image: The picture, opened.
        size: Bytes of its file.
    """
    most = {"JPEG": 64 * 8, "MPO": 64 * 8, "PNG": 1032 * 8}.get(image.format or "")
    return most is None or image.width * image.height <= most * size


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
