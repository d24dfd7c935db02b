"""Band stacks in array files: NumPy `.npy` and `.npz`, MATLAB v7.3 and HDF5."""

from __future__ import annotations

import logging
import threading
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from nadir.config.scenes import ArraySource
from nadir.errors import InputError, did_you_mean
from nadir.provenance.numpy_files import BadArrays, array_names, is_archive, load_arrays, open_array
from nadir.provenance.transfer import local_copy
from nadir.raster.geotiff import first_line, require_file

log = logging.getLogger(__name__)

HDF5_ENDINGS = (".mat", ".h5", ".hdf5", ".he5")
_HDF5_LOCK = threading.Lock()


class ArrayFile:
    """One array of a file, seen as (band, y, x), whatever the order of its axes.

    `.npy` is mapped, HDF5 is read by window, a member of an `.npz` is decompressed whole once a
    process (the format allows nothing else). Pickles as its description.

    Args:
        source: File, key and axes.

    Raises:
        InputError: When the file is missing or not an array file, has no such key, or the array's
            dimensions or type do not fit.
    """

    def __init__(self, source: ArraySource) -> None:
        self.source = source
        self.path = source.file
        require_file(self.path)
        self.file = str(
            local_copy(source.file)
        )  # of a store: arrays are read by mapping or seeking
        self.axes: str = source.axes
        stored, dtype = self._header()
        if len(stored) == len(self.axes) + 1 and stored[-1] == 1:
            self.axes += "b"  # a label array (rows, columns, 1)
        if len(stored) != len(self.axes):
            raise InputError(
                self.path,
                f"array {source.key or '(the only one)'} has the shape {stored}, "
                f"which is not {len(self.axes)} axes {source.axes!r}",
                "Set `axes` to the order of the array's axes (y rows, x columns, b bands).",
            )
        if dtype.kind not in "biuf":
            raise InputError(
                self.path, f"its values are {dtype}, not real numbers", "Give a numeric array."
            )
        sizes = dict(zip(self.axes, stored, strict=True))
        self.shape = (sizes.get("b", 1), sizes["y"], sizes["x"])
        self.dtype = np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")

    @property
    def is_hdf5(self) -> bool:
        """Whether the file is read through h5py."""
        return Path(self.path).suffix.lower() in HDF5_ENDINGS

    def _header(self) -> tuple[tuple[int, ...], np.dtype]:
        """Return the stored shape and dtype."""
        if self.is_hdf5:
            with _HDF5_LOCK, _open_hdf5(self.file) as file:
                dataset = _hdf5_member(file, self.path, self.source.key)
                return tuple(dataset.shape), dataset.dtype
        array = _numpy_array(self.file, self.source.key, _stamp(self.file))
        return array.shape, array.dtype

    def read(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return the window (band, `height`, `width`) inside the array, in native byte order."""
        spans = {"y": slice(y, y + height), "x": slice(x, x + width), "b": slice(None)}
        index = tuple(spans[axis] for axis in self.axes)
        if self.is_hdf5:
            try:
                # HDF5 is not thread-safe, and a handle must not cross a fork: open for each read.
                with _HDF5_LOCK, _open_hdf5(self.file) as file:
                    part = _hdf5_member(file, self.path, self.source.key)[index]
            except OSError as error:
                raise InputError(
                    self.path,
                    f"its values cannot be read ({first_line(error)})",
                    "Copy the file again.",
                ) from error
        else:
            part = _numpy_array(self.file, self.source.key, _stamp(self.file))[index]
        if "b" not in self.axes:
            part = part[None]
            order = "b" + self.axes
        else:
            order = self.axes
        part = np.transpose(part, [order.index(axis) for axis in "byx"])
        return np.ascontiguousarray(part, dtype=self.dtype)


def _stamp(path: str) -> tuple[int, int]:
    """Return what changes when the file changes."""
    stat = Path(path).stat()
    return stat.st_size, stat.st_mtime_ns


@lru_cache(maxsize=4)
def _numpy_array(path: str, key: str, stamp: tuple[int, int]) -> np.ndarray:
    """Return an array of a NumPy file: mapped from `.npy`, decompressed from `.npz`.

    Args:
        path: The file.
        key: Name inside an `.npz`; may be empty when there is only one.
        stamp: Size and time of the file, so that a changed file is read anew.

    Raises:
        InputError: When the file is damaged, holds Python objects, or has no such key.
    """
    try:
        if not is_archive(path):
            return open_array(path)
        name = _choose_key(path, key, array_names(path))
        return load_arrays(path, (name,))[name]
    except (BadArrays, OSError) as error:
        raise InputError(
            path,
            f"this is not a NumPy array file, or it is truncated ({first_line(error)})",
            "Give a .npy or .npz file of plain numbers (no Python objects); copy it again if torn.",
        ) from error


def _choose_key(path: str, key: str, names: list[str]) -> str:
    """Return the array to read, or say which ones there are."""
    if not key and len(names) == 1:
        return names[0]
    if key in names:
        return key
    problem = f"it has no array {key!r}{did_you_mean(key, names)}" if key else "no `key` is given"
    raise InputError(path, problem, f"Set `key` to one of: {', '.join(sorted(names))}.")


def _open_hdf5(path: str) -> Any:
    import h5py  # some 0.3 s that only such files should cost

    try:
        return h5py.File(path, "r")
    except OSError as error:
        with open(path, "rb") as file:
            old = file.read(10) == b"MATLAB 5.0"
        raise InputError(
            path,
            "this is a MATLAB file older than v7.3"
            if old
            else f"this is not HDF5 ({first_line(error)})",
            "Save it with -v7.3 (which is HDF5), or as .npz."
            if old
            else "Give a MATLAB v7.3 or HDF5 file; copy it again if it is truncated.",
        ) from error


def _hdf5_member(file: Any, path: str, key: str) -> Any:
    """Return the dataset called `key`, which may lie in groups (`a/b`)."""
    import h5py

    names: list[str] = []

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            names.append(name)

    file.visititems(note)
    return file[_choose_key(path, key, names)]
