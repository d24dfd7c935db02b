"""The comparison of `make bench`: its arithmetic, its tables, and who is skipped and why."""

from __future__ import annotations

import importlib
import math
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def benchmarks() -> Iterator[None]:
    """Make the modules of the benchmarks importable."""
    sys.path.insert(0, str(BENCHMARKS))
    yield
    sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def contest(benchmarks: None) -> ModuleType:
    return importlib.import_module("speed.contest")


@pytest.fixture(scope="module")
def tables(benchmarks: None) -> ModuleType:
    return importlib.import_module("speed.tables")


def outcome(contest, name, rounds, memory=0.0, **options):
    return contest.Outcome(name, list(rounds), [2 * r for r in rounds], memory, **options)


def row_of(contest, claims, *names):
    contestants = [contest.Contestant(name, lambda case: None) for name in names]
    return contest.Row("some", "some: work", contestants, claims)


def test_ratios_are_taken_within_rounds(tables):
    ours, load = [1.0, 1.1, 0.9], [1.0, 50.0, 3.0]  # load hits both sides of a round alike
    slow = [2 * one * busy for one, busy in zip(ours, load, strict=True)]
    busy = [one * busy for one, busy in zip(ours, load, strict=True)]
    assert tables.paired_ratio(slow, busy) == pytest.approx(2)
    assert statistics.median(slow) / statistics.median(ours) != pytest.approx(2)
    assert math.isnan(tables.paired_ratio([], []))


@pytest.mark.parametrize(
    "kind, bound, parts, ratio, reached",
    [
        ("faster", 3, 1, 3.0, "yes"),  # theirs takes 6, ours 2
        ("faster", 3.1, 1, 3.0, "no"),
        ("within", 0.4, 1, 1 / 3, "yes"),
        ("within", 0.3, 1, 1 / 3, "no"),
        ("each", 0.1, 4, 1 / 12, "yes"),
        ("each", 0.08, 4, 1 / 12, "no"),
        ("memory", 1.15, 1, 1.1, "yes"),
        ("memory", 1.05, 1, 1.1, "no"),
    ],
)
def test_claims(contest, tables, kind, bound, parts, ratio, reached):
    claim = contest.Claim("nadir", "other", kind, bound, parts)
    row = row_of(contest, [claim], "nadir", "other")
    given = [outcome(contest, "nadir", [2, 2, 2], 110), outcome(contest, "other", [6, 6, 6], 100)]
    mine, theirs = tables.lines_of(row, given)
    assert (mine.asked, mine.reached) == ("", "")
    assert theirs.ratio == pytest.approx(ratio)
    assert theirs.reached == reached
    assert theirs.seconds == 6 and theirs.cpu == 12 and theirs.memory == 100


@pytest.mark.parametrize("bound, reached", [(0.6, "yes"), (0.4, "no")])
def test_a_bound_in_seconds(contest, tables, bound, reached):
    row = row_of(contest, [contest.Claim("nadir", "", "seconds", bound)], "nadir")
    (line,) = tables.lines_of(row, [outcome(contest, "nadir", [0.4, 0.5, 9])])
    assert (line.reached, line.margin) == (reached, pytest.approx(bound / 0.5))


def test_who_is_skipped_is_named_and_judged_on_nothing(contest, tables):
    row = row_of(contest, [contest.Claim("nadir", "peer", "faster", 2)], "nadir", "peer")
    absent = outcome(contest, "peer", [], skipped="peer not installed")
    _, line = tables.lines_of(row, [outcome(contest, "nadir", [1.0]), absent])
    assert line.note == "skipped: peer not installed"
    assert line.reached == line.asked == "" and math.isnan(line.seconds)


def test_two_claims_on_one_contestant_are_two_lines(contest, tables):
    claims = [contest.Claim(name, "other", "faster", 2) for name in ("nadir", "tiny")]
    row = row_of(contest, claims, "nadir", "tiny", "other")
    given = [outcome(contest, name, [1.0]) for name in ("nadir", "tiny")]
    lines = tables.lines_of(row, [*given, outcome(contest, "other", [3.0], note="equal")])
    assert [line.contestant for line in lines] == ["nadir", "tiny", "other", "other"]
    assert [line.note for line in lines] == ["", "", "equal", ""]


