"""Rankings, scores and the answer of a small test whose truth is known."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from nadir.cli.main import main
from nadir.config.retrieval import IndexConfig, RankingConfig, RerankingConfig
from nadir.errors import InputError
from nadir.learn.devices import count_gpus
from nadir.retrieval import search
from nadir.retrieval.evaluate import evaluate
from nadir.retrieval.feature_store import Stored, write_features
from nadir.retrieval.packing import pack_rankings, short_names
from nadir.retrieval.rankings import (
    directions_of,
    first_right,
    rank_places,
    read_rankings,
    sides_of,
    write_rankings,
)
from nadir.retrieval.scoring import score_places
from nadir.retrieval.search import normalized

VIEWS = ("drone", "satellite")
PLACES = 9


def stored(weathers=("normal",), unknown=(), junk=False, turned=False) -> Stored:
    """Return noisy features of places: two queries of the drone each, one of the satellite."""
    random = np.random.default_rng(3)
    centers = random.normal(size=(PLACES, 6))
    rows, features = [], []

    def add(view, split, place, name, weather, noise):
        known = "" if f"{place}" in unknown and split == "query" else f"{place}"
        ending = "" if weather == "normal" else f"@{weather}"
        rows.append(
            {
                **{"image": f"test/{split}_{view}/{place}/{name}{ending}", "place": known},
                **{"view": view, "split": split, "weather": weather, "path": "", "x": 0, "y": 0},
            }
        )
        features.append(centers[place] + noise * random.normal(size=6))

    for place in range(PLACES):
        for number in range(2):
            for k, weather in enumerate(weathers):
                add("drone", "query", place, f"d{place}{number}", weather, 0.8 + k)
            add("drone", "gallery", place, f"d{place}{number}", "normal", 0.8)
        add("satellite", "query", place, f"s{place}", "normal", 0.5)
        add("satellite", "gallery", place, f"s{place}", "normal", 0.5)
    if junk:
        add("satellite", "gallery", 0, "junk", "normal", 0.0)
        rows[-1]["place"] = "-1"
    found = normalized(np.array(features))
    return Stored(pd.DataFrame(rows), found, found[:, ::-1].copy() if turned else None)


@pytest.mark.parametrize(("kind", "effort"), [("flat", 0.1), ("ivf", 1.0), ("hnsw", 1.0)])
def test_an_index_that_looks_everywhere_ranks_as_exact_search(kind: str, effort: float) -> None:
    exact = rank_places(stored(), VIEWS)
    found = rank_places(stored(), VIEWS, index=IndexConfig(kind=kind, effort=effort))
    pd.testing.assert_frame_equal(found, exact, rtol=1e-5)


def test_an_index_that_looks_less_far_leaves_places_out_and_invents_none() -> None:
    exact = rank_places(stored(), VIEWS)
    found = rank_places(stored(), VIEWS, index=IndexConfig(kind="ivf", effort=0.01))
    keys = ["direction", "query", "gallery"]
    assert 0 < len(found) < len(exact)
    assert len(found.merge(exact, on=keys)) == len(found)


@pytest.mark.parametrize("command", ["rank-places", "evaluate-retrieval"])
def test_commands_search_on_the_device_that_is_asked_for(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    features = tmp_path / "features.manifest.json"
    write_features(features, stored(), {})
    given = {"views": VIEWS, "evaluate": {"resamples": 0}}
    words = [command, "--features", str(features), "--cfg", json.dumps(given), "--out"]
    used = []

    @contextmanager
    def lease(device: str) -> Iterator[torch.device]:
        used.append(device)
        yield torch.device("cpu", 0)

    with monkeypatch.context() as patch:
        patch.setattr("nadir.learn.devices.lease", lease)
        blocks = search._blocks_on_device
        patch.setattr(search, "_blocks_on_device", lambda *a: (used.append(a[3]), blocks(*a))[1])
        outs = {}
        for device in ("auto", "cuda"):
            patch.setenv("NADIR_DEVICE", device)
            outs[device] = tmp_path / device
            assert main([*words, str(outs[device])]) == 0
        assert used == ["cuda", *["cpu:0"] * (len(used) - 1)] and len(used) > 1
    if command == "rank-places":  # scores differ in their last bit
        tables = [read_rankings(path) for path in outs.values()]
        pd.testing.assert_frame_equal(*tables, rtol=1e-5)
    else:
        assert outs["auto"].read_bytes() == outs["cuda"].read_bytes()
    monkeypatch.setenv("NADIR_DEVICE", "cuda")
    if not count_gpus():
        assert main([*words, str(tmp_path / "none")]) == 2
        assert "a GPU is asked for, and there is none here" in capsys.readouterr().err


def test_rankings_are_those_of_brute_force(tmp_path):
    given = stored(junk=True)
    rankings = rank_places(given, VIEWS, depth=4)
    table = given.table
    asked = table[(table["view"] == "drone") & (table["split"] == "query")]
    kept = table[(table["view"] == "satellite") & (table["split"] == "gallery")]
    kept = kept[kept["place"] != "-1"]
    for query, row in zip(asked.index, asked.itertuples(), strict=True):
        scores = given.feature[kept.index] @ given.feature[query]
        order = np.argsort(-scores, kind="stable")[:4]
        found = rankings[(rankings["query"] == row.image)]
        assert found["gallery"].tolist() == kept["image"].iloc[order].tolist()
        assert found["rank"].tolist() == [1, 2, 3, 4]
        assert found["score"].to_numpy() == pytest.approx(scores[order], abs=1e-6)
        assert found["right"].tolist() == (kept["place"].iloc[order] == row.place).tolist()
    write_rankings(tmp_path / "r.parquet", rankings)
    pd.testing.assert_frame_equal(read_rankings(tmp_path / "r.parquet"), rankings)


def test_first_right_is_nan_beyond_the_depth():
    rankings = rank_places(stored(), VIEWS, depth=2)
    found = first_right(rankings)
    assert len(found) == 2 * PLACES + PLACES
    for row in found.itertuples():
        part = rankings[(rankings["direction"] == row.direction) & (rankings["query"] == row.query)]
        hits = part.loc[part["right"], "rank"]
        assert np.isnan(row.rank) if hits.empty else row.rank == hits.min()
    assert found["rank"].isna().any() and (found["rank"] == 1).any()


def test_directions_without_queries_are_left_out():
    table = stored().table
    one = table[~((table["view"] == "satellite") & (table["split"] == "query"))]
    assert directions_of(table, VIEWS) == [VIEWS, VIEWS[::-1]]
    assert directions_of(one, VIEWS) == [VIEWS]
    with pytest.raises(InputError, match="meet a gallery"):
        directions_of(one[one["split"] == "query"], VIEWS)


def test_plain_scores_are_those_of_the_evaluator_alone():
    given = stored(weathers=("normal", "fog"))
    cfg = RankingConfig(weathers=("normal", "fog"), resamples=20, multi_query=True)
    found = score_places(given, VIEWS, cfg)["directions"]
    for direction in (VIEWS, VIEWS[::-1]):
        queries, gallery = sides_of(given, direction, weather="normal")
        plain = evaluate(queries, gallery).figures
        one = found[" to ".join(direction)]
        for family in ("public", "standard"):
            for name, figure in plain[family].items():
                assert one[family][name]["value"] == figure["value"]
        assert one["curve"][0] == plain["public"]["Recall@1"]["value"]
    drone = found["drone to satellite"]
    assert drone["queries"] == 18 and drone["after"]["multi-query"]["queries"] == 9
    weathers = [
        drone["weathers"][name]["public"]["Recall@1"]["value"] for name in ("normal", "fog")
    ]
    assert weathers[0] == drone["public"]["Recall@1"]["value"] > weathers[1]
    assert drone["mean of weathers"]["public"]["Recall@1"] == pytest.approx(np.mean(weathers))


def test_what_follows_a_search_has_rows_of_its_own():
    plain = RankingConfig(resamples=0)
    cfg = RankingConfig(
        resamples=0, turns=True, whitening=True, reranking=RerankingConfig(neighbors=3, expansion=2)
    )
    given = stored(turned=True)
    one, other = (score_places(given, VIEWS, c)["directions"] for c in (plain, cfg))
    for name, found in other.items():
        after = found.pop("after")
        assert list(after) == ["turns", "whitening", "re-ranking"] and not one[name].pop("after")
        np.testing.assert_equal(found, one[name])
        # The turned features are the plain ones in another order of their numbers.
        np.testing.assert_equal(after["turns"]["public"], found["public"])
        assert after["re-ranking"]["public"] != found["public"]


def test_queries_of_unknown_place_are_left_out():
    cfg = RankingConfig(resamples=0)
    found = score_places(stored(unknown=("0", "1")), VIEWS, cfg)["directions"]
    assert found["drone to satellite"]["queries"] == 14
    assert found["drone to satellite"]["unknown"] == 4
    none = score_places(stored(unknown=[str(k) for k in range(PLACES)]), VIEWS, cfg)
    assert none["directions"]["drone to satellite"] == {"queries": 0, "gallery": 9, "unknown": 18}
    assert (
        not rank_places(stored(unknown=("0",)), VIEWS)
        .query("query.str.contains('/0/')")["right"]
        .any()
    )


def lines_of(path):
    with zipfile.ZipFile(path) as archive:
        return archive.read("answer.txt").decode().splitlines()


def test_the_answer_holds_the_ranked_names_in_the_order_asked_for(tmp_path):
    given = stored(weathers=("normal", "fog"), junk=True)
    rankings = rank_places(given, VIEWS)
    images = sorted(
        name for name in rankings["query"].unique() if "query_drone" in name and "@" not in name
    )
    table = given.table[given.table["weather"] == "normal"]
    pack_rankings(rankings, table, VIEWS, tmp_path / "b.zip", depth=3)
    lines = lines_of(tmp_path / "b.zip")
    assert len(lines) == len(images) == 18
    for line, query in zip(lines, images, strict=True):
        names = rankings[(rankings["query"] == query)]["gallery"].head(3)
        assert line.split("\t") == [name.rpartition("/")[2] for name in names]
    (tmp_path / "list.txt").write_text("d81.jpg\nd00.jpg\n")
    pack_rankings(
        rankings, table, VIEWS, tmp_path / "c.zip", queries=tmp_path / "list.txt", depth=3
    )
    assert lines_of(tmp_path / "c.zip") == [lines[-1], lines[0]]


def test_a_list_of_other_queries_and_absent_rankings_are_refused(tmp_path):
    given = stored()
    rankings = rank_places(given, VIEWS)
    (tmp_path / "list.txt").write_text("d88\n")
    with pytest.raises(InputError, match="no query 'd88'"):
        pack_rankings(
            rankings, given.table, VIEWS, tmp_path / "a.zip", queries=tmp_path / "list.txt"
        )
    lacking = rankings[rankings["query"] != "test/query_drone/0/d00"]
    with pytest.raises(InputError, match="1 queries have no ranking"):
        pack_rankings(lacking, given.table, VIEWS, tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_names_are_short_where_that_tells_them_apart():
    assert short_names(["a/b", "a/c"]) == ["b", "c"]
    assert short_names(["a/b", "c/b"]) == ["a/b", "c/b"]
