"""The fingerprint changes with behaviour, and with nothing else."""

import json
import os
import sys
import textwrap

import pytest

from nadir.provenance import code
from nadir.provenance.code import ParsedFiles, code_fingerprint, code_modules

FILES = {
    "nadir/__init__.py": '"""The package."""\n',
    "nadir/cli/__init__.py": "",
    "nadir/cli/train.py": """
        from nadir.learn.loop import fit

        def run():
            from nadir.late import helper  # only when asked
            return fit(helper)
        """,
    "nadir/cli/draw.py": """
        from typing import TYPE_CHECKING

        if TYPE_CHECKING:
            from nadir.learn.loop import fit

        def run(): return 1
        """,
    "nadir/learn/__init__.py": "SCALE = 1\n",
    "nadir/learn/loop.py": '''
        """Training."""
        import math
        from . import steps
        from .steps import step

        RATE = 1e-3
        """How fast."""

        def fit(x):
            """Fit."""
            return step(math.pi * RATE, x)  # one step

        class Empty(Exception):
            pass
        ''',
    "nadir/learn/steps.py": "def step(a, b):\n    return a\n",
    "nadir/late.py": "def helper():\n    return 2\n",
    "nadir/unrelated.py": "X = 1\n",
}


@pytest.fixture
def package(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip())
    return tmp_path


def edit(package, name, old, new):
    path = package / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new) + "\n" * 3)  # another size, also if quick


def test_imports_are_followed_also_inside_functions(package):
    assert set(code_modules("nadir.cli.train", package)) == {
        "nadir",
        "nadir.cli",
        "nadir.cli.train",
        "nadir.learn",
        "nadir.learn.loop",
        "nadir.learn.steps",
        "nadir.late",
    }


def test_imports_for_types_only_are_not(package):
    assert set(code_modules("nadir.cli.draw", package)) == {"nadir", "nadir.cli", "nadir.cli.draw"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("nadir/learn/loop.py", "# one step", "# a whole step"),
        ("nadir/learn/loop.py", '"""Fit."""', '"""Fit a model.\n\n    Slowly.\n    """'),
        ("nadir/learn/loop.py", '"""Fit."""', ""),
        ("nadir/learn/loop.py", '"""Training."""', '"""Training, as such."""'),
        ("nadir/learn/loop.py", '"""How fast."""', '"""How fast it goes."""'),
        ("nadir/learn/loop.py", "    pass", '    """Nothing there."""'),
        ("nadir/learn/loop.py", "math.pi * RATE, x", "math.pi*RATE,\n        x,"),
        ("nadir/unrelated.py", "1", "2"),
    ],
)
def test_same_behaviour_same_fingerprint(package, name, old, new):
    before = code_fingerprint("nadir.cli.train", package)
    edit(package, name, old, new)
    assert code_fingerprint("nadir.cli.train", package) == before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("nadir/cli/train.py", "fit(helper)", "fit(None)"),
        ("nadir/learn/loop.py", "RATE = 1e-3", "RATE = 2e-3"),
        ("nadir/learn/steps.py", "return a", "return b"),
        ("nadir/late.py", "return 2", "return 3"),
        ("nadir/learn/__init__.py", "SCALE = 1", "SCALE = 2"),
    ],
)
def test_other_behaviour_other_fingerprint(package, name, old, new):
    before = {verb: code_fingerprint(f"nadir.cli.{verb}", package) for verb in ("train", "draw")}
    edit(package, name, old, new)
    assert code_fingerprint("nadir.cli.train", package) != before["train"]
    assert code_fingerprint("nadir.cli.draw", package) == before["draw"]


def test_unknown_module(package):
    with pytest.raises(ModuleNotFoundError, match=r"nadir\.cli\.trian"):
        code_fingerprint("nadir.cli.trian", package)


def test_real_package_has_a_stable_fingerprint():
    first = code_fingerprint("nadir.cli.main")
    assert first == code_fingerprint("nadir.cli.main")
    assert len(first) == 16 and int(first, 16) >= 0


def test_what_was_parsed_is_kept(package, tmp_path, monkeypatch):
    kept = tmp_path / "work" / ".snakemake" / "code.json"
    first = ParsedFiles(kept)
    before = code_fingerprint("nadir.cli.train", package, first)
    assert not kept.exists()
    first.keep()
    assert before == code_fingerprint("nadir.cli.train", package)

    with monkeypatch.context() as patch:
        patch.setattr(code, "_parse", lambda *_: pytest.fail("it was parsed again"))
        again = ParsedFiles(kept)
        assert code_fingerprint("nadir.cli.train", package, again) == before
        stamp = kept.stat().st_mtime_ns
        again.keep()
        assert kept.stat().st_mtime_ns == stamp  # nothing new, nothing written


def test_what_was_kept_never_hides_an_edit(package, tmp_path):
    kept = tmp_path / "code.json"
    first = ParsedFiles(kept)
    before = code_fingerprint("nadir.cli.train", package, first)
    first.keep()
    steps = package / "nadir/learn/steps.py"
    stat = steps.stat()
    steps.write_text(steps.read_text().replace("return a", "return b"))
    os.utime(steps, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # same size, same time
    second = ParsedFiles(kept)
    assert code_fingerprint("nadir.cli.train", package, second) != before
    second.keep()
    assert len(json.loads(kept.read_text())["files"]) == 7  # the old one does not stay


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        '{"python": 1}',
        '{"python": "PYTHON"}',
        '{"python": "PYTHON", "files": 3}',
    ],
)
def test_a_torn_file_or_one_of_another_python_is_parsed_again(package, tmp_path, text):
    kept = tmp_path / "code.json"
    kept.write_text(text.replace("PYTHON", json.dumps(sys.version)[1:-1]))
    parsed = ParsedFiles(kept)
    expected = code_fingerprint("nadir.cli.train", package)
    assert code_fingerprint("nadir.cli.train", package, parsed) == expected
    parsed.keep()
    assert json.loads(kept.read_text())["python"] == sys.version


def test_a_folder_that_cannot_be_written_only_costs_time(package, tmp_path):
    (tmp_path / "file").write_text("")
    parsed = ParsedFiles(tmp_path / "file" / "code.json")
    assert code_fingerprint("nadir.cli.train", package, parsed)
    parsed.keep()
