"""Patterns over folders of raw files."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest

from nadir.config.listing import by_stem, matching

FILES = ("0.tif", "a/1.tif", "a/b/2.tif", "a/b/c/3.tif", "a/d/4.tif", ".h/5.tif", "a/b/.x.tif")
PATTERNS = ("**/*.tif", "a/**/*.tif", "*/**/*.tif", "**/b/**/*.tif", "a/*.tif", "a/**/b/*.tif")


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw [1]"
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize("pattern", [*PATTERNS, *(f"./{one}" for one in PATTERNS)])
def test_patterns_mean_what_they_mean_to_a_shell(raw, monkeypatch, pattern):
    monkeypatch.chdir(raw)
    found = {os.path.normpath(path) for path in matching(pattern)}
    assert found == {os.path.normpath(path) for path in glob.glob(pattern, recursive=True)}
    whole = matching(os.path.join(glob.escape(str(raw)), pattern))
    assert {os.path.relpath(path, raw) for path in whole} == found


def test_loops_of_links_neither_hang_nor_multiply_files(raw):
    (raw / "a/b/up").symlink_to("..")
    (raw / "a/d/top").symlink_to(raw)
    (raw / "a/itself").symlink_to("itself")
    for number in range(12):  # each doubles the paths of the one above
        (raw / f"a/again{number}").symlink_to(raw / "a")
    where = os.path.join(glob.escape(str(raw)), "**", "*.tif")
    assert sorted(by_stem("images", where, (".tif",))) == ["0", "1", "2", "3", "4"]


def test_a_link_to_a_folder_elsewhere_is_followed(raw, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/9.tif").touch()
    (raw / "a/link").symlink_to(tmp_path / "elsewhere")
    where = os.path.join(glob.escape(str(raw)), "**", "*.tif")
    assert "9" in by_stem("images", where, (".tif",))
