"""Trainings kept by key: done before, they are delivered; killed, they go on; else they are run.

Nothing here imports torch.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from nadir.config.encoders import is_weights_file
from nadir.errors import InputError
from nadir.learn.card import run_card
from nadir.learn.devices import check_device
from nadir.learn.group import Group
from nadir.learn.session import OutOfMemory, Session
from nadir.provenance.atomic import write_json
from nadir.provenance.cache import ResultCache
from nadir.provenance.digest import sha
from nadir.provenance.files import read_bytes

log = logging.getLogger(__name__)

CARD = "card.json"

_TRAINS, _DELIVERS = "train", "deliver"

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
        out_of_memory: What to do when a batch does not fit into memory.
    """

    cache_root: Path
    code: str
    seed: int = 0
    device: str = "auto"
    threads: int = 2
    out_of_memory: OutOfMemory = "stop"


def keep_training(
    fit: FitInto,
    run: TrainingRun,
    parts: dict[str, Any],
    outputs: Mapping[str, str | os.PathLike[str]],
    *,
    cfg: tuple[str, ...],
    parallel: bool = False,
) -> str:
    """Train, or deliver what an equal training gave before.

    Args:
        fit: Trains.
        run: Where it is kept, of which code and seed, and what computes it.
        parts: All else that the result depends on.
        outputs: File of the result -> where to put it; `card.json` is written here.
        cfg: Which parts are settings (the rest are digests), for the run card.
        parallel: Whether several processes can train it together. Their number is no part of the
            key; the first one writes, the others only compute.

    Returns:
        The key.

    Raises:
        InputError: As `fit` does, or for a device that is not there, or for several processes
            where one trains alone.
        OutputError: When the disk is full or not writable.
    """
    group = Group.of_environment()
    cache = ResultCache(run.cache_root, parts | {"code": run.code, "seed": run.seed})
    keys = {"training": cache.key, "code": run.code, "seed": run.seed}

    def fit_into(folder: Path) -> dict[str, Any]:
        threads = max(1, run.threads // group.local_size)
        told = (run.seed, run.device, threads, keys, group, run.out_of_memory)
        return fit(Session(cache.work, folder, *told))

    if group.size > 1 and not parallel:
        raise InputError(
            "torchrun", "this is trained by one process alone", "Start it without torchrun."
        )
    with _joined(group) as (tell, told):
        if not group.leads:
            if told(cache.key) == _TRAINS:
                with tempfile.TemporaryDirectory(prefix="nadir-train-") as folder:
                    fit_into(Path(folder))  # what the first process makes as well is thrown away
            return cache.key
        with cache.lock():
            if cache.result is None:
                check_device(run.device)
                tell(cache.key, _TRAINS)
                made = cache.work / "made"
                shutil.rmtree(made, ignore_errors=True)
                made.mkdir()
                facts = fit_into(made)
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
                tell(cache.key, _DELIVERS)
            cache.deliver(dict(outputs))
    return cache.key


@contextmanager
def _joined(group: Group) -> Iterator[tuple[Callable[[str, str], None], Callable[[str], str]]]:
    """Join the processes that train together; yield what tells them something, and what listens.

    The first process may wait long for others that make the same result, or find it made: it says
    what there is to do before anything is computed.
    """
    if group.size == 1:
        yield lambda name, value: None, lambda name: ""
        return
    from nadir.learn import distributed

    with distributed.joined(group):
        yield distributed.tell, partial(distributed.told, group)


def pretrained_parts(weights: str | Sequence[str | None] | None) -> dict[str, Any]:
    """Return what a key holds of encoder weights: their digest, for it follows content, not names.

    Args:
        weights: A file, or None or a name (`imagenet`, `torchgeo:...`), which have no digest; or
            one of them for each encoder.

    Raises:
        InputError: When a file cannot be read.
    """
    if weights is None or isinstance(weights, str):
        return {"weights": _digest_of(str(weights))} if is_weights_file(weights) else {}
    return {"weights": [_digest_of(str(one)) if is_weights_file(one) else one for one in weights]}


def _digest_of(file: str) -> str:
    return f"sha256:{sha(read_bytes(file))}"
