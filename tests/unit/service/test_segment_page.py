"""The page of /segment in a headless Chromium: as people use it, and with strict rules of content.

All tests of a kind of service share one browser; each has a tab with storage of its own.
"""

import json
import re
import time

import cv2
import numpy as np
import pyproj
import pytest
from page_browser import CHROMIUM, PHONE, running_service
from segment_fakes import encoded, geotiff, png, roofs
from segment_service import loaded

from nadir.service.context import PAGES
from nadir.service.segment import Segment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium to open the page with"),
]
KEY = "a key of some length"
FOUND = "!document.getElementById('found').hidden"
TRACED = f"{FOUND} && document.getElementById('said').textContent.endsWith(' footprints.')"
READY = "!document.getElementById('ask').hidden"


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A georeferenced image and a plain one, on disk."""
    folder = tmp_path_factory.mktemp("images")
    (folder / "placed.tif").write_bytes(geotiff(roofs(300, 420)))
    (folder / "plain.png").write_bytes(png(roofs(200, 260, 1)))
    return folder


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def service(roof_bundle, cover_bundle, images, state):
    models = [loaded(roof_bundle), loaded(cover_bundle, "cover")]
    with running_service([Segment(models, state, sorted(images.iterdir()))]) as address:
        yield address


def open_page(tab, service, hash=""):
    tab.visit(f"{service}/segment{hash}")
    tab.wait(READY)


def send(tab, path):
    """Choose an image, and wait for its result."""
    tab.choose("#file", path)
    tab.wait(TRACED)


def told(tab, address):
    return tab.run(f"fetch({json.dumps(address)}).then((answer) => answer.json())")


def job_of(tab):
    return re.fullmatch(r"#job=([0-9a-f]{16})", tab.run("location.hash"))[1]


def set_slider(tab, name, value):
    tab.run(
        f"{{const it = document.getElementById('{name}'); it.value = {value};"
        "it.dispatchEvent(new Event('input'))}"
    )


def window(tab):
    """Return the screen when nothing moves on it any more, (height, width, 3) uint8."""
    before = b""
    tab.wait("document.getElementById('count').textContent !== '…'")
    for _ in range(50):
        now = tab.picture()
        if now == before:
            break
        before = now
        time.sleep(0.4)
    return cv2.imdecode(np.frombuffer(now, np.uint8), cv2.IMREAD_COLOR_RGB)


def test_image_is_mapped_and_told(tab, service, images):
    open_page(tab, service)
    send(tab, images / "placed.tif")
    job = job_of(tab)
    numbers = told(tab, f"/jobs/{job}/statistics.json")
    share = next(item["share"] for item in numbers["classes"] if item["id"] == 2)
    assert tab.text("share") == f"{100 * share:.1f} %"
    features = told(tab, f"/jobs/{job}/footprints.geojson")["features"]
    assert tab.text("count") == str(len(features)) and features
    assert tab.text("name") == "placed.tif"
    assert tab.text("facts") == "420 × 300 px · 0.5 m a pixel · EPSG:32631"
    assert "footprints" in tab.text("said")
    links = tab.run("[...document.querySelectorAll('#downloads a')].map((a) => a.dataset.file)")
    assert links == [
        "footprints.geojson", "footprints.gpkg", "mask.tif", "mask.png",
        "probability.tif", "statistics.json",
    ]  # fmt: skip
    assert tab.troubles() == []
    assert all(address.startswith(service) for address in tab.addresses())


def test_content_rules_forbid_what_is_not_its_own(tab, service, images):
    open_page(tab, service)
    policy = tab.run("fetch('/segment').then((a) => a.headers.get('content-security-policy'))")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    blocked = tab.run(
        "new Promise((resolve) => {"
        "addEventListener('securitypolicyviolation', (event) => resolve(event.blockedURI));"
        "fetch('http://elsewhere.invalid/').catch(() => {}); setTimeout(resolve, 3000, 'none')})"
    )
    assert blocked == "http://elsewhere.invalid/"


def test_scripts_make_no_markup_of_data():
    for path in PAGES.glob("*.js"):
        text = path.read_text(encoding="utf-8")
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert word not in text, path.name


def test_names_are_shown_as_text(tab, service, images, tmp_path):
    path = tmp_path / "<img src=x onerror=alert(1)>.png"
    path.write_bytes((images / "plain.png").read_bytes())
    open_page(tab, service)
    send(tab, path)
    assert tab.text("name") == path.name
    assert tab.run("document.querySelectorAll('img[src=x]').length") == 0


def test_example_is_a_click_away(tab, service):
    open_page(tab, service)
    tab.wait("document.querySelectorAll('#thumbnails img').length === 2")
    tab.click("#thumbnails [title=plain]")
    tab.wait(TRACED)
    assert tab.text("name") == "plain.png"
    assert "no georeference" in tab.text("facts") and tab.text("area").endswith(" px")
    assert tab.run("document.querySelector('[title=plain]').getAttribute('aria-pressed')") == "true"


def test_threshold_is_live(tab, service, images):
    open_page(tab, service)
    send(tab, images / "placed.tif")
    job, before = job_of(tab), tab.text("count")
    tab.click("input[value=mask]")
    middle = np.s_[200:600, 500:1100]
    plain = window(tab)[middle].astype(int)
    posts = len([url for url in tab.addresses() if "layer=levels" in url])
    set_slider(tab, "threshold", 0.99)
    assert np.abs(window(tab)[middle] - plain).mean() > 2  # another mask is drawn,
    assert (
        len([url for url in tab.addresses() if "layer=levels" in url]) == posts
    )  # of what is here
    assert tab.text("threshold-value") == "0.99"
    query = "?threshold=0.99"
    share = told(tab, f"/jobs/{job}/statistics.json{query}")["classes"][1]["share"]
    want = f"{100 * share:.1f} %" if share == 0 or share >= 0.001 else "under 0.1 %"
    tab.wait(f"document.getElementById('share').textContent === {json.dumps(want)}")
    number = len(told(tab, f"/jobs/{job}/footprints.geojson{query}")["features"])
    tab.wait(f"document.getElementById('count').textContent === '{number}'")
    assert str(number) != before
    assert tab.run("document.querySelector('#downloads a').search") == query
    tab.click("#reset")
    tab.wait(f"document.getElementById('count').textContent === '{before}'")
    assert tab.text("threshold-value") == "0.50"


def test_levels_are_colored_where_they_count(tab, service, images):
    """The mask drawn here is that of the service, pixel for pixel."""
    open_page(tab, service)
    send(tab, images / "placed.tif")
    job = job_of(tab)
    script = f"""(async () => {{
      const {{ LevelLayer }} = await import('/pages/levels.js');
      const models = (await (await fetch('/models')).json()).capabilities.segment.models;
      const tile = (layer, query) =>
        `/jobs/{job}/tiles/1/0/0.png?space=pixels&layer=${{layer}}${{query}}`;
      const raw = async (source) => {{
        const canvas = new OffscreenCanvas(256, 256);
        canvas.getContext('2d').drawImage(source, 0, 0);
        return canvas.getContext('2d').getImageData(0, 0, 256, 256).data;
      }};
      const layer = new LevelLayer(() => {{}});
      const numbers = await layer.tiles.decode(await (await fetch(tile('levels', ''))).blob());
      const wrong = [];
      for (const threshold of [0.1, 0.5, 0.62]) {{
        layer.color('mask', models[0], threshold);
        const mine = await raw(layer.tiles.paint(numbers));
        const blob = await (await fetch(tile('mask', `&threshold=${{threshold}}`))).blob();
        const theirs = await raw(await createImageBitmap(blob));
        let count = 0;
        mine.forEach((value, at) => {{ count += value !== theirs[at]; }});
        wrong.push(count);
      }}
      return wrong;
    }})()"""
    assert tab.run(script) == [0, 0, 0]


def test_footprint_under_the_pointer_is_told(tab, service, images):
    open_page(tab, service)
    send(tab, images / "placed.tif")
    features = told(tab, f"/jobs/{job_of(tab)}/footprints.geojson?space=pixels")["features"]
    widest = max(features, key=lambda item: item["properties"]["area_m2"])
    mask = np.zeros((300, 420), np.uint8)
    for order, ring in enumerate(widest["geometry"]["coordinates"]):
        cv2.fillPoly(mask, [np.array(ring, np.int32)], int(order == 0))
    depth = cv2.distanceTransform(mask, cv2.DIST_L2, 5)
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    # Chromium's window is 1280 x 800, the panel covers 364 of it, and the image is shown whole.
    zoom = min((1280 - 364) / 420, 800 / 300) * 0.96
    at = (364 + 458 + (x + 0.5 - 210) * zoom, 400 + (y + 0.5 - 150) * zoom)
    tab.mouse("mouseMoved", *at)
    assert tab.seen("tip") and tab.text("where").startswith(f"x {x}  y {y}")
    tab.mouse("mousePressed", *at)
    tab.mouse("mouseReleased", *at)
    assert tab.seen("card")
    assert tab.text("card-title") == f"Footprint {widest['properties']['id']}"
    assert f"{100 * widest['properties']['confidence']:.0f} %" in tab.text("card-facts")
    tab.press("Escape")
    assert not tab.seen("card")


def test_place_under_the_pointer_and_scale_are_told(tab, service, images):
    open_page(tab, service)
    send(tab, images / "placed.tif")
    zoom = min((1280 - 364) / 420, 800 / 300) * 0.96  # as above
    to_globe = pyproj.Transformer.from_crs("EPSG:32631", "EPSG:4326", always_xy=True)
    for x, y in ((10.4, 20.4), (211.4, 140.4), (380.4, 250.4)):
        tab.mouse("mouseMoved", 364 + 458 + (x - 210) * zoom, 400 + (y - 150) * zoom)
        tab.wait(
            f"document.getElementById('where').textContent.startsWith('x {x:.0f}  y {y:.0f} ')"
        )
        told_there = re.search(r"([\d.]+)° N  ([\d.]+)° E", tab.text("where"))
        latitude, longitude = map(float, told_there.groups())
        want = to_globe.transform(430_000 + 0.5 * x, 4_582_000 - 0.5 * y)
        assert (longitude, latitude) == pytest.approx(want, abs=4e-6), (x, y)  # half a meter
    length = float(re.fullmatch(r"([\d.]+) m", tab.text("length"))[1])
    drawn = tab.run("document.getElementById('bar').getBoundingClientRect().width")
    assert drawn == pytest.approx(length / 0.5 * zoom, abs=1) and 40 < drawn <= 130
    tab.click("#closer")
    finer = float(re.fullmatch(r"([\d.]+) m", tab.text("length"))[1])
    wider = tab.run("document.getElementById('bar').getBoundingClientRect().width")
    assert wider / finer == pytest.approx(1.6 * drawn / length, rel=0.05)
    send(tab, images / "plain.png")
    tab.mouse("mouseMoved", 822, 400)
    tab.wait("document.getElementById('where').textContent.startsWith('x ')")
    assert "°" not in tab.text("where")
    assert tab.text("length").endswith(" px")


def test_keys_are_enough(tab, service, images):
    open_page(tab, service)
    send(tab, images / "placed.tif")
    tab.run("document.activeElement.blur()")
    seen = []
    for _ in range(40):
        tab.press("Tab")
        seen.append(tab.run("document.activeElement.id || document.activeElement.dataset.file"))
        if seen[-1] == "file":
            break
    wanted = ["view", "closer", "threshold", "opacity", "swipe-switch", "mask.tif", "file"]
    assert [name for name in seen if name in wanted] == wanted
    tab.run("document.getElementById('view').focus()")
    tab.press("n")
    assert tab.text("card-title") == "Footprint 1" and "Footprint 1" in tab.text("said")
    tab.press("p")
    assert tab.text("card-title") == f"Footprint {tab.text('count')}"
    tab.press("Escape")
    tab.press("s")
    assert tab.run("document.activeElement.id") == "swipe"
    before = float(tab.run("document.getElementById('swipe').getAttribute('aria-valuenow')"))
    tab.press("ArrowRight")
    assert tab.run("document.getElementById('swipe').getAttribute('aria-valuenow')") == str(
        round(before + 2)
    )
    tab.press("Escape")
    assert not tab.seen("swipe") and tab.run("document.activeElement.id") == "view"


def test_swipe_shows_the_image_on_its_left(tab, service, images):
    open_page(tab, service)
    send(tab, images / "placed.tif")
    tab.click("input[value=mask]")
    set_slider(tab, "opacity", 100)
    left, right = np.s_[250:550, 450:760], np.s_[250:550, 880:1180]
    with_mask = window(tab)
    tab.click("#swipe-switch")
    swiped = window(tab)
    set_slider(tab, "opacity", 0)
    bare = window(tab)
    np.testing.assert_array_equal(swiped[left], bare[left])
    np.testing.assert_array_equal(swiped[right], with_mask[right])
    assert (with_mask[left] != bare[left]).mean() > 0.05


def test_results_outlive_the_page(tab, service, images):
    open_page(tab, service)
    send(tab, images / "plain.png")
    job = job_of(tab)
    tab.visit("about:blank")
    open_page(tab, service, f"#job={job}")
    tab.wait(TRACED)
    assert tab.text("name") == "plain.png"
    button = f"#recent [data-job='{job}']"
    tab.wait(f"document.querySelector(\"{button}\")?.getAttribute('aria-current') === 'true'")
    tab.visit("about:blank")
    open_page(tab, service)
    tab.wait(f'Boolean(document.querySelector("{button}"))')
    assert not tab.seen("found")
    tab.click(button)
    tab.wait(TRACED)
    assert job_of(tab) == job
    away = f"{button} + .away"
    tab.click(away)
    assert tab.run(f'document.querySelector("{away}").textContent') == "Remove?"
    tab.click(away)
    tab.wait(f'!document.querySelector("{button}")')
    assert not tab.seen("found") and tab.run("location.hash") == ""
    assert told(tab, f"/jobs/{job}")["status"] == 404


def test_many_classes_have_a_legend_and_no_footprints(tab, service, tmp_path):
    path = tmp_path / "cover.tif"
    pixels = np.dstack([roofs(150, 150), roofs(150, 150, 5)[..., :1]])
    values = (pixels / 255 * 10_000).astype(np.uint16)
    path.write_bytes(geotiff(values, scales=(1e-4, 0), photometric="MINISBLACK"))
    open_page(tab, service)
    tab.run("document.getElementById('model').value = 'cover'")
    tab.choose("#file", path)
    tab.wait(FOUND)
    tab.wait("document.querySelectorAll('#classes li').length === 3")
    assert not tab.seen("figures") and not tab.seen("layer-footprints")
    assert tab.text("threshold-value") == "none"
    assert "field" in tab.text("classes")
    assert tab.troubles() == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"nothing of the kind", "GeoTIFF, PNG or JPEG"),
        (encoded(roofs(40, 40), "PNG")[:900], ""),
        (geotiff(roofs(40, 40).astype(np.uint16) * 90), "scale"),
    ],
)
def test_faults_are_told_with_a_remedy(tab, service, tmp_path, data, words):
    path = tmp_path / "faulty.png"
    path.write_bytes(data)
    open_page(tab, service)
    tab.choose("#file", path)
    tab.wait("!document.getElementById('trouble').hidden")
    assert words in tab.text("trouble-detail") + tab.text("trouble-remedy")
    assert tab.text("trouble-remedy").endswith(".") and tab.text("trouble-remedy") in tab.text(
        "said"
    )
    assert tab.run("document.getElementById('values').open") is (words == "scale")
    assert not tab.seen("busy") and tab.seen("drop")


def test_job_is_cancelled(tab, service, tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(png(roofs(2500, 2500)))
    open_page(tab, service)
    tab.choose("#file", path)
    tab.wait("location.hash.startsWith('#job=')")
    job = job_of(tab)
    bar = "document.getElementById('bar-of-progress').getAttribute('aria-valuenow')"
    tab.wait("document.getElementById('stage').textContent.startsWith('Mapping')")
    assert 0 < tab.wait(f"Number({bar})") < 100 and tab.text("busy-name") == "large.png"
    tab.click("#cancel")
    assert not tab.seen("answer") and tab.text("said") == "Cancelled."
    tab.wait(f"fetch('/jobs/{job}').then((a) => a.json()).then((a) => a.state === 'cancelled')")
    assert tab.run("document.activeElement.id") == "file"


def test_layout_fits_a_phone(tab, service, images):
    tab.resize(*PHONE)
    tab.prefer(prefers_color_scheme="dark", prefers_reduced_motion="reduce")
    open_page(tab, service)
    send(tab, images / "placed.tif")
    assert tab.run("document.documentElement.scrollWidth") == PHONE[0]
    boxes = tab.run(
        "['map', 'panel', 'threshold'].map((id) => document.getElementById(id)"
        ".getBoundingClientRect()).map(({top, bottom}) => [top, bottom])"
    )
    assert boxes[0][0] == 0 and boxes[1][0] < boxes[0][1]  # the sheet lies over the map's edge,
    assert boxes[2][1] < PHONE[1]  # and the threshold is at hand beside the image
    assert tab.run("getComputedStyle(document.body).color") == "rgb(230, 235, 240)"
    moved = "document.getAnimations().length"
    assert tab.run(moved) == 0
    small = tab.run(
        "[...document.querySelectorAll('button, .button, #drop')]"
        ".filter((it) => it.checkVisibility()).map((it) =>"
        "[it.id || it.className, it.getBoundingClientRect().height])"
    )
    assert [item for item in small if item[1] < 34] == []


def test_everything_that_acts_has_a_name(tab, service, images):
    open_page(tab, service)
    send(tab, images / "placed.tif")
    tab.call("Accessibility.enable")
    nodes = tab.call("Accessibility.getFullAXTree")["nodes"]
    acting = [
        node
        for node in nodes
        if not node.get("ignored")
        and node["role"]["value"] in ("button", "link", "slider", "radio", "combobox", "textbox")
    ]
    assert len(acting) > 20
    assert [node["role"] for node in acting if not node["name"]["value"].strip()] == []


def test_key_is_asked_for(tab, roof_bundle, images, tmp_path):
    capability = Segment([loaded(roof_bundle)], tmp_path / "state", [images / "plain.png"])
    with running_service([capability], api_key=KEY) as service:
        tab.visit(f"{service}/segment")
        tab.wait("document.activeElement.id === 'key'")
        assert tab.seen("lock") and not tab.seen("ask")
        for key, found in (("wrong", False), (KEY, True)):
            tab.run(f"document.getElementById('key').value = {json.dumps(key)}")
            tab.click("#lock button")
            if not found:
                tab.wait("!document.getElementById('trouble').hidden")
        tab.wait(READY)
        tab.wait("document.querySelectorAll('#thumbnails img').length === 1")
        assert not tab.seen("lock") and not tab.seen("trouble")
        send(tab, images / "plain.png")
        assert tab.text("name") == "plain.png"
