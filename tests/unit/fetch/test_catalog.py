"""Searching catalogues: an API and static files give the same."""

from __future__ import annotations

import json
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
