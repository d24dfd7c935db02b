"""Ranks from inexact products: those of true scores, whatever multiplies, and however near."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nadir.retrieval import screening
from nadir.retrieval.ranks import Ranks, Truth
from nadir.retrieval.screening import Bytes, float_blocks, integer_blocks, rank_features

WAYS = ("float", "integer")


def unit(random: np.random.Generator, images: int, dimensions: int) -> np.ndarray:
    drawn = random.standard_normal((images, dimensions)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def positions_by_brute_force(
    queries: np.ndarray, gallery: np.ndarray, match: np.ndarray
) -> list[list[int]]:
    scores = queries.astype(np.float64) @ gallery.T.astype(np.float64)
    orders = [np.argsort(-line, kind="stable") for line in np.round(scores, 13)]
    return [np.flatnonzero(match[k][order]).tolist() for k, order in enumerate(orders)]


def ranked(way: str, queries: np.ndarray, gallery: np.ndarray, truth: Truth) -> Ranks:
    blocks = {"float": float_blocks, "integer": integer_blocks}[way]
    return screening._rank(queries, gallery, truth, blocks(queries, gallery))


def told(ranks: Ranks) -> list[list[int]]:
    return [part.tolist() for part in np.split(ranks.positions, ranks.starts[1:-1])]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scale", [1.0, 1e-6, 3e4])
def test_positions_are_those_of_true_scores(
    way: str, scale: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screening, "WIDTH", 70)
    monkeypatch.setattr(screening, "TALL", 33)
    random = np.random.default_rng(0)
    queries, gallery = unit(random, 90, 24), unit(random, 310, 24)
    asked, kept = random.integers(0, 130, 90), random.integers(0, 120, 310)
    kept[300] = kept[5] = asked[7]
    gallery[300] = gallery[5]  # a tie between matches
    gallery[6] = gallery[5]  # and with an image of another place
    truth = Truth.of(asked, kept)
    found = ranked(way, queries * np.float32(scale), gallery, truth)
    assert told(found) == positions_by_brute_force(queries, gallery, asked[:, None] == kept)
    assert found.images == found.gallery == 310


@pytest.mark.parametrize("way", WAYS)
def test_neighbors_nearer_than_any_float32_tells_are_told_apart(way: str) -> None:
    random = np.random.default_rng(1)
    query = unit(random, 1, 512)
    gallery = np.repeat(unit(random, 1, 512), 41, axis=0)
    largest = int(np.abs(query[0]).argmax())
    steps = random.permutation(41)
    for image, step in zip(gallery, steps, strict=True):
        for _ in range(int(step)):
            image[largest] = np.nextafter(
                image[largest], np.float32(2 * np.sign(query[0, largest]))
            )
    found = ranked(way, query, gallery, Truth.of([3], np.arange(41)))
    assert found.positions.tolist() == [40 - int(steps[3])]


@pytest.mark.parametrize("way", WAYS)
def test_equal_images_come_in_the_order_of_the_gallery(way: str) -> None:
    query = unit(np.random.default_rng(2), 1, 64)
    gallery = np.repeat(query, 300, axis=0)
    for match in (0, 63, 64, 299):
        found = ranked(way, query, gallery, Truth.of([match], np.arange(300)))
        assert found.positions.tolist() == [match]


@pytest.mark.parametrize("way", WAYS)
def test_rows_of_zeros_and_of_tiny_numbers(way: str) -> None:
    random = np.random.default_rng(3)
    queries, gallery = unit(random, 4, 16), unit(random, 9, 16)
    queries[1] = 0
    gallery[2] = 0
    gallery[4] *= np.float32(1e-38)
    truth = Truth.of([2, 2, 4, 8], np.arange(9))
    match = np.array([2, 2, 4, 8])[:, None] == np.arange(9)
    scores = queries.astype(np.float64) @ gallery.T.astype(np.float64)
    wanted = [
        [int(((line > line[k]) | ((line == line[k]) & (np.arange(9) < k))).sum())]
        for line, k in zip(scores, match.argmax(axis=1), strict=True)
    ]
    assert told(ranked(way, queries, gallery, truth))[:2] == wanted[:2]
    assert told(ranked(way, queries, gallery, truth))[3] == wanted[3]


@pytest.mark.parametrize("way", WAYS)
def test_bounds_hold(way: str) -> None:
    random = np.random.default_rng(4)
    queries = unit(random, 60, 100) * random.uniform(0.01, 30, (60, 1)).astype(np.float32)
    gallery = unit(random, 80, 100) * random.uniform(0.01, 30, (80, 1)).astype(np.float32)
    true = queries.astype(np.float64) @ gallery.T.astype(np.float64)
    blocks = {"float": float_blocks, "integer": integer_blocks}[way](queries, gallery)
    for block in blocks:
        wrong = np.abs(block.scores - true[block.rows, block.columns])
        assert (wrong <= block.error[:, None]).all()
        assert block.error.max() < 1e-2 * 900, "a bound that says nothing"


def test_bytes_stand_for_the_features() -> None:
    features = unit(np.random.default_rng(5), 50, 33)
    split = Bytes.of(features)
    high, low = split.both[:, :33].astype(float), split.both[:, 33:].astype(float)
    left = features - split.scale[:, None].astype(float) * (256 * high + low)
    assert np.abs(left).max() <= 0.51 * split.scale.max()
    np.testing.assert_allclose(split.rest, np.linalg.norm(left, axis=1), rtol=1e-9)
    np.testing.assert_allclose(split.length, np.linalg.norm(features.astype(float), axis=1))
    np.testing.assert_allclose(split.minor, split.scale * np.linalg.norm(low, axis=1), rtol=1e-6)


def test_both_ways_and_many_matches_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(6)
    queries, gallery = unit(random, 40, 128), unit(random, 200, 128)
    truth = Truth.of(random.integers(0, 10, 40), random.integers(0, 10, 200))
    assert truth.sizes.max() > screening.MANY
    found = [told(ranked(way, queries, gallery, truth)) for way in WAYS]
    found.append(told(rank_features(queries, gallery, truth)))
    for answer in (True, False):
        monkeypatch.setattr(screening, "MANY", 1000)
        monkeypatch.setattr(screening, "integers_pay", lambda *_, answer=answer: answer)
        found.append(told(rank_features(queries, gallery, truth)))
    assert all(one == found[0] for one in found)


def test_integers_are_used_where_the_processor_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for has in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda has=has: has)
        assert screening.integers_pay(10, 10, 512) is has
    monkeypatch.setattr(torch.cpu, "_is_vnni_supported", lambda: True)
    assert not screening.integers_pay(10, 10, screening.LONGEST + 1)
    monkeypatch.delitem(screening.sys.modules, "torch")
    assert not screening.integers_pay(37_855, 951, 512)
