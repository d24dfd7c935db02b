"""What jobs took, by rule: sums by hand, prices, energy from logs, odd folders."""

from __future__ import annotations

import json
import math
import re

import pandas as pd
import pytest
from PIL import Image

from nadir.cli.main import main
from nadir.config.costs import CostConfig
from nadir.provenance.benchmarks import Taken
from nadir.report.costs import present_costs
from nadir.report.rule_costs import GpuUse, costs_of, gpus_of

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def taken(rule, seconds, cpu=math.nan, memory=100.0):
    return Taken(rule, "x", seconds, cpu, memory, 1.0, 2.0, 0.0)


@pytest.fixture
def results(tmp_path):
    for name, seconds, cpu in (
        ("train/a b", 3600, 7200),
        ("train/ж", 1800, 900),
        ("plot/c", 60, 6),
    ):
        path = tmp_path / "benchmarks" / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{HEAD}{seconds}\tx\t500\t1\t1\t1\t2\t3\t50\t{cpu}\n")
    return tmp_path


def write(folder, cfg=None):
    files = [folder / name for name in ("cost.html", "cost.csv", "cost.png")]
    return present_costs(folder, cfg or CostConfig(), *files)


def test_sums():
    jobs = [taken("a", 3600, 7200, 50), taken("a", 3600, 1800), taken("b", 3600)]
    one, other = costs_of(jobs, {}, CostConfig())
    # Processor time, and no less than the time that passed: 2 + 1 hours, and 1.
    assert (one.rule, one.jobs, one.core_hours, one.share) == ("a", 2, 3.0, 0.75)
    assert (one.seconds, one.longest, one.cpu_seconds, one.memory_mb) == (7200, 3600, 9000, 100)
    assert (other.core_hours, other.cpu_seconds) == (1.0, 0.0)
    assert math.isnan(one.price)
    assert math.isnan(one.joules)


def test_prices():
    jobs = [taken("a", 3600, 7200), taken("b", 1800)]
    cfg = CostConfig(price_per_core_hour=0.5, price_per_kwh=0.2)
    one, other = costs_of(jobs, {"a": GpuUse(joules=3.6e6)}, cfg)
    assert one.price == pytest.approx(2 * 0.5 + 0.2)
    assert other.price == pytest.approx(0.25)


def test_what_gpus_took_is_read_from_logs(results):
    path = results / "logs" / "train" / "a b.log"
    path.parent.mkdir(parents=True)
    path.write_text(
        "$ python -m nadir train-model\nINFO GPU energy: 1500.5 J in 3.0 s on 12\n"
        "INFO GPU energy: 499.5 J in 1.0 s on 12\nnot INFO GPU energy: 9 J in 1 s on 1\n"
        "INFO GPU use: busy 90.0 % of 3.0 s, at most 500 MB of memory, on 12\n"
        "INFO GPU use: busy 50.0 % of 1.0 s, at most 700 MB of memory, on 12\n"
    )
    (path.parent / "link.log").symlink_to(path)
    (path.parent / "other.log").write_text("INFO epoch 1/2\n")
    assert gpus_of(results) == {"train": GpuUse(2000.0, pytest.approx(0.8), 700.0)}
    write(results)
    page = (results / "cost.html").read_text()
    assert "GPU energy, Wh" in page and "GPU busy" in page and ">80%<" in page
    frame = pd.read_csv(results / "cost.csv").set_index("rule")
    assert frame.loc["train", "gpu_memory_mb"] == 700
    assert math.isnan(frame.loc["plot", "gpu_busy"])


def test_page_table_and_picture(results):
    write(results, CostConfig(price_per_core_hour=1.0, currency="€<b>"))
    page = (results / "cost.html").read_text()
    assert "3 jobs of 2 rules: 1 h 31 min one after the other, 2.52 core hours" in page
    assert "2.52 €&lt;b&gt;" in page
    assert "no log tells of any" in page
    assert not re.search(r'(src|href)="(?!data:)', page)
    frame = pd.read_csv(results / "cost.csv")
    assert list(frame["rule"]) == ["train", "plot"]
    assert frame["share"].sum() == pytest.approx(1)
    with Image.open(results / "cost.png") as picture:
        assert picture.width > 500


def test_equal_measurements_give_equal_bytes(results):
    write(results)
    before = [(results / f"cost.{end}").read_bytes() for end in ("html", "csv", "png")]
    write(results)
    assert before == [(results / f"cost.{end}").read_bytes() for end in ("html", "csv", "png")]


def test_nothing_was_measured(tmp_path):
    assert write(tmp_path) == []
    assert "No job was measured yet" in (tmp_path / "cost.html").read_text()


def test_many_rules(tmp_path):
    from nadir.report.costs_figure import draw_costs

    jobs = [taken(f"rule_{n}_$x_{'y' * 40}", n + 1) for n in range(50)]
    draw_costs(costs_of(jobs, {}, CostConfig()), tmp_path / "a.png")


def test_the_command(results):
    words = ["--out", str(results / "cost.html"), "--table", str(results / "cost.csv")]
    words += ["--figure", str(results / "cost.png")]
    cfg = {"costs": {"price_per_core_hour": 0.1}}
    assert main(["present-costs", *words, "--cfg", json.dumps(cfg)]) == 0
    assert "price, EUR" in (results / "cost.html").read_text()
    cfg = {"costs": {"price_per_core_hour": -1}}
    assert main(["present-costs", *words, "--cfg", json.dumps(cfg)]) == 2
