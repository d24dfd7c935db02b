"""Searching catalogues: an API and static files give the same."""

from __future__ import annotations

import json
import time
from datetime import date

import pytest
from stac_server import AREA, Fault, Server

from nadir.errors import InputError
from nadir.fetch import catalog
from nadir.fetch.catalog import search

DAYS = (date(2018, 4, 1), date(2018, 4, 30))
NAME = "sentinel-2-l2a"


@pytest.fixture
def filled(server: Server) -> Server:
    for name, day in (("late", "2018-04-30"), ("early", "2018-04-01"), ("may", "2018-05-01")):
        server.add_image(name, day)
    server.add_image("march", "2018-03-31")
    server.add_image("elsewhere", "2018-04-09", crs="EPSG:32633")
    return server


def ids(items):
    return [item["id"] for item in items]


@pytest.mark.parametrize("kind", ["publish", "publish_api"])
def test_items_of_area_and_days(filled, kind):
    items = search(getattr(filled, kind)(), NAME, AREA, DAYS)
    assert ids(items) == ["early", "late"]
    assert items[0]["assets"]["blue"]["href"] == f"{filled.url}/early/B02.tif"


def test_all_days_and_all_collections(filled):
    assert ids(search(filled.publish(), None, AREA, None)) == ["march", "early", "late", "may"]


@pytest.mark.parametrize("kind", ["publish", "publish_api"])
def test_an_unknown_collection_names_those_there_are(filled, kind):
    with pytest.raises(InputError, match=r"no collection 'landsat'.*sentinel-2-l2a"):
        search(getattr(filled, kind)(), "landsat", AREA, DAYS)


def test_an_api_needs_a_collection(filled):
    with pytest.raises(InputError, match="needs a collection"):
        search(filled.publish_api(), None, AREA, DAYS)


@pytest.mark.parametrize(
    ("kind", "path"), [("publish", "/catalog.json"), ("publish_api", "/search")]
)
def test_a_busy_catalogue_is_asked_again(filled, kind, path):
    url = getattr(filled, kind)()
    filled.faults[path] = Fault("busy", times=2)
    assert ids(search(url, NAME, AREA, DAYS, attempts=3, pause=0.01)) == ["early", "late"]
    filled.faults[path] = Fault("busy", times=99)
    with pytest.raises(InputError, match="does not answer"):
        search(url, NAME, AREA, DAYS, attempts=2, pause=0.01)


PAGES = [("publish", "/items/early.json", 0), ("publish_api", "/search", 1)]  # its second page


@pytest.mark.parametrize(("kind", "path", "after"), PAGES)
@pytest.mark.parametrize("fault", ["cut", "freeze", "stall"])
def test_a_torn_answer_of_a_catalogue_is_asked_for_anew(filled, kind, path, after, fault):
    url = getattr(filled, kind)()
    filled.faults[path] = Fault(fault, after=after, seconds=60)
    started = time.monotonic()
    found = search(url, NAME, AREA, DAYS, attempts=4, pause=0.01, timeout=0.5)
    assert ids(found) == ["early", "late"] and filled.faults[path].times == 0
    assert time.monotonic() - started < 40, "silence is not waited for"


@pytest.mark.parametrize(("kind", "path", "after"), PAGES)
@pytest.mark.parametrize("fault", ["cut", "freeze", "stall"])
def test_a_catalogue_that_never_answers_whole_is_told(filled, kind, path, after, fault):
    """And a list that lacks a page is never taken for the whole one."""
    url = getattr(filled, kind)()
    filled.faults[path] = Fault(fault, times=99, after=after, seconds=60)
    with pytest.raises(InputError, match=r"does not answer|no STAC catalogue"):
        search(url, NAME, AREA, DAYS, attempts=2, pause=0.01, timeout=0.4)
    assert filled.faults[path].times == 97


@pytest.mark.parametrize("text", ["7200", "Fri, 01 Jan 2100 00:00:00 GMT", "soon"])
def test_a_busy_catalogue_is_waited_for_no_longer_than_a_file(filled, monkeypatch, text):
    pauses = []
    monkeypatch.setattr("urllib3.util.retry.time.sleep", pauses.append)
    url = filled.publish_api()
    filled.faults["/search"] = Fault("busy", retry_after=text)
    assert ids(search(url, NAME, AREA, DAYS, attempts=2, pause=0.01)) == ["early", "late"]
    assert [pause for pause in pauses if pause > 1] == ([] if text == "soon" else [60])


def test_what_is_no_catalogue(filled):
    filled.files["/catalog.json"] = b"<html>"
    with pytest.raises(InputError, match=r"not STAC|no STAC"):
        search(f"{filled.url}/catalog.json", NAME, AREA, DAYS)
    filled.files["/catalog.json"] = b'{"hello": 1}'
    with pytest.raises(InputError, match=r"not STAC|no STAC"):
        search(f"{filled.url}/catalog.json", NAME, AREA, DAYS)
    with pytest.raises(InputError, match="does not answer"):
        search(f"{filled.url}/nothing.json", NAME, AREA, DAYS)
    with pytest.raises(InputError, match="no such file"):
        search("there/is/no/catalog.json", NAME, AREA, DAYS)


def test_a_broken_item_is_told(filled):
    url = filled.publish()
    filled.files["/items/early.json"] = filled.files["/items/early.json"][:50]
    with pytest.raises(InputError, match=r"no STAC catalogue.*early"):
        search(url, NAME, AREA, DAYS)


def test_catalogues_of_this_machine(filled, tmp_path):
    filled.publish()
    for path, content in filled.files.items():
        if path.endswith(".json"):
            place = tmp_path / path[1:]
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(content)
    items = search(str(tmp_path / "catalog.json"), NAME, AREA, DAYS)
    assert ids(items) == ["early", "late"]
    assert items[0]["assets"]["blue"]["href"] == str(tmp_path / "early" / "B02.tif")


def test_items_come_as_json(filled):
    items = search(filled.publish(), NAME, AREA, DAYS)
    assert json.loads(json.dumps(items)) == items


def test_too_many_items_are_an_error_and_none_are_left_out(filled, monkeypatch):
    url = filled.publish_api()
    monkeypatch.setattr(catalog, "_MOST", 5)
    assert ids(search(url, NAME, AREA, DAYS)) == ["early", "late"]
    monkeypatch.setattr(catalog, "_MOST", 4)
    with pytest.raises(InputError, match=r"more than 4 items.*shorter range of days"):
        search(url, NAME, AREA, DAYS)
