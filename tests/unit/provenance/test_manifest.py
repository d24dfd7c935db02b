"""A manifest means a complete store."""

import os

import pytest

from nadir.errors import InputError, OutputError
from nadir.provenance import manifest as manifests
from nadir.provenance.manifest import Manifest, read_manifest, staged_store, store_path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scene" / "cube.manifest.json"


def write(path, content, digest="d1"):
    with staged_store(path) as stage:
        stage.path.mkdir()
        (stage.path / "zarr.json").write_text(content)
        return stage.commit(Manifest("cube", digest, content={"shape": [1, 2]}))


def test_round_trip(path):
    given = write(path, "first")
    assert read_manifest(path, "cube") == given
    assert (store_path(path) / "zarr.json").read_text() == "first"
    assert sorted(os.listdir(path.parent)) == ["cube.manifest.json", "cube.zarr"]


def test_new_store_replaces_the_old_one_whole(path):
    write(path, "first")
    (store_path(path) / "stale").write_text("chunk of a larger array")
    write(path, "second", "d2")
    assert os.listdir(store_path(path)) == ["zarr.json"]
    assert read_manifest(path).digest == "d2"


def test_failure_before_commit_keeps_the_old_store(path):
    write(path, "first")
    with pytest.raises(RuntimeError), staged_store(path) as stage:
        stage.path.mkdir()
        (stage.path / "half").write_text("x")
        raise RuntimeError
    assert read_manifest(path).digest == "d1"
    assert sorted(os.listdir(path.parent)) == ["cube.manifest.json", "cube.zarr"]


def test_nothing_committed_means_no_manifest(path):
    with staged_store(path) as stage:
        stage.path.mkdir()
    assert os.listdir(path.parent) == []


def test_death_between_store_and_manifest_leaves_no_manifest(path, monkeypatch):
    write(path, "first")

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(manifests, "write_json", die)
    with pytest.raises(KeyboardInterrupt):
        write(path, "second", "d2")
    assert not path.exists()  # so Snakemake builds it again, whatever lies there
    with pytest.raises(InputError, match="no such manifest"):
        read_manifest(path)


def test_leftovers_of_killed_runs_go(path):
    path.parent.mkdir()
    dead = path.parent / ".cube.zarr.0123456789ab.partial"
    dead.mkdir()
    (dead / "chunk").write_text("x")
    other = path.parent / ".labels.zarr.0123456789ab.partial"
    other.mkdir()
    write(path, "first")
    assert not dead.exists() and other.exists()


def test_full_disk(path):
    with pytest.raises(OutputError, match="the disk is full") as caught, staged_store(path):
        raise OSError(28, "No space left on device")
    assert caught.value.file.endswith("cube.zarr")
    assert os.listdir(path.parent) == []


def test_another_kind(path):
    write(path, "first")
    with pytest.raises(InputError, match="'cube' where 'labels' is needed"):
        read_manifest(path, "labels")


def test_store_removed_by_hand(path):
    write(path, "first")
    (store_path(path) / "zarr.json").unlink()
    store_path(path).rmdir()
    with pytest.raises(InputError, match=r"cube\.zarr is gone") as caught:
        read_manifest(path)
    assert "Delete the manifest" in caught.value.remedy


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"kind": "cube"}', '{"other": 1}', "null"])
def test_not_a_manifest(path, text):
    path.parent.mkdir()
    path.write_text(text)
    with pytest.raises(InputError, match="not a manifest"):
        read_manifest(path)


def test_name_of_a_manifest():
    assert str(store_path("x/cube.manifest.json")) == os.path.join("x", "cube.zarr")
    with pytest.raises(InputError, match="not a manifest's name"):
        store_path("x/cube.json")


def test_a_pipe_is_no_manifest(tmp_path):
    os.mkfifo(tmp_path / "cube.manifest.json")
    with pytest.raises(InputError, match="no plain file"):
        read_manifest(tmp_path / "cube.manifest.json")
