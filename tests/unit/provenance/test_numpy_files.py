"""Arrays of NumPy's files: equal to what was written; nothing is made that a file does not hold."""

import io
import zipfile

import numpy as np
import pytest

from nadir.provenance.numpy_files import (
    BadArrays,
    array_names,
    check_header,
    is_archive,
    load_arrays,
    open_array,
)

ARRAYS = {"a": np.arange(6, dtype="<f4").reshape(2, 3), "b": np.array(7.0), "c": np.zeros((0, 4))}


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "some.npz"
    np.savez_compressed(path, **ARRAYS)
    return path


def test_arrays_are_read_as_numpy_reads_them(archive):
    found = load_arrays(archive)
    assert list(found) == array_names(archive) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert list(load_arrays(io.BytesIO(archive.read_bytes()), ("b", "none"))) == ["b"]
    assert is_archive(archive)


def test_an_array_is_mapped(tmp_path):
    path = tmp_path / "one.npy"
    np.save(path, ARRAYS["a"].T)
    np.testing.assert_array_equal(open_array(path), ARRAYS["a"].T)
    assert not is_archive(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BadArrays, match="shorter than its shape"):
        open_array(path)


def test_python_objects_and_shapes_beyond_the_file_are_refused(tmp_path):
    path = tmp_path / "some.npz"
    np.savez(path, a=np.array([{}], object))
    with pytest.raises(BadArrays, match="Python objects"):
        load_arrays(path)
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        head, {"descr": "<f8", "fortran_order": False, "shape": (1 << 50,)}
    )
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.npy", head.getvalue())
    with pytest.raises(BadArrays, match="shorter than its shape"):
        load_arrays(path)
    with pytest.raises(BadArrays):
        check_header(io.BytesIO(b"\x93NUMPY\x01\0\xff\xff{"), 11)
    path.write_bytes(b"PK\x03\x04")
    for read in (load_arrays, array_names):
        with pytest.raises(BadArrays):
            read(path)
        with pytest.raises(FileNotFoundError):
            read(tmp_path / "none.npz")
