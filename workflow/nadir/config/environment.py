"""What the Snakefile hands to its jobs beside their parameters: the environment.

Where the work is done (interpreter, device, Dask scheduler, place of the stores) is no part of what
is made. It travels in the environment, which Snakemake does not compare, so that nothing is rebuilt
when it changes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from nadir.config.document import ComputeConfig


def prepare_environment(package: Path, compute: ComputeConfig) -> None:
    """Set the variables that commands read.

    Args:
        package: Folder that holds the package; not there when nadir is installed.
        compute: Where the work is done.
    """
    if package.is_dir():
        _put_first("PYTHONPATH", package)
    # `python` in a rule is the one that runs Snakemake, also when its environment is not activated.
    _put_first("PATH", Path(sys.executable).parent)
    # Threads that spin while they wait for each other take the cores from the very threads they
    # wait for: where anything else runs, a training step took ten times as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ["NADIR_DEVICE"] = compute.device
    os.environ["NADIR_SCHEDULER"] = compute.scheduler or ""
    os.environ["NADIR_STORAGE"] = compute.storage or ""
    os.environ["NADIR_PROCESSES"] = str(compute.processes)
    os.environ["NADIR_NODES"] = str(compute.nodes)
    os.environ["NADIR_OUT_OF_MEMORY"] = compute.out_of_memory


def _put_first(variable: str, folder: Path) -> None:
    """Put a folder at the head of a variable that lists folders."""
    rest = [part for part in os.environ.get(variable, "").split(os.pathsep) if part]
    os.environ[variable] = os.pathsep.join(dict.fromkeys([str(folder), *rest]))
