"""Photos of every kind come as upright 8-bit RGB, and damaged ones are told."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from photo_makers import exif_of, photo_bytes, scene
from PIL import Image, ImageOps

from nadir.config.groundview import PanelsConfig
from nadir.errors import InputError
from nadir.groundview.photo_files import cut_panel, decode_photo, squared


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("deep", [False, True])
def test_photos_are_turned_as_exif_says(orientation: int, deep: bool) -> None:
    stored = scene(3)
    exif = exif_of(orientation=orientation)
    if deep:
        wide = (stored.astype(np.uint16) * 257)[..., ::-1]
        encoded = cv2.imencode(".png", wide)[1].tobytes()
        # PNG's header chunk is 33 bytes with the signature; EXIF goes after it.
        body = exif.tobytes().removeprefix(b"Exif\0\0")
        chunk = b"eXIf" + body
        crc = __import__("zlib").crc32(chunk).to_bytes(4, "big")
        data = encoded[:33] + len(body).to_bytes(4, "big") + chunk + crc + encoded[33:]
    else:
        data = photo_bytes(stored, exif, "PNG")
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(photo_bytes(stored, exif, "PNG"))))
    assert (decode_photo(data, "a.png") == np.array(expected.convert("RGB"))).all()


def _encoded(image: Image.Image, kind: str) -> bytes:
    data = io.BytesIO()
    image.save(data, kind)
    return data.getvalue()


@pytest.mark.parametrize(
    ("mode", "kind", "tolerance"),
    [
        ("L", "JPEG", 60),
        ("CMYK", "JPEG", 12),
        ("CMYK", "TIFF", 3),
        ("LA", "PNG", 60),
        ("RGBA", "PNG", 0),
        ("P", "PNG", 60),
        ("I;16", "TIFF", 60),
        ("I;16", "PNG", 60),
        ("F", "TIFF", 101),
        ("1", "PNG", 255),
    ],
)
def test_every_color_model_is_read(mode: str, kind: str, tolerance: int) -> None:
    pixels = np.full((24, 32, 3), 100, np.uint8)
    pixels[:, :16] = (200, 180, 160)
    image = Image.fromarray(pixels)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    else:
        image = image.convert("L").convert(mode) if mode == "F" else image.convert(mode)
    found = decode_photo(_encoded(image, kind), "a")
    assert found.shape == (24, 32, 3) and found.dtype == np.uint8
    assert abs(found.astype(int) - pixels)[:, [4, 28]].max() <= tolerance
    assert found[:, 4].mean() > found[:, 28].mean() or mode == "1"


@pytest.mark.parametrize("data", [b"", b"no picture", photo_bytes(scene())[:700]])
def test_damaged_photos_are_told(data: bytes) -> None:
    with pytest.raises(InputError, match=r"a\.jpg"):
        decode_photo(data, "a.jpg")


def test_panels_are_cut() -> None:
    panels = PanelsConfig(folder="x", layout=("other", "satellite", "ground"))
    pixels = np.repeat(np.arange(3, dtype=np.uint8), 4)[None, :, None].repeat(5, 0).repeat(3, 2)
    assert (cut_panel(pixels, panels, "ground", "a") == 2).all()
    assert (cut_panel(pixels, panels, "satellite", "a") == 1).all()
    with pytest.raises(InputError, match="do not divide into 3"):
        cut_panel(pixels[:, :-1], panels, "ground", "a")


def test_squares_are_the_middle_or_all() -> None:
    pixels = np.zeros((20, 60, 3), np.uint8)
    pixels[:, 20:40] = 200
    assert squared(pixels, 10).min() == 200
    squashed = squared(pixels, 30, "squash")
    assert squashed.shape == (3, 30, 30)
    assert squashed[:, :, 12:18].min() == 200 and squashed[:, :, :8].max() == 0
