"""Why jobs would run: roots, cost, and what Snakemake itself says of a small workflow."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from nadir.upkeep.drawing import Cause, Drawing, Job
from nadir.upkeep.why import answer

HEAD = "s\th:m:s\tmax_rss\tcpu_time\n"
PACKAGE = Path(__file__).parents[3] / "workflow"


def job(number, rule, above=(), *causes, name="a"):
    found = causes or [Cause("above", tuple(f"{n}" for n in above))]
    return Job(
        number, rule, {"name": name}, (f"{number}",), f"results/benchmarks/{rule}/{name}.tsv", 1,
        tuple(found), tuple(above),
    )  # fmt: skip


@pytest.fixture
def measured(tmp_path):
    def write(rule, name, seconds, memory=100):
        path = tmp_path / "results/benchmarks" / rule / f"{name}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{HEAD}{seconds}\tx\t{memory}\t{2 * seconds}\n")

    return write


def asked(tmp_path, *jobs):
    return answer(Drawing(jobs, 9), tmp_path, tmp_path / "results")


def test_changes_are_followed_down(tmp_path):
    change = Cause("params", (), ("'" + "0" * 16 + "'",), ("'" + "1" * 16 + "'",))
    found = asked(
        tmp_path,
        job(0, "cube", (), change),
        job(1, "mask", (), Cause("missing", ("m",))),
        job(2, "train", (0, 1)),
        job(3, "map", (2,)),
        job(4, "plot", (1,), Cause("input", ("x.csv",)), Cause("above", ("1",))),
    )
    assert [one.roots for one in found.due] == [(0,), (1,), (0, 1), (0, 1), (1, 4)]
    assert [one.first for one in found.due] == [True, True, False, False, True]
    assert (found.below(0), found.below(1), found.below(4)) == (2, 3, 0)
    assert found.due[0].reasons == ("the code that its command imports was edited",)
    assert found.due[2].reasons == ("it reads what cube, mask make anew",)
    assert found.due[4].reasons[0] == "x.csv is newer than what was made of it"


def test_time_in_all_and_at_least(tmp_path, measured):
    for rule, seconds in (("cube", 10), ("mask", 4), ("train", 100)):
        measured(rule, "a", seconds)
    missing = Cause("missing", ("x",))
    found = asked(
        tmp_path, job(0, "cube", (), missing), job(1, "mask", (), missing), job(2, "train", (0, 1))
    )
    assert (found.seconds, found.longest, found.cpu_seconds) == (114, 110, 228)
    assert found.memory_mb == 100
    assert found.unknown == 0


def test_others_of_the_rule_are_a_guess_and_nothing_is_nothing(tmp_path, measured):
    for name, seconds in (("b", 10), ("c", 30), ("d", 20)):
        measured("cube", name, seconds)
    missing = Cause("missing", ("x",))
    found = asked(tmp_path, job(0, "cube", (), missing), job(1, "other", (), missing))
    assert (found.due[0].seconds, found.due[0].guessed) == (20, True)
    assert math.isnan(found.due[1].seconds)
    assert found.unknown == 1


def test_nothing_to_do(tmp_path):
    found = asked(tmp_path)
    assert (found.seconds, found.longest, found.unknown) == (0, 0, 0)
    assert math.isnan(found.memory_mb)


SNAKEFILE = """
rule all:
    input: "results/c.txt",
rule a:
    input: "raw file.txt",
    output: "results/a.txt",
    benchmark: "results/benchmarks/a/x.tsv"
    params: cfg=lambda wildcards: __import__("json").dumps({"epochs": config.get("epochs", 2)}),
    shell: "cp {input:q} {output} && echo {params.cfg:q} >> {output}"
rule b:
    output: "results/b.txt",
    shell: "echo b > {output}"
rule c:
    input: "results/a.txt", "results/b.txt",
    output: "results/c.txt",
    shell: "cat {input} > {output}"
"""


def call(folder, *words):
    env = {**os.environ, "PYTHONPATH": str(PACKAGE)}
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=folder, env=env, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.rules
def test_a_small_workflow(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "raw file.txt").write_text("1\n")
    before = sorted(tmp_path.iterdir())
    first = call(tmp_path, "nadir", "why", "--json")
    assert first.returncode == 0, first.stderr
    found = json.loads(first.stdout)
    assert {one["rule"] for one in found["jobs"]} == {"a", "b", "c"}
    made = {path.name for path in set(tmp_path.iterdir()) - set(before)}
    assert made <= {".snakemake"}  # nothing was run

    done = call(tmp_path, "snakemake", "--cores", "1", "--quiet", "all")
    assert done.returncode == 0, done.stderr
    assert "Nothing would run: all of " in call(tmp_path, "nadir", "why").stdout

    words = ["--config", "epochs=3", "--html", "why it's.html", "--svg", "why.svg"]
    second = call(tmp_path, "nadir", "why", *words)
    assert "a : epochs was 2, is 3 (1 more job below)".replace(" :", ":") in second.stdout
    assert "epochs was 2, is 3" in (tmp_path / "why it's.html").read_text()
    assert (tmp_path / "why.svg").read_text().startswith("<svg")

    third = call(tmp_path, "nadir", "why", "results/b.txt", "--forcerun", "results/b.txt")
    assert "you ask for it" in third.stdout

    none = call(tmp_path, "nadir", "why", "results/none; touch x.txt")
    assert none.returncode == 2
    assert "No rule to produce" in none.stderr
    assert not (tmp_path / "x.txt").exists()
