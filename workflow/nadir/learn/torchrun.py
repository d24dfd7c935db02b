"""`python -m nadir.learn.torchrun`: torchrun, which says in one line what has gone wrong.

Its own report is a traceback of itself. It also ends, and all that it has started, with the
command that started it, also where that is killed.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

from nadir.provenance.lease import STARTED

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(arguments: list[str]) -> int:
    """Run torchrun with its own arguments.

    Returns:
        The exit code: 0, 1 when a process has failed, 143 when asked to end.
    """
    _end_with_the_starter()
    try:
        run.main(arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        code = failure.exitcode
        how = f"with status {code}" if code >= 0 else f"by {signal.Signals(-code).name}"
        sys.stderr.write(
            f"nadir: the process of rank {rank} (pid {failure.pid}) ended {how} before all others\n"
        )
        return 1
    except SignalException as error:
        return 128 + int(error.sigval)
    return 0


def _end_with_the_starter() -> None:
    """Have the kernel ask this process to end when the command that started it has ended."""
    starter = os.environ.get(STARTED)
    if starter == str(os.getppid()):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if starter != str(os.getppid()):  # it ended meanwhile
            os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