def test_tables_come_back_from_csv(contest, tables, tmp_path):
    claims = [contest.Claim("nadir", "o|ther", "within", 1.5)]
    row = row_of(contest, claims, "nadir", "o|ther", "gone")
    gone = outcome(contest, "gone", [], skipped='no "gone", here')
    given = [outcome(contest, "nadir", [1.0], 50), outcome(contest, "o|ther", [1.0], 70.4), gone]
    lines = tables.lines_of(row, given)
    text = tables.to_csv(lines)
    assert text.splitlines()[0].startswith("row,contestant,seconds,cpu,ratio")
    assert tables.to_csv(tables.of_csv(text)) == text
    shown = tables.to_markdown(tables.of_csv(text)).splitlines()
    assert len({line.count("|") for line in shown}) == 1  # a name cannot break the table
    assert "| 1 | 1 |" not in shown[2] and "yes | 70 |" in shown[3]
    assert shown[3].startswith("|  |")  # a row's title is shown once


def test_a_table_takes_its_place_in_a_page(tables):
    page = "a\n<!-- speed -->\nold\n<!-- end of speed -->\nb\n"
    once = tables.in_page(page, "speed", "| new |\n")
    assert once == "a\n<!-- speed -->\n| new |\n<!-- end of speed -->\nb\n"
    assert tables.in_page(once, "speed", "| new |\n") == once
    with pytest.raises(ValueError, match="speed_cuda"):
        tables.in_page(page, "speed_cuda", "")


def test_the_picture_has_a_bar_a_claim(contest, tables, tmp_path):
    picture = importlib.import_module("speed.picture")
    row = row_of(contest, [contest.Claim("nadir", "other", "faster", 2)], "nadir", "other")
    given = [outcome(contest, "nadir", [1.0]), outcome(contest, "other", [3.0])]
    for name, lines in (("some", tables.lines_of(row, given)), ("none", [])):
        picture.draw(lines, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_rows_claim_of_their_own_contestants(contest, device):
    for name in contest.ROWS:
        row = contest.load_row(name, device)
        names = [one.name for one in row.contestants]
        ours = {one.name for one in row.contestants if one.ours}
        assert row.name == name and row.title.startswith(f"{name}:")
        assert len(set(names)) == len(names) and row.devices
        if device in row.devices:
            for claim in row.claims:
                assert claim.ours in ours
                assert claim.theirs in names or (claim.kind == "seconds" and not claim.theirs)


def test_what_lacks_is_said_by_name(contest, tmp_path):
    runner = importlib.import_module("speed.runner")
    plan = runner.Plan(tmp_path, 1.0, 1, "cpu", None)
    there = contest.Contestant("there", lambda case: None, needs=("json",))
    needy = contest.Contestant("needy", lambda case: None, needs=("json", "no_such.module"))
    asking = contest.Contestant("asking", lambda case: None, program="no-such-program")
    row = contest.Row("some", "some: work", [there, needy, asking])
    said = {one.name: contest.Outcome(one.name) for one in row.contestants}
    found = [runner._python_of(one, row, plan, said[one.name]) for one in row.contestants]
    assert found == [sys.executable, "", ""]
    assert said["there"].skipped == ""
    assert said["needy"].skipped == "no_such.module not installed"
    assert said["asking"].skipped == "no-such-program is not on the PATH"


def test_a_process_runs_each_as_often_as_asked(contest, tmp_path):
    worker = importlib.import_module("speed.worker")
    calls: list[str] = []

    def contestant(name, times, warm):
        task = contest.Task(lambda: calls.append(name), lambda: {"value": [1, 2]}, "a note")
        return contest.Contestant(name, lambda case: task, times=times, warm=warm)

    pair = [contestant("A a", 2, True), contestant("b", 1, False)]
    told = worker.run(pair, contest.Case(tmp_path, 1.0, 1), tmp_path / "results")
    assert calls == ["A a", "A a", "b", "A a"]  # one to warm up, then in turn
    assert told["b"]["seconds"] >= 0 and told["b"]["note"] == "a note"
    assert sorted(path.name for path in (tmp_path / "results").iterdir()) == ["a_a.npz", "b.npz"]


def test_memory_is_that_of_this_process(contest):
    worker = importlib.import_module("speed.worker")
    assert 10 < worker.peak_memory() < 1e5
