"""Places on the page of maps: which scenes and parts are shown, and where they are said to lie."""

from __future__ import annotations

import re
from types import SimpleNamespace

import cv2
import numpy as np
import pandas as pd
import pytest
import rasterio.warp
from page_browser import CHROMIUM, running_browser

from nadir.config.classes import ClassTable, LandClass
from nadir.raster.cog import MapWriter
from nadir.raster.grid import Grid
from nadir.report import maps, maps_places
from nadir.report.maps import Judged, scene_layers
from nadir.report.maps_page import maps_page
from nadir.report.maps_places import center_of, parts_to_show, scenes_to_show, where
from nadir.segmentation import view
from nadir.segmentation.confusion import summary

SHAPE = (300, 400)
GRID = Grid("EPSG:32631", (10.0, 0.0, 5e5, 0.0, -10.0, 4e6), *SHAPE)
CLASSES = ClassTable(
    classes=(
        LandClass(value=1, name="field", color="#e8d36a"),
        LandClass(value=2, name="wood", color="#1f6b35"),
    )
)


def place(y, x, scene="home", size=32, accuracy=0.5, pixels=30):
    known = {"scene": scene, "y": y, "x": x, "size": size}
    return {**known, "pixels": 1000, "accuracy": accuracy, "miou": 0.4, "error": [1, 2, pixels]}


def facts(places, worst=(), design="blocks"):
    confusion = np.array([[900, 90], [20, 480]])
    score = {"pixels": 1490, "ece": 0.01, "brier": 0.2, "nll": 0.5, "bins": []}
    sets = {"promised": 0.9, "coverage": 0.9, "size": 1.2, "class_coverage": [0.9, 0.9]}
    area = {"mapped": 100.0, "area": 100.0, "error": 5.0, "low": 90.0, "high": 110.0}
    sampled = {
        "overall": 0.91,
        "overall_error": 0.012,
        "classes": {
            "field": {
                "users": 0.8767, "users_error": 0.0234, "producers": 0.75, "producers_error": 0.04,
            },
            "wood": {
                "users": 0.5, "users_error": None, "producers": None, "producers_error": None,
            },
        },
    }  # fmt: skip
    areas = {"unit": "ha", "classes": {"field": area, "wood": area}}
    return {
        "classes": CLASSES.names[1:],
        "split": "test",
        "fitted_here": False,
        "block": 32,
        "blocks": len(places),
        "scores": summary(confusion),
        "confusion": confusion.tolist(),
        "boundary": {"width": 2, "iou": [0.5, 0.4], "miou": 0.45},
        "distance": [],
        "purity": [],
        "worst": list(worst),
        "places": list(places),
        "areas": {"home": {**areas, **({"accuracy": sampled} if design == "pixels" else {})}},
        "probability": {"before": score, "after": score, "sets": sets},
    }


@pytest.fixture
def large(monkeypatch):
    """Scenes of 300 x 400 pixels are large ones."""
    for module in (view, maps_places, maps):
        monkeypatch.setattr(module, "WHOLE", 200)
    monkeypatch.setattr("nadir.report.maps_swipe.WHOLE", 200)
    monkeypatch.setattr("nadir.report.maps_page.WHOLE", 200)
    monkeypatch.setattr(view, "PIXELS", 100)
    monkeypatch.setattr(view, "AROUND", 64)


def drawn(tmp_path, found, most=12):
    """The page of a scene, and what its pictures were made of."""
    small = np.random.default_rng(0).integers(1, 3, (6, 8)).astype(np.uint8)
    truth = np.kron(small, np.ones((50, 50), np.uint8))
    mapped = truth.copy()
    mapped[100:140, 200:240] = 3 - truth[100:140, 200:240]
    with MapWriter(tmp_path / "map.tif", GRID, table=CLASSES) as writer:
        writer.write(0, 0, mapped)

    def read_date(number, y, x, h, w):
        return np.stack([truth[y : y + h, x : x + w].astype(np.uint16)] * 3), np.ones((h, w), bool)

    cube = SimpleNamespace(grid=GRID, bands=("r", "g", "b"), present=(0,), read_date=read_date)
    labels = SimpleNamespace(hard=lambda y, x, h, w: truth[y : y + h, x : x + w])
    tiles = pd.DataFrame({"y": [96], "x": [192], "size": [64]})
    parts = parts_to_show("home", SHAPE, [found], most)
    path = tmp_path / "map.tif"
    layers = scene_layers("home", cube, labels, {"one": path}, tiles, CLASSES, parts)
    page = maps_page("valley", [Judged("one", found, {})], [layers], CLASSES, {"home": GRID})
    return layers, page, truth, mapped


