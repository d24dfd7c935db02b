"""Photos: every kind of picture, and the table."""

from __future__ import annotations

import io
import logging
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nadir.errors import InputError
from nadir.localization.photos import (
    SCHEMA,
    asked,
    decode_photo,
    poses_of,
    read_photo,
    read_photos,
    write_photos,
)
from nadir.localization.pose import Pose

RGB = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_pixels_come_as_stored(kind: str) -> None:
    found = decode_photo(encoded(Image.fromarray(RGB), kind), "a")
    assert found.dtype == np.uint8 and found.flags.writeable
    np.testing.assert_array_equal(found, RGB)


def test_an_orientation_is_not_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encoded(Image.fromarray(RGB), "JPEG", exif=exif)
    assert decode_photo(data, "a").shape == RGB.shape


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey_becomes_rgb_with_a_remark(mode: str, caplog: pytest.LogCaptureFixture) -> None:
    image = Image.fromarray(RGB).convert(mode)
    with caplog.at_level(logging.INFO):
        found = decode_photo(encoded(image), "a.png")
    grey = np.asarray(Image.fromarray(RGB).convert("1" if mode == "1" else "L"))
    wanted = grey.astype(np.uint8) * (255 if mode == "1" else 1)
    np.testing.assert_array_equal(found, np.repeat(wanted[..., None], 3, 2))
    assert "a.png: grey" in caplog.text


def test_alpha_is_dropped_not_blended(caplog: pytest.LogCaptureFixture) -> None:
    alpha = np.zeros((12, 20, 1), np.uint8)
    alpha[:6] = 255
    with caplog.at_level(logging.INFO):
        found = decode_photo(encoded(Image.fromarray(np.concatenate([RGB, alpha], 2))), "a.png")
    np.testing.assert_array_equal(found, RGB)
    assert "alpha" in caplog.text


def test_a_palette_is_expanded() -> None:
    image = Image.fromarray(RGB).quantize(16)
    np.testing.assert_array_equal(
        decode_photo(encoded(image), "a"), np.asarray(image.convert("RGB"))
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
        decode_photo(data, "bad.png")
    assert caught.value.file == "bad.png" and caught.value.remedy


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_photo(tmp_path / "a.png")
    with pytest.raises(InputError, match="directory"):
        read_photo(tmp_path)


def table() -> pd.DataFrame:
    nan = float("nan")
    rows = [
        ("b", "b.png", "test", "", 20, 12, nan, nan, nan, nan, "22"),
        ("a", "a.png", "train", "all", 20, 12, 1.5, 2.5, 90.0, 1.0, "11"),
    ]
    return pd.DataFrame(rows, columns=SCHEMA.names)


def test_table_is_sorted_and_byte_stable(tmp_path: Path) -> None:
    write_photos(tmp_path / "one.parquet", table())
    write_photos(tmp_path / "two.parquet", table()[::-1])
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    found = read_photos(tmp_path / "one.parquet")
    assert found["photo"].tolist() == ["a", "b"]
    assert poses_of(found)[0] == Pose(1.5, 2.5, 90.0, 1.0)
    assert np.isnan(found["x"][1])
    assert asked(found)["photo"].tolist() == ["b"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda frame: frame.drop(columns="x"), "lacks x"),
        (lambda frame: frame.assign(photo="a"), "twice"),
        (lambda frame: frame.assign(split="holdout"), "split 'holdout'"),
        (lambda frame: frame.assign(width="wide"), "no photo table"),
        (lambda frame: frame.assign(date=[None, "all"]), "gaps"),
    ],
)
def test_table_refuses(tmp_path: Path, change, problem: str) -> None:
    path = tmp_path / "photos.parquet"
    change(table()).to_parquet(path)
    with pytest.raises(InputError, match=problem):
        read_photos(path)


def test_table_refuses_other_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such photo table"):
        read_photos(tmp_path / "photos.parquet")
    (tmp_path / "photos.parquet").write_bytes(b"not this")
    with pytest.raises(InputError, match="no photo table"):
        read_photos(tmp_path / "photos.parquet")
