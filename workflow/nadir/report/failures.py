"""What went wrong in a run of the graph: the failed jobs, and each one's own last words."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

_FAILED = re.compile(r"^\s+log: (.+) \(check log file\(s\) for error details\)$", re.M)
_ERROR = re.compile(r"^nadir: error: .*(?:\n  - .*)*", re.M)
_ENDED = "it ended without a message: killed, or out of memory or time"


def describe_failures(logs: Iterable[str | os.PathLike[str]]) -> str:
    """Return one paragraph a failed job: its log, and the error line that the log ends with.

    Args:
        logs: Snakemake's own logs of the run; job logs are named in them, relative to the working
            directory.

    Returns:
        The text; empty when no job failed (the run ended for another reason).
    """
    found = [name for log in logs for name in _FAILED.findall(_read(log))]
    failed = list(dict.fromkeys(found))  # a job that was tried again fails twice
    if not failed:
        return ""
    head = f"\n{len(failed)} job{'s' if len(failed) > 1 else ''} failed:"
    return "\n".join([head, *(f"\n{name}\n  {_last_words(name)}" for name in failed), ""])


def _read(log: str | os.PathLike[str]) -> str:
    """Return a log's text, empty where there is none."""
    try:
        return Path(log).read_text(errors="replace")
    except OSError:
        return ""


def _last_words(log: str) -> str:
    """Return the error at the end of a job's log."""
    text = _read(log)
    errors = _ERROR.findall(text)
    if errors:
        return errors[-1].removeprefix("nadir: ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # A log begins with its command: beyond it lies what the command, or Python, had to say.
    return lines[-1] if len(lines) > 1 and "Traceback" in text else _ENDED
