"""The page of maps, what it advises, and pairs of experiments."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from nadir.config.classes import ClassTable, LandClass
from nadir.errors import InputError
from nadir.report.maps import Judged, SceneLayers, _outline, read_judged
from nadir.report.maps_advice import advice_of, top_confusions
from nadir.report.maps_page import maps_page
from nadir.report.pairs import holm, pairs_page, pairs_section, pairs_table, read_pairs
from nadir.segmentation.confusion import summary
from nadir.segmentation.map_quality import BLOCK_COLUMNS
from nadir.segmentation.view import View

CLASSES = ClassTable(
    classes=tuple(
        LandClass(value=n, name=name, color=color)
        for n, (name, color) in enumerate(
            [("field", "#e8d36a"), ("wood & <heath>", "#1f6b35"), ("town", "#c0392b")], 1
        )
    )
)
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


class Balanced(HTMLParser):
    """Sees that every element is closed where it must be."""

    EMPTY = frozenset({"meta", "img", "input", "br", "path"})

    def __init__(self):
        super().__init__()
        self.open, self.texts = [], []

    def handle_starttag(self, tag, attrs):
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in self.EMPTY

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


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
    return maps_page("valley", judged, [scene], CLASSES)


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
    assert "There is no test ground" in maps_page("valley", judged, [], CLASSES)


def test_only_the_figures_that_are_given_are_shown(tmp_path):
    folder = tmp_path / "valley" / "one"
    folder.mkdir(parents=True)
    (folder / "quality.json").write_text(json.dumps(facts()))
    for name in ("curves.png", "areas.png"):
        (folder / name).write_bytes(name.encode())
    captions = {"areas.png": "Areas", "curves.png": "Curves", "worst.png": "Worst"}
    found = read_judged([folder / "quality.json"], captions, [folder / "areas.png"])
    assert list(found[0].figures) == ["Areas"]  # an old picture of another run may lie there


def blocks(folder, name, accuracy, places=24, side=16, a_block=0):
    """Write a table of squares; `a_block` of them in a row are one block of the split."""
    rng = np.random.default_rng(7)
    rows = []
    for place in range(places):
        for truth in (1, 2):
            right = int(rng.binomial(100, accuracy))
            block = f"block {place // a_block}" if a_block else ""
            square = ("home", 0, side * place, side, block)
            rows.append((*square, truth, truth, right))
            rows.append((*square, truth, 3 - truth, 100 - right))
    path = folder / "valley" / name / "blocks.parquet"
    path.parent.mkdir(parents=True)
    pd.DataFrame(rows, columns=list(BLOCK_COLUMNS)).to_parquet(path)
    return path


def test_pairs_of_experiments(tmp_path):
    paths = [blocks(tmp_path, "bad", 0.7), blocks(tmp_path, "good", 0.9, places=20)]
    paths.append(blocks(tmp_path, "twin", 0.9))
    pairs = read_pairs(paths)
    assert {(pair.better, pair.worse) for pair in pairs} >= {("good", "bad"), ("twin", "bad")}
    by_name = {frozenset((pair.better, pair.worse)): pair for pair in pairs}
    sure = by_name[frozenset(("good", "bad"))]
    assert sure.p < 0.05 and sure.miou.blocks == 20 and sure.miou.low > 0
    assert by_name[frozenset(("good", "twin"))].p > 0.05
    lines = "\n".join(pairs_section(pairs, 2))
    assert lines.count("<strong>yes</strong>") == 2 and "not shown" in lines
    assert pairs_section([], 2) == []


def test_blocks_of_the_split_are_drawn_as_wholes(tmp_path):
    def pair(folder, a_block, resamples=2000):
        paths = [
            blocks(tmp_path / folder, name, accuracy, a_block=a_block)
            for name, accuracy in (("a", 0.8), ("b", 0.7))
        ]
        return read_pairs(paths, resamples)[0]

    alone, few, coarse = pair("alone", 0), pair("few", 6), pair("coarse", 0, 100)
    assert (alone.miou.blocks, few.miou.blocks) == (24, 4)
    assert alone.miou.value == few.miou.value and alone.p < 0.05
    assert few.p == pytest.approx(2 / 2**4)  # four blocks cannot show more
    assert coarse.p == pytest.approx(2 / 101)  # as often as was asked for


def test_a_pair_without_common_ground_is_named(tmp_path, caplog):
    paths = [blocks(tmp_path, "fine", 0.8), blocks(tmp_path, "coarse", 0.7, side=32)]
    assert read_pairs(paths) == []
    assert "coarse" in caplog.text and "fine" in caplog.text and "quality.block" in caplog.text


def test_page_and_table_of_pairs(tmp_path):
    pairs = read_pairs([blocks(tmp_path, "good", 0.9), blocks(tmp_path, "bad", 0.7)])
    rows = pairs_table(pairs).splitlines()
    assert len(rows) == 2 and rows[1].startswith("valley,good,bad,0.")
    assert rows[0].split(",")[-2:] == ["p", "blocks"] and rows[1].endswith(",24")
    parser = Balanced()
    parser.feed(pairs_page("valley", pairs))
    assert parser.open == [] and "good" in parser.texts
    assert "no two experiments" in pairs_page("valley", [])


def test_holm():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0] and holm([]) == []


def test_no_blocks_there(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_pairs([tmp_path / "a" / "b" / "blocks.parquet"])
