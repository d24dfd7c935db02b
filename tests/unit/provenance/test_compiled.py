"""Compiled kernels follow the code that they were compiled from."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nadir.provenance import compiled

LEAF = "from numba import njit\n\n\n@njit(cache=True)\ndef leaf(x):\n    return x + {}\n"
ROOT = """from kernels.leaf import leaf
from numba import njit


@njit(cache=True)
def root(x):
    return leaf(x)
"""
PROGRAM = """import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from nadir.provenance.compiled import separate_compiled_code
if sys.argv[2] == "1":
    separate_compiled_code(Path(sys.argv[1]) / "kernels")
from kernels.root import root
print(root(1))
"""


@pytest.fixture
def package(tmp_path):
    """A package of two modules, a kernel calling one of the other."""
    folder = tmp_path / "kernels"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "root.py").write_text(ROOT)
    (folder / "leaf.py").write_text(LEAF.format(1))
    return folder


def run(package, separate):
    env = {k: v for k, v in os.environ.items() if k != compiled.VARIABLE}
    env["PYTHONPATH"] = str(Path(compiled.__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(package.parent), str(int(separate))],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_kernel_follows_what_it_calls_in_other_modules(package):
    assert run(package, True) == "2"
    (package / "leaf.py").write_text(LEAF.format(10))
    assert run(package, True) == "11"


def test_a_folder_of_the_user_is_left_alone(package, monkeypatch, tmp_path):
    monkeypatch.setenv(compiled.VARIABLE, str(tmp_path / "mine"))
    compiled.separate_compiled_code(package)
    assert os.environ[compiled.VARIABLE] == str(tmp_path / "mine")


def test_what_holds_no_kernel_does_not_count(package, monkeypatch):
    folders = []
    for text in ("", "x = 1\n"):
        (package / "plain.py").write_text(text)
        monkeypatch.delenv(compiled.VARIABLE, raising=False)
        compiled.separate_compiled_code(package)
        folders.append(os.environ[compiled.VARIABLE])
    assert folders[0] == folders[1]


def test_old_folders_of_other_code_go(package, monkeypatch):
    old = package / "__pycache__" / "numba-0123"
    new = package / "__pycache__" / "numba-4567"
    for folder, age in ((old, 30), (new, 1)):
        folder.mkdir(parents=True)
        when = folder.stat().st_mtime - age * 24 * 3600
        os.utime(folder, (when, when))
    monkeypatch.delenv(compiled.VARIABLE, raising=False)
    compiled.separate_compiled_code(package)
    assert not old.exists() and new.exists()
