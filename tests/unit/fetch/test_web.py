"""Bytes from addresses: whole and right, or an error in words."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import numpy as np
import pytest
from stac_server import Fault, Server

from nadir.errors import InputError
from nadir.fetch import web
from nadir.fetch.web import Changed, Facts, Web, pause_asked_for, shown

CONTENT = np.random.default_rng(0).bytes(300_000)
WEB = Web(attempts=3, pause=0.01, timeout=0.4)


@pytest.fixture
def address(server: Server) -> str:
    server.files["/a.bin"] = CONTENT
    return f"{server.url}/a.bin"


def read(address: str, start: int = 0, end: int = len(CONTENT), web: Web = WEB) -> bytes:
    return b"".join(web.stream(address, web.facts(address), start, end))


def test_ranges_are_read_as_they_are(address):
    facts = WEB.facts(address)
    assert (facts.size, facts.ranges) == (len(CONTENT), True)
    assert facts.tag
    for start, end in ((0, 1), (5, 70_000), (299_999, 300_000), (0, 300_000)):
        assert read(address, start, end) == CONTENT[start:end]


@pytest.mark.parametrize("code", [503, 429, 500])
def test_a_busy_server_is_asked_again(server, address, code):
    server.faults["/a.bin"] = Fault("busy", times=2, after=1, code=code)
    assert read(address, 10, 20) == CONTENT[10:20]


def in_seconds(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


def test_a_server_is_asked_again_when_it_says(server, address, monkeypatch):
    """As seconds and as a date, of which none is later than the longest pause."""
    pauses = []
    monkeypatch.setattr(web.time, "sleep", pauses.append)
    for text in ("7", in_seconds(9), in_seconds(7200), "7200", in_seconds(-50), "soon"):
        server.faults["/a.bin"] = Fault("busy", retry_after=text)
        WEB.facts(address)
    assert pauses[0] == 7 and 7 < pauses[1] <= 9
    assert pauses[2:] == [60, 60, 0.01, 0.01]


def test_what_retry_after_asks_for():
    assert 119 < pause_asked_for(in_seconds(120.5)) <= 120.5
    local = datetime.now(UTC).astimezone() + timedelta(seconds=60)
    assert 58 < pause_asked_for(local.strftime("%a, %d %b %Y %H:%M:%S %z")) <= 60
    for text in ("", " ", "-5", "²", "Mon, 99 Foo 2026", "1.5", "Thu, 01 Jan 1970 00:00:00 GMT"):
        assert pause_asked_for(text) == 0
    assert pause_asked_for(" 12 ") == 12


def test_a_server_that_stays_busy_is_given_up(server, address):
    server.faults["/a.bin"] = Fault("busy", times=99)
    with pytest.raises(InputError, match=r"HTTP 503.*3 times in a row"):
        WEB.facts(address)
    assert len(server.asked) == 3


def test_a_torn_answer_goes_on_where_it_stopped(server, address):
    server.faults["/a.bin"] = Fault("cut", times=2, after=1)
    assert read(address) == CONTENT
    starts = [int(asked.removeprefix("bytes=").split("-")[0]) for _, asked in server.asked[1:]]
    assert starts[0] == 0 and starts[1] > 100_000 and starts[2] > starts[1]


def test_an_answer_that_is_torn_again_and_again_ends(server, address):
    server.faults["/a.bin"] = Fault("cut", times=99, after=1)
    with pytest.raises(InputError, match="cut off"):
        read(address, 0, 1000)


def test_silence_is_not_waited_for(server, address):
    server.faults["/a.bin"] = Fault("stall", after=1, seconds=1.0)
    started = time.monotonic()
    assert read(address, 0, 5000) == CONTENT[:5000]
    assert time.monotonic() - started < 0.95


def test_a_slow_answer_is_asked_for_anew_and_progress_counts(server, address):
    server.faults["/a.bin"] = Fault("trickle", times=2, after=1, seconds=0.01)
    assert read(address, web=Web(attempts=1, pause=0.01, slowest=0.2)) == CONTENT


def test_a_file_that_is_replaced_is_told(server, address):
    facts = WEB.facts(address)
    server.files["/a.bin"] = CONTENT[::-1]  # of the same length
    with pytest.raises(Changed, match="replaced"):
        list(WEB.stream(address, facts, 0, 10))


def test_a_server_without_ranges_sends_all(server, address):
    server.faults["/a.bin"] = Fault("whole", times=99)
    assert not WEB.facts(address).ranges
    assert read(address, 1000, 200_000) == CONTENT[1000:200_000]


@pytest.mark.parametrize(("code", "words"), [(403, "denied"), (418, "refuses"), (410, "no such")])
def test_a_refusal_is_told_at_once_and_secrets_are_not(server, address, code, words):
    server.faults["/a.bin"] = Fault("busy", times=99, code=code)
    with pytest.raises(InputError, match=words) as caught:
        WEB.facts(f"{address}?token=secret")
    assert "secret" not in str(caught.value)
    assert len(server.asked) == 1


def test_no_server_is_told():
    with pytest.raises(InputError, match="does not answer"):
        Web(attempts=2, pause=0.01).facts("http://127.0.0.1:9/a")


def test_shown_addresses_hold_no_secrets():
    assert shown("https://name:word@host/a.tif?sig=1#x") == "https://host/a.tif"
    assert shown("s3://bucket/a b?.tif") == "s3://bucket/a b?.tif"


def test_a_range_beyond_the_end_is_no_success(server, address):
    with pytest.raises(InputError):
        list(WEB.stream(address, Facts(len(CONTENT) + 5, "x"), len(CONTENT), len(CONTENT) + 5))
