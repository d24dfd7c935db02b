"""The page of /retrieve in a headless Chromium."""

import cv2
import numpy as np
import pytest
from gallery_fakes import VIEWS
from page_browser import CHROMIUM, PHONE, running_service
from segment_fakes import geotiff, roofs

from nadir.service.galleries import load_galleries
from nadir.service.retrieve import Retrieve

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page with"),
]
KEY = "a key of some length"
TEN = "document.querySelectorAll('#ranked img').length === 10"
SHOWN = f"!document.getElementById('found').hidden && {TEN}"


@pytest.fixture(scope="module")
def galleries(gallery_folder):
    return load_galleries([gallery_folder])


@pytest.fixture(scope="module")
def service(galleries):
    with running_service([Retrieve(galleries)]) as address:
        yield address


def opened(tab, service):
    tab.visit(f"{service}/retrieve")
    tab.wait("document.querySelectorAll('#thumbnails img').length === 6")


def test_an_example_gives_the_ten_of_the_batch_rule(tab, service, products):
    opened(tab, service)
    tab.click("#thumbnails button")
    tab.wait(SHOWN)
    queries = products.queries()
    first = queries[queries["view"] == VIEWS[0]].iloc[0]
    names, scores = products.top(first.image)
    table = products.stored.table.set_index("image")
    told = tab.run("[...document.querySelectorAll('#ranked button')].map((b) => b.ariaLabel)")
    assert told == [
        f"{rank}: place {table.loc[name, 'place']}, score {score:.3f}"
        for rank, (name, score) in enumerate(zip(names, scores, strict=True), 1)
    ]
    assert tab.run("document.getElementById('photo').naturalWidth") == 48
    assert tab.seen("map-box") and "EPSG:32631" in tab.text("map-facts")
    assert tab.troubles() == []
    assert all(address.startswith(service) for address in tab.addresses())


def test_keys_choose_and_the_map_follows(tab, service):
    opened(tab, service)
    tab.click("#thumbnails button")
    tab.wait(SHOWN)
    tab.run("document.querySelector('#ranked button').focus()")
    tab.press("ArrowRight")
    assert tab.text("chosen-name").startswith("2 · place")
    pressed = "document.querySelector('#ranked [aria-pressed=true]')"
    assert tab.run(f"{pressed}.dataset.rank") == "2"
    assert tab.run(f"{pressed} === document.activeElement")
    marks = tab.run("[...document.querySelectorAll('#places g')].map((g) => g.dataset.rank)")
    chosen = tab.run("document.querySelector('#places .chosen')?.dataset.rank ?? null")
    assert chosen == ("2" if "2" in marks else None)
    tab.press("ArrowLeft")
    assert tab.text("chosen-name").startswith("1 · place")


def test_what_speaks_for_it(tab, service):
    opened(tab, service)
    tab.click("#thumbnails button")
    tab.wait(SHOWN)
    assert not tab.seen("heat")
    tab.click("#why")
    tab.wait("document.getElementById('heat').naturalWidth === 48")
    assert tab.seen("heat") and tab.seen("legend")
    tab.click("#why")
    assert not tab.seen("heat") and not tab.seen("legend")


def test_the_view_is_asked_again_with_the_same_picture(tab, service):
    opened(tab, service)
    tab.click("#thumbnails button")
    tab.wait(SHOWN)
    assert "satellite pictures" in tab.text("headline")
    tab.click("#views input[value=satellite]")
    tab.wait("document.getElementById('headline').textContent.includes('of 28 drone')")


def test_files_are_taken_and_refused(tab, service, tmp_path):
    path = tmp_path / "own.png"
    noise = np.random.default_rng(4).integers(0, 255, (40, 60, 3), np.uint8)
    path.write_bytes(cv2.imencode(".png", noise)[1].tobytes())
    opened(tab, service)
    tab.choose("#file", path)
    tab.wait(SHOWN)
    placed = tmp_path / "placed.tif"
    placed.write_bytes(geotiff(roofs(64, 80)))
    tab.choose("#file", placed)
    tab.wait(f"{SHOWN} && !document.getElementById('unseen-photo').hidden")
    path.write_bytes(b"no picture")
    tab.choose("#file", path)
    tab.wait("!document.getElementById('trouble').hidden")
    assert tab.text("trouble-remedy").endswith(".") and not tab.seen("found")
    assert [item for item in tab.troubles() if "422" not in str(item)] == []


def test_on_a_phone_nothing_is_cut_off(tab, service):
    tab.resize(*PHONE)
    opened(tab, service)
    tab.click("#thumbnails button")
    tab.wait(SHOWN)
    assert tab.run("document.documentElement.scrollWidth") == PHONE[0]
    for name in ("photo", "chosen", "map-box", "ranked"):
        box = tab.run(f"document.getElementById('{name}').getBoundingClientRect().toJSON()")
        assert box["left"] >= 0 and box["right"] <= PHONE[0] and box["height"] > 60, name


def test_a_key_is_asked_for(tab, galleries):
    with running_service([Retrieve(galleries)], api_key=KEY) as service:
        tab.visit(f"{service}/retrieve")
        tab.wait("!document.getElementById('lock').hidden")
        tab.run(f"document.getElementById('key').value = '{KEY}'")
        tab.click("#lock button")
        tab.wait("document.querySelectorAll('#thumbnails img').length === 6")
        tab.click("#thumbnails button")
        tab.wait(SHOWN)
