"""The page and the map of what would run."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from nadir.provenance.benchmarks import Taken
from nadir.report.why_map import boxes_of, why_map
from nadir.report.why_page import roots_text, summary, why_page
from nadir.upkeep.drawing import Job
from nadir.upkeep.why import Answer, Due

SVG = "{http://www.w3.org/2000/svg}"


def due(
    number, rule, above=(), first=False, roots=(0,), seconds=60.0, reason="it <changed> & more"
):
    taken = Taken(rule, "", seconds, 30.0, 100.0, 0.0, 0.0, 0.0) if seconds else None
    job = Job(number, rule, {"x": "valley"}, (), None, 1, (), tuple(above))
    return Due(job, (reason,), first, roots, taken, False)


def chain():
    return Answer(
        (
            due(0, "cube", (), True),
            due(1, "cube", (), True, (1,)),
            due(2, "train", (0, 1), False, (0, 1), 600.0),
            due(3, "map", (0, 2), False, (0, 1)),
            due(4, "a_rule_with_quite_a_long_name", (3,), False, (0, 1), 0),
        ),
        40,
    )


def test_boxes_stand_in_the_order_of_waiting():
    boxes = {box.rule: box for box in boxes_of(chain())}
    columns = {rule: box.column for rule, box in boxes.items()}
    assert columns == {"cube": 0, "train": 1, "map": 2, "a_rule_with_quite_a_long_name": 3}
    assert boxes["map"].above == ("train",)  # cube is above train already
    assert boxes["cube"].text == "2 jobs · 2 min 00 s"
    assert boxes["a_rule_with_quite_a_long_name"].text == "1 job · ?"
    assert [box.first for box in boxes.values()] == [True, False, False, False]


def test_rules_that_wait_for_each_other_in_turn():
    jobs = (due(0, "a", ()), due(1, "b", (0,)), due(2, "a", (1,)), due(3, "b", (2,)))
    assert {box.rule: box.column for box in boxes_of(Answer(jobs, 4))} == {"a": 2, "b": 3}


def test_the_map_is_svg_and_nothing_overlaps():
    root = ET.fromstring(why_map(chain()))
    wide, high = float(root.get("width")), float(root.get("height"))
    boxes = []
    for group in root.iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        x, y, w, h = (float(rect.get(key)) for key in ("x", "y", "width", "height"))
        assert x + w <= wide
        assert y + h <= high
        for u, v, a, b in boxes:
            assert x >= u + a or u >= x + w or y >= v + b or v >= y + h
        boxes.append((x, y, w, h))
    assert len(boxes) == 4
    assert len(list(root.iter(f"{SVG}path"))) == 3


def test_an_empty_map():
    assert ET.fromstring(why_map(Answer((), 3))).get("role") == "img"


def test_the_page():
    text = why_page(chain(), "results/it's <b>.tif")
    assert "<changed>" not in text
    assert "it &lt;changed&gt; &amp; more" in text
    assert "5 of 40 jobs would run" in text
    assert len(re.findall("<tr>", text)) == 6
    assert not re.search(r"(src|href)=", text)


def test_texts():
    assert summary(Answer((), 7)) == "Nothing would run: all of 7 jobs are up to date."
    assert "Nothing is known of what 1 of them take" in summary(chain())
    lines = roots_text(chain())
    assert lines[0].endswith("(3 more jobs below)")
    assert len(lines) == 2
