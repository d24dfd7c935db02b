"""Pairs of experiments: which is better on the same ground, and what can be shown at all."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas as pd
import pytest
from balanced_html import Balanced

from nadir.cli.main import main
from nadir.errors import InputError
from nadir.report.pairs import LEVEL, MOST_SWAPS, holm, read_pairs
from nadir.report.pairs_page import pairs_page, pairs_section, pairs_table
from nadir.segmentation.map_quality import BLOCK_COLUMNS


def blocks(folder, name, accuracy, places=24, side=16, a_block=0, seed=7):
    """Write a table of squares; `a_block` of them in a row are one block of the split."""
    rng = np.random.default_rng(seed)
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
    assert coarse.p == pytest.approx(1 / 201)  # 100 were asked for; a pair has 200 at least


def test_a_pair_without_common_ground_is_named(tmp_path, caplog):
    paths = [blocks(tmp_path, "fine", 0.8), blocks(tmp_path, "coarse", 0.7, side=32)]
    assert read_pairs(paths) == []
    assert "coarse" in caplog.text and "fine" in caplog.text and "quality.block" in caplog.text


def test_page_and_table_of_pairs(tmp_path):
    pairs = read_pairs([blocks(tmp_path, "good", 0.9), blocks(tmp_path, "bad", 0.7)])
    rows = pairs_table(pairs).splitlines()
    assert len(rows) == 2 and rows[1].startswith("valley,good,bad,0.")
    ends = ["p", "blocks", "seeds better", "seeds worse", "least p", "limit"]
    assert rows[0].split(",")[-6:] == ends and rows[1].endswith(",24,1,1,0.000500,")
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


def many(folder, count, **options):
    """Write the tables of experiments each of which is far better than the next."""
    return [blocks(folder, f"e{n:02d}", 0.98 - 0.04 * n, **options) for n in range(count)]


def test_eleven_experiments_can_be_told_apart(tmp_path):
    pairs = read_pairs(many(tmp_path, 11, places=16), 200)
    assert len(pairs) == 55
    assert all(pair.least < LEVEL / 5 for pair in pairs)  # what blocks and swaps leave room for
    far = [pair for pair in pairs if int(pair.worse[1:]) - int(pair.better[1:]) > 1]
    assert len(far) == 45 and all(pair.shown for pair in far)
    assert "pairs at once need" not in "".join(pairs_section(pairs, 1))


def test_too_few_blocks_for_so_many_pairs_are_said_so(tmp_path):
    paths = many(tmp_path, 11, places=11)
    pairs = read_pairs(paths, 200)
    assert not any(pair.shown for pair in pairs)
    assert {pair.limit for pair in pairs} == {"too few blocks: 11, and 55 pairs need 12"}
    said = pairs_page("valley", pairs)
    assert "55 of 55 pairs could not be told apart" in said and "need 12 held-out" in said
    row = next(csv.DictReader(pairs_table(pairs).splitlines()))
    assert row["limit"].startswith("too few blocks") and float(row["least p"]) > LEVEL
    clearest = read_pairs([paths[0], paths[-1]])[0]
    assert clearest.shown and clearest.limit == ""


def test_swaps_have_a_bound(tmp_path, monkeypatch):
    asked = []

    def spy(one, other, resamples, swaps):
        asked.append((resamples, swaps))
        raise StopIteration

    monkeypatch.setattr("nadir.report.pairs.paired_differences", spy)
    paths = many(tmp_path, 4)
    for limit, expected in ((MOST_SWAPS, 1200), (500, 500), (50, 100)):
        monkeypatch.setattr("nadir.report.pairs.MOST_SWAPS", limit)
        with pytest.raises(StopIteration):
            read_pairs(paths, 100)
        assert asked[-1] == (100, expected)


SEEDS = {"net": ["net_0", "net_1", "net_2"], "weak": ["weak_0", "weak_1", "weak_2"]}


def seeded(folder, net=(0.9, 0.9, 0.9), weak=(0.8, 0.8, 0.8)):
    """Write the tables of two experiments of three seeds and of one without."""
    paths = [blocks(folder, "alone", 0.6)]
    for name, accuracies in (("net", net), ("weak", weak)):
        paths += [
            blocks(folder, f"{name}_{n}", accuracy, seed=n) for n, accuracy in enumerate(accuracies)
        ]
    return paths


def test_seeds_of_an_experiment_are_compared_as_one(tmp_path):
    paths = seeded(tmp_path)
    pairs = read_pairs(paths, 500, SEEDS)
    assert [(pair.better, pair.worse, pair.miou.seeds) for pair in pairs] == [
        ("net", "weak", (3, 3)),
        ("net", "alone", (3, 1)),
        ("weak", "alone", (3, 1)),
    ]
    assert all(pair.shown for pair in pairs)
    assert len(read_pairs(paths, 100)) == 21
    lines = "".join(pairs_section(pairs, 1))
    assert "<td>3 and 1</td>" in lines and "Seeds of one experiment count as one" in lines
    assert read_pairs(paths[1:4], 500, SEEDS) == []  # seeds of one recipe: nothing to compare


def test_seeds_that_scatter_show_nothing(tmp_path):
    pairs = read_pairs(seeded(tmp_path, (0.95, 0.75, 0.85), (0.9, 0.7, 0.8)), 500, SEEDS)
    pair = next(pair for pair in pairs if pair.worse == "weak")
    assert pair.block_p < LEVEL < pair.p and not pair.shown
    assert pair.limit == "too few seeds: 3 and 3, which differ too much"
    assert pair.miou.low < 0 < pair.miou.high


def test_the_command_knows_seeds(tmp_path):
    out, table = tmp_path / "valley" / "pairs.html", tmp_path / "pairs.csv"
    cfg = json.dumps({"resamples": 100, "seeds": SEEDS})
    words = ["--blocks", *map(str, seeded(tmp_path)), "--out", str(out), "--table", str(table)]
    assert main(["compare-pairs", *words, "--cfg", cfg]) == 0
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert {row["better"] for row in rows} == {"net", "weak"} and "net_0" not in out.read_text()
