"""Batches for segmentation: a pure function of (seed, epoch, index), wherever the data live."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from nadir.config.training import Extra
from nadir.learn.group import ALONE, Group
from nadir.segmentation.normalize import Statistics
from nadir.segmentation.patches import Scene, Shot, Window
from nadir.segmentation.sources import (
    Prepared,
    ResidentSource,
    Source,
    StoredSource,
    bounding_boxes,
)
from nadir.tiles.augment import Look
from nadir.tiles.disturb import Disturbance, Mix
from nadir.tiles.sampling import SamplePlan

log = logging.getLogger(__name__)

_COARSEST = 32  # the coarsest stride of an encoder
_SHARE_GPU, _SHARE_HOST = 0.5, 0.5


class TileBatches:
    """The batches of an epoch; iterate, then `set_epoch`, then iterate again.

    Args:
        source: Where patches come from.
        windows: The tiles that plans number.
        plan: Epoch -> what it shows, in order; its length must not change.
        batch_size: Tiles a batch.
        side: Pixels of a side to which random crops are resampled; needed where plans have any.
        look: (epoch, position in its plan) -> radiometric jitter; None for none.
        disturbance: The same for what befalls a sample.
        mix: The same for what is pasted on it of the next one of its batch.
        group: The processes that train together: of each batch, this one's share is shown.
    """

    def __init__(
        self,
        source: Source,
        windows: Sequence[Window],
        plan: Callable[[int], SamplePlan],
        batch_size: int,
        side: int | None = None,
        look: Callable[[int, int], Look] | None = None,
        disturbance: Callable[[int, int], Disturbance] | None = None,
        mix: Callable[[int, int], Mix | None] | None = None,
        group: Group = ALONE,
    ) -> None:
        self.group = group
        self.side = side
        self.look = look
        self.disturbance = disturbance
        self.mix = mix
        self.source = source
        self.windows = windows
        self.plan = plan
        self.batch_size = batch_size
        self.epoch = 0
        self._sizes = np.array([window.size for window in windows], np.int64)
        first = plan(0)
        self.samples = len(first)
        self._length = len(self._groups(first))

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration shows."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Prepared]:
        # A generator looks at the epoch when the first batch is asked for, which is when the loop
        # has announced it.
        plan = self.plan(self.epoch)
        batches = self._groups(plan)
        if self.group.size == 1:
            groups = [[self._shot(plan, at) for at in positions] for positions in batches]
            yield from self.source.batches(groups)
            return
        shares = [self.group.share(len(positions)) for positions in batches]
        groups = [
            [self._shot(plan, at) for at in self._own(positions, share)]
            for positions, share in zip(batches, shares, strict=True)
        ]
        for share, shown in zip(shares, self.source.batches(groups), strict=True):
            yield tuple(part[: share.stop - share.start] for part in shown)

    def _own(self, positions: list[int], share: slice) -> list[int]:
        """Return what this process shows of a batch, and what it prepares beside it.

        That is the sample after its own, where parts of that are pasted on the last of its own; and
        one sample of which nothing is shown, where it has none.
        """
        own = positions[share]
        if not own:
            return positions[:1]
        return own if self.mix is None else [*own, positions[share.stop % len(positions)]]

    def _groups(self, plan: SamplePlan) -> list[list[int]]:
        """Return the positions of each batch; crops are all of one size once they are shown."""
        sizes = self._sizes[plan.tile]
        if plan.crop is not None:
            sizes = np.full(len(plan), self.side, np.int64)
        return group_by_size(sizes, self.batch_size)

    def _shot(self, plan: SamplePlan, at: int) -> Shot:
        """Return how one sample is shown."""
        window, side = self.windows[plan.tile[at]], None
        if plan.crop is not None:
            y, x, size = (int(value) for value in plan.crop[at])
            window, side = Window(window.scene, y, x, size), self.side
        look = None if self.look is None else self.look(self.epoch, at)
        disturbance = None if self.disturbance is None else self.disturbance(self.epoch, at)
        mix = None if self.mix is None else self.mix(self.epoch, at)
        angle = 0.0 if plan.angle is None else float(plan.angle[at])
        return Shot(window, int(plan.symmetry[at]), side, look, angle, disturbance, mix)


def group_by_size(sizes: np.ndarray, batch_size: int) -> list[list[int]]:
    """Return positions in batches of tiles of one size, in the order in which batches fill up.

    A last single tile joins the batch before it, since batch norm learns little from one tile. It
    cannot learn at all from one whose coarsest features are a single pixel: such a tile is shown
    twice.

    Args:
        sizes: Side of each sample's tile, in the plan's order.
        batch_size: Samples a batch.
    """
    groups: list[list[int]] = []
    open_: dict[int, list[int]] = {}
    last_full: dict[int, list[int]] = {}
    for position, size in enumerate(sizes.tolist()):
        group = open_.setdefault(size, [])
        group.append(position)
        if len(group) == batch_size:
            groups.append(group)
            last_full[size] = open_.pop(size)
    for size, group in open_.items():
        if len(group) == 1 and size in last_full and batch_size > 1:
            last_full[size].extend(group)
        else:
            groups.append(group)
    return [
        group * 2 if len(group) == 1 and sizes[group[0]] <= _COARSEST else group for group in groups
    ]


def choose_source(
    scenes: Sequence[Scene],
    windows: Sequence[Window],
    statistics: Statistics,
    device: torch.device,
    threads: int = 2,
    memory: int | None = None,
    outlines: int | None = None,
    extras: Sequence[Extra] = (),
    classes: int = 0,
    beside: int = 1,
) -> Source:
    """Return the fastest source that fits: on the GPU, in host memory, or read from the stores.

    Args:
        scenes: The scenes, in the order of the windows' numbers.
        windows: Every tile of training and validation.
        statistics: Of the training tiles.
        device: Where batches are computed.
        threads: Reading threads.
        memory: Bytes that the data may take; by default half of what is free on the GPU, or else
            on the host.
        outlines: Id of the class whose outlines are asked for; None for no outlines.
        extras: What else batches hold, as for `Source`.
        classes: Number of classes, needed where the shares of classes are asked for.
        beside: Processes of this machine that hold the data, each for itself.
    """
    dates, bands = statistics.mean.shape
    shares = classes + 1 if "shares" in extras else 0
    needed = resident_bytes(windows, dates, bands, outlines is not None, shares)
    on_gpu = memory
    if device.type == "cuda" and memory is None:
        on_gpu = int(torch.cuda.mem_get_info(device)[0] * _SHARE_GPU)
    on_host = int(free_memory() * _SHARE_HOST) // beside if memory is None else memory
    source: Source
    if device.type == "cuda" and on_gpu is not None and needed <= on_gpu:
        source = ResidentSource(
            scenes, windows, statistics, device, device, threads, outlines, extras
        )
    elif needed <= on_host:
        host = torch.device("cpu")
        source = ResidentSource(
            scenes, windows, statistics, device, host, threads, outlines, extras
        )
    else:
        source = StoredSource(scenes, windows, statistics, device, threads, outlines, extras)
    log.info("training data: %.1f MB, %s", needed / 1e6, source.name)
    return source


def resident_bytes(
    windows: Sequence[Window], dates: int, bands: int, outlines: bool = False, shares: int = 0
) -> int:
    """Return the bytes of the ground that the tiles cover, held as raw integers."""
    a_pixel = dates * (2 * bands + 1) + 1 + outlines + shares
    return sum(height * width * a_pixel for _, _, height, width in bounding_boxes(windows).values())


def free_memory() -> int:
    """Return the bytes of memory that this process may still take, control group included."""
    free = 2**62
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text())
        free = int(found[1]) * 1024 if found else free
        group = Path("/sys/fs/cgroup")
        limit = (group / "memory.max").read_text().strip()
        if limit != "max":
            free = min(free, int(limit) - int((group / "memory.current").read_text()))
    except (OSError, ValueError):
        pass  # not Linux, or no control group: what was found stands
    return max(0, free) if free < 2**62 else 4 * 2**30
