"""A bench on which tests run the real graph and read which jobs ran."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "rules", "workflow", "envs", "config.yaml")


class Bench:
    """A folder with a copy of the workflow, its own configuration and raw files.

    Args:
        folder: Where to put it.
        config: The configuration to run instead of the default one.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        self.folder = folder
        for part in PARTS:
            source = REPOSITORY / part
            if source.is_dir():
                shutil.copytree(
                    source,
                    folder / part,
                    ignore=shutil.ignore_patterns("results", ".snakemake"),
                )
            else:
                shutil.copy(source, folder / part)
        self.config = config
        self.write_config()

    def write_config(self) -> None:
        """Write `config.yaml` from `self.config`."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config, sort_keys=False))

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace text in a file of the workflow's copy; the text must be there."""
        file = self.folder / path
        text = file.read_text()
        assert old in text, f"{path} does not hold {old!r}"
        file.write_text(text.replace(old, new, 1))

    def snakemake(
        self, *arguments: str, check: bool = True, **options: Any
    ) -> subprocess.CompletedProcess[str]:
        """Run Snakemake here and return the finished process."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            **{"timeout": 900, **options},
        )
        if check and done.returncode:
            output = done.stdout[-3000:] + done.stderr[-6000:]
            raise AssertionError(f"snakemake failed:\n{output}\n{self.logs_tail()}")
        return done

    def command(self, *arguments: str) -> list[str]:
        """Return the words that run Snakemake here."""
        return [sys.executable, "-m", "snakemake", "--cores", "2", "--rerun-incomplete", *arguments]

    def environment(self) -> dict[str, str]:
        """Return the environment of a run: this workflow's package, not the repository's."""
        return {**os.environ, "PYTHONPATH": str(self.folder / "workflow"), "OMP_NUM_THREADS": "2"}

    def run(self, *arguments: str) -> set[str]:
        """Run Snakemake and return the jobs that ran, as `rule:key` (key as in the log's name)."""
        start = time.time()
        self.snakemake(*arguments)
        return self.jobs_since(start)

    def jobs_since(self, start: float) -> set[str]:
        """Return the jobs whose logs were written after `start`."""
        logs = (self.folder / "results" / "logs").glob("*/*.log")
        return {
            f"{log.parent.name}:{log.stem}" for log in logs if log.stat().st_mtime >= start - 0.01
        }

    def log(self, job: str) -> str:
        """Return the log of a job named as `run` names it."""
        rule, _, key = job.partition(":")
        return (self.folder / "results" / "logs" / rule / f"{key}.log").read_text()

    def logs_tail(self) -> str:
        """Return the ends of the newest logs, for a failure's message."""
        logs = sorted(
            (self.folder / "results" / "logs").glob("*/*.log"), key=lambda log: log.stat().st_mtime
        )
        return "\n".join(f"--- {log}\n{log.read_text()[-1500:]}" for log in logs[-3:])
