"""The products of a tiny retrieval experiment, and galleries made of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from nadir.config.retrieval import RankingConfig
from nadir.config.retrieval_experiments import SharedEncoder
from nadir.learn.bundle import WEIGHTS, save_bundle
from nadir.provenance.digest import sha
from nadir.retrieval.feature_store import Stored, read_features, write_features
from nadir.retrieval.gallery_export import export_gallery
from nadir.retrieval.rankings import rank_places

VIEWS = ("drone", "satellite")
PLACES, SIDE = 14, 48


@dataclass(frozen=True)
class Products:
    """What an experiment leaves.

    Attributes:
        folder: `DATASET/EXPERIMENT`.
        rankings: Of the batch rule.
        stored: Its features.
    """

    folder: Path
    rankings: pd.DataFrame
    stored: Stored

    @property
    def features(self):
        return self.folder / "features.manifest.json"

    @property
    def weights(self):
        return self.folder / "model" / WEIGHTS

    def top(self, query, count=10):
        """Return the first of the batch rule's ranking of a query: names and scores."""
        rows = self.rankings[self.rankings["query"] == query].sort_values("rank").head(count)
        return rows["gallery"].tolist(), rows["score"].to_numpy()

    def queries(self):
        """Return the queries in normal weather: rows of the stored table."""
        table = self.stored.table
        return table[(table["split"] == "query") & (table["weather"] == "normal")]


def save_encoder(folder, seed=0):
    """Write the bundle of a tiny network with random weights."""
    import torch

    from nadir.retrieval.fitting import describe
    from nadir.retrieval.networks import build_network
    from nadir.retrieval.training import RetrievalData

    torch.manual_seed(seed)
    cfg = SharedEncoder(width=4, dimensions=8, size=32)
    network = build_network(cfg)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    nothing = pd.DataFrame()
    save_bundle(folder, describe(RetrievalData(nothing, nothing, VIEWS), cfg, {}), weights)
    return folder


def make_products(root):
    """Make pictures of places, a network, features, and the batch rule's rankings."""
    import torch

    from nadir.retrieval.extraction import asked_for, extract, load_embedder

    folder = root / "town" / "tiny"
    save_encoder(folder / "model")
    images = _images(root / "pictures")
    cfg = RankingConfig(weathers=("normal", "dark"))
    rows = asked_for(images, VIEWS, cfg)
    embedder = load_embedder(folder / "model", torch.device("cpu"))
    stored = Stored(rows, extract(embedder, rows, cfg, upright=False))
    facts = {"views": list(VIEWS), "weathers": list(cfg.weathers), "flip": cfg.flip}
    products = Products(folder, rank_places(stored, VIEWS), stored)
    write_features(products.features, stored, facts, {"model": digest_of(products.weights)})
    return products


def digest_of(path):
    """Return the digest of a file."""
    return sha(path.read_bytes())


def make_gallery(products, folder, **options):
    """Make a gallery and return its folder."""
    export_gallery(products.features, products.weights, folder / "gallery.json", **options)
    return folder


def rewrite_features(products, folder, stored, sources=None):
    """Write other features as those of an experiment, and return their manifest's path."""
    path = folder / "town" / "other" / "features.manifest.json"
    facts = {"views": list(VIEWS), "weathers": ["normal"], "flip": True}
    write_features(path, stored, facts, sources or {"model": digest_of(products.weights)})
    return path


def read_back(products):
    """Return the features as they were stored."""
    return read_features(products.features)


def _images(folder):
    rows = []
    for place in range(PLACES):
        ground = _ground(place)
        for view in VIEWS:
            for split, count in (("query", 1), ("gallery", 2 if view == "drone" else 1)):
                for number in range(count):
                    name = f"test/{split}_{view}/{place:04d}/{number}"
                    rows.append(_write(folder, name, place, view, split, ground, number))
    rows.append(_write(folder, "test/gallery_satellite/junk", -1, VIEWS[1], "gallery", _ground(3)))
    return pd.DataFrame(rows).sort_values("image", ignore_index=True)


def _ground(place):
    noise = np.random.default_rng([8, abs(place)]).normal(size=(SIDE, SIDE, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 4)
    return np.clip(128 + 50 * smooth / smooth.std(), 0, 255).astype(np.uint8)


def _write(folder, name, place, view, split, ground, number=0):
    ending = ".png" if view == "satellite" else ".jpg"
    path = folder / f"{name}{ending}"
    path.parent.mkdir(parents=True, exist_ok=True)
    turned = ground if view == "satellite" else cv2.flip(ground, 0)[4 * number :, :, ::-1]
    path.write_bytes(cv2.imencode(ending, np.ascontiguousarray(turned))[1].tobytes())
    known = place != 5  # one place's coordinates are not known
    return {
        **{"image": name, "place": f"{place}" if place < 0 else f"{place:04d}", "view": view},
        **{"split": split, "path": str(path), "width": SIDE, "height": SIDE, "digest": ""},
        **{"x": 1000.0 + 10 * place if known else np.nan, "y": 2000.0 - place if known else np.nan},
        "weather": "normal",
    }
