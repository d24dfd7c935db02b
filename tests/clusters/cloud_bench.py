"""Benches whose jobs are submitted to clouds that are not there, by the profiles that users get."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from bench import REPOSITORY, Bench
from plugins_here import plugins_folder

EXECUTOR = "snakemake_executor_plugin_kubernetes"
BUCKET = "my-bucket"
"""The bucket that the profiles name."""

REGION = "eu-west-1"
KEYS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
STORAGE_KEYS = {
    "SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "testing",
    "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "testing",
}
CONFIG: dict[str, Any] = {
    "worlds": {"w": {"width_km": 0.64, "height_km": 0.64}},
    "landcover": {
        "datasets": {
            "d": {
                "classes": "catalonia",
                "scenes": {"s": {"world": "w"}},
                "tiles": {"sizes": [64]},
                "split": {"method": "random"},
            }
        },
        "experiments": {
            "u": {"datasets": ["d"], "recipe": "unet_scratch"},
            "v": {"datasets": ["d"], "recipe": "unet_scratch"},
            "f": {"datasets": ["d"], "recipe": "random_forest"},
        },
    },
}
"""Two networks and a forest on one scene, all of which could be trained at once."""

TRAININGS = [f"results/landcover/d/{name}/model/card.json" for name in "uvf"]


def clouds_folder() -> Path | None:
    """Return the folder that holds Snakemake's plugins for clouds, or None."""
    return plugins_folder(EXECUTOR, "clouds")


def check_trainings(shell: str, words: str) -> None:
    """See that a job's command is one that a shell reads, and trains all that it should."""
    assert subprocess.run([shell, "-n", "-c", words]).returncode == 0
    for name in "uv":
        assert f"train_model:job=landcover,dataset=d,experiment={name}" in words
    assert "fit_forest:job=landcover,dataset=d,experiment=f" in words


class CloudBench(Bench):
    """A bench that submits its jobs by one of the profiles.

    Args:
        folder: Where to put it.
        profile: The profile's name.
        variables: What the environment of a run holds beside this one's.
        options: What is asked for beside the profile, such as where the cloud is.
    """

    def __init__(
        self, folder: Path, profile: str, variables: dict[str, str], *options: str
    ) -> None:
        self.profile = f"profiles/{profile}"
        shutil.copytree(REPOSITORY / self.profile, folder / self.profile)
        super().__init__(folder, CONFIG)
        self.variables, self.options = variables, options

    def command(self, *arguments: str) -> list[str]:
        """Return the words that run Snakemake here."""
        profile = ["--workflow-profile", self.profile, *self.options]
        return [sys.executable, "-m", "snakemake", *arguments, *profile]

    def environment(self) -> dict[str, str]:
        """Return the environment of a run: this workflow's package and the plugins."""
        path = os.pathsep.join([str(self.folder / "workflow"), str(clouds_folder())])
        return {**os.environ, "PYTHONPATH": path, **self.variables}
