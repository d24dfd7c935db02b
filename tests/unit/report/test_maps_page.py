"""The page of maps, and what it advises."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from balanced_html import Balanced

from nadir.config.classes import ClassTable, LandClass
from nadir.errors import InputError
from nadir.raster.grid import Grid
from nadir.report.maps import Judged, SceneLayers, _outline, read_judged
from nadir.report.maps_advice import advice_of, top_confusions
from nadir.report.maps_page import maps_page
from nadir.segmentation.confusion import summary
from nadir.segmentation.view import View

CLASSES = ClassTable(
    classes=tuple(
        LandClass(value=n, name=name, color=color)
        for n, (name, color) in enumerate(
            [("field", "#e8d36a"), ("wood & <heath>", "#1f6b35"), ("town", "#c0392b")], 1
        )
    )
)
GRID = Grid("EPSG:32631", (10.0, 0.0, 5e5, 0.0, -10.0, 4e6), 128, 128)
CONFUSION = np.array([[900, 90, 10], [20, 480, 0], [5, 15, 80]])


def facts(confusion=CONFUSION):
    place = {"scene": "home", "y": 32, "x": 64, "size": 32, "pixels": 500, "accuracy": 0.7}
    score = {"pixels": 1600, "ece": 0.08, "brier": 0.2, "nll": 0.5, "bins": []}
    row = {"mapped": 120.0, "area": 100.0, "error": 5.0, "low": 90.0, "high": 110.0}
    fine = {**row, "mapped": 101.0}
    groups = [
        {"above": None, "upto": 1, "pixels": 600, "accuracy": 0.6, "miou": 0.4},
        {"above": 1, "upto": None, "pixels": 1000, "accuracy": 0.95, "miou": 0.8},
    ]
    purity = [
        {"from": None, "below": 0.75, "pixels": 400, "accuracy": 0.5, "miou": 0.3},
        {"from": 0.75, "below": None, "pixels": 1200, "accuracy": 0.9, "miou": 0.8},
    ]
    sets = {
        "promised": 0.9,
        "coverage": 0.85,
        "size": 1.4,
        "class_coverage": [0.9, 0.8, None],
        "block_coverage": 0.86,
    }
    return {
        "classes": CLASSES.names[1:],
        "split": "test",
        "fitted_here": False,
        "block": 32,
        "blocks": 3,
        "scores": summary(confusion),
        "confusion": confusion.tolist(),
        "boundary": {"width": 2, "iou": [0.5, 0.4, None], "miou": 0.45},
        "distance": groups,
        "purity": purity,
        "worst": [],
        "places": [
            {**place, "miou": 0.5, "error": [1, 2, 60]},
            {**place, "y": 0, "miou": 0.6, "error": [1, 2, 30]},
        ],
        "areas": {
            "home": {
                "unit": "ha",
                "design": "blocks",
                "level": 0.95,
                "degrees": 2,
                "sampled": 1600,
                "unseen": [],
                "classes": dict(zip(CLASSES.names[1:], [row, fine, fine], strict=True)),
            }
        },
        "probability": {"before": score, "after": {**score, "ece": 0.02}, "sets": sets},
    }


@pytest.fixture
def text():
    judged = [
        Judged("best_one", facts(), {"Curves": "data:image/png;base64,AAAA"}),
        Judged("other", facts(CONFUSION.T), {}),
    ]
    layers = {
        name: "data:image/png;base64,AAAA" for name in ("image", "truth", "best_one", "other")
    }
    scene = SceneLayers("home", View(0, 0, 128, 128, 1, True), layers, "M0 0h4")
    return maps_page("valley", judged, [scene], CLASSES, {"home": GRID})


def test_page_is_whole_and_needs_no_network(text):
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    assert not re.search(r"""(src|href)=["'](?!data:|#)""", text)
    assert "wood & <heath>" not in text and "wood &amp; &lt;heath&gt;" in text
    assert text.count("<table>") == 3 and text.count('data-kind="number"') > 10
    assert text.count("<option") == 8 and text.count('class="swipe"') == 1


def test_page_points_to_places(text):
    box = re.search(r'data-box="([^"]+)"', text)
    assert box and box[1] == "[25.0, 50.0, 25.0, 25.0]"  # the block with most of that error


def test_confusions_are_ranked_by_pixels():
    rows = top_confusions(facts(), 3)
    assert (rows[0]["truth"], rows[0]["predicted"]) == ("field", "wood & <heath>")
    assert [row["pixels"] for row in rows] == [90, 20, 15]
    assert rows[0]["share"] == pytest.approx(0.09) and rows[0]["back"] == pytest.approx(0.04)
    assert rows[0]["place"]["y"] == 32 and rows[1]["place"] is None


def test_advice_names_what_stands_out():
    said = " ".join(one.text for one in advice_of(facts()))
    for part in (
        "9 % of field",
        "within 1 px of a border",
        "are mixed",
        "predict.calibrate",
        "85.0 % of pixels",
        "120 ha of field, more than there is",
    ):
        assert part in said, part


def test_nothing_to_say_of_a_good_map():
    good = facts(np.diag([900, 500, 100]))
    good["distance"][0]["accuracy"] = 0.95
    good["purity"][0]["pixels"] = 1
    good["probability"]["before"]["ece"] = 0.01
    good["probability"]["after"] = {**good["probability"]["before"]}
    good["probability"]["sets"]["coverage"] = 0.91
    for row in good["areas"]["home"]["classes"].values():
        row["mapped"] = 100.0
    assert advice_of(good) == []


def test_outline_follows_pixel_sides():
    mask = np.zeros((4, 5), bool)
    mask[1:3, 1:4] = True
    path = _outline(mask)
    assert sorted(re.findall(r"M\d+ \d+[hv]\d+", path)) == ["M1 1h3", "M1 1v2", "M1 3h3", "M4 1v2"]


def test_no_quality_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_judged([tmp_path / "quality.json"], {})
    (tmp_path / "quality.json").write_text('{"scores": {}}')
    with pytest.raises(InputError, match="no quality"):
        read_judged([tmp_path / "quality.json"], {})


def test_ground_that_was_fitted_on_is_called_so(text):
    assert "There is no test ground" not in text
    judged = [Judged("one", {**facts(), "split": "validation", "fitted_here": True}, {})]
    assert "There is no test ground" in maps_page("valley", judged, [], CLASSES, {"home": GRID})


def test_only_the_figures_that_are_given_are_shown(tmp_path):
    folder = tmp_path / "valley" / "one"
    folder.mkdir(parents=True)
    (folder / "quality.json").write_text(json.dumps(facts()))
    for name in ("curves.png", "areas.png"):
        (folder / name).write_bytes(name.encode())
    captions = {"areas.png": "Areas", "curves.png": "Curves", "worst.png": "Worst"}
    found = read_judged([folder / "quality.json"], captions, [folder / "areas.png"])
    assert list(found[0].figures) == ["Areas"]  # an old picture of another run may lie there
