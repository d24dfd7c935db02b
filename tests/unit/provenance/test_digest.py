"""Digests follow content; the cache saves re-reading and is never believed against the file."""

import hashlib
import json
import os

import numpy as np
import pytest

from nadir.errors import InputError
from nadir.provenance import digest


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def test_file_digest_is_sha256_of_the_bytes(tmp_path, cache):
    path = tmp_path / "raw.tif"
    path.write_bytes(b"pixels" * 1000)
    assert digest.file_digest(path, cache) == hashlib.sha256(b"pixels" * 1000).hexdigest()


def test_second_look_reads_nothing(tmp_path, cache, monkeypatch):
    path = tmp_path / "raw.tif"
    path.write_bytes(b"pixels")
    first = digest.file_digest(path, cache)
    monkeypatch.setattr(hashlib, "file_digest", lambda *_: pytest.fail("read again"))
    assert digest.file_digest(path, cache) == first
    monkeypatch.chdir(tmp_path)
    assert digest.file_digest("raw.tif", cache) == first


def test_touch_gives_the_same_digest(tmp_path, cache):
    path = tmp_path / "raw.tif"
    path.write_bytes(b"pixels")
    first = digest.file_digest(path, cache)
    os.utime(path, ns=(1, 1))
    assert digest.file_digest(path, cache) == first


def test_change_of_equal_size_and_time_is_seen_by_inode(tmp_path, cache):
    path, other = tmp_path / "raw.tif", tmp_path / "other"
    path.write_bytes(b"pixels")
    first = digest.file_digest(path, cache)
    stat = path.stat()
    other.write_bytes(b"PIXELS")
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.replace(other, path)
    assert digest.file_digest(path, cache) != first


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"signature": null}'])
def test_torn_entry_is_hashed_again(tmp_path, cache, torn):
    path = tmp_path / "raw.tif"
    path.write_bytes(b"pixels")
    first = digest.file_digest(path, cache)
    (entry,) = cache.iterdir()
    entry.write_text(torn)
    assert digest.file_digest(path, cache) == first
    assert json.loads(entry.read_text())["sha256"] == first


def test_cache_that_cannot_be_written_is_no_error(tmp_path):
    path = tmp_path / "raw.tif"
    path.write_bytes(b"pixels")
    blocked = tmp_path / "file"
    blocked.write_text("where a folder should be")
    assert digest.file_digest(path, blocked) == hashlib.sha256(b"pixels").hexdigest()


def test_missing_file(tmp_path, cache):
    with pytest.raises(InputError, match="no such file") as caught:
        digest.file_digest(tmp_path / "none.tif", cache)
    assert caught.value.file.endswith("none.tif")


def test_a_pipe_is_refused_at_once(tmp_path, cache):
    os.mkfifo(tmp_path / "pipe.tif")
    with pytest.raises(InputError, match="no plain file"):
        digest.file_digest(tmp_path / "pipe.tif", cache)


def test_json_digest_ignores_order_of_keys_only():
    assert digest.json_digest({"a": 1, "b": [1, 2]}) == digest.json_digest({"b": [1, 2], "a": 1})
    assert digest.json_digest({"lr": 1, "wd": 0}) != digest.json_digest({"lr": 0, "wd": 1})
    assert digest.json_digest([1, 2]) != digest.json_digest([2, 1])


def test_array_digest_sees_values_dtype_and_shape_not_layout():
    base = np.arange(12, dtype=np.uint16).reshape(3, 4)
    same = np.asfortranarray(base)
    assert digest.array_digest(base) == digest.array_digest(same) == digest.array_digest(base[:])
    others = [base.astype(np.int16), base.reshape(4, 3), base + 1, base[:, :3], base.byteswap()]
    digests = {digest.array_digest(array) for array in [base, *others]}
    assert len(digests) == 6
    assert digest.array_digest(base, base) != digest.array_digest(base)
    assert digest.array_digest(np.zeros((0, 3))) != digest.array_digest(np.zeros((3, 0)))
