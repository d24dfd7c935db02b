"""Lists of files by digest: whole, or refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nadir.errors import InputError
from nadir.provenance.digest import sha
from nadir.provenance.sealed import Sealed, check_files, read_sealed


class Facts(Sealed):
    """A list that tells one thing more."""

    size: int


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of two files and their list."""
    (tmp_path / "in").mkdir()
    for name in ("a", "in/b"):
        (tmp_path / name).write_bytes(name.encode())
    facts = Facts(files={name: sha(name.encode()) for name in ("a", "in/b")}, size=2).sealed()
    (tmp_path / "list.json").write_text(facts.model_dump_json())
    return tmp_path


def read(folder: Path) -> Facts:
    return read_sealed(folder / "list.json", Facts, "thing", "Make it again.")


def test_a_whole_folder_is_read(folder: Path) -> None:
    facts = read(folder)
    assert facts.size == 2 and len(facts.digest) == 64
    assert facts.sealed() == facts
    check_files(folder, facts, "Make it again.")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"size": 3}, "changed after"),
        ({"size": "x"}, "lists no thing"),
        ({"more": 1}, "lists no thing"),
        ({"files": {"a": "0"}}, "lists no thing"),
        ({"digest": ""}, "changed after"),
    ],
)
def test_a_changed_list_is_refused(folder: Path, change: dict[str, object], words: str) -> None:
    path = folder / "list.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=words):
        read(folder)


def test_no_list_and_no_json(folder: Path) -> None:
    (folder / "list.json").write_text("{")
    with pytest.raises(InputError, match="no JSON"):
        read(folder)
    (folder / "list.json").unlink()
    with pytest.raises(InputError, match=r"no list\.json"):
        read(folder)


def test_changed_and_lacking_files(folder: Path) -> None:
    facts = read(folder)
    (folder / "a").write_bytes(b"b")
    with pytest.raises(InputError, match="damaged"):
        check_files(folder, facts, "Make it again.")
    (folder / "a").unlink()
    with pytest.raises(InputError, match="lacking"):
        check_files(folder, facts, "Make it again.")
