"""Disks that fill up at any write, files that may not grow, folders that may not be written."""

from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import Commands, files
from malformed_files import ROOT
from struck import fill_at

from nadir.cli.main import main

pytestmark = pytest.mark.slow

PRODUCTS = {
    "check-images": "images.json",
    "build-cube": "cube.manifest.json",
    "split-tiles": "split.parquet",
    "predict-map": "map.tif",
    "pack-submission": "submission.zip",
}
NOBODY = 65534


def one_error(text: str) -> str:
    """Return the one line that says what is wrong."""
    assert "Traceback" not in text, text[-3000:]
    errors = [line for line in text.splitlines() if line.startswith("nadir: error: ")]
    assert len(errors) == 1, text[-3000:]
    return errors[0]


@pytest.mark.parametrize("verb", [*PRODUCTS, "train-model"])
def test_a_disk_that_is_full_from_some_write_on(made: Commands, tmp_path: Path, verb: str) -> None:
    """From the first, the second, ... until the command gets through; each time as if new."""
    product = PRODUCTS.get(verb, "model/model.safetensors")
    for number in range(1, 400):
        out, log = tmp_path / "results", tmp_path / "log"
        code = fill_at(number, out, made.words(verb, out), log)
        written = Commands(made.raw, out).path(product)
        if code == 0:
            break
        error = one_error(log.read_text())
        assert code == 2 and "the disk is full" in error and str(out) in error
        assert not written.exists()
        assert not [path for path in files(out) if ".partial" in path.name]
        shutil.rmtree(out, ignore_errors=True)
    assert number > 3, "the disk was never full"
    assert written.read_bytes() == made.path(product).read_bytes()


@pytest.mark.parametrize("verb", PRODUCTS)
def test_a_file_that_may_not_grow(made: Commands, tmp_path: Path, verb: str) -> None:
    """As under `ulimit -f`: every writer, libraries of C included, meets the limit."""
    out = tmp_path / "results"
    code = "import resource, sys; from nadir.cli.main import main; "
    code += "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *made.words(verb, out)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    error = one_error(done.stderr)
    assert done.returncode == 2 and str(out) in error
    assert not Commands(made.raw, out).path(PRODUCTS[verb]).exists()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 100


@pytest.mark.parametrize("verb", ["build-cube", "split-tiles", "pack-submission"])
def test_files_that_may_not_be_changed(
    made: Commands, tmp_path: Path, verb: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    """A file system that refuses a rename at the end, as one that was mounted anew read-only."""

    def refused(name: str) -> Callable[..., None]:
        def refuse(source: Any, target: Any, *given: Any, **named: Any) -> None:
            raise OSError(30, os.strerror(30), str(source), None, str(target))

        return refuse

    out = tmp_path / "results"
    monkeypatch.setattr("os.replace", refused("replace"))
    assert main(made.words(verb, out)) == 2
    error = one_error(capsys.readouterr().err)
    assert "the file system is read-only" in error and ".partial" not in error
    assert not Commands(made.raw, out).path(PRODUCTS[verb]).exists()


_READ_ONLY = """
import json, subprocess, sys
from pathlib import Path
from nadir.cli.main import main

disk = Path(sys.argv[1])
subprocess.run(["mount", "--bind", str(disk), str(disk)], check=True)
subprocess.run(["mount", "-o", "remount,ro,bind", str(disk)], check=True)
for words in json.loads(sys.argv[2]):
    print(words[0], main(words), sep=",", flush=True)
"""


def test_a_folder_of_results_that_is_mounted_read_only(made: Commands, tmp_path: Path) -> None:
    alone = ["unshare", "--map-root-user", "--mount"]
    disk = tmp_path / "results"
    shutil.copytree(made.out, disk)
    shutil.rmtree(disk / ".cache", ignore_errors=True)
    try:
        subprocess.run(
            [*alone, "mount", "-t", "tmpfs", "none", str(disk)], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system lets no user mount a disk of their own")
    before = {path: path.read_bytes() for path in files(disk)}
    verbs = [*PRODUCTS, "train-model"]
    words = [made.words(verb, disk) for verb in verbs]
    done = subprocess.run(
        [*alone, sys.executable, "-c", _READ_ONLY, str(disk), json.dumps(words)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=False,
    )
    rows = [line.split(",") for line in done.stdout.splitlines()]
    assert rows == [[verb, "2"] for verb in verbs], done.stderr[-3000:]
    errors = [line for line in done.stderr.splitlines() if line.startswith("nadir: error: ")]
    assert len(errors) == len(rows) and "Traceback" not in done.stderr
    assert all("the file system is read-only" in line for line in errors)
    assert {path: path.read_bytes() for path in files(disk)} == before


_AS_NOBODY = """
import json, os, sys
from nadir.cli.main import main

os.setgroups([])
os.setgid(65534)
os.setuid(65534)
for words in json.loads(sys.argv[1]):
    print(words[0], main(words), sep=",", flush=True)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_folder_of_results_that_belongs_to_another_user(tmp_path: Path) -> None:
    """What may not be written is told; with permission, a dead user's lease hinders nobody."""
    for folder in (tmp_path, *tmp_path.parents):  # pytest's own are closed to others
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o055)
    at = Commands(tmp_path / "raw", tmp_path / "results").write().run("check-images")
    words = [at.words("check-images"), at.words("build-cube")]
    whole = [sys.executable, "-c", _AS_NOBODY, json.dumps(words)]
    options: dict[str, Any] = {
        "env": {**os.environ, "PYTHONPATH": str(ROOT / "workflow"), "HOME": str(tmp_path)},
        "capture_output": True,
        "text": True,
        "check": False,
    }
    # The other user's interpreter may lie where nobody else may look.
    try:
        reach = subprocess.run([*whole[:2], "import nadir.cli.main"], user=NOBODY, **options)
    except PermissionError:
        reach = None
    if reach is None or reach.returncode:
        pytest.skip("another user cannot start Python here")
    done = subprocess.run(whole, **options)
    assert done.stdout.split() == ["check-images,2", "build-cube,2"], done.stderr[-3000:]
    errors = re.findall(r"^nadir: error: (.*)", done.stderr, re.M)
    assert len(errors) == 2 and all("writing is not permitted" in line for line in errors)
    for folder in (at.out, *at.out.rglob("*")):
        if folder.is_dir():
            folder.chmod(0o777)
    done = subprocess.run(whole, **options)
    assert done.stdout.split() == ["check-images,0", "build-cube,0"], done.stderr[-3000:]
