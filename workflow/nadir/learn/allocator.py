"""Memory of networks on a CPU: what an operation frees, the next one takes again."""

from __future__ import annotations

import ctypes
import logging
import sys

log = logging.getLogger(__name__)

# Numbers of mallopt(3), glibc's malloc.h.
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3

_MAPPED = 256 << 20
"""Bytes from which on a block is mapped by itself, and returned at once when it is freed."""

_KEPT = 512 << 20
"""Bytes of free memory that stay with the process."""


def keep_freed_memory() -> bool:
    """Let glibc keep memory that networks free, instead of returning it to the system.

    Activations of a network are blocks of megabytes, which glibc maps anew for every operation; the
    system then clears each page before its first use. On two cores that was a sixth of the time of
    a small U-Net. What stays with the process is bounded, and no array that is larger than most
    activations is kept.

    Returns:
        Whether it was done: only glibc knows these settings; elsewhere nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        log.debug("this system's C library has no mallopt: memory is freed as it does by itself")
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _MAPPED) and mallopt(_TRIM_THRESHOLD, _KEPT))
