"""Trainings kept by key: done before, they are delivered; killed, they go on; else they are run.

Nothing here imports torch.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from nadir.config.encoders import is_weights_file
from nadir.learn.card import run_card
from nadir.provenance.atomic import write_json
from nadir.provenance.cache import ResultCache
from nadir.provenance.digest import sha
from nadir.provenance.files import read_bytes

log = logging.getLogger(__name__)

CARD = "card.json"

FitInto = Callable[[Path, Path, dict[str, Any]], dict[str, Any]]
"""(folder for the state of an unfinished run, folder to write the result into, keys for the
bundle) -> facts for the run card.
"""


def keep_training(
    fit: FitInto,
    cache_root: str | os.PathLike[str],
    parts: dict[str, Any],
    outputs: Mapping[str, str | os.PathLike[str]],
    *,
    cfg: tuple[str, ...],
    threads: int,
) -> str:
    """Train, or deliver what an equal training gave before.

    Args:
        fit: Trains.
        cache_root: Folder of kept trainings.
        parts: All that the result depends on; holds `code` and `seed`.
        outputs: File of the result -> where to put it; `card.json` is written here.
        cfg: Which parts are settings (the rest are digests), for the run card.
        threads: CPU threads, for the run card.

    Returns:
        The key.

    Raises:
        InputError: As `fit` does.
        OutputError: When the disk is full or not writable.
    """
    cache = ResultCache(cache_root, parts)
    with cache.lock():
        if cache.result is None:
            made = cache.work / "made"
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            rest = dict(cache.parts)
            code, seed = rest.pop("code"), rest.pop("seed")
            facts = fit(cache.work, made, {"training": cache.key, "code": code, "seed": seed})
            settings = {name: rest.pop(name) for name in cfg}
            card = run_card(
                cfg=settings, digests=rest, code=code, seed=seed, threads=threads, **facts
            )
            write_json(made / CARD, card)
            with cache.store() as result:
                for path in made.iterdir():
                    shutil.copy2(path, result / path.name)
        else:
            log.info("this training has been done before (key %s): it is delivered", cache.key)
        cache.deliver(dict(outputs))
    return cache.key


def pretrained_parts(weights: str | None) -> dict[str, str]:
    """Return what a key holds of encoder weights: their digest, for it follows content, not names.

    Args:
        weights: A file, or None or a name (`imagenet`, `torchgeo:...`), which have no digest.

    Raises:
        InputError: When the file cannot be read.
    """
    if not is_weights_file(weights):
        return {}
    return {"weights": f"sha256:{sha(read_bytes(str(weights)))}"}
