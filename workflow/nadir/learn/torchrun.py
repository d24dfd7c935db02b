"""`python -m nadir.learn.torchrun`: torchrun, which says in one line what has gone wrong.

Its own report is a traceback of itself.
"""

from __future__ import annotations

import signal
import sys

from torch.distributed import run
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError


def main(arguments: list[str]) -> int:
    """Run torchrun with its own arguments.

    Returns:
        The exit code: 0, 1 when a process has failed, 143 when asked to end.
    """
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
