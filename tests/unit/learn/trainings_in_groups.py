"""Small trainings of land cover and of retrieval, by one process or by several.

As a script: one process of a group, which trains what a folder asks for.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "segmentation"))
from segmentation_fakes import make_data  # noqa: E402

from nadir.config.experiments import (  # noqa: E402
    AugmentConfig,
    LossConfig,
    OptimizerConfig,
    TrainConfig,
    UNetScratch,
)
from nadir.config.retrieval_experiments import RetrievalTrain, SharedEncoder  # noqa: E402
from nadir.learn import keeper  # noqa: E402
from nadir.learn.distributed import joined  # noqa: E402
from nadir.learn.group import Group  # noqa: E402
from nadir.learn.session import Session  # noqa: E402
from nadir.retrieval.fitting import fit_retrieval  # noqa: E402
from nadir.retrieval.layouts import flat_layout  # noqa: E402
from nadir.retrieval.listing import hold_out, image_table  # noqa: E402
from nadir.retrieval.places import write_images  # noqa: E402
from nadir.retrieval.training import retrieval_data  # noqa: E402
from nadir.segmentation.fitting import fit_network  # noqa: E402
from nadir.segmentation.train import MapSession  # noqa: E402

JOBS = ("landcover", "retrieval")
EPOCHS, LEFT = 3, 2
"""Epochs in all, and after how many of them a copy of the state is put aside."""

VIEWS = ("drone", "satellite")
SLOW = OptimizerConfig(learning_rate=1e-4)
# 13 samples in batches of 5: shares differ, and so do labelled pixels; batch norm; two batches a
# step; terms that compare whole batches; samples that are mixed across the border of shares.
LANDCOVER = TrainConfig(
    epochs=EPOCHS,
    batch_size=5,
    optimizer=SLOW,
    precision="32",
    augment=AugmentConfig(
        dihedral="random", crops=13, scale=1.3, jitter=0.1, mix="cutmix", mix_chance=0.5
    ),
    loss=LossConfig(terms={"cross_entropy": 1.0, "dice": 0.5, "lovasz": 0.2}),
    ema=0.9,
    accumulate=2,
    clip=1.0,
)
ADDING_UP = LANDCOVER.model_copy(update={"loss": LossConfig()})
RETRIEVAL = RetrievalTrain(
    epochs=EPOCHS,
    batch_size=5,
    optimizer=SLOW,
    precision="32",
    hard_negatives=0.4,
    hard_from=1,
    neighbors=4,
    ema=0.9,
    losses={"terms": {"infonce": 1.0, "instance": 0.5, "triplet": 0.5}},
    monitor="validation_recall",
)
NETWORK = SharedEncoder(width=4, dimensions=8, size=32, statistics=True, dropout=0.0)


def make_images(folder: Path) -> None:
    """Write pictures of places of one color each, and their table."""
    for place in range(20):
        color = np.random.default_rng([1, place]).integers(30, 226, 3)
        for number, view in enumerate(VIEWS):
            noise = np.random.default_rng([2, place, number]).normal(0, 20, (32, 32, 3))
            path = folder / view / f"{place:02d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), np.clip(color + noise, 0, 255).astype(np.uint8))
    listed = hold_out(flat_layout(folder, test=0.25), 0.2, 0)
    write_images(folder / "images.parquet", image_table(listed, folder, 1))


def train(job: str, images: Path, folder: Path, group: Group = Group()) -> None:  # noqa: B008
    """Train in `folder/work`, into `folder/made`, or a folder of its own for who only follows."""
    made = folder / ("made" if group.leads else f"thrown-away-{group.rank}")
    for path in (folder / "work", made):
        path.mkdir(parents=True, exist_ok=True)
    session = Session(folder / "work", made, seed=5, device="cpu", group=group)
    if job == "retrieval":
        data = retrieval_data(images / "images.parquet", VIEWS, False, RETRIEVAL)
        fit_retrieval(data, NETWORK, RETRIEVAL, session)
    else:
        cfg = ADDING_UP if job == "adding up" else LANDCOVER
        fit_network(make_data(), UNetScratch(width=4, depth=2), cfg, MapSession(**vars(session)))


def put_aside(monkey: object = None) -> None:
    """Let every training leave a copy of its work, `left`, as it is after some epochs."""
    save = keeper.Keeper._save

    def saving(self: keeper.Keeper, *args: object) -> None:
        save(self, *args)
        if self.group.leads and self.progress.epochs == LEFT:
            shutil.copytree(self.work, self.work.parent / "left", dirs_exist_ok=True)

    if monkey is None:
        keeper.Keeper._save = saving  # type: ignore[method-assign]
    else:
        monkey.setattr(keeper.Keeper, "_save", saving)  # type: ignore[attr-defined]


def start(folder: Path, size: int, *asked: str) -> list[subprocess.Popen[str]]:
    """Start the processes of a group that train what is asked for."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "GROUP_RANK": 0, "MASTER_PORT": port}
    return [
        subprocess.Popen(
            [sys.executable, __file__, str(folder), *asked],
            env=os.environ
            | {name: str(value) for name, value in common.items()}
            | {"RANK": str(rank), "LOCAL_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]


def dying(rank: int) -> None:
    """Let this process be killed in the last epoch if it is the one of that rank."""
    judge = keeper.Keeper._judge

    def judging(self: keeper.Keeper, *args: object) -> None:
        judge(self, *args)  # type: ignore[arg-type]
        if self.group.rank == rank and self.progress.epochs == LEFT:
            os.kill(os.getpid(), signal.SIGKILL)

    keeper.Keeper._judge = judging  # type: ignore[method-assign]


def main(folder: Path, asked: list[str]) -> None:
    """Train, as one of a group, what is asked for: JOB/NAME of a folder, or a rank that dies."""
    group = Group.of_environment()
    put_aside()
    with joined(group):
        for one in asked:
            if one.startswith("dies="):
                dying(int(one.removeprefix("dies=")))
            else:
                train(one.split("/")[0], folder / "images", folder / one, group)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
