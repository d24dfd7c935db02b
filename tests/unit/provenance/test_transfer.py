import hashlib
import os

import pytest

from nadir.errors import InputError
from nadir.provenance import transfer
from nadir.provenance.publishing import files_of, publish
from nadir.provenance.transfer import (
    download,
    download_folder,
    etag_of_parts,
    local_copy,
    newest_version,
)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "bundle"
    (made / "deep").mkdir(parents=True)
    (made / "model.yaml").write_text("format: 1\n")
    (made / "deep" / "weights.bin").write_bytes(os.urandom(3000))
    (made / ".hidden").mkdir()
    (made / ".hidden" / "x").write_text("no")
    (made / ".model.1.partial").write_text("no")
    return made


def same(one, other):
    return {name: path.read_bytes() for name, path in files_of(one).items()} == {
        name: path.read_bytes()
        for name, path in files_of(other).items()
        if name != "published.json"
    }


def test_a_copy_is_made_once(store):
    address = store.put("in/a b.npz", b"content")
    place = local_copy(address)
    assert place.read_bytes() == b"content" and place.name == "a b.npz"
    store.requests()
    assert local_copy(address) == place
    assert not [line for line in store.requests() if line.startswith("GET")]
    store.put("in/a b.npz", b"changed")
    assert local_copy(address).read_bytes() == b"changed"
    assert str(local_copy("some/file.npz")) == "some/file.npz"


def test_parts_lie_beside_each_other(store):
    for ending in ("shp", "shx", "dbf"):
        store.put(f"roofs.{ending}", ending.encode())
    place = local_copy("s3://data/roofs.shp", transfer.list_objects("s3://data/roofs."))
    assert place.with_suffix(".dbf").read_bytes() == b"dbf"


def call_halfway(store, monkeypatch, body, what):
    """Store an object that is fetched in pieces; do something before the third one is.

    Returns its address, and where pieces began, as they are asked for.
    """
    monkeypatch.setattr(transfer, "_PIECE", 1000)
    address = store.put("x", body)
    client = transfer.filesystem()
    whole, calls = client.cat_file, []

    def fetch(path, start, end):
        calls.append(start)
        if len(calls) == 3:
            what(address)
        return whole(path, start=start, end=end)

    monkeypatch.setattr(client, "cat_file", fetch)
    return address, calls


