"""One seed for all generators, so that a training is a function of its inputs."""

from __future__ import annotations

import os
import random

import numpy as np
import torch


def derived_seed(*parts: int) -> int:
    """Return a 63-bit seed that depends on every part (and on their order).

    Args:
        parts: Non-negative integers, such as the configuration's seed and the epoch.
    """
    words = np.random.SeedSequence(list(parts)).generate_state(2, np.uint32)
    return (int(words[0]) << 31) ^ int(words[1])


def seed_all(*parts: int) -> None:
    """Seed Python, NumPy's legacy generator and torch (all devices) from `parts`.

    Called with (seed, epoch) at the start of each epoch, what follows in the epoch does not depend
    on whether the epochs before ran in this process.
    """
    seed = derived_seed(*parts)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # libraries draw from it
    torch.manual_seed(seed)


def deterministic(device: torch.device) -> None:
    """Let torch use deterministic algorithms only.

    On a GPU an operation that has none warns and runs: a missing kernel must not end a training.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=device.type != "cpu")
    torch.backends.cudnn.benchmark = False
