"""Pictures of a retrieval: which rows they show, and that they are drawn in every case."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from picture_files import write_picture

from nadir.config.retrieval import RankingConfig
from nadir.raster.pictures import read_picture
from nadir.retrieval import figures_rankings
from nadir.retrieval.feature_store import Stored
from nadir.retrieval.figures_curves import draw_curves
from nadir.retrieval.figures_embedding import draw_embedding, on_a_plane
from nadir.retrieval.figures_places import draw_places
from nadir.retrieval.figures_rankings import Gallery, draw_misses, draw_rankings
from nadir.retrieval.figures_saliency import draw_saliency
from nadir.retrieval.figures_weathers import draw_weathers
from nadir.retrieval.rankings import rank_places
from nadir.retrieval.saliency import occlusion
from nadir.retrieval.scoring import score_places
from nadir.retrieval.search import normalized

VIEWS = ("drone", "satellite")
PLACES = 6


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Features of some places with pictures; every view asks and is asked."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(4)
    rows, features = [], []
    for place in range(PLACES):
        center = random.normal(size=5)
        for view in VIEWS:
            path = write_picture(folder / f"{view}{place}.png", place, (40, 48))
            for split in ("query", "gallery"):
                head = {"image": f"{split}/{view}/{place}", "place": str(place), "view": view}
                spot = {"x": 100.0 * place, "y": 50.0 * (place % 3), "weather": "normal"}
                rows.append({**head, "split": split, "path": str(path), **spot})
                features.append(center + 1.1 * random.normal(size=5))
    return Stored(pd.DataFrame(rows), normalized(np.array(features)))


@pytest.fixture(scope="module")
def rankings(stored):
    return rank_places(stored, VIEWS)


class Mean:
    """A network that sees nothing but the mean color of the upper left quarter."""

    side = 40

    def features(self, pictures, view, *, flip=True):
        part = [picture[:20, :20].reshape(-1, 3).mean(axis=0) for picture in pictures]
        return normalized(np.array(part) - 127.0)


def drawn(path):
    """Return a picture, having seen that it shows something."""
    picture = read_picture(path)
    assert picture.std() > 5
    return picture


def test_misses_are_those_whose_place_comes_last(stored, rankings, tmp_path, monkeypatch):
    shown = []
    real = figures_rankings.show_picture
    monkeypatch.setattr(
        figures_rankings,
        "show_picture",
        lambda axes, picture, right=None, note="": (
            shown.append((right, note)),
            real(axes, picture, right, note),
        ),
    )
    gallery = Gallery.of(stored.table)
    draw_misses(rankings, gallery, tmp_path / "m.png", rows=2)
    drawn(tmp_path / "m.png")
    told = [note for right, note in shown if note.startswith("true, rank")]
    ranks = figures_rankings.first_right(rankings)
    expected = [
        f"true, rank {rank:.0f}"
        for direction in ranks["direction"].unique()
        for rank in sorted(ranks.loc[ranks["direction"] == direction, "rank"])[::-1][:2]
        if rank > 1
    ]
    assert told == expected and len(told) > 2
    shown.clear()
    draw_rankings(rankings, gallery, tmp_path / "r.png", rows=1)
    drawn(tmp_path / "r.png")
    marks = [right for right, _ in shown]
    assert marks.count(None) == 2 and marks.count(True) == 2  # each place is in the gallery once


def test_figures_are_drawn_where_there_is_nothing_to_show(stored, rankings, tmp_path):
    perfect = rankings[rankings["right"]].assign(rank=1)
    draw_misses(perfect, Gallery.of(stored.table), tmp_path / "m.png")
    nowhere = stored.table.assign(x=np.nan, y=np.nan)
    draw_places(rankings, nowhere, tmp_path / "p.png")
    unknown = Stored(stored.table.assign(place=""), stored.feature)
    scores = score_places(unknown, VIEWS, RankingConfig(resamples=0))
    draw_weathers(scores, tmp_path / "w.png")
    ranked = rank_places(unknown, VIEWS)
    gallery = Gallery.of(unknown.table)
    draw_rankings(ranked, gallery, tmp_path / "r.png")
    draw_saliency(ranked, gallery, Mean(), tmp_path / "s.png")
    draw_embedding(unknown, ranked, VIEWS, tmp_path / "e.png")
    history = pd.DataFrame({"epoch": [1], "train_loss": [1.0]})
    draw_curves(history, scores, tmp_path / "c.png")
    assert len(list(tmp_path.glob("*.png"))) == 7


def test_figures_are_drawn_and_equal_inputs_give_equal_bytes(stored, rankings, tmp_path):
    cfg = RankingConfig(resamples=20)
    scores = score_places(stored, VIEWS, cfg)
    epochs = np.arange(1, 5)
    history = pd.DataFrame(
        {"epoch": epochs, "train_loss": 1.0 / epochs, "validation_recall": epochs / 5}
    )
    for name in ("a", "b"):
        folder = tmp_path / name
        draw_places(rankings, stored.table, folder / "p.png")
        draw_weathers(scores, folder / "w.png")
        draw_embedding(stored, rankings, VIEWS, folder / "e.png")
        draw_curves(history, scores, folder / "c.png")
    for path in sorted((tmp_path / "a").glob("*.png")):
        drawn(path)
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_close_features_are_close_on_the_plane():
    random = np.random.default_rng(0)
    centers = random.normal(size=(4, 8))
    features = normalized(np.repeat(centers, 6, axis=0) + 0.05 * random.normal(size=(24, 8)))
    plane = on_a_plane(features)
    away = np.linalg.norm(plane[:, None] - plane[None], axis=2)
    np.fill_diagonal(away, np.inf)
    assert (away.argmin(axis=1) // 6 == np.arange(24) // 6).all()


def test_occlusion_finds_the_part_that_the_network_sees(stored, rankings, tmp_path):
    network = Mean()
    picture = np.full((40, 40, 3), 60, np.uint8)
    picture[:20, :20] = (250, 40, 40)
    (feature,) = network.features([picture], "drone")
    fall = occlusion(network, picture, "drone", feature, cells=4)
    assert fall.shape == (40, 40)
    assert fall[:15, :15].mean() > 0.01 and abs(fall[30:, 30:]).max() < 1e-3
    draw_saliency(rankings, Gallery.of(stored.table), network, tmp_path / "s.png", pairs=2)
    drawn(tmp_path / "s.png")


def test_a_picture_is_shown_in_its_weather(stored):
    table = stored.table.assign(weather="dark")
    table["image"] = table["image"] + "@dark"
    plain = Gallery.of(stored.table).picture("query/drone/0")
    dark = Gallery.of(table).picture("query/drone/0@dark")
    assert dark.mean() < 0.8 * plain.mean()
    assert dark.shape == plain.shape
