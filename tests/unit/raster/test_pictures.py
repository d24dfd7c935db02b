"""Every kind of picture that is read, and those that are refused."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from nadir.errors import InputError
from nadir.raster.pictures import decode_picture, read_picture

RGB = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_pixels_come_as_stored(kind: str) -> None:
    found = decode_picture(encoded(Image.fromarray(RGB), kind), "a")
    assert found.dtype == np.uint8 and found.flags.writeable
    np.testing.assert_array_equal(found, RGB)


def test_an_orientation_is_applied_only_where_asked_for() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(RGB), "JPEG", exif=exif)
    assert decode_picture(data, "a").shape == RGB.shape
    turned = decode_picture(data, "a", upright=True)
    np.testing.assert_array_equal(turned, np.rot90(decode_picture(data, "a"), -1))


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey_becomes_rgb_with_a_remark(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    image = Image.fromarray(RGB).convert(mode)
    with caplog.at_level(logging.INFO):
        found = decode_picture(encoded(image), "a.png")
    grey = np.asarray(Image.fromarray(RGB).convert("1" if mode == "1" else "L"))
    wanted = grey.astype(np.uint8) * (255 if mode == "1" else 1)
    np.testing.assert_array_equal(found, np.repeat(wanted[..., None], 3, 2))
    assert "a.png: grey" in caplog.text


def test_alpha_is_dropped_not_blended(caplog: pytest.LogCaptureFixture) -> None:
    alpha = np.zeros((12, 20, 1), np.uint8)
    alpha[:6] = 255
    with caplog.at_level(logging.INFO):
        found = decode_picture(encoded(Image.fromarray(np.concatenate([RGB, alpha], 2))), "a.png")
    np.testing.assert_array_equal(found, RGB)
    assert "alpha" in caplog.text


def test_a_palette_is_expanded() -> None:
    image = Image.fromarray(RGB).quantize(16)
    np.testing.assert_array_equal(
        decode_picture(encoded(image), "a"), np.asarray(image.convert("RGB"))
    )


def sixteen(shape: tuple[int, ...], ending: str) -> bytes:
    return cv2.imencode(ending, np.full(shape, 5000, np.uint16))[1].tobytes()


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "empty"),
        (b"no picture at all", "not a picture"),
        (encoded(Image.fromarray(RGB))[:20], "not a picture|cannot be read"),
        (encoded(Image.fromarray(RGB))[:-300], "pixels cannot be read"),
        (encoded(Image.fromarray(np.tile(RGB, (9, 9, 1))), "JPEG")[:-2000], "cannot be read"),
        (encoded(Image.fromarray(RGB), "TIFF")[:-300], "cannot be read|not a picture"),
        (encoded(Image.fromarray(RGB).convert("CMYK"), "JPEG"), "of kind CMYK"),
        (encoded(Image.fromarray(np.full((9, 9), 1.5, np.float32)), "TIFF"), "of kind F"),
        (sixteen((9, 9, 3), ".png"), "16-bit"),
        (sixteen((9, 9, 4), ".png"), "16-bit"),
        (sixteen((9, 9), ".png"), "16-bit"),
        (sixteen((9, 9, 3), ".tiff"), "16-bit"),
        (sixteen((9, 9), ".tiff"), "16-bit"),
    ],
)
def test_refuses_what_is_no_8_bit_photo(data: bytes, problem: str) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        decode_picture(data, "bad.png")
    assert caught.value.file == "bad.png" and caught.value.remedy


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_picture(tmp_path / "a.png")
    with pytest.raises(InputError, match="directory"):
        read_picture(tmp_path)
