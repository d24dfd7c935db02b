"""Times of files that a clock which was set back, or another machine's, has put into the future.

Snakemake compares times of files, and ends a job whose output is older than one of its inputs: no
job could be run on what was made before the clock was set back, until that time has come again.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from pathlib import Path

log = logging.getLogger(__name__)

_NO_PRODUCTS = {".cache", "logs", "benchmarks", "tensorboard"}


def is_of_the_future(path: str | os.PathLike[str]) -> bool:
    """Whether a file is there and was, by this machine's clock, changed later than now."""
    try:
        return os.stat(path).st_mtime > time.time()
    except OSError:
        return False


def end_the_future(folder: str | os.PathLike[str]) -> int:
    """Set the times of products that lie in the future to now, all to the same moment.

    No product gets older than what it was made of: that is of the past, or gets the same time.

    Args:
        folder: The folder of results; it need not be there. Stores are passed over, since only
            their manifests have a time that counts.

    Returns:
        How many files these were. Those of another user stay as they are.
    """
    now, changed = time.time_ns(), 0
    for place, folders, names in os.walk(folder):
        folders[:] = [
            name for name in folders if name not in _NO_PRODUCTS and not name.endswith(".zarr")
        ]
        for name in names:
            path = Path(place, name)
            with suppress(OSError):
                if path.lstat().st_mtime_ns > now:
                    os.utime(path, ns=(now, now), follow_symlinks=False)
                    changed += 1
    if changed:
        log.warning(
            "%s: %d files were of the future: their times are now this moment. Was the clock set "
            "back?",
            folder,
            changed,
        )
    return changed
