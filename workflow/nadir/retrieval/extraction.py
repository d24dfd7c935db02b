"""Features of pictures from a trained network, and those of a whole image table."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.nn import functional
from tqdm import tqdm

from nadir.config.retrieval import RankingConfig
from nadir.errors import InputError, did_you_mean
from nadir.retrieval.features import embed
from nadir.retrieval.fitting import load_network
from nadir.retrieval.networks import EmbeddingNetwork, normalized
from nadir.retrieval.pictures import square
from nadir.retrieval.places import in_weathers, show

log = logging.getLogger(__name__)

_BATCH = 64
"""Pictures that the network sees at a time."""


@dataclass(frozen=True)
class Embedder:
    """A trained network, ready to describe pictures; made by `load_embedder`.

    Attributes:
        network: The network in evaluation mode, on its device.
        side: Side in pixels to which pictures are scaled.
        views: The views that it knows.
        device: Where it computes.
    """

    network: EmbeddingNetwork
    side: int
    views: tuple[str, str]
    device: torch.device

    def features(
        self,
        pictures: Sequence[NDArray[np.uint8]],
        view: str,
        *,
        flip: bool = True,
        turns: int = 1,
    ) -> NDArray[np.float32]:
        """Return the features of pictures of a view, of unit length.

        Args:
            pictures: uint8 RGB (rows, columns, 3) each, of any size.
            view: Their view.
            flip: Whether outputs for mirror images are added.
            turns: How many quarter turns are added up, 1 for the picture as it is.

        Returns:
            float32 (pictures, dimensions).

        Raises:
            InputError: When the network knows no such view.
        """
        number = self.view(view)
        found = [np.empty((0, 0), np.float32)]
        for start in range(0, len(pictures), _BATCH):
            part = pictures[start : start + _BATCH]
            shown = normalized(np.stack([square(picture, self.side) for picture in part]))
            shown = shown.to(self.device)

            def network(batch: torch.Tensor) -> torch.Tensor:
                return self.network(batch, number)

            outputs = [
                embed(network, torch.rot90(shown, turn, (2, 3)), flip=flip) for turn in range(turns)
            ]
            total = functional.normalize(torch.stack(outputs).sum(0), dim=1)
            found.append(total.cpu().numpy())
        return np.concatenate(found[1:] or found)

    def view(self, name: str) -> int:
        """Return the number of a view.

        Raises:
            InputError: When the network knows no such view.
        """
        if name not in self.views:
            problem = f"the network knows no view {name!r}{did_you_mean(name, self.views)}"
            raise InputError("view", problem, f"Give one of {', '.join(self.views)}.")
        return self.views.index(name)


def load_embedder(folder: str | os.PathLike[str], device: torch.device) -> Embedder:
    """Read the bundle of a retrieval network.

    Raises:
        InputError: When it is absent, damaged, or the bundle of something else.
    """
    network, cfg, views = load_network(folder)
    return Embedder(network.to(device), cfg.size, views, device)


def asked_for(images: pd.DataFrame, views: Sequence[str], cfg: RankingConfig) -> pd.DataFrame:
    """Return the rows whose features a ranking needs: queries in each weather, and the gallery.

    Raises:
        InputError: When there are none.
    """
    rows = images[images["view"].isin(list(views))]
    queries, gallery = rows[rows["split"] == "query"], rows[rows["split"] == "gallery"]
    if queries.empty or gallery.empty:
        lacking = "queries" if queries.empty else "gallery"
        problem = f"the {lacking} of the views {', '.join(views)} are empty"
        raise InputError("images", problem, "Give images of the splits query and gallery.")
    found = pd.concat([in_weathers(queries, cfg.weathers), gallery], ignore_index=True)
    return found.sort_values("image", kind="stable", ignore_index=True)


def extract(
    embedder: Embedder, rows: pd.DataFrame, cfg: RankingConfig, *, upright: bool, turns: int = 1
) -> NDArray[np.float32]:
    """Return the features of rows of the image table, each in its weather: float32 (rows, dim).

    Args:
        embedder: The network.
        rows: As `asked_for` gives them.
        cfg: Whether mirror images are added, and the seed of weathers.
        upright: Whether pictures are turned as their EXIF orientation says.
        turns: As for `Embedder.features`.

    Raises:
        InputError: When a picture cannot be read.
    """
    found: NDArray[np.float32] | None = None
    bar = tqdm(total=len(rows), desc="features", unit="picture", disable=None)
    for view, part in rows.groupby("view", sort=True):
        for start in range(0, len(part), _BATCH):
            batch = part.iloc[start : start + _BATCH]
            pictures = [
                show(path, image, weather, seed=cfg.seed, upright=upright)
                for path, image, weather in zip(
                    batch["path"], batch["image"], batch["weather"], strict=True
                )
            ]
            features = embedder.features(pictures, str(view), flip=cfg.flip, turns=turns)
            if found is None:
                found = np.empty((len(rows), features.shape[1]), np.float32)
            found[rows.index.get_indexer(batch.index)] = features
            bar.update(len(batch))
    bar.close()
    assert found is not None
    return found
