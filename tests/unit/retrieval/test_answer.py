"""The answer: bytes, order, and everything that the validator must notice."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from nadir.errors import InputError
from nadir.retrieval.answer import FILE, check_answer, pack_answer, read_names

GALLERY = [f"g{k:02d}" for k in range(12)]
RANKED = np.stack([np.random.default_rng(k).permutation(12)[:10] for k in range(5)])


def test_one_line_a_query_with_tabs_and_equal_bytes(tmp_path: Path) -> None:
    for name in ("one.zip", "other.zip"):
        pack_answer(tmp_path / name, RANKED, GALLERY)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert archive.namelist() == [FILE]
        lines = archive.read(FILE).decode().split("\n")
    assert lines[2].split("\t") == [GALLERY[k] for k in RANKED[2]] and lines[5:] == [""]
    found = check_answer(tmp_path / "one.zip", GALLERY, queries=5, depth=10)
    np.testing.assert_array_equal(found, RANKED)


GOOD = "g01\tg02\ng03\tg04\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "0 lines, not 2"),
        (GOOD + "g05\tg06\n", "3 lines, not 2"),
        ("g01\tg02\ng03\n", "line 2 has 1 names, not 2"),
        ("g01\tg02\ng03\tg3\n", "line 2 names 'g3'.*did you mean 'g03'"),
        ("g01\tg01\ng03\tg04\n", "line 1 names an image twice"),
    ],
)
def test_validator_names_the_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / FILE
    path.write_text(text)
    with pytest.raises(InputError, match=problem):
        check_answer(path, GALLERY, queries=2, depth=2)
    path.write_text(GOOD)
    assert check_answer(path, GALLERY, queries=2).tolist() == [[1, 2], [3, 4]]


def test_an_archive_holds_the_answer_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("answers/answer.txt", GOOD)
    with pytest.raises(InputError, match=r"holds answers/answer\.txt; it must hold answer\.txt"):
        check_answer(path, GALLERY)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="neither text nor a ZIP"):
        check_answer(path, GALLERY)


@pytest.mark.parametrize(
    ("ranked", "gallery", "problem"),
    [
        (RANKED, GALLERY[:11], "beyond the 11 images"),
        (RANKED, [*GALLERY[:11], "g00"], "'g00' twice"),
        (RANKED, [*GALLERY[:11], "g 1"], "white space"),
        (RANKED[:0], GALLERY, "shape"),
        (-RANKED, GALLERY, "beyond"),
        (RANKED[:, [0, 0]], GALLERY, "line 1 names an image twice"),
    ],
)
def test_what_cannot_be_packed_leaves_nothing(tmp_path: Path, ranked, gallery, problem) -> None:
    with pytest.raises(InputError, match=problem):
        pack_answer(tmp_path / "a.zip", ranked, gallery)
    assert not list(tmp_path.iterdir())


def test_lists_of_names(tmp_path: Path) -> None:
    path = tmp_path / "query_drone_name.txt"
    path.write_text("\ufeffabc.jpeg\n\nd/e.f.jpeg 12\n", encoding="utf-8")
    assert read_names(path) == ["abc", "e.f"]
    path.write_text("a.jpeg\na.png\n")
    with pytest.raises(InputError, match="'a' twice"):
        read_names(path)
    path.write_text("\n")
    with pytest.raises(InputError, match="names no images"):
        read_names(path)
