import importlib
import subprocess
import sys

import pytest

from nadir.provenance.unneeded import unneeded


@pytest.fixture
def module(tmp_path, monkeypatch):
    (tmp_path / "seldom_used.py").write_text("value = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "seldom_used"
    sys.modules.pop("seldom_used", None)


def test_it_cannot_be_imported_meanwhile(module):
    with unneeded(module), pytest.raises(ModuleNotFoundError):
        importlib.import_module(module)
    assert importlib.import_module(module).value == 7


def test_it_can_be_imported_after_an_error(module):
    with pytest.raises(KeyError), unneeded(module):
        raise KeyError
    assert importlib.import_module(module).value == 7


def test_what_is_there_already_stays(module):
    found = importlib.import_module(module)
    with unneeded(module):
        assert importlib.import_module(module) is found
    assert sys.modules[module] is found


def test_commands_do_without_boto3():
    code = "import sys; from nadir.cli.main import main; main(['check-scene', '--help'])\n"
    asked = [sys.executable, "-c", code]
    seen = "print('rasterio' in sys.modules, 'boto3' in sys.modules, file=sys.stderr)"
    asked[-1] = f"import sys, atexit\natexit.register(lambda: {seen})\n{code}"
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert done.stderr.split() == ["True", "False"]
