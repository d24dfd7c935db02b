"""The page of /groundview in a headless Chromium."""

import pytest
from page_browser import CHROMIUM, PHONE, running_service
from standing_maps import TEST, make_ground

from nadir.service.grounds import load_grounds
from nadir.service.groundview import Groundview

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page with"),
]
KEY = "a key of some length"
FOUND = (
    "!document.getElementById('found').hidden && document.getElementById('busy').hidden"
    " && document.getElementById('seen').naturalWidth === 32"
)


@pytest.fixture(scope="module")
def grounds(ground_folder):
    return load_grounds([ground_folder])


@pytest.fixture(scope="module")
def service(grounds):
    with running_service([Groundview(grounds)]) as address:
        yield address


def opened(tab, service):
    tab.visit(f"{service}/groundview")
    tab.wait(f"document.querySelectorAll('#places button').length === {TEST}")


def tapped(tab, x, y):
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        tab.mouse(kind, x, y)


def source(tab, name):
    return tab.run(f"document.getElementById('{name}').src")


def test_a_click_shows_the_view_and_the_crop(tab, service):
    opened(tab, service)
    assert tab.seen("welcome")
    box = tab.run("document.getElementById('panel').getBoundingClientRect().toJSON()")
    tapped(tab, (box["right"] + 1280) / 2, 330)  # the middle of the free part, a little up
    tab.wait(FOUND)
    assert tab.run("document.getElementById('crop').naturalWidth") == 24
    assert tab.run("document.querySelectorAll('#samples img').length") == 4
    assert not tab.seen("welcome") and tab.text("length").endswith(" m")
    first = source(tab, "seen")
    tab.click("#samples li:nth-child(3) button")
    assert source(tab, "seen") != first
    tab.click("#others")
    tab.wait(f"{FOUND} && document.getElementById('numbers').textContent.includes('Seed1')")
    assert tab.troubles() == []
    assert all(address.startswith(service) for address in tab.addresses())


def test_keys_alone_are_enough(tab, service):
    opened(tab, service)
    tab.run("document.getElementById('view').focus({focusVisible: true})")
    tab.press("+")
    tab.press("ArrowRight")
    tab.press("Enter")
    tab.wait(FOUND)
    first = tab.text("numbers")
    tab.press("ArrowLeft")
    tab.press("Enter")
    tab.wait(f"{FOUND} && document.getElementById('numbers').textContent !== {first!r}")
    tab.run("document.getElementById('heading').focus()")
    tab.press("ArrowRight")
    tab.wait("document.getElementById('numbers').textContent.includes('Direction1°')")
    assert tab.text("compass") == "1° · north" and tab.text("said").startswith("A view from")


def test_the_direction_is_turned_on_the_map(tab, service):
    opened(tab, service)
    tab.click("#places button")
    tab.wait(f"{FOUND} && document.getElementById('numbers').textContent.includes('Direction0°')")
    # The observer stands in the middle of the free part, the handle 46 pixels above.
    tab.run("new Promise((done) => setTimeout(done, 1200))")
    box = tab.run("document.getElementById('panel').getBoundingClientRect().toJSON()")
    x, y = (box["right"] + 1280) / 2, 400
    tab.mouse("mousePressed", x, y - 46)
    tab.mouse("mouseMoved", x + 40, y - 20)
    tab.mouse("mouseMoved", x + 60, y)
    tab.mouse("mouseReleased", x + 60, y)
    tab.wait("document.getElementById('compass').textContent === '90° · east'")
    tab.wait("document.getElementById('numbers').textContent.includes('Direction90°')")
    tab.click("#unknown")
    tab.wait("document.getElementById('numbers').textContent.includes('Directionnot told')")
    assert tab.run("document.getElementById('heading').disabled")


def test_outside_is_told_and_mended_by_the_next_click(tab, service):
    opened(tab, service)
    tapped(tab, 1270, 10)
    tab.wait("!document.getElementById('trouble').hidden")
    assert "beyond" in tab.text("trouble-detail") and not tab.seen("found")
    tab.click("#places button")
    tab.wait(f"{FOUND} && document.getElementById('trouble').hidden")
    assert [item for item in tab.troubles() if "422" not in str(item)] == []


def test_on_a_phone_nothing_is_cut_off(tab, service):
    tab.resize(*PHONE)
    opened(tab, service)
    tab.click("#places button")
    tab.wait(FOUND)
    assert tab.run("document.documentElement.scrollWidth") == PHONE[0]
    for name in ("pair", "samples", "others", "heading", "places"):
        box = tab.run(f"document.getElementById('{name}').getBoundingClientRect().toJSON()")
        assert box["left"] >= 0 and box["right"] <= PHONE[0] and box["height"] > 10, name


def test_a_key_is_asked_for(tab, grounds):
    with running_service([Groundview(grounds)], api_key=KEY) as service:
        tab.visit(f"{service}/groundview")
        tab.wait("!document.getElementById('lock').hidden")
        tab.run(f"document.getElementById('key').value = '{KEY}'")
        tab.click("#lock button")
        tab.wait(f"document.querySelectorAll('#places button').length === {TEST}")
        tab.click("#places button")
        tab.wait(FOUND)


def test_maps_are_chosen_and_one_may_heed_no_direction(tab, grounds, tmp_path):
    plain = load_grounds([make_ground(tmp_path / "hill", "dcgan_encoder")])
    with running_service([Groundview([*grounds, *plain])]) as service:
        opened(tab, service)
        assert tab.seen("choice") and tab.seen("turning")
        tab.run(
            "const maps = document.getElementById('maps'); maps.value = 'hill-dcgan_encoder';"
            "maps.dispatchEvent(new Event('change'))"
        )
        tab.wait("document.getElementById('about').textContent.startsWith('hill')")
        assert not tab.seen("turning")
        tab.click("#places button")
        tab.wait(FOUND)
        assert "Directionnot told" in tab.text("numbers")
