"""Archives: equal bytes, all or nothing."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from nadir.provenance.archive import pack_archive


def test_equal_content_gives_equal_bytes(tmp_path: Path) -> None:
    pack_archive(tmp_path / "one.zip", {"b.txt": b"2", "a.txt": b"1"})
    pack_archive(tmp_path / "other.zip", {"a.txt": b"1", "b.txt": b"2"})
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == ["a.txt", "b.txt"] and archive.read("b.txt") == b"2"
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}


def test_what_does_not_pass_its_check_is_not_left(tmp_path: Path) -> None:
    def refuse(path: Path) -> None:
        assert zipfile.is_zipfile(path)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        pack_archive(tmp_path / "one.zip", {"a": b""}, refuse)
    assert not list(tmp_path.iterdir())
