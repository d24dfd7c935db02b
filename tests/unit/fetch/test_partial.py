"""Files in parts: what is needed is loaded once, whatever happens in between."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from stac_server import Fault, Server

from nadir.errors import InputError
from nadir.fetch import partial
from nadir.fetch.partial import LocalFile, PartialFile, open_part
from nadir.fetch.web import Changed, Web

CONTENT = np.random.default_rng(1).bytes(200_000)
SHA = hashlib.sha256(CONTENT).hexdigest()
WEB = Web(attempts=2, pause=0.01, timeout=2)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(partial, "BLOCK", 4096)


@pytest.fixture
def address(server: Server) -> str:
    server.files["/a.tif"] = CONTENT
    return f"{server.url}/a.tif"


def spans(server: Server) -> list[tuple[int, int]]:
    """Return the ranges that were asked for, without those of one byte that ask for facts."""
    ranges = [
        tuple(int(part) for part in asked.removeprefix("bytes=").split("-"))
        for _, asked in server.asked
    ]
    return [(start, end + 1) for start, end in ranges if end > start]


def test_only_what_is_needed_is_loaded_and_only_once(server, address, tmp_path):
    part = PartialFile(address, tmp_path, WEB)
    part.need([(5000, 5001), (100_000, 101_000)])
    part.need([(5000, 8000), (8192, 8193)])
    assert spans(server) == [(4096, 8192), (98_304, 102_400), (8192, 12_288)]
    data = part.path.read_bytes()
    assert data[4096:12_288] == CONTENT[4096:12_288]
    assert not any(data[20_000:90_000])
    assert not part.is_whole


def test_the_end_is_loaded_too(address, tmp_path):
    part = PartialFile(address, tmp_path, WEB)
    part.need([(199_999, 10**9)])
    assert part.path.read_bytes()[196_608:] == CONTENT[196_608:]


def test_a_killed_job_goes_on(server, address, tmp_path, monkeypatch):
    monkeypatch.setattr(partial, "_RUN", 8)
    first = PartialFile(address, tmp_path, WEB)
    served = []

    def dies(*words):
        for data in Web.stream(WEB, *words):
            served.append(data)
            if len(served) > 3:
                raise KeyboardInterrupt  # as after a kill: nothing else is tidied
            yield data

    monkeypatch.setattr(first, "web", type("Dying", (), {"stream": staticmethod(dies)}))
    with pytest.raises(KeyboardInterrupt):
        first.need_all()
    done = int(np.fromfile(first.path.with_name(first.path.name + ".blocks"), np.uint8).sum())
    assert 8 <= done < 49
    before = len(spans(server))
    second = PartialFile(address, tmp_path, WEB)
    second.check(SHA)
    again = spans(server)[before:]
    assert again[0][0] == done * 4096
    assert sum(end - start for start, end in again) == len(CONTENT) - done * 4096


def test_a_replaced_file_is_begun_anew(server, address, tmp_path):
    PartialFile(address, tmp_path, WEB).need([(0, 50_000)])
    server.files["/a.tif"] = other = CONTENT[::-1]
    part = PartialFile(address, tmp_path, WEB)
    assert part.digest() == hashlib.sha256(other).hexdigest()


def test_a_file_that_is_replaced_meanwhile_leaves_nothing(server, address, tmp_path):
    part = PartialFile(address, tmp_path, WEB)
    part.need([(0, 10)])
    server.faults["/a.tif"] = Fault("replace", content=CONTENT[::-1])
    with pytest.raises(Changed):
        part.need_all()
    assert not list(tmp_path.iterdir())


def test_marks_without_a_file_count_for_nothing(address, tmp_path):
    part = PartialFile(address, tmp_path, WEB)
    part.need_all()
    part.path.unlink()
    assert PartialFile(address, tmp_path, WEB).digest() == SHA


def test_a_server_without_ranges(server, address, tmp_path):
    server.faults["/a.tif"] = Fault("whole", times=99)
    part = PartialFile(address, tmp_path, WEB)
    part.need([(100_000, 100_001)])
    assert part.is_whole
    assert len(server.asked) == 2
    part.check(SHA)


def test_a_wrong_checksum_is_told_and_removed(address, tmp_path):
    part = PartialFile(address, tmp_path, WEB)
    with pytest.raises(InputError, match=SHA):
        part.check("0" * 64)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("prefix", "algorithm"),
    [("1220", "sha256"), ("1114", "sha1"), ("1340", "sha512"), ("d50110", "md5")],
)
def test_checksums_of_catalogues(address, tmp_path, prefix, algorithm):
    digest = hashlib.new(algorithm, CONTENT).hexdigest()
    part = PartialFile(address, tmp_path, WEB)
    assert part.check_multihash(prefix + digest)
    wrong = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    with pytest.raises(InputError, match=algorithm):
        part.check_multihash(prefix + wrong)


@pytest.mark.parametrize("text", ["", "zz", "1220abcd", "ff20" + "00" * 32])
def test_checksums_of_unknown_kinds_are_said_not_to_be_compared(address, tmp_path, text, caplog):
    assert not PartialFile(address, tmp_path, WEB).check_multihash(text)
    assert "not compared" in caplog.text


def test_sizes_that_a_catalogue_promises(address, tmp_path):
    part = PartialFile(address, tmp_path, WEB)
    part.size_is(200_000)
    with pytest.raises(InputError, match="200000 bytes where the catalogue says 7"):
        part.size_is(7)


def test_an_empty_file_is_told(server, tmp_path):
    server.files["/a.tif"] = b""
    with pytest.raises(InputError):
        PartialFile(f"{server.url}/a.tif", tmp_path, WEB)


def test_files_of_this_machine(tmp_path):
    path = tmp_path / "a.tif"
    path.write_bytes(CONTENT)
    part = open_part(str(path), tmp_path, WEB)
    assert isinstance(part, LocalFile)
    part.need([(0, 5)])
    part.forget()
    assert path.is_file()
    with pytest.raises(InputError, match="no such file"):
        open_part(str(tmp_path / "b.tif"), tmp_path, WEB)
