"""Processes that train one network together: what they tell each other.

The loss of a batch is computed from the parts that all processes hold, so that it is the very loss
that one process would compute: masks that differ, terms that compare whole batches, and negatives
from all of a batch included. Every process computes it from the same numbers; `gathered` and
`summed` multiply what flows back by the number of processes, and `average_gradients` takes the mean
of all, which leaves the sum of the parts. For a process that is alone everything here is the
identity.

Gradients are averaged once before each step of the optimizer, from one buffer, and not by
`DistributedDataParallel`: batches whose gradients are only gathered cost nothing so, parameters
without a gradient do no harm, and Lightning, which takes each process for alone, waits for no
other in its handling of signals. The price is that sending does not overlap the backward pass.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from nadir.errors import NadirError
from nadir.learn.group import Group

log = logging.getLogger(__name__)

TIMEOUT = timedelta(minutes=10)
"""How long a process waits for the others within a training before it gives up."""
_LOOK = timedelta(seconds=20)  # between two looks at what the first process says

_store: dict[str, dist.Store] = {}


class LostProcessError(NadirError):
    """Another process of the training has ended, or answers no more."""


@contextmanager
def joined(group: Group) -> Iterator[None]:
    """Join the other processes of a training while the block runs.

    Tensors on GPUs go by NCCL, all others by gloo. Only the first process tells how it goes.

    Raises:
        LostProcessError: When another process ends before the block does.
    """
    if group.size == 1:
        yield
        return
    if not group.leads:
        logging.getLogger("nadir").setLevel(logging.WARNING)
        # What the GPUs of other machines took counts, too.
        logging.getLogger("nadir.learn.gpu_meter").setLevel(logging.INFO)
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    with _together(group):
        store = _meeting_place(group)
        _store["nadir"] = dist.PrefixStore("nadir", store)
        dist.init_process_group(
            backend,
            store=dist.PrefixStore("group", store),
            rank=group.rank,
            world_size=group.size,
            timeout=TIMEOUT,
        )
    try:
        yield
        with _together(group):
            dist.barrier()  # who leaves first would be missed by who is still writing
    finally:
        dist.destroy_process_group()
        _store.clear()


def _meeting_place(group: Group) -> dist.Store:
    """Return the store that torchrun serves, or serve it where nobody does."""
    served = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    return dist.TCPStore(
        os.environ.get("MASTER_ADDR", "127.0.0.1"),
        int(os.environ.get("MASTER_PORT", "29500")),
        group.size,
        is_master=group.leads and not served,
        timeout=TIMEOUT,
        wait_for_workers=False,
    )


def tell(name: str, value: str) -> None:
    """Tell the other processes something, once."""
    _store["nadir"].set(name, value)


def told(group: Group, name: str) -> str:
    """Return what another process tells, however long it takes, as long as it is there."""
    with _together(group):
        while True:
            try:
                _store["nadir"].wait([name], _LOOK)
            except dist.DistNetworkError:
                raise
            except dist.DistStoreError:
                continue  # not yet
            return _store["nadir"].get(name).decode()


@contextmanager
def _together(group: Group) -> Iterator[None]:
    """Say what has happened when another process is gone."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise  # this process's own trouble
    except RuntimeError as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise LostProcessError(
            f"process {group.rank + 1} of {group.size}: another process of this training has ended "
            f"or answers no more ({reason}). Look for its message above; run the same command "
            "again: the training goes on after its last finished epoch."
        ) from error


class _Gathered(torch.autograd.Function):
    """Parts of all processes along the first axis."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, group: Group, counts: list[int]) -> Tensor:
        ctx.group, ctx.start, ctx.count = group, sum(counts[: group.rank]), len(part)
        room = part.new_zeros((max(counts), *part.shape[1:]))
        room[: len(part)] = part
        rooms = [torch.empty_like(room) for _ in counts]
        with _together(group):
            dist.all_gather(rooms, room)
        return torch.cat([one[:count] for one, count in zip(rooms, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        own = gradients[0][ctx.start : ctx.start + ctx.count]
        return own * ctx.group.size, None, None


class _Summed(torch.autograd.Function):
    """The sum over all processes."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, group: Group) -> Tensor:
        ctx.group = group
        return _total(group, part)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.group.size, None


class SummedBothWays(torch.autograd.Function):
    """The sum over all processes, where each of them makes something else of it."""

    @staticmethod
    def forward(ctx: Any, part: Tensor, group: Group) -> Tensor:
        """Return the sum."""
        ctx.group = group
        return _total(group, part)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Return the sum of what flows back in all processes."""
        return _total(ctx.group, gradients[0]), None


def _total(group: Group, part: Tensor) -> Tensor:
    total = part.detach().clone(memory_format=torch.contiguous_format)
    with _together(group):
        dist.all_reduce(total)
    return total


def gathered(group: Group, part: Tensor, axis: int = 0) -> Tensor:
    """Return the parts of all processes, in order of rank; parts may differ in length.

    What is made of it must be the same in all processes.

    Args:
        group: The processes.
        part: This process's own.
        axis: Along which they are joined.
    """
    if group.size == 1:
        return part
    counts = torch.zeros(group.size, dtype=torch.int64)
    counts[group.rank] = part.shape[axis]
    joined_parts = _Gathered.apply(part.movedim(axis, 0), group, _total(group, counts).tolist())
    return joined_parts.movedim(0, axis)


def summed(group: Group, part: Tensor) -> Tensor:
    """Return the sum over all processes; what is made of it must be the same in all of them."""
    return part if group.size == 1 else _Summed.apply(part, group)


def summed_counts(group: Group, counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sum of counts over all processes."""
    return counts if group.size == 1 else _total(group, torch.from_numpy(counts)).numpy()


def agreed(group: Group, values: dict[str, float]) -> dict[str, float]:
    """Return the first process's values; names are the same in all processes."""
    if group.size == 1:
        return values
    row = torch.tensor(list(values.values()), dtype=torch.float64)
    with _together(group):
        dist.broadcast(row, 0)
    return dict(zip(values, row.tolist(), strict=True))


def total_seconds(group: Group, seconds: float) -> float:
    """Return the sum of seconds over all processes."""
    return seconds if group.size == 1 else float(_total(group, torch.tensor(seconds).double()))


def handed_out(group: Group, content: bytes | None) -> bytes | None:
    """Return the first process's bytes, or None where it has none.

    Args:
        group: The processes.
        content: The first process's; what others give does not count.
    """
    if group.size == 1:
        return content
    length = torch.tensor(-1 if content is None else len(content))
    with _together(group):
        dist.broadcast(length, 0)
        if length < 0:
            return None
        data = torch.empty(int(length), dtype=torch.uint8)
        if group.leads and content:
            data = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        dist.broadcast(data, 0)
    return data.numpy().tobytes()


@torch.no_grad()
def average_gradients(group: Group, parameters: Iterable[torch.nn.Parameter]) -> None:
    """Give all processes the mean of their gradients."""
    if group.size == 1:
        return
    gradients = [one.grad for one in parameters if one.grad is not None]
    flat = torch.cat([one.reshape(-1) for one in gradients])
    with _together(group):
        dist.all_reduce(flat)
    flat /= group.size
    parts = flat.split([one.numel() for one in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))
