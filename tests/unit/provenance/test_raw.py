import json
import os
import time

import pytest

from nadir.errors import InputError
from nadir.provenance.digest import file_digest
from nadir.provenance.raw import (
    digest_of,
    digests_text,
    existing,
    forget_objects,
    is_local,
    objects_beside,
    watched,
    with_sidecars,
)


def test_files_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = tmp_path / "a.tif"
    image.write_bytes(b"x")
    (tmp_path / "a.tfw").write_bytes(b"y")
    (tmp_path / "a.tif.aux.xml").write_bytes(b"z")
    assert existing(str(image)) == str(image)
    paths = with_sidecars([str(image)])
    assert paths == [str(image), f"{image}.aux.xml", str(tmp_path / "a.tfw")]
    assert json.loads(digests_text(paths))[str(image)] == file_digest(image)
    with pytest.raises(InputError, match="no such file"):
        existing("absent.tif")


def test_paths_and_addresses_part():
    assert watched(["a.tif", "s3://data/a.tif"]) == ["a.tif"]
    assert is_local("a.tif") and not is_local("s3://data/a.tif") and not is_local(None)
    assert existing("s3://data/a.tif") == "s3://data/a.tif"
    with pytest.raises(InputError, match=r"s3://data/a.tif: .*nadir download"):
        existing("s3:/data/a.tif")  # what `pathlib` makes of an address


def test_names_that_snakemake_would_fill_in_are_not_watched():
    """Its own expressions are the truth: what they find in a path is replaced in it."""
    snakemake_io = pytest.importorskip("snakemake.io")
    pathvars = pytest.importorskip("snakemake.pathvars")
    patterns = (snakemake_io.WILDCARD_REGEX, pathvars.PATHVAR_REGEX)
    names = ["{scene}", "a{ b.c }", "{x,[a-z]{2,3}}", "{x,\n}", "<results>", "{0}", "{п}"]
    names += ["{", "{}", "{a b}", "{-}", "}{", "<", "<A>", "< a>", "{{", "a{,}", "{a-b}", "{a, {}"]
    for name in names:
        taken = any(pattern.search(name) for pattern in patterns)
        assert not (taken and watched([name])), name
    assert watched(["{a b}", "<A>", "}{", "{}"]) == ["{a b}", "<A>", "}{", "{}"]
    assert watched(["{scene}/a.tif", "<results>.tif"]) == []


def test_files_of_the_future_are_not_watched(tmp_path):
    path = tmp_path / "a.tif"
    path.touch()
    assert watched([str(path)]) == [str(path)]
    os.utime(path, (time.time() + 3600,) * 2)
    assert watched([str(path)]) == []


def test_one_request_finds_an_object_and_what_stands_beside_it(store):
    for name in ("a.tif", "a.tif.aux.xml", "a.json", "a_other.tif", "b.tif"):
        store.put(f"in/{name}", name.encode())
    store.requests()
    paths = with_sidecars(["s3://data/in/a.tif"])
    assert paths == ["s3://data/in/" + name for name in ("a.tif", "a.tif.aux.xml", "a.json")]
    digests = json.loads(digests_text(paths))
    assert list(digests) == sorted(paths)
    assert len(set(digests.values())) == 3
    assert len(store.requests()) == 1


def test_the_digest_follows_the_content(store):
    address = store.put("a.tif", b"one")
    first = digest_of(address)
    store.put("a.tif", b"one")  # sent again: the same
    forget_objects()
    assert digest_of(address) == first
    store.put("a.tif", b"two")
    assert digest_of(address) == first  # known in this process
    forget_objects()
    assert digest_of(address) != first


def test_an_absent_object_ends_the_drawing_of_the_graph(store):
    store.put("in/a.tif", b"")
    with pytest.raises(InputError, match=r"s3://data/in/b.tif: there is no such object"):
        digests_text(["s3://data/in/a.tif", "s3://data/in/b.tif"])


def test_where_listing_is_not_permitted_each_object_is_asked_for(store):
    store.put("a.tif", b"x")
    store.put("a.tfw", b"y")
    store.fail("list-type", status=403, code="AccessDenied", times=99)
    assert set(objects_beside("s3://data/a.tif")) == {"s3://data/a.tif", "s3://data/a.tfw"}
    assert digest_of("s3://data/a.tfw")
