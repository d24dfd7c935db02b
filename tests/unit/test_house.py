"""The house's own rules, read from the source: floors, start-up costs, locks, what is committed."""

import ast
import functools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "workflow" / "nadir"
FLOORS = {
    "cli": 6,  # the one adapter stands on all else
    "service": 5,
    "report": 5,
    "segmentation": 4,
    "localization": 4,
    "retrieval": 4,
    "groundview": 4,
    "upkeep": 4,
    "learn": 3,
    "tiles": 2,
    "raster": 1,
    "simulate": 1,
    "fetch": 1,
    "config": 0,
    "errors": 0,
    "provenance": 0,
}
"""Part of the package -> floor, as in docs/design.md."""
JOBS = {"segmentation", "localization", "retrieval", "groundview"}
TORCH = {"torch", "torchvision", "lightning", "pytorch_lightning", "torchmetrics", "timm"} | {
    "segmentation_models_pytorch"
}
LIGHT = ("config", "errors", "provenance", "raster", "simulate", "fetch", "tiles")
"""Parts that must not import torch, not even through others."""
LINUX = {
    "python_version": "3.11",
    "python_full_version": "3.11.9",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "os_name": "posix",
}


def modules():
    """Return every module of the package: dotted name -> file."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def is_type_checking(node):
    test = node.test if isinstance(node, ast.If) else None
    return getattr(test, "id", getattr(test, "attr", "")) == "TYPE_CHECKING"


@functools.cache
def imports_of(name, lazy=True, types=False):
    """Return what a module imports: full names, of modules or of things in them.

    Args:
        name: The module.
        lazy: Count imports inside functions as well.
        types: Count what only the type checker sees.
    """
    path = MODULES[name]
    found = set()
    todo = [ast.parse(path.read_text(encoding="utf-8"))]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = name.split(".")[: None if path.stem == "__init__" else -1]
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join([*parts, base] if base else parts)
            found.add(base)
            found.update(f"{base}.{alias.name}" for alias in node.names)
        elif is_type_checking(node) and not types:
            todo.extend(node.orelse)
        elif lazy or not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            todo.extend(ast.iter_child_nodes(node))
    return found


@functools.cache
def inner_imports(name, lazy=True, types=False):
    """Return the modules of the package that a module imports."""
    return {other for other in imports_of(name, lazy, types) if other in MODULES and other != name}


@functools.cache
def closure(name, lazy=False):
    """Return all modules of the package that run when `name` is imported, itself included."""
    seen, todo = set(), [name]
    while todo:
        module = todo.pop()
        if module in seen:
            continue
        seen.add(module)
        todo.extend(inner_imports(module, lazy))
        if "." in module:
            todo.append(module.rpartition(".")[0])
    return seen


def part_of(name):
    return name.split(".")[1] if "." in name else ""


def tracked(*patterns):
    """Return the committed files that match, or all files outside caches where there is no git."""
    done = subprocess.run(
        ["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    paths = [ROOT / os.fsdecode(name) for name in done.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


@pytest.mark.parametrize("name", MODULES)
def test_imports_only_lower_floors(name):
    part = part_of(name)
    if not part:
        assert inner_imports(name) <= {"nadir", "nadir.cli", "nadir.cli.main"}
        return
    if name == "nadir.__main__":
        return
    assert part in FLOORS, f"{name}: on which floor is {part}?"
    for other in inner_imports(name):
        above = part_of(other)
        if above and above != part:
            lower = FLOORS[above] < FLOORS[part] or FLOORS[part] == 0
            assert lower, f"{name} imports {other}"
            assert not {part, above} <= JOBS, f"{name} imports {other}: jobs share through learn"


@pytest.mark.parametrize(
    "name", [name for name, path in MODULES.items() if path.stem == "__init__"]
)
def test_init_holds_a_docstring_only(name):
    body = ast.parse(MODULES[name].read_text()).body
    rest = body[1:] if ast.get_docstring(ast.parse(MODULES[name].read_text())) else body
    version = [node for node in rest if ast.unparse(node).startswith("__version__ = ")]
    assert len(body) - len(rest) == 1, "no docstring"
    assert rest == (version if name == "nadir" else [])


@pytest.mark.parametrize("name", [name for name in MODULES if part_of(name) in LIGHT])
def test_light_parts_do_not_import_torch(name):
    for module in closure(name, lazy=True):
        heavy = {other for other in imports_of(module) if other.split(".")[0] in TORCH}
        assert not heavy, f"{name}, through {module}"


def test_light_parts_really_start_without_torch():
    names = [name for name in MODULES if part_of(name) in LIGHT]
    program = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        f"found = sorted(set(sys.modules) & {TORCH!r})\n"
        "sys.exit(f'imported: {found}' if found else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def test_no_circular_imports():
    """Those that only the type checker sees count: they tie modules for readers all the same."""
    state = {}
    stack = []

    def visit(name):
        if state.get(name) == "done":
            return
        assert name not in stack, " -> ".join([*stack[stack.index(name) :], name])
        stack.append(name)
        for other in sorted(inner_imports(name, types=True)):
            visit(other)
        stack.pop()
        state[name] = "done"

    for name in MODULES:
        visit(name)


def test_verbs_have_what_the_command_line_needs():
    for name, path in MODULES.items():
        if part_of(name) == "cli" and path.stem not in (
            "__init__",
            "main",
            "options",
            "training",
            "bundles",
            "fitting",
            "fetching",
            "held_out",
        ):
            tree = ast.parse(path.read_text())
            defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            for node in tree.body:  # two verbs may share one implementation
                if isinstance(node, ast.ImportFrom):
                    defined.update(alias.asname or alias.name for alias in node.names)
            assert {"add_arguments", "run"} <= defined, name
            assert ast.get_docstring(tree), name


def test_rules_call_verbs_that_exist():
    text = "\n".join(path.read_text() for path in tracked("rules/*.smk"))
    verbs = set(re.findall(r"python -m nadir ([a-z-]+)", text))
    assert verbs
    known = {name.rpartition(".")[2].replace("_", "-") for name in MODULES if "cli" in name}
    assert verbs <= known


def test_commands_of_rules_name_what_they_make():
    """By `out` the entry of the command line knows whose lease to take, whatever the flag."""
    text = "\n".join(path.read_text() for path in tracked("rules/*.smk"))
    for verb in set(re.findall(r"python -m nadir ([a-z-]+)", text)):
        module = f"nadir.cli.{verb.replace('-', '_')}"
        parts = {name for name in closure(module) if part_of(name) == "cli"} - {"nadir.cli.options"}
        source = "\n".join(MODULES[name].read_text() for name in parts)
        assert re.search(r'^ +add_out\(|"--out", required=True|dest="out"', source, re.M), verb


def test_every_rule_has_a_log_and_is_measured():
    """Also what it costs is a product; rules without commands of their own cost nothing."""
    for path in sorted((ROOT / "rules").glob("*.smk")):
        rules = re.split(r"^(?:rule|checkpoint) (\w+):$", path.read_text(), flags=re.MULTILINE)
        for name, body in zip(rules[1::2], rules[2::2], strict=True):
            if re.search(r"^    (shell|run|script):", body, re.MULTILINE):
                found = set(re.findall(r"^    (log|benchmark):$", body, re.MULTILINE))
                assert found == {"log", "benchmark"}, f"{path.name}: {name}"


def test_no_print_outside_the_command_line():
    for name, path in MODULES.items():
        calls = [
            node
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "print"
        ]
        assert not calls or part_of(name) == "cli", name


def test_nothing_committed_names_a_registry_or_this_machine():
    hosts = re.compile(
        r"pypi\.[o]rg|pythonhosted\.[o]rg|registry\.[n]pmjs|deb\.[d]ebian|conda\.[a]naconda\.org"
    )
    places = re.compile(r"(^|[^A-Za-z0-9_.~-])/(work|farm|opt|home/[a-z]+|tmp/venv|root)/")
    for path in tracked():
        if path.suffix in (".png", ".tif", ".npz") or path.stat().st_size > 2_000_000:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not hosts.search(line), f"{path}:{number}"
            assert not places.search(line), f"{path}:{number}: {line[:100]}"


def test_nothing_committed_calls_itself_unfinished():
    marks = re.compile(r"\b(TO[D]O|FIX[M]E|X[X]X|NotImplemented[E]rror)\b")
    for path in tracked("*.py", "*.smk", "Snakefile", "Makefile"):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not marks.search(line), f"{path}:{number}"


def test_modules_stay_small():
    for path in tracked("*.py"):
        assert len(path.read_text().splitlines()) <= 600, path


@pytest.mark.parametrize("name", ["requirements.lock", "uv.lock"])
def test_lock_is_pinned_by_hash_and_names_no_address(name):
    text = (ROOT / "requirements" / name).read_text()
    assert "://" not in text and "index-url" not in text and "find-links" not in text
    entries = re.findall(r"^[A-Za-z0-9].*?(?=^[A-Za-z0-9]|\Z)", text, re.S | re.M)
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+==\S+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]


def locked():
    """Return what the lock gives Python 3.11 on Linux: name -> version."""
    versions = {}
    for line in (ROOT / "requirements" / "requirements.lock").read_text().splitlines():
        if "==" in line and not line.startswith(" "):
            entry = Requirement(line.rstrip("\\ "))
            if entry.marker is None or entry.marker.evaluate({**LINUX, "extra": ""}):
                versions[entry.name.lower()] = str(entry.specifier).removeprefix("==")
    return versions


@pytest.mark.parametrize("name", ["nadir.in", "dev.in"])
def test_lock_holds_what_is_asked_for(name):
    versions = locked()
    for line in (ROOT / "requirements" / name).read_text().splitlines():
        if line and not line.startswith("#"):
            asked = Requirement(line)
            assert asked.specifier.contains(versions[asked.name.lower()]), line


def test_conda_environments_agree_with_the_lock():
    versions = locked()
    called = {"pytorch": "torch", "py-opencv": "opencv-python-headless"}
    paths = sorted((ROOT / "envs").glob("*.yaml"))
    assert paths
    for path in paths:
        for entry in yaml.safe_load(path.read_text())["dependencies"]:
            name, _, pin = entry.partition(" =")
            if name == "python":
                continue
            version = versions[called.get(name, name)].split(".")
            wanted = version[:1] if version[0] != "0" else version[:2]
            assert pin.split(".") == wanted, f"{path.name}: {entry}, locked {'.'.join(version)}"


def test_rules_use_environments_that_exist():
    for path in tracked("rules/*.smk"):
        for env in re.findall(r'"\.\./(envs/[^"]+)"', path.read_text()):
            assert (ROOT / env).is_file(), f"{path.name}: {env}"


def test_profiles_name_rules_that_exist():
    text = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    rules = set(re.findall(r"^(?:rule|checkpoint) (\w+):", text, re.M))
    paths = sorted((ROOT / "profiles").glob("*/config.yaml"))
    assert {path.parent.name for path in paths} >= {"default", "slurm", "kubernetes", "aws-batch"}
    for path in paths:
        profile = yaml.safe_load(path.read_text())
        assert set(profile.get("set-resources", {})) <= rules, path
        assert set(profile.get("groups", {})) <= rules, path
        if profile.get("executor") in ("kubernetes", "aws-batch"):
            assert set(profile["groups"]) == rules, f"{path}: all rules share one job"


def test_what_is_imported_is_asked_for():
    asked = set()
    for name in ("nadir.in", "dev.in"):
        for line in (ROOT / "requirements" / name).read_text().splitlines():
            if line and not line.startswith("#"):
                entry = Requirement(line)
                asked.update(part.lower().replace("-", "_") for part in {entry.name, *entry.extras})
    called = {
        "yaml": "pyyaml",
        "PIL": "pillow",
        "cv2": "opencv_python_headless",
        "sklearn": "scikit_learn",
        "mpl_toolkits": "matplotlib",
        "faiss": "faiss_cpu",
    }
    own = {"nadir", *sys.stdlib_module_names}
    for name in MODULES:
        for other in imports_of(name):
            top = other.split(".")[0]
            assert top in own or called.get(top, top).lower() in asked, f"{name} imports {top}"


def test_tests_mirror_the_package():
    for folder in sorted((ROOT / "tests" / "unit").iterdir()):
        if folder.is_dir() and folder.name != "__pycache__":
            assert folder.name in FLOORS, f"tests/unit/{folder.name} mirrors no part of the package"
