"""Whether pictures are whole, however they were cut."""

import io

import numpy as np
import pytest
from PIL import Image

from nadir.errors import InputError
from nadir.raster.geotiff import check_complete
from nadir.raster.whole import is_torn

PIXELS = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def encoded(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(PIXELS).save(buffer, form)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_every_cut_is_seen(form):
    data = encoded(form)
    assert not is_torn(io.BytesIO(data))
    for length in [20, len(data) // 2, *range(len(data) - 12, len(data))]:
        assert is_torn(io.BytesIO(data[:length])), length
    assert not is_torn(io.BytesIO(data + bytes(100)))  # padding does no harm


@pytest.mark.parametrize("data", [b"", b"II*\0 and so on", b"hello", encoded("BMP")])
def test_other_files_pass(data):
    assert not is_torn(io.BytesIO(data))


def test_a_torn_picture_is_named(tmp_path):
    path = tmp_path / "x.tif"  # a JPEG by content, whatever its name
    path.write_bytes(encoded("JPEG")[:-100])
    with pytest.raises(InputError, match=r"x\.tif: the picture is truncated.*Copy or download"):
        check_complete(str(path))
