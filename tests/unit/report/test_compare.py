"""The comparison of experiments: order, leaks by name, equal bytes, no address."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from nadir.errors import InputError
from nadir.provenance.atomic import write_json
from nadir.report.compare import compare_experiments
from nadir.segmentation.confusion import summary


def write_metrics(
    root: Path,
    dataset: str,
    experiment: str,
    right: float,
    method: str = "blocks",
    classes: tuple[str, ...] = ("land & soil", "sea", "ice"),
    parameters: int | None = 3_840_000,
) -> Path:
    count = len(classes)
    matrix = np.full((count, count), 10)
    matrix[np.arange(count), np.arange(count)] = round(100 * right)
    matrix[-1] = matrix[:, -1] = 0  # the last class never occurs
    scores = summary(matrix) | {"confusion": matrix.tolist()}
    path = root / dataset / experiment / "metrics.json"
    write_json(
        path,
        {
            "classes": classes,
            "split": {"method": method, "leaky": method == "random"},
            "model": {"name": "unet", "parameters": parameters},
            "splits": {"validation": scores, "test": scores},
        },
    )
    return path


@pytest.fixture
def metrics(tmp_path: Path) -> list[Path]:
    return [
        write_metrics(tmp_path, "world", "forest", 0.4, parameters=None),
        write_metrics(tmp_path, "world", "unet", 0.9),
        write_metrics(tmp_path, "shuffled", "unet", 0.95, "random"),
        write_metrics(tmp_path, "coast", "unet", 0.7, classes=("a", "b", "c", "d")),
    ]


def compare(metrics: list[Path], folder: Path) -> dict[str, bytes]:
    names = {"page": "c.html", "table": "c.csv", "figure": "c.png"}
    compare_experiments(metrics, **{key: folder / name for key, name in names.items()})
    return {key: (folder / name).read_bytes() for key, name in names.items()}


def test_rows_are_sorted_and_leaks_are_named(tmp_path: Path, metrics: list[Path]) -> None:
    compare(metrics, tmp_path)
    rows = list(csv.DictReader((tmp_path / "c.csv").open()))
    assert [(row["dataset"], row["experiment"]) for row in rows] == [
        ("coast", "unet"),
        ("shuffled", "unet"),
        ("world", "unet"),
        ("world", "forest"),
    ]
    assert [row["leaky"] for row in rows] == ["no", "yes", "no", "no"]
    unet = rows[2]
    assert float(unet["test mIoU"]) == pytest.approx(90 / 110, abs=1e-6)
    assert float(unet["test IoU land & soil"]) == pytest.approx(90 / 110, abs=1e-6)
    assert unet["test IoU ice"] == "", "a class that does not occur has no score"
    assert unet["test IoU a"] == "", "a class of another dataset has no score"
    assert (unet["parameters"], rows[3]["parameters"]) == ("3840000", "")


def write_footprints(metrics: Path, f1: float, scenes: dict[str, float]) -> Path:
    path = metrics.with_name("footprints.json")
    values = list(scenes.values())
    own = {"f1": f1, "precision": 0.5, "recall": 0.25, "boundary_error_m": 1.25, "pixel_iou": 0.4}
    split = {
        "pooled": own,
        "median": {"pixel_iou": float(np.median(values)), "f1": f1},
        "mean": {"pixel_iou": float(np.mean(values)), "f1": f1},
        "tiles": {"median_iou": 0.3, "median_accuracy": 0.95},
        "scenes": {name: own | {"pixel_iou": value} for name, value in scenes.items()},
    }
    without = {key: dict.fromkeys(value) if key != "scenes" else {} for key, value in split.items()}
    write_json(path, {"match_iou": 0.5, "splits": {"test": split, "validation": without}})
    return path


def test_footprints_stand_beside_pixels(tmp_path: Path) -> None:
    metrics = [
        write_metrics(tmp_path, "towns", "small", 0.6, classes=("other", "building", "none")),
        write_metrics(tmp_path, "towns", "own", 0.8, classes=("other", "building", "none")),
    ]
    footprints = [
        write_footprints(metrics[0], 0.31, {"east": 0.2, "north": 0.4, "west": 0.9}),
        write_footprints(metrics[1], 0.62, {"east & far": 0.5}),
    ]
    out = [tmp_path / name for name in ("c.html", "c.csv", "c.png")]
    compare_experiments(metrics, *out, footprints=footprints)
    own, small = csv.DictReader(out[1].open())
    assert (own["experiment"], float(own["test F1"])) == ("own", 0.62)
    assert float(small["test median IoU of scenes"]) == 0.4
    assert float(small["test mean IoU of scenes"]) == 0.5
    assert float(small["test boundary error m"]) == 1.25
    assert small["validation F1"] == ""
    page = out[0].read_text()
    assert "median IoU of scenes" in page and ">0.620<" in page and "east &amp; far" in page
    assert page.index(">0.620<") < page.index(">0.310<"), "in the order of the first table"
    before = page
    compare_experiments(reversed(metrics), *out, footprints=reversed(footprints))
    assert out[0].read_text() == before
    compare_experiments(metrics, *out)
    assert "Footprints" not in out[0].read_text()
    footprints[0].write_text("{}")
    with pytest.raises(InputError, match="no scores of footprints"):
        compare_experiments(metrics, *out, footprints=footprints)


def test_order_of_files_changes_no_byte(tmp_path: Path, metrics: list[Path]) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert compare(metrics, tmp_path / "a") == compare(metrics[::-1], tmp_path / "b")


class Page(HTMLParser):
    """Collects what is tested of a page, and sees that tags are balanced."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.feed(text)
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_page_is_whole_and_accessible(tmp_path: Path, metrics: list[Path]) -> None:
    text = compare(metrics, tmp_path)["page"].decode()
    page = Page(text)
    assert not re.search(r"https?:|//[a-z]", text), "no address of any kind"
    kinds = [tag for tag, _ in page.tags]
    assert kinds.count("table") == 2, "one for each set of classes"
    assert kinds.count("caption") == 2
    heads = [attrs for tag, attrs in page.tags if tag == "th"]
    assert all(attrs.get("scope") in ("col", "row") for attrs in heads)
    columns = [attrs for attrs in heads if attrs["scope"] == "col"]
    assert all(attrs["aria-sort"] == "none" for attrs in columns)
    assert kinds.count("button") == len(columns)
    assert "land &amp; soil" in text
    assert text.count('<span class="tag">leaky</span>') == 2, "in its row, and explained above"


