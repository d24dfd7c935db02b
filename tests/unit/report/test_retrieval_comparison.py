"""The comparison of retrieval experiments: rows in order, no figure lost, nothing mixed."""

from __future__ import annotations

import csv
import json
import re

import pytest

from nadir.errors import InputError
from nadir.report.retrieval import SHOWN, compare_retrieval
from nadir.report.retrieval_scores import MEASURES, read_places_rows


def figures(first, **more):
    """Return the figures of a direction: recall at rank 1 as given, all others fixed."""
    families = {"public": {}, "standard": {}}
    for number, (family, name, _) in enumerate(MEASURES):
        value = first if name == "Recall@1" else 0.5 + number / 100
        families[family][name] = {"value": value, "low": value - 0.1, "high": None}
    return {"queries": 20, "gallery": 40, **families, **more}


def write(folder, dataset, experiment, **directions):
    path = folder / dataset / experiment / "metrics.json"
    path.parent.mkdir(parents=True)
    named = {name.replace("_", " "): part for name, part in directions.items()}
    path.write_text(json.dumps({"weather": "normal", "directions": named}))
    return path


@pytest.fixture
def metrics(tmp_path):
    mean = {"mean of weathers": {"public": {"Recall@1": 0.3}}}
    nothing = {"queries": 0, "gallery": 9, "unknown": 4}
    return [
        write(tmp_path, "b", "worse", a_to_s=figures(0.2), s_to_a=figures(0.4)),
        write(
            tmp_path,
            "b",
            "better",
            a_to_s=figures(0.6, after={"whitening": figures(0.9)}, **mean),
            s_to_a=figures(0.1, after={"whitening": figures(0.8)}),
        ),
        write(tmp_path, "a", "blind", a_to_s=nothing),
    ]


def test_rows_are_by_dataset_then_by_recall_of_the_plain_search(metrics):
    rows = read_places_rows(metrics)
    assert [(row.dataset, row.label) for row in rows] == [
        ("a", "blind"),
        ("b", "better"),
        ("b", "better + whitening"),
        ("b", "worse"),
    ]
    better = rows[1]
    assert better.values["a to s", "Recall@1"] == pytest.approx((60, 50, 60))
    assert better.values["a to s", "median rank"].value == pytest.approx(0.56)
    assert better.values["a to s", "mean of weathers"].value == pytest.approx(30)
    assert rows[0].directions == [] and not rows[0].values


def test_page_table_and_picture_hold_every_row(metrics, tmp_path):
    outputs = [tmp_path / f"out/c.{end}" for end in ("html", "csv", "png")]
    compare_retrieval(metrics, *outputs)
    page = outputs[0].read_text()
    heads = re.findall(r'<th scope="row">([^<]+)</th>', page)
    assert heads == ["better", "better + whitening", "worse"] * 2
    assert page.count("<caption") == 2 and "place of no query is known" in page
    with outputs[1].open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 6 * len(MEASURES) + 1
    (one,) = [
        line
        for line in lines
        if (line["experiment"], line["after"]) == ("better", "whitening")
        and (line["direction"], line["measure"]) == ("s to a", "Recall@1")
    ]
    assert float(one["value"]) == pytest.approx(80) and one["gallery"] == "40"
    assert outputs[2].stat().st_size > 5000 and set(SHOWN) <= {name for _, name, _ in MEASURES}
    before = [path.read_bytes() for path in outputs]
    compare_retrieval(metrics, *outputs)
    assert [path.read_bytes() for path in outputs] == before


def test_nothing_and_foreign_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="nothing to compare"):
        read_places_rows([])
    path = tmp_path / "a/b/metrics.json"
    with pytest.raises(InputError, match="no such file"):
        read_places_rows([path])
    path.parent.mkdir(parents=True)
    path.write_text('{"splits": {}}')
    with pytest.raises(InputError, match="no scores of retrieval"):
        read_places_rows([path])