def test_a_killed_download_goes_on_where_it_stopped(store, tmp_path, monkeypatch):
    def die(address):
        raise KeyboardInterrupt

    body = os.urandom(3500)
    address, calls = call_halfway(store, monkeypatch, body, die)
    with pytest.raises(KeyboardInterrupt):
        download(address, tmp_path / "x")
    assert not (tmp_path / "x").exists()
    download(address, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == body
    assert calls == [0, 1000, 2000, 2000, 3000]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_the_rest_of_another_content_is_not_taken(store, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_PIECE", 1000)
    address = store.put("x", b"a" * 2500)
    client = transfer.filesystem()
    whole = client.cat_file

    def replaced(path, start, end):
        if start == 1000:
            store.put("x", b"b" * 2500)
        return whole(path, start=start, end=end)

    monkeypatch.setattr(client, "cat_file", replaced)
    with pytest.raises(InputError, match="replaced"):
        download(address, tmp_path / "x")
    monkeypatch.setattr(client, "cat_file", whole)
    download(address, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"b" * 2500


def test_bodies_that_are_cut_off_do_no_harm(store, tmp_path):
    body = os.urandom(5000)
    address = store.put("x", body)
    store.fail("GET /data/x", keep=1000)
    store.fail("GET /data/x", status=503)
    download(address, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == body
    store.fail("GET /data/x", keep=1000, times=99)
    with pytest.raises(InputError, match="cut off"):
        download(address, tmp_path / "y")
    assert not (tmp_path / "y").exists()


def test_what_is_published_comes_back(store, folder, tmp_path):
    place = publish(folder, "s3://data/models/roofs")
    assert place.startswith("s3://data/models/roofs/")
    assert newest_version("s3://data/models/roofs/") == place
    assert newest_version(place) == place
    names = download_folder(place, tmp_path / "back")
    assert names == ["deep/weights.bin", "model.yaml", "published.json"]
    assert same(folder, tmp_path / "back")


def test_the_list_is_written_last(store, folder):
    store.requests()
    publish(folder, "s3://data/m")
    puts = [line.split("/")[-1] for line in store.requests() if line.startswith("PUT")]
    assert puts == ["weights.bin", "model.yaml", "published.json", "latest.json"]


def test_publishing_again_sends_nothing(store, folder):
    place = publish(folder, "s3://data/m")
    store.requests()
    assert publish(folder, "s3://data/m") == place
    sent = [line for line in store.requests() if line.startswith("PUT")]
    assert [line.split("/")[-1] for line in sent] == ["latest.json"]


def test_a_broken_publication_goes_on(store, folder):
    store.fail("PUT .*model.yaml", status=400, code="InvalidArgument", times=9)
    with pytest.raises(InputError):
        publish(folder, "s3://data/m", "v1")
    assert store.keys("m/") == ["m/v1/deep/weights.bin"]  # and no list: nobody takes it for whole
    store._call("reset")
    publish(folder, "s3://data/m", "v1")
    assert not [line for line in store.requests() if "PUT" in line and "weights" in line]


def test_versions_are_never_written_again(store, folder):
    publish(folder, "s3://data/m", "v1")
    (folder / "model.yaml").write_text("format: 2\n")
    with pytest.raises(InputError, match="other content"):
        publish(folder, "s3://data/m", "v1")
    assert publish(folder, "s3://data/m", "v2").endswith("/v2")
    assert newest_version("s3://data/m").endswith("/v2")


@pytest.mark.parametrize("version", ["../x", "/x", "a//b", ""])
def test_names_of_versions_stay_below_the_prefix(store, folder, version):
    if version:
        with pytest.raises(InputError, match="leave the folder"):
            publish(folder, "s3://data/m", version)


def test_altered_and_lacking_files_are_found(store, folder, tmp_path):
    place = publish(folder, "s3://data/m")
    key = place.removeprefix("s3://data/") + "/deep/weights.bin"
    store.put(key, b"0" * 3000)
    with pytest.raises(InputError, match=r"weights.bin: its content is not what published.json"):
        download_folder(place, tmp_path / "back")
    assert not (tmp_path / "back" / "deep" / "weights.bin").exists()
    store.delete(key)
    with pytest.raises(InputError, match=r"weights.bin: published.json names it, but it is gone"):
        download_folder(place, tmp_path / "back")


def test_names_that_leave_the_folder_are_refused(store, tmp_path, monkeypatch):
    info = transfer.ObjectInfo(1, "e")
    listing = {"s3://data/m/../../evil": info}
    monkeypatch.setattr(transfer, "list_objects", lambda _: listing)
    with pytest.raises(InputError, match="leave the folder"):
        download_folder("s3://data/m", tmp_path / "back")


def test_files_that_changed_here_or_there_are_copied_again(store, tmp_path):
    store.put("raw/a.csv", b"111")
    download_folder("s3://data/raw", tmp_path)
    (tmp_path / "a.csv").write_bytes(b"222")  # of the same size
    download_folder("s3://data/raw", tmp_path)
    assert (tmp_path / "a.csv").read_bytes() == b"111"
    store.requests()
    download_folder("s3://data/raw", tmp_path)
    assert not [line for line in store.requests() if "a.csv" in line]


def test_nothing_there(store, tmp_path):
    with pytest.raises(InputError, match="nothing under this address"):
        download_folder("s3://data/none", tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        publish(tmp_path / "none", "s3://data/m")


def test_links_that_leave_the_folder_are_not_published(store, folder, tmp_path):
    (tmp_path / "secret").write_text("s")
    (folder / "link").symlink_to(tmp_path / "secret")
    with pytest.raises(InputError, match="leads out of the folder"):
        publish(folder, "s3://data/m")


def test_digests_are_of_the_content(store, folder):
    place = publish(folder, "s3://data/m", "v1")
    listing = transfer.read_listing(place + "/")
    data = (folder / "model.yaml").read_bytes()
    assert listing["files"]["model.yaml"] == {
        "sha256": hashlib.sha256(data).hexdigest(),
        "size": len(data),
    }


def test_two_downloads_at_once_give_one_whole_file(store, tmp_path, monkeypatch):
    """The second begins while the first is halfway, and ends before it."""

    def meanwhile(address):
        download(address, tmp_path / "x")

    body = os.urandom(3500)
    address, calls = call_halfway(store, monkeypatch, body, meanwhile)
    download(address, tmp_path / "x")
    assert calls == [0, 1000, 2000, 2000, 3000, 3000]
    assert (tmp_path / "x").read_bytes() == body
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_the_etag_of_parts(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"abcde")
    halves = [hashlib.md5(part).digest() for part in (b"abc", b"de")]
    assert etag_of_parts(path, 3) == hashlib.md5(b"".join(halves)).hexdigest() + "-2"


@pytest.mark.parametrize("part", [8, 5, 7])
def test_what_was_sent_in_parts_is_copied_once(store, tmp_path, monkeypatch, part):
    monkeypatch.setattr(transfer, "_MEBIBYTE", 1000)
    body = os.urandom(23_456)
    store.put("set/x", body)
    known = transfer.list_objects

    def in_parts(base):
        path = tmp_path / "whole"
        path.write_bytes(body)
        tag = etag_of_parts(path, part * 1000)
        return {name: transfer.ObjectInfo(info.size, tag) for name, info in known(base).items()}

    monkeypatch.setattr(transfer, "list_objects", in_parts)
    monkeypatch.setattr(transfer, "stat_object", lambda name: in_parts("s3://data/set/")[name])
    download_folder("s3://data/set", tmp_path / "copy")
    calls = []
    monkeypatch.setattr(transfer, "download", lambda address, *_: calls.append(address))
    download_folder("s3://data/set", tmp_path / "copy")
    assert calls == []
    (tmp_path / "copy/x").write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    download_folder("s3://data/set", tmp_path / "copy")
    assert calls == ["s3://data/set/x"]
