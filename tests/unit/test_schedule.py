"""The simulated schedules of docs/scale.md: the simulation itself, held against what is known."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "schedule.py"


@pytest.fixture(scope="module")
def schedule() -> ModuleType:
    spec = importlib.util.spec_from_file_location("schedule_benchmark", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_equal_jobs_fill_all_cores(schedule):
    jobs = [schedule.Job("a", 10.0, 0.0, 1, 1.0) for _ in range(12)]
    assert schedule.simulate(jobs, schedule.Cluster(2, 3, 100, 1)) == (20.0, 120.0)
    assert schedule.simulate(jobs, schedule.Cluster(1, 1, 100, 1)) == (120.0, 120.0)


def test_jobs_wait_for_what_they_read(schedule):
    jobs = [schedule.Job("a", 10.0, 0.0, 2, 1.0), schedule.Job("b", 4.0, 0.0, 1, 1.0, (0,))]
    assert schedule.simulate(jobs, schedule.Cluster(9, 9, 100, 1)) == (9.0, 14.0)


def test_memory_and_the_file_system_limit(schedule):
    hungry = [schedule.Job("a", 10.0, 0.0, 1, 60.0) for _ in range(4)]
    assert schedule.simulate(hungry, schedule.Cluster(1, 32, 128, 1))[0] == 20.0
    moving = [schedule.Job("a", 1.0, 6.0, 1, 1.0)]
    assert schedule.simulate(moving, schedule.Cluster(1, 32, 128, 2))[0] == 3.0


def test_nothing_is_faster_than_its_bounds(schedule):
    ground = schedule.Ground("a", 20_000, 2, 10, 0.25)
    options = SimpleNamespace(rates=schedule.RATES, training=600.0)
    one, many = (
        schedule.plan(ground, 4096, schedule.Cluster(nodes, 8, 64, 2), options) for nodes in (1, 8)
    )
    for figures in (one, many):
        assert figures["hours"] >= max(figures["hours_at_least"].values()) * 0.999
        assert figures["node_hours"] * 8 >= figures["core_hours_busy"] * 0.999
    assert many["hours"] <= one["hours"]
    assert one["scenes"] == 25 and one["learning_scenes"] == 6
    # A check, a cube and a map each; four more where there are labels; one training.
    assert one["jobs"] == 25 * 3 + 6 * 4 + 1
    assert one["terabytes"] == pytest.approx(sum(one["terabytes_of"].values()))


def test_rates_come_from_what_rules_have_measured(schedule, tmp_path):
    folder = tmp_path / "landcover/d/scenes/s"
    folder.mkdir(parents=True)
    manifest = '{"grid": {"height": 2000, "width": 1000}, "content": {"dates": ["a", "b"]}}'
    (folder / "cube.manifest.json").write_text(manifest)
    head = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"
    for rule, spent in (("build_cube", 9.0), ("predict_map", 46.0)):
        name = "landcover.d.s" if rule == "build_cube" else "landcover.d.u.s"
        path = tmp_path / "benchmarks" / rule / f"{name}.tsv"
        path.parent.mkdir(parents=True)
        path.write_text(f"{head}9\t0:00:09\t1\t1\t1\t1\t1\t1\t1\t{spent}\n")
    rates = schedule.measured_rates(tmp_path)
    assert rates["build_cube"].each == pytest.approx((9 - 1) / 4)
    assert rates["predict_map"].each == pytest.approx((46 - 6) / 4)
    assert rates["plot_map"] == schedule.RATES["plot_map"]
