"""Photos as cameras write them: turned as EXIF says, of any color model and depth, as 8-bit RGB."""

from __future__ import annotations

import io
import os
import warnings

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from nadir.config.groundview import PanelsConfig
from nadir.errors import InputError
from nadir.provenance.files import read_bytes
from nadir.raster.pictures import may_hold_pixels

_REMEDY = "Copy or download it again, or leave it out."
_ORIENTATION = 0x0112

_TURNS: dict[int, tuple[int, bool]] = {
    2: (0, True),
    3: (2, False),
    4: (2, True),
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}
"""EXIF orientation -> quarter turns counterclockwise, and whether to mirror left to right after."""


def read_photo(path: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Read a photo; see `decode_photo`.

    Raises:
        InputError: When there is no such file, or as `decode_photo` does.
    """
    return decode_photo(read_bytes(path), path)


def decode_photo(data: bytes, name: str | os.PathLike[str]) -> NDArray[np.uint8]:
    """Decode the bytes of a photo.

    It is turned as its EXIF orientation says. Grey becomes grey RGB, CMYK is converted, 16 bits are
    scaled to 8 (floats from their own range), and alpha is dropped.

    Args:
        data: Content of the file.
        name: Its name, for messages.

    Returns:
        uint8 (height, width, 3), RGB.

    Raises:
        InputError: When the file is empty, truncated or no picture.
    """
    if not data:
        raise InputError(name, "the file is empty (0 bytes)", _REMEDY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(io.BytesIO(data)) as image:
                if not may_hold_pixels(image, len(data)):
                    problem = f"it states {image.width} x {image.height} pixels and is too short"
                    raise InputError(name, problem, _REMEDY)
                orientation = _orientation(image)
                if _is_deep(image):
                    return _turned(_shallow(data, image), orientation)
                image.load()
                image.info.pop("transparency", None)
                shown = image.getchannel("L") if image.mode == "LA" else image
                if shown.mode == "PA":
                    shown = shown.convert("RGBA")
                upright = ImageOps.exif_transpose(shown) if orientation > 1 else shown
                return np.array(upright.convert("RGB"), np.uint8)
        # Pillow raises many kinds of error on torn files.
        except (OSError, SyntaxError, ValueError, IndexError, EOFError, TypeError) as error:
            problem = f"it is no picture that can be read ({_first_line(error)})"
            raise InputError(name, problem, _REMEDY) from error
        except (Image.DecompressionBombError, OverflowError, MemoryError, cv2.error) as error:
            problem = f"it is too large to be read ({_first_line(error)})"
            raise InputError(name, problem, "Make it smaller, or leave it out.") from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:120]


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 when there is none that makes sense."""
    try:
        value = int(image.getexif().get(_ORIENTATION, 1))
    except (TypeError, ValueError, OSError, SyntaxError):
        return 1
    return value if 1 <= value <= 8 else 1


def _is_deep(image: Image.Image) -> bool:
    """Tell whether a picture has more than 8 bits a channel."""
    # Pillow cuts 16-bit RGB to 8 bits without a word; only the raw mode of a tile tells.
    tiles = getattr(image, "tile", None)
    raw = str(tiles[0][3]) if tiles else ""
    return image.mode.startswith("I") or image.mode == "F" or ";16" in raw


def _shallow(data: bytes, image: Image.Image) -> NDArray[np.uint8]:
    """Return a deep picture in 8 bits a channel, as it is stored."""
    # Here and only here OpenCV decodes: it keeps all 16 bits of color.
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None:  # a format that it does not know
        found = np.asarray(image)
    elif found.ndim == 3:
        found = found[..., [2, 1, 0]] if found.shape[2] >= 3 else found[..., 0]
    if found.dtype == np.uint8:
        pixels = found
    elif found.dtype == np.uint16:
        pixels = np.rint(found / 257.0).astype(np.uint8)
    else:
        values = np.nan_to_num(found.astype(np.float64))
        low, high = float(values.min()), float(values.max())
        if low >= 0 and high <= 65535 and found.dtype.kind in "iu":
            low, high = 0.0, 65535.0
        pixels = np.rint(255 * (values - low) / max(high - low, 1e-12)).astype(np.uint8)
    colored = np.repeat(pixels[..., None], 3, 2) if pixels.ndim == 2 else pixels
    return colored.astype(np.uint8, copy=False)


def _turned(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return a picture as its EXIF orientation says."""
    quarters, mirrored = _TURNS.get(orientation, (0, False))
    upright = np.rot90(pixels, quarters)
    return np.ascontiguousarray(upright[:, ::-1] if mirrored else upright)


def cut_panel(
    pixels: NDArray[np.uint8], panels: PanelsConfig, kind: str, name: str | os.PathLike[str]
) -> NDArray[np.uint8]:
    """Return the panel of a kind out of a picture of panels side by side.

    Args:
        pixels: uint8 (height, width, 3).
        panels: How they lie.
        kind: "ground" or "satellite".
        name: Name of the file, for messages.

    Raises:
        InputError: When the width does not divide by the number of panels.
    """
    count = len(panels.layout)
    width, rest = divmod(pixels.shape[1], count)
    if rest or not width:
        problem = f"its {pixels.shape[1]} columns do not divide into {count} panels"
        raise InputError(name, problem, "Correct panels.layout, or leave the file out.")
    left = panels.layout.index(kind) * width
    return np.ascontiguousarray(pixels[:, left : left + width])


def squared(pixels: NDArray[np.uint8], side: int, fit: str = "crop") -> NDArray[np.uint8]:
    """Return a picture as a square: uint8 (3, side, side).

    Args:
        pixels: uint8 (height, width, 3).
        side: Side in pixels.
        fit: "crop" for the middle square, "squash" for all of it, squeezed.
    """
    height, width = pixels.shape[:2]
    if fit == "crop":
        short = min(height, width)
        top, left = (height - short) // 2, (width - short) // 2
        pixels = pixels[top : top + short, left : left + short]
    smaller = min(pixels.shape[:2]) >= side
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    sized = cv2.resize(np.ascontiguousarray(pixels), (side, side), interpolation=method)
    return np.ascontiguousarray(sized.transpose(2, 0, 1))
