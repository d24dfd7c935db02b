"""Trainings kept by key: done before, they are delivered; killed, they go on; else they are run.

Nothing here imports torch.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nadir.config.encoders import is_weights_file
from nadir.learn.card import run_card
from nadir.learn.devices import check_device
from nadir.learn.session import Session
from nadir.provenance.atomic import write_json
from nadir.provenance.cache import ResultCache
from nadir.provenance.digest import sha
from nadir.provenance.files import read_bytes

log = logging.getLogger(__name__)

CARD = "card.json"

FitInto = Callable[[Session], dict[str, Any]]
"""How and where -> facts for the run card; writes the result into the session's folder."""


@dataclass(frozen=True)
class TrainingRun:
    """What every training is told beside its data and its settings.

    Attributes:
        cache_root: Folder of kept trainings, such as `results/.cache/train`.
        code: Fingerprint of the code.
        seed: Seed of the configuration.
        device: `auto`, `cpu` or `cuda`.
        threads: CPU threads.
    """

    cache_root: Path
    code: str
    seed: int = 0
    device: str = "auto"
    threads: int = 2


def keep_training(
    fit: FitInto,
    run: TrainingRun,
    parts: dict[str, Any],
    outputs: Mapping[str, str | os.PathLike[str]],
    *,
    cfg: tuple[str, ...],
) -> str:
    """Train, or deliver what an equal training gave before.

    Args:
        fit: Trains.
        run: Where it is kept, of which code and seed, and what computes it.
        parts: All else that the result depends on.
        outputs: File of the result -> where to put it; `card.json` is written here.
        cfg: Which parts are settings (the rest are digests), for the run card.

    Returns:
        The key.

    Raises:
        InputError: As `fit` does, or for a device that is not there.
        OutputError: When the disk is full or not writable.
    """
    cache = ResultCache(run.cache_root, parts | {"code": run.code, "seed": run.seed})
    with cache.lock():
        if cache.result is None:
            check_device(run.device)
            made = cache.work / "made"
            shutil.rmtree(made, ignore_errors=True)
            made.mkdir()
            keys = {"training": cache.key, "code": run.code, "seed": run.seed}
            facts = fit(Session(cache.work, made, run.seed, run.device, run.threads, keys))
            card = run_card(
                cfg={name: parts[name] for name in cfg},
                digests={name: part for name, part in parts.items() if name not in cfg},
                code=run.code,
                seed=run.seed,
                threads=run.threads,
                **facts,
            )
            write_json(made / CARD, card)
            with cache.store() as result:
                shutil.copytree(made, result, dirs_exist_ok=True)
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