def colors(address):
    """The picture of a data address."""
    import base64

    data = np.frombuffer(base64.b64decode(address.split(",")[1]), np.uint8)
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def test_large_scenes_are_shown_whole_and_in_parts(large, tmp_path):
    found = facts([place(96, 192)], [place(96, 192), place(288, 384, accuracy=0.1)])
    layers, page, truth, mapped = drawn(tmp_path, found)
    assert layers.view == view.View(0, 0, *SHAPE, 4, True)
    assert [part.view.shape for part in layers.parts] == [(64, 64), (64, 64)]
    assert (layers.parts[1].view.y, layers.parts[1].view.x) == (300 - 64, 400 - 64)
    field = np.array([0x6A, 0xD3, 0xE8])
    one = layers.parts[0].view
    inside = np.s_[one.y : one.y + 64, one.x : one.x + 64]
    for key, ids in (("truth", truth), ("one", mapped)):
        assert ((colors(layers.parts[0].layers[key]) == field).all(2) == (ids[inside] == 1)).all()
    whole = (colors(layers.layers["truth"]) == field).all(2)
    fields = (truth.reshape(75, 4, 100, 4) == 1).sum((1, 3))
    assert whole.shape == (75, 100)
    assert (whole[fields != 8] == (fields > 8)[fields != 8]).all()
    # A map as small as this has no overviews inside: its pixels are thinned.
    shown = (colors(layers.layers["one"]) == field).all(2)
    fields = (mapped.reshape(75, 4, 100, 4) == 1).sum((1, 3))
    assert (shown == (fields > 8))[fields % 16 == 0].all()
    buttons = re.findall(r'class="go".*?data-part="(\d)" data-box="([^"]+)"', page)
    assert [part for part, _ in buttons] == ["1", "1", "2"]
    assert buttons[0][1] == "[25.0, 25.0, 50.0, 50.0]"
    assert page.count('class="spot"') == 2 and "300 × 400 px" in page


def test_places_without_a_part_are_marked_in_the_whole(large, tmp_path):
    _, page, _, _ = drawn(tmp_path, facts([place(96, 192)], [place(0, 0)]), most=1)
    buttons = re.findall(r'class="go".*?data-part="(\d)" data-box="([^"]+)"', page)
    assert [part for part, _ in buttons] == ["1", "0"]
    assert buttons[1][1] == "[0.0, 0.0, 10.667, 8.0]"


def test_parts_serve_all_places_in_them_and_experiments_in_turn(large):
    near = place(100, 210, size=8)
    one = facts([place(96, 192)], [near, place(0, 0), place(0, 200)])
    other = facts([place(200, 32)], [place(0, 300)])
    found = parts_to_show("home", SHAPE, [one, other], 3)
    assert [(part.y, part.x) for part in found] == [(80, 176), (184, 16), (0, 284)]
    assert parts_to_show("away", SHAPE, [one], 3) == []
    assert parts_to_show("home", (200, 100), [one], 3) == []


def test_scenes_with_held_out_ground_come_first():
    found = facts([place(0, 0, "c"), place(0, 0, "d", pixels=5)], [place(0, 0, "d")] * 2)
    assert scenes_to_show("abcd", [found], 2) == ["c", "d"]
    assert scenes_to_show("abcd", [found], 1) == ["d"]
    assert scenes_to_show("abcd", [found], 3) == ["a", "c", "d"]
    assert scenes_to_show("abcd", [found], 9) == list("abcd")


def test_scenes_that_are_not_shown_are_named_and_their_places_too():
    judged = [Judged("one", facts([place(0, 0, "far")], [place(0, 0, "far")]), {})]
    page = maps_page("valley", judged, [], CLASSES, {"far": GRID, "dull": GRID})
    assert "0 of 2 scenes are shown" in page and "Not shown: dull, far (1 of 2 without" in page
    assert page.count("far, rows 0–31, columns 0–31; center 500160 / 3999840") == 2
    assert 'class="go"' not in page