def test_faulty_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"classes": []}')
    with pytest.raises(InputError, match=r"bad\.json: these are no metrics"):
        compare([tmp_path / "bad.json"], tmp_path)
    with pytest.raises(InputError, match="no such file"):
        compare([tmp_path / "absent.json"], tmp_path)
    with pytest.raises(InputError, match="nothing to compare"):
        compare([], tmp_path)
    assert not list(tmp_path.glob("c.*"))


def test_seeds_are_shown_as_one_with_their_spread(tmp_path: Path) -> None:
    shares = {"net_0": 0.8, "net_1": 0.9, "other": 0.5}
    files = [write_metrics(tmp_path, "world", name, right) for name, right in shares.items()]
    found = [summary_of(path) for path in files[:2]]
    compare_experiments(
        files,
        tmp_path / "c.html",
        tmp_path / "c.csv",
        tmp_path / "c.png",
        seeds={"net": ["net_0", "net_1"], "gone": ["gone_0"]},
    )
    page = (tmp_path / "c.html").read_text()
    mean, spread = np.mean(found), np.std(found, ddof=1)
    assert f">{mean:.3f} ± {spread:.3f}<" in page
    assert "How much is luck?" in page and "gone" not in page
    compare_experiments(files, tmp_path / "c.html", tmp_path / "c.csv", tmp_path / "c.png")
    assert "How much is luck?" not in (tmp_path / "c.html").read_text()


def summary_of(path: Path) -> float:
    return json.loads(path.read_text())["splits"]["test"]["miou"]
