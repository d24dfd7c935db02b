"""The comparison of ground-view experiments: rows in order, no figure lost, pictures of all."""

from __future__ import annotations

import csv
import json
import re

import numpy as np
import pytest
from judged_pairs import make_pairs, store_pairs

from nadir.errors import InputError
from nadir.groundview.view_store import write_views
from nadir.report.groundview import compare_views
from nadir.report.groundview_scores import MEASURES, read_view_rows


def figure(value):
    return {"value": value, "low": value - 0.1, "high": value + 0.1, "photos": 0.75}


def scores(accuracy):
    """Return scores with accuracies of three losses; each other figure is its number."""
    losses = {
        name: {"accuracy": figure(value), "distances": np.eye(4).tolist()}
        for name, value in accuracy.items()
    }
    found = {"pairs": 8, "places": 8, "samples": 1}
    for number, (_, where, *_) in enumerate(MEASURES):
        part = found.setdefault(where[0], {})
        (part.setdefault(where[1], {}) if len(where) > 1 else part).update(figure(number))
    found["fid"] = {"value": None, "reason": "no file"}
    found["land_cover"]["agreement_view"] = None
    return found | {"pairing": {"losses": losses, "n": 4, "chance": 0.25, "drawn": [1, 0, 5, 7]}}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compare") / "valley"
    folder.mkdir()
    pairs = make_pairs(20, test=8)
    test = pairs.of("test")
    store_pairs(pairs, folder / "pairs.manifest.json")
    best = {"worse": 0.2, "better": 0.6}
    for name, accuracy in best.items():
        views = folder / name / "views.manifest.json"
        write_views(views, list(test.table["pair"]), test.photos[:, None])
        text = json.dumps(scores({"judge": accuracy, "mse": 0.1, "ssim": 0.15}))
        (folder / name / "metrics.json").write_text(text)
    return folder


def paths(folder, name):
    return [folder / experiment / name for experiment in ("worse", "better")]


def test_rows_are_from_the_best_pairing_to_the_worst(dataset):
    rows = read_view_rows(paths(dataset, "metrics.json"))
    assert [(row.dataset, row.experiment) for row in rows] == [
        ("valley", "better"),
        ("valley", "worse"),
    ]
    better = rows[0]
    assert better.losses == ("mse", "ssim", "judge") and better.best == pytest.approx(60)
    assert better.chance == 25
    for number, (name, _, factor, *_) in enumerate(MEASURES):
        if name in ("FID", "land cover of view") or name.endswith("of crop"):
            assert better.values[name] is None
        else:
            low, high = (factor * (number + d) for d in (-0.1, 0.1))
            assert better.values[name] == pytest.approx((factor * number, low, high))
            assert better.photos[name] == pytest.approx(factor * 0.75)


def test_what_retrieval_makes_of_views_stands_beside_that_of_photos(dataset):
    def scored(folder, first):
        recalls = {f"recall at {k}": {"value": first * k, "low": 0.0, "high": 1.0} for k in (1, 5)}
        path = folder / "closing" / "metrics.json"
        path.parent.mkdir()
        told = {"directions": {"ground to satellite": {"standard": recalls}}}
        path.write_text(json.dumps(told))
        return path

    (better,) = (path.parent for path in paths(dataset, "metrics.json") if "better" in str(path))
    closings = [scored(better, 0.1), scored(better.parent, 0.2)]
    found, other = read_view_rows(paths(dataset, "metrics.json"), closings)
    assert found.values["R@1 of crop"] == pytest.approx((10, 0, 100))
    assert found.values["R@5 of crop"] == pytest.approx((50, 0, 100))
    assert found.photos["R@5 of crop"] == pytest.approx(100)
    assert other.values["R@1 of crop"] is None
    with pytest.raises(InputError, match="no scores of a retrieval"):
        read_view_rows(paths(dataset, "metrics.json"), paths(dataset, "metrics.json")[:1])


def test_page_table_and_picture_hold_every_row(dataset, tmp_path):
    page, table, losses = (tmp_path / name for name in ("c.html", "c.csv", "l.png"))

    def compare():
        compare_views(
            paths(dataset, "metrics.json"),
            paths(dataset, "views.manifest.json")[::-1],
            dataset / "pairs.manifest.json",
            page=page,
            table=table,
            losses=losses,
        )
        return [path.read_bytes() for path in (page, table, losses)]

    before = compare()
    text = page.read_text()
    assert re.findall(r'<th scope="row">([^<]+)</th>', text) == ["better", "worse", "real photos"]
    assert "8 places are few" in text and "chance gives 25.0 %" in text
    assert text.count('src="data:image/jpeg;base64,') == 2 == text.count('alt="')
    assert not re.search(r'(src|href)="(?!data:)', text)
    assert "Without a figure here: land cover of view, R@1 of crop, R@5 of crop, FID" in text
    with table.open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * (3 + len(MEASURES))
    (one,) = [
        line
        for line in lines
        if (line["experiment"], line["measure"]) == ("better", "pairing, judge")
    ]
    assert float(one["value"]) == pytest.approx(60) and float(one["low"]) == pytest.approx(50)
    assert losses.stat().st_size > 20_000
    assert compare() == before


def test_what_does_not_belong_together_is_refused(dataset, tmp_path):
    outputs = {name: tmp_path / name for name in ("page", "table", "losses")}
    manifest = dataset / "pairs.manifest.json"
    with pytest.raises(InputError, match="nothing to compare"):
        read_view_rows([])
    with pytest.raises(InputError, match="no views of better"):
        compare_views(
            paths(dataset, "metrics.json"),
            paths(dataset, "views.manifest.json")[:1],
            manifest,
            **outputs,
        )
    other = tmp_path / "hills" / "flow" / "metrics.json"
    with pytest.raises(InputError, match="no such file"):
        read_view_rows([other])
    other.parent.mkdir(parents=True)
    other.write_text(paths(dataset, "metrics.json")[0].read_text())
    with pytest.raises(InputError, match="several datasets"):
        compare_views([*paths(dataset, "metrics.json"), other], [], manifest, **outputs)
    other.write_text('{"directions": {}}')
    with pytest.raises(InputError, match="no scores of generated views"):
        read_view_rows([other])
