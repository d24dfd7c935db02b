"""Views of the test places, and walks through the latent space, kept on disk."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nadir.config.groundview_experiments import GenerateConfig
from nadir.errors import InputError
from nadir.groundview.generator import Generator, load_generator
from nadir.groundview.latents import walk_latents
from nadir.groundview.pairs import Pairs, open_pairs
from nadir.groundview.view_store import write_views
from nadir.learn.bundle import WEIGHTS
from nadir.learn.devices import lease
from nadir.provenance.digest import file_digest

log = logging.getLogger(__name__)

_WALK = 1 << 20  # samples from here on are the corners of walks


def generate_views(
    model: str | os.PathLike[str],
    pairs: str | os.PathLike[str],
    out: str | os.PathLike[str],
    cfg: GenerateConfig,
    *,
    device: str = "auto",
    threads: int = 2,
) -> None:
    """Generate views of all test pairs, and write them with their manifest.

    Args:
        model: Folder of the generator's bundle.
        pairs: Manifest of the pairs.
        out: Manifest of the views to write.
        cfg: What is generated.
        device: `auto`, `cpu` or `cuda`.
        threads: CPU threads.

    Raises:
        InputError: When there are no test pairs, or the generator knows other sizes.
        OutputError: When the disk is full or not writable.
    """
    test = open_pairs(pairs).of("test")
    if not len(test):
        raise InputError(pairs, "it has no test pairs", "Raise the share of the split 'test'.")
    with lease(device) as found:
        torch.set_num_threads(threads)
        generator = load_generator(model, found)
        if test.photos.shape[-1] != generator.image_px:
            problem = f"photos have {test.photos.shape[-1]} pixels, views {generator.image_px}"
            raise InputError(pairs, problem, "Train the generator on these pairs.")
        views = generator.generate(
            test.crops, test.headings, cfg.samples, cfg.seed, temperature=cfg.temperature
        )
        places = walk_places(len(test), cfg.walks)
        walk = walks(generator, test.take(places), cfg)
    names = [str(name) for name in test.table["pair"]]
    facts = {
        "model": generator.cfg.name,
        "seed": cfg.seed,
        "temperature": cfg.temperature,
        "walks": [names[place] for place in places],
    }
    sources = {"pairs": test.digest, "model": file_digest(Path(model) / WEIGHTS)}
    write_views(out, names, views, walk, facts, sources)
    log.info("wrote %s: %d views of %d places", out, views.shape[0] * views.shape[1], len(names))


def walk_places(count: int, walks: int) -> NDArray[np.int64]:
    """Return which of the places walks are made of, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(walks, count)).round().astype(np.int64))


def walks(generator: Generator, places: Pairs, cfg: GenerateConfig) -> NDArray[np.uint8]:
    """Return views of places on the way from one latent to another and back to the first.

    Returns:
        uint8 (places, walk_steps, 3, image_px, image_px).
    """
    shape = (0, cfg.walk_steps, 3, generator.image_px, generator.image_px)
    made = [np.empty(shape, np.uint8)]
    corners = range(_WALK, _WALK + 3)
    for place in range(len(places)):
        one, other, third = generator.latent([place], corners, cfg.seed)[0] * cfg.temperature
        parts = _thirds(cfg.walk_steps)
        ends = ((one, other), (other, third), (third, one))
        latents = np.concatenate(
            [
                walk_latents(start, end, steps + 1)[:-1]
                for (start, end), steps in zip(ends, parts, strict=True)
            ]
        )
        own = slice(place, place + 1)
        made.append(generator.of_latents(places.crops[own], places.headings[own], latents[None]))
    return np.concatenate(made)


def _thirds(steps: int) -> tuple[int, int, int]:
    """Return how many steps each of three legs has."""
    return (steps + 2) // 3, (steps + 1) // 3, steps // 3
