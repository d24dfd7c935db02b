"""What benchmarks of recipes share: equal training time, through the whole graph."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nadir.config.recipes import merge
from nadir.provenance.atomic import write_text

ROOT = Path(__file__).resolve().parents[1]

_COMMON = ("judge", "closing")  # what all experiments of a job share


@dataclass(frozen=True)
class Comparison:
    """Recipes side by side on one dataset.

    Attributes:
        job: `landcover`, `buildings` or `groundview`.
        file: Configuration that has the dataset (and the world that it may be of).
        dataset: Its name.
        experiments: Recipe -> an experiment's section, without its dataset.
        seconds: Computing seconds of each training, as `max_seconds` counts them.
        seeds: Seeds of each recipe.
        changes: Values over those of the dataset.
        variants: Name -> values over those of the dataset, for datasets beside it.
        on: Recipe -> the variant that it learns from; by default the dataset itself.
        beside: Name -> section of further experiments on the dataset, as they are: ensembles.
        draw: Seed of all that is drawn beside trainings, the split above all; by default the
            file's.
    """

    job: str
    file: str
    dataset: str
    experiments: dict[str, dict[str, Any]]
    seconds: float
    seeds: Sequence[int]
    changes: dict[str, Any] = field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    on: dict[str, str] = field(default_factory=dict)
    beside: dict[str, dict[str, Any]] = field(default_factory=dict)
    draw: int | None = None

    def dataset_of(self, recipe: str) -> str:
        """Return the dataset that a recipe learns from."""
        variant = self.on.get(recipe)
        return self.dataset if variant is None else f"{self.dataset}_{variant}"

    def folder_of(self, folder: Path, name: str, recipe: str = "") -> Path:
        """Return where the graph puts what it makes of an experiment."""
        return folder / "results" / self.job / self.dataset_of(recipe) / name

    def names(self) -> list[tuple[str, int, str]]:
        """Return recipe, seed and name of each experiment."""
        return [(r, seed, f"{r}_{seed}") for r in self.experiments for seed in self.seeds]

    def configuration(self) -> dict[str, Any]:
        """Return a configuration with one experiment a recipe and seed."""
        given = yaml.safe_load((ROOT / self.file).read_text(encoding="utf-8"))
        dataset = merge(given[self.job]["datasets"][self.dataset], self.changes)
        split = dataset.get("split", {})
        if "file" in split:
            split["file"] = str(ROOT / split["file"])
        datasets = {self.dataset: dataset}
        for variant, changes in self.variants.items():
            datasets[f"{self.dataset}_{variant}"] = merge(dataset, changes)
        section: dict[str, Any] = {"datasets": datasets, "experiments": {}}
        section |= {key: given[self.job][key] for key in _COMMON if key in given[self.job]}
        for recipe, seed, name in self.names():
            own = self.experiments[recipe]
            train = {**own.get("train", {}), "seed": seed}
            if own.get("recipe") != "random_forest":
                train |= {"epochs": 10_000, "max_seconds": self.seconds}
            on = [self.dataset_of(recipe)]
            section["experiments"][name] = {**own, "datasets": on, "train": train}
        for name, own in self.beside.items():
            section["experiments"][name] = {**own, "datasets": [self.dataset]}
        worlds = {"worlds": given["worlds"]} if "worlds" in given else {}
        seed = given.get("seed", 0) if self.draw is None else self.draw
        return {"seed": seed, **worlds, self.job: section}

    def run(self, folder: Path, products: Sequence[str], cores: str) -> int:
        """Make products of all experiments through the graph; return its status."""
        made = Path()
        folders = [self.folder_of(made, name, recipe) for recipe, _, name in self.names()]
        folders += [self.folder_of(made, name) for name in self.beside]
        return self.make(folder, [str(path / end) for path in folders for end in products], cores)

    def make(self, folder: Path, targets: Sequence[str], cores: str) -> int:
        """Make some files through the graph; return its status."""
        folder.mkdir(parents=True, exist_ok=True)
        write_text(folder / "config.yaml", yaml.safe_dump(self.configuration()))
        command = [
            *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
            *("--directory", str(folder), "--configfile", str(folder / "config.yaml")),
        ]
        path = os.pathsep.join(filter(None, [str(ROOT / "workflow"), os.environ.get("PYTHONPATH")]))
        environment = {**os.environ, "PYTHONPATH": path}
        if any((folder / ".snakemake/locks").glob("*")):  # of a benchmark that was stopped
            subprocess.run([*command, "--unlock"], env=environment, check=True)
        targets = ["--cores", cores, "--rerun-incomplete", "--", *targets]
        return subprocess.run([*command, *targets], env=environment).returncode

    def rows(
        self, folder: Path, scores: Callable[[Path], dict[str, float]]
    ) -> list[dict[str, Any]]:
        """Return a row an experiment: what its training took, and its scores."""
        rows = []
        for recipe, seed, name in self.names():
            made = self.folder_of(folder, name, recipe)
            card = json.loads((made / "model" / "card.json").read_text(encoding="utf-8"))
            spent = {
                "computing_seconds": card["result"].get("computing_seconds", card["seconds"]),
                "epochs": card["result"].get("epochs", 0),
                "parameters": card["result"].get("parameters", 0),
            }
            rows.append({"recipe": recipe, "seed": seed, **spent, **scores(made)})
        return rows


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def table(rows: list[dict[str, Any]], figures: Sequence[str]) -> str:
    """Return a Markdown table: mean and standard deviation over seeds."""
    head = ["recipe", "seconds", *figures]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for recipe in dict.fromkeys(row["recipe"] for row in rows):
        mine = [row for row in rows if row["recipe"] == recipe]
        cells = [f"{np.mean([row['computing_seconds'] for row in mine]):.0f}"]
        cells += [_cell([row[name] for row in mine]) for name in figures]
        lines.append(f"| {recipe} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: Sequence[float | None]) -> str:
    """Return mean and standard deviation of those there are, and how many where some are not."""
    there = [value for value in values if value is not None]
    if not there:
        return "none"
    spread = f" ± {np.std(there, ddof=1):.3f}" if len(there) > 1 else ""
    lacking = f" ({len(there)} of {len(values)})" if len(there) < len(values) else ""
    return f"{np.mean(there):.3f}{spread}{lacking}"
