"""The card of a run: what was trained on what, by which code, where, and for how long."""

from __future__ import annotations

import platform
import sys
from importlib import metadata
from typing import Any

PACKAGES = (
    "torch",
    "lightning",
    "segmentation-models-pytorch",
    "timm",
    "numpy",
    "scikit-learn",
    "numba",
    "zarr",
)
"""Packages whose versions a card states."""


def run_card(
    *,
    cfg: dict[str, Any],
    digests: dict[str, Any],
    code: str,
    seed: int,
    device: str,
    threads: int,
    seconds: float,
    result: dict[str, Any],
) -> dict[str, Any]:
    """Return the card of a finished run, ready for JSON.

    Args:
        cfg: The configuration that was in force, defaults filled in.
        digests: Name of each input -> digest.
        code: Fingerprint of the code.
        seed: The seed.
        device: Name of the device.
        threads: CPU threads.
        seconds: Wall time over all sessions of the run.
        result: What came out: epochs, best epoch, best value, number of parameters, ...
    """
    return {
        "configuration": cfg,
        "inputs": digests,
        "code": code,
        "seed": seed,
        "device": device,
        "threads": threads,
        "seconds": round(seconds, 3),
        "result": result,
        "platform": platform.platform(),
        "python": sys.version.split()[0],
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the installed versions of `PACKAGES` (without those that are not installed)."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
