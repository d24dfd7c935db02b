"""The page of /localize in a headless Chromium."""

import pytest
from page_browser import CHROMIUM, running_browser, running_service

from nadir.service.localize import Localize

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page with"),
]


def test_photo_is_found_and_shown(locator, photo, encode, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(encode(photo[0]))
    other = type(locator)("other", locator.substrate)
    with (
        running_service([Localize([locator, other], [path])]) as service,
        running_browser() as browser,
    ):
        tab = browser.tab()
        tab.visit(f"{service}/localize")
        tab.wait("document.querySelectorAll('#thumbnails img').length === 1")
        tab.click("#thumbnails button")
        tab.wait("!document.getElementById('found').hidden")
        assert tab.text("word") == "Found" and "330.0, 210.0" in tab.text("numbers")
        assert tab.text("length").endswith(" m")
        tab.choose("#file", path)
        tab.wait("!document.getElementById('found').hidden")
        tab.run("document.getElementById('view').focus()")
        tab.press("+")
        path.write_bytes(b"no photo")
        tab.choose("#file", path)
        tab.wait("!document.getElementById('trouble').hidden")
        assert tab.text("trouble-remedy").endswith(".")
        assert [item for item in tab.troubles() if "422" not in str(item)] == []
        assert all(address.startswith(service) for address in tab.addresses())
