"""The failed jobs of a run, each with its own last words."""

from __future__ import annotations

from pathlib import Path

import pytest

from nadir.report.failures import describe_failures


@pytest.fixture
def run_log(tmp_path, monkeypatch):
    """Return a function that writes job logs and the log of the run in which they failed."""
    monkeypatch.chdir(tmp_path)

    def write(logs: dict[str, str | None], times: int = 1) -> Path:
        text = "Error in rule train_model:\n    log: {} (check log file(s) for error details)\n"
        for name, content in logs.items():
            if content is not None:
                Path(name).write_text(content)
        path = tmp_path / "run.log"
        path.write_text("".join(text.format(name) for name in logs) * times)
        return path

    return write


def test_each_failed_job_once_with_its_error(run_log):
    told = describe_failures(
        [
            run_log(
                {
                    "a.log": "$ python\nINFO x\nnadir: error: a.tif: truncated. Fetch.\n",
                    "b.log": "nadir: error: there are 2 problems:\n  - a: b\n  - c: d\nend\n",
                    "c.log": "$ python\nTraceback (most recent ...):\n  File x\nKeyError: 'y'\n",
                    "d.log": "$ python -m nadir train-model\nINFO epoch 1/9\n",
                    "e.log": None,
                },
                times=2,
            )
        ]
    )
    ended = "it ended without a message: killed, or out of memory or time"
    assert told == (
        "\n5 jobs failed:\n"
        "\na.log\n  error: a.tif: truncated. Fetch."
        "\n\nb.log\n  error: there are 2 problems:\n  - a: b\n  - c: d"
        "\n\nc.log\n  KeyError: 'y'"
        f"\n\nd.log\n  {ended}"
        f"\n\ne.log\n  {ended}\n"
    )


def test_nothing_is_said_where_no_job_failed(run_log, tmp_path):
    assert describe_failures([run_log({})]) == ""
    assert describe_failures([tmp_path / "absent"]) == ""