@pytest.mark.parametrize("crs", ["EPSG:32631", "EPSG:3857", "EPSG:4326", "EPSG:4258"])
def test_centers(crs):
    degrees = crs in ("EPSG:4326", "EPSG:4258")
    step, west, north = (1e-4, -70.5, -33.2) if degrees else (0.5, 5e5, 4e6)
    grid = Grid(crs, (step, 0.0, west, 0.0, -step, north), 1000, 1000)
    said = center_of((100, 200, 50, 50), grid)
    x, y = west + 225 * step, north - 125 * step
    (longitude,), (latitude,) = rasterio.warp.transform(crs, "EPSG:4326", [x], [y])
    number, north_south, east, east_west = said[-1].replace("°", "").split()
    assert float(number) == pytest.approx(abs(latitude), abs=1e-5)
    assert float(east) == pytest.approx(abs(longitude), abs=1e-5)
    assert (north_south, east_west) == (("S", "W") if degrees else ("N", "E"))
    assert len(said) == 1 + (crs != "EPSG:4326")
    if len(said) == 2:
        first, second = said[0].removesuffix(f" ({crs})").split(" / ")
        assert (float(first), float(second)) == pytest.approx((x, y), abs=0.06)


def test_places_that_are_nowhere_on_the_earth():
    assert where(place(290, 0), Grid.of_pixels(*SHAPE)) == "home, rows 290–299, columns 0–31"
    local = 'LOCAL_CS["site",UNIT["metre",1]]'
    assert center_of((0, 0, 2, 2), Grid(local, (1.0, 0.0, 7.0, 0.0, -1.0, 9.0), 9, 9)) == [
        "8.0 / 8.0 (site)"
    ]


def test_accuracies_by_a_sample_are_shown_with_their_errors():
    page = maps_page("v", [Judged("one", facts([], design="pixels"), {})], [], CLASSES, {})
    assert "0.877 ± 0.023" in page and "0.750 ± 0.040" in page and "0.910 ± 0.012" in page
    assert page.count("<table>") == 3
    assert "±" not in maps_page("v", [Judged("one", facts([]), {})], [], CLASSES, {})


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page with")
def test_tables_sort_the_swipe_moves_and_buttons_show_places(large, tmp_path):
    found = facts([place(96, 192)], [place(288, 384, accuracy=0.1)])
    (tmp_path / "maps.html").write_text(drawn(tmp_path, found)[1])
    with running_browser() as browser:
        tab = browser.tab()
        tab.visit((tmp_path / "maps.html").as_uri())
        table = "document.querySelectorAll('table')[1]"
        rows = f"[...{table}.tBodies[0].rows].map(row => row.cells[0].textContent)"
        heads = f"{table}.querySelectorAll('thead button')"
        orders = []
        for head in (0, 0, 1, 1):
            tab.run(f"{heads}[{head}].click()")
            orders.append(tab.run(rows))
        ways = [["field", "wood"], ["wood", "field"]]
        assert orders == [*ways, *ways]  # names rise first, pixels (990, 500) fall first

        clip = "document.querySelector('.swipe .over').style.clipPath"
        tab.run(
            "const s = document.querySelector('.tools input'); s.value = 25;"
            "s.dispatchEvent(new Event('input'))"
        )
        assert tab.run(clip) == "inset(0px 75% 0px 0px)"
        tab.run("document.querySelector('.swipe').scrollIntoView({block: 'center'})")
        box = tab.run("document.querySelector('.swipe').getBoundingClientRect().toJSON()")
        x, y = box["left"] + 0.6 * box["width"], box["top"] + 0.05 * box["height"]
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            tab.mouse(kind, x, y)
        assert float(tab.run("document.querySelector('.tools input').value")) == pytest.approx(60)

        size = "document.querySelector('.swipe .below').naturalWidth"
        tab.wait(f"{size} === 100")
        tab.click(".swipe .spot:last-of-type")
        tab.wait(f"{size} === 64")
        assert tab.run("document.querySelectorAll('select')[2].value") == "2"
        assert not tab.run("document.querySelector('.swipe .spot').checkVisibility()")
        tab.click("ol.next button.go")
        tab.wait("document.querySelectorAll('.swipe .mark').length === 1")
        assert tab.run("document.querySelectorAll('select')[2].value") == "1"
        mark = "document.querySelector('.swipe .mark').style"
        assert tab.run(f"[{mark}.top, {mark}.left]") == ["25%", "25%"]
        assert tab.troubles() == [] and tab.addresses() == [(tmp_path / "maps.html").as_uri()]
