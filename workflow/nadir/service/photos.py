"""Photos out of uploads: read from a form, and checked by their header before they are decoded."""

from __future__ import annotations

import asyncio
import io
import warnings
from dataclasses import dataclass

import numpy as np
from fastapi import Request
from numpy.typing import NDArray
from PIL import Image

from nadir.errors import InputError
from nadir.raster.pictures import decode_picture
from nadir.service.problems import Problem
from nadir.service.settings import Settings

FORMATS = ("PNG", "JPEG", "TIFF")
"""Formats that are read; all other decoders are never tried."""

_NO_IMAGE = "Send the photo as PNG, JPEG or TIFF."
_DAMAGED = "Copy the file again from where it came from, or save it anew as PNG."
_FORM = "Send multipart/form-data with the file in the field `photo`, as /openapi.json describes."
_MOST_FIELDS, _LARGEST_FIELD = 8, 4096


@dataclass(frozen=True)
class Upload:
    """What a form held.

    Attributes:
        photo: Bytes of the file in the field `photo`. Its name is not kept: nothing here is ever
            stored or opened under a name that a client chose.
        fields: The other fields, as text.
    """

    photo: bytes
    fields: dict[str, str]


async def read_upload(request: Request, settings: Settings) -> Upload:
    """Read the form of a request, within the limits on time and bytes.

    Raises:
        Problem: 415 for another content type, 408 when it takes too long, 422 without a file or
            with an empty one. A body beyond the limit and a broken form are raised as FastAPI's
            own errors, 413 and 400.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise Problem(415, "not-a-form", f"the content type is {kind[:80] or 'absent'}", _FORM)
    try:
        async with (
            asyncio.timeout(settings.upload_seconds),
            request.form(
                max_files=1, max_fields=_MOST_FIELDS, max_part_size=_LARGEST_FIELD
            ) as form,
        ):
            photo = form.get("photo")
            if photo is None or isinstance(photo, str):
                raise Problem(422, "no-photo", "there is no file in the field `photo`", _FORM)
            data = await photo.read()
            fields = {key: text for key, text in form.items() if isinstance(text, str)}
    except TimeoutError:
        raise Problem(
            408,
            "slow-upload",
            f"the upload took longer than {settings.upload_seconds:g} s",
            "Send a smaller file, or use a faster connection.",
        ) from None
    if not data:
        raise Problem(422, "empty-photo", "the file is empty (0 bytes)", _DAMAGED)
    return Upload(data, fields)


def open_photo(data: bytes, max_pixels: int, *, upright: bool = False) -> NDArray[np.uint8]:
    """Decode a photo that somebody sent.

    Its pixels are as they are stored, as everywhere in nadir: an EXIF orientation is not applied,
    unless asked for.

    Args:
        data: A PNG, JPEG or TIFF file; of several pages, the first counts.
        max_pixels: Largest number of pixels, compared with the header before decoding.
        upright: Whether to turn it as its EXIF orientation says.

    Returns:
        (height, width, 3) uint8, RGB; gray becomes three equal channels, alpha is dropped.

    Raises:
        Problem: 413 when it is too large, 422 when it is no such file or damaged.
        InputError: When its pixels are not 8-bit RGB or gray.
    """
    width, height = _size(data)
    if width * height > max_pixels:
        raise Problem(
            413,
            "too-many-pixels",
            f"the photo has {width} x {height} pixels; at most {max_pixels} are taken",
            "Send a smaller photo: cut out a part, or reduce it.",
        )
    try:
        return decode_picture(data, "photo", upright=upright)
    except (InputError, MemoryError):
        raise
    except Exception as error:  # decoders raise nearly everything on torn files
        raise Problem(
            422, "damaged-photo", "the photo is truncated or damaged", _DAMAGED
        ) from error


def _size(data: bytes) -> tuple[int, int]:
    """Return (width, height) as the header tells; nothing is decoded."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own limit on pixels; ours follows
        try:
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return image.size
        except Image.DecompressionBombError as error:
            raise Problem(
                413,
                "too-many-pixels",
                "the photo has far too many pixels",
                "Send a smaller photo: cut out a part, or reduce it.",
            ) from error
        except Exception as error:  # as above
            raise Problem(
                422, "not-an-image", "the photo is no PNG, JPEG or TIFF that can be read", _NO_IMAGE
            ) from error
