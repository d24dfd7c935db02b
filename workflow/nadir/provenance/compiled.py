"""Compiled kernels that never outlive the code that they were compiled from.

Numba keeps compiled functions on disk and compiles again when their own file changed; it does not
look at functions that they call from other modules. After an update of the package it would so go
on running old code, and give old results under new fingerprints. The cache therefore lies in a
folder named by the digest of all modules that hold kernels.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

from nadir.provenance.digest import sha

VARIABLE = "NUMBA_CACHE_DIR"
_PACKAGE = Path(__file__).resolve().parents[1]
_PREFIX = "numba-"
_KEEP = 14 * 24 * 3600.0  # seconds after which the folder of other code may go


def separate_compiled_code(package: Path = _PACKAGE) -> None:
    """Tell Numba where to keep what it compiles from this very code; call before it is imported.

    A folder that the user named is left alone.

    Args:
        package: Folder of the package's modules.
    """
    if os.environ.get(VARIABLE):
        return
    sources = [path.read_bytes() for path in sorted(package.rglob("*.py"))]
    digest = sha(b"\0".join(text for text in sources if b"njit" in text))
    home = package / "__pycache__"
    if not os.access(home if home.is_dir() else package, os.W_OK):
        home = Path(tempfile.gettempdir()) / f"nadir-{os.getuid()}"  # an installed package
    folder = home / f"{_PREFIX}{digest[:16]}"
    os.environ[VARIABLE] = str(folder)
    if not folder.is_dir():
        _forget_others(home)


def _forget_others(home: Path) -> None:
    """Remove what was compiled from other code and not used for long."""
    for other in home.glob(f"{_PREFIX}*"):
        try:
            if time.time() - other.stat().st_mtime > _KEEP:
                shutil.rmtree(other, ignore_errors=True)
        except OSError:
            continue  # another process was faster
