import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from nadir.errors import InputError
from nadir.service import photos
from nadir.service.photos import open_photo
from nadir.service.problems import Problem

SIZE = (24, 31)


@pytest.fixture
def colors():
    return np.random.default_rng(3).integers(0, 255, (*SIZE, 3), dtype=np.uint8)


def png_bomb(side):
    """Return a valid PNG of side x side pixels of one bit that is small as a file."""

    def chunk(kind, data):
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    pack = zlib.compressobj(1)
    row = bytes(1 + -(-side // 8))
    rows = b"".join(pack.compress(row * 500) for _ in range(side // 500)) + pack.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_pixels_are_as_sent(kind, colors, encode):
    np.testing.assert_array_equal(open_photo(encode(colors, kind), 10_000), colors)


def test_gray_and_transparent_photos_become_rgb(colors, encode):
    gray = colors[..., 0]
    np.testing.assert_array_equal(
        open_photo(encode(gray), 10_000), np.repeat(gray[..., None], 3, axis=2)
    )
    alpha = np.dstack([colors, np.full(SIZE, 7, np.uint8)])
    np.testing.assert_array_equal(open_photo(encode(alpha), 10_000), colors)


def test_pixels_are_not_turned_by_exif(colors, encode):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_photo(encode(colors, "JPEG", exif=exif), 10_000).shape == colors.shape


def test_sixteen_bits_are_refused_with_a_remedy(encode):
    with pytest.raises(InputError, match="16-bit") as caught:
        open_photo(encode(np.full(SIZE, 40_000, np.uint16)), 10_000)
    assert "8-bit" in caught.value.remedy


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bomb_is_refused_before_it_is_decoded(monkeypatch):
    bomb = png_bomb(12_000)
    assert len(bomb) < 1_000_000
    with Image.open(io.BytesIO(bomb)) as image:
        assert image.size == (12_000, 12_000)  # a real one
    monkeypatch.setattr(photos, "decode_picture", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(Problem) as caught:
        open_photo(bomb, 50_000_000)
    assert caught.value.status == 413
    assert "12000 x 12000" in caught.value.detail


def test_limit_is_on_the_number_of_pixels(colors, encode):
    open_photo(encode(colors), SIZE[0] * SIZE[1])
    with pytest.raises(Problem):
        open_photo(encode(colors), SIZE[0] * SIZE[1] - 1)


def test_bombs_beyond_what_pillow_opens_are_refused_alike():
    with pytest.raises(Problem) as caught:
        open_photo(png_bomb(20_000), 50_000_000)
    assert caught.value.status == 413


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_torn_files_are_refused_wherever_they_are_torn(kind, colors, encode):
    whole = encode(colors, kind)
    for length in range(1, len(whole) - 12, 37):
        try:
            open_photo(whole[:length], 10_000)
        except (Problem, InputError):
            continue
        pytest.fail(f"{kind} cut to {length} of {len(whole)} bytes was taken")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
def test_flipped_bytes_raise_nothing_unknown(kind, colors, encode):
    whole = encode(colors, kind)
    rng = np.random.default_rng(5)
    for place in rng.integers(0, min(len(whole), 400), 120):
        torn = bytearray(whole)
        torn[place] ^= int(rng.integers(1, 256))
        try:
            open_photo(bytes(torn), 10_000)
        except (Problem, InputError):
            continue


@pytest.mark.parametrize("kind", ["GIF", "BMP", "WEBP"])
def test_other_formats_are_refused(kind, colors, encode):
    with pytest.raises(Problem) as caught:
        open_photo(encode(colors, kind), 10_000)
    assert caught.value.status == 422
