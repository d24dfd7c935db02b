"""A GPU whose memory is too small for a batch: what would fit, and the batch in parts instead.

In parts, a network sees some samples after the other, and keeps no more than their outputs; the
loss is still that of the whole batch, and each part is computed once more when gradients flow back
(Chen et al. 2016, "Training deep nets with sublinear memory cost"; for contrastive losses Gao et
al. 2021). Losses and gradients are those of the whole batch, but for batch normalization, which
sees a part, and for dropout, which draws other units.
"""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from nadir.errors import InputError
from nadir.provenance.atomic import write_json

log = logging.getLogger(__name__)

PARTS = "parts.json"
_SPARE = 0.95  # of the room, since memory is handed out in blocks


class Memory(Protocol):
    """The memory of a device."""

    def reset(self) -> None:
        """Free what is not needed, and forget the peak."""

    def allocated(self) -> int:
        """Return the bytes in use."""

    def peak(self) -> int:
        """Return the most bytes in use since the last reset."""

    def room(self) -> int:
        """Return the bytes that this process can have in all."""


class GpuMemory:
    """The memory of a GPU, as torch counts it.

    Args:
        device: The GPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def reset(self) -> None:
        """Free what is not needed, and forget the peak."""
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)

    def allocated(self) -> int:
        """Return the bytes in use."""
        return torch.cuda.memory_allocated(self.device)

    def peak(self) -> int:
        """Return the most bytes in use since the last reset."""
        return torch.cuda.max_memory_allocated(self.device)

    def room(self) -> int:
        """Return the bytes in use, and those that nobody uses."""
        free, _ = torch.cuda.mem_get_info(self.device)
        return free + torch.cuda.memory_reserved(self.device)


@dataclass(frozen=True)
class Room:
    """What fits into memory.

    Attributes:
        measured: Samples that were tried, and fit; 0 when not even one did.
        likely: Samples that fit if each takes as much as those.
    """

    measured: int
    likely: int


def room_for(step: Callable[[int], None], samples: int, memory: Memory, network: nn.Module) -> Room:
    """Measure how many samples of a batch that was too large fit into memory.

    Args:
        step: Computes the loss of so many samples, and its gradients.
        samples: Samples of the batch.
        memory: The memory.
        network: The network; its gradients and what an optimizer keeps of them count as well.
    """
    count = samples // 2
    while count:
        network.zero_grad(set_to_none=True)
        memory.reset()
        before = memory.allocated()
        if _fits(step, count):
            each = max(1.0, (memory.peak() - before) / count)
            network.zero_grad(set_to_none=True)
            weights = [one for one in network.parameters() if one.requires_grad]
            kept = 2 * sum(one.numel() * one.element_size() for one in weights)
            likely = int(_SPARE * (memory.room() - before - kept) / each)
            return Room(count, max(count, min(likely, samples - 1)))
        count //= 2
    return Room(0, 0)


def _fits(step: Callable[[int], None], count: int) -> bool:
    """Tell whether a step has room; what an error holds is freed on return."""
    try:
        step(count)
    except torch.OutOfMemoryError:
        return False
    return True


def too_large(
    samples: int, room: Room | None, label: str, split: bool | None, key: str
) -> InputError:
    """Return what to say of a batch that does not fit.

    Args:
        samples: Samples of the batch; 0 when that is not known.
        room: What fits; None when that was not measured.
        label: Name of the device.
        split: Whether batches are already to be computed in parts; None where they cannot be.
        key: The setting of the size of a batch.
    """
    whole = f"a batch of {samples} samples" if samples else "a batch"
    problem = f"{whole} needs more memory than this {label} has free"
    size = "a smaller value"
    if room is not None and room.measured:
        size = str(room.likely)
        likely = f", and {room.likely} should" if room.likely > room.measured else ""
        problem += f"; {room.measured} were tried and fit{likely}"
    elif room is not None:
        return InputError(
            key,
            f"{problem}, and so does a single sample",
            "Choose a smaller network or crop, or a GPU with more memory.",
        )
    remedy = f"Set {key} to {size}"
    if split is False:
        remedy += ", or compute.out_of_memory to split, which computes the same batch in parts"
    return InputError(key, problem, remedy + ".")


def in_parts(
    compute: Callable[[Tensor], Tensor], inputs: Tensor, parts: int, network: nn.Module, axis: int
) -> Tensor:
    """Return what is computed of a batch, part by part, so that no more than one is in memory.

    Args:
        compute: Inputs -> outputs, whose samples lie along the same axis.
        inputs: The batch.
        parts: How many parts; equal in all processes that train together.
        network: What computes: its running statistics take in each part once.
        axis: Of the samples.
    """
    if parts == 1 or not torch.is_grad_enabled():
        return compute(inputs)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(network)

    made = [
        checkpoint(compute, part, use_reentrant=False, context_fn=contexts)
        for part in inputs.tensor_split(parts, dim=axis)
    ]
    return torch.cat(made, dim=axis)


@contextmanager
def _statistics_kept(network: nn.Module) -> Iterator[None]:
    """Let batch normalization leave its running statistics as they are."""
    layers = [one for one in network.modules() if isinstance(one, _BatchNorm)]
    before = [
        (one.momentum, None if one.num_batches_tracked is None else one.num_batches_tracked.clone())
        for one in layers
    ]
    for one in layers:
        one.momentum = 0.0
    try:
        yield
    finally:
        for one, (momentum, count) in zip(layers, before, strict=True):
            one.momentum = momentum
            if one.num_batches_tracked is not None and count is not None:
                one.num_batches_tracked.copy_(count)


def parts_of(work: Path) -> int:
    """Return in how many parts a training computes its batches, as a run before has found out."""
    try:
        return max(1, int(json.loads((work / PARTS).read_text())["parts"]))
    except (OSError, ValueError, KeyError, TypeError):
        return 1


def remember_parts(work: Path, parts: int) -> None:
    """Keep in how many parts batches are computed, for runs that come after this one."""
    write_json(work / PARTS, {"parts": parts})
