"""The software: Python, Snakemake, GDAL and PROJ, torch, and what the lock says."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from nadir.upkeep.checkup import Check

_PYTHON = (3, 11)
_SNAKEMAKE = (9, 21, 1)
_DRIVERS = ("GTiff", "COG", "PNG", "JPEG", "JP2OpenJPEG", "VRT", "MEM")
_FORMATS = ("GPKG", "GeoJSON", "ESRI Shapefile")
_TRIAL = """
import json, torch
found = {"cpu": float((torch.ones(8, 8) @ torch.ones(8, 8)).sum())}
if torch.cuda.is_available():
    for number in range(torch.cuda.device_count()):
        device = torch.device("cuda", number)
        found[torch.cuda.get_device_name(device) + f" ({number})"] = float(
            (torch.ones(8, 8, device=device) @ torch.ones(8, 8, device=device)).sum()
        )
print(json.dumps(found))
"""


def numbers_of(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version: `9.27.1rc2` -> (9, 27, 1)."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()


def check_python() -> Iterator[Check]:
    """See that Python is new enough."""
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info[:2] >= _PYTHON
    remedy = f"Use Python {'.'.join(map(str, _PYTHON))} or newer."
    yield Check("Python", "ok" if good else "fail", version, "" if good else remedy)


def check_compiled() -> Iterator[Check]:
    """See that modules are compiled once, and not by every command again."""
    module = importlib.util.find_spec("numpy")
    cached = module is not None and module.cached is not None and Path(module.cached).is_file()
    if cached or not sys.dont_write_bytecode:
        yield Check("modules", "ok", "compiled once")
        return
    yield Check(
        "modules",
        "warn",
        "every command compiles what it imports: two to five seconds of each",
        "Unset PYTHONDONTWRITEBYTECODE, or run `python -m compileall` on the environment's "
        "folder of packages.",
    )


def check_snakemake() -> Iterator[Check]:
    """See that Snakemake is there and new enough."""
    needed = ".".join(map(str, _SNAKEMAKE))
    remedy = f"Install Snakemake {needed} or newer in this environment (`make environment`)."
    try:
        version = importlib.metadata.version("snakemake")
    except importlib.metadata.PackageNotFoundError:
        yield Check("Snakemake", "warn", "not in this environment: commands only", remedy)
        return
    good = numbers_of(version) >= _SNAKEMAKE
    yield Check("Snakemake", "ok" if good else "fail", version, "" if good else remedy)


def check_gdal() -> Iterator[Check]:
    """See that GDAL has the formats, and that PROJ finds its data."""
    foreign = [name for name in ("GDAL_DATA", "PROJ_LIB", "PROJ_DATA") if os.environ.get(name)]
    hint = f"Unset {', '.join(foreign)}: another installation's data." if foreign else ""
    remedy = hint or "Install the packages of the lock again (`make environment`)."
    import pyogrio
    import rasterio
    from rasterio.warp import transform

    with rasterio.Env() as env:
        lacking = [name for name in _DRIVERS if name not in env.drivers()]
    lacking += [name for name in _FORMATS if name not in pyogrio.list_drivers()]
    own = f"GDAL {rasterio.__gdal_version__}, rasterio {rasterio.__version__}"
    if lacking:
        yield Check("GDAL", "fail", f"{own} lacks {', '.join(lacking)}", remedy)
    else:
        yield Check("GDAL", "ok", own)
    try:
        x, y = transform("EPSG:4326", "EPSG:25831", [2.1734], [41.3851])
        right = abs(x[0] - 430887) < 50 and abs(y[0] - 4581796) < 100
        found = "coordinates are right" if right else f"Barcelona came to lie at {x[0]}, {y[0]}"
    except Exception as error:  # rasterio's own, and PROJ's
        right, found = False, f"coordinates cannot be changed ({error})"
    yield Check("PROJ", "ok" if right else "fail", found, "" if right else remedy)


def torch_cuda() -> tuple[int, int] | None:
    """Return the CUDA that torch was built for, without importing it; None for a build without."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return None
    text = (Path(found.origin).parent / "version.py").read_text()
    for node in ast.parse(text).body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Constant):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(one, ast.Name) and one.id == "cuda" for one in targets):
                major, minor, *_ = (*numbers_of(str(node.value.value or "")), 0, 0)
                return (major, minor) if major else None
    return None


def check_torch(seconds: float = 120) -> Iterator[Check]:
    """Let torch multiply, on the CPU and on every GPU, in a process that may crash."""
    if importlib.util.find_spec("torch") is None:
        yield Check(
            "torch", "fail", "it is not installed", "Install the lock (`make environment`)."
        )
        return
    version = importlib.metadata.version("torch")
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRIAL],
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        remedy = "A slow disk, or a GPU that hangs: look at `nvidia-smi`."
        yield Check("torch", "warn", f"{version} did not answer in {seconds:.0f} s", remedy)
        return
    remedy = "Install the packages of the lock again; check the GPU's driver."
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        yield Check("torch", "fail", f"{version} does not work: {lines[-1][:200]}", remedy)
        return
    found = json.loads(done.stdout.strip().splitlines()[-1])
    wrong = [name for name, value in found.items() if value != 512.0]
    if wrong:
        yield Check("torch", "fail", f"{version} computes wrongly on {wrong}", remedy)
    else:
        yield Check("torch", "ok", f"{version} computes on {', '.join(found)}")


def check_lock(root: Path) -> Iterator[Check]:
    """Compare what is installed with the lock, where there is a checkout with one.

    Args:
        root: The checkout.
    """
    path = root / "requirements" / "requirements.lock"
    if not path.is_file():
        yield Check("lock", "ok", "not in a checkout: nothing to compare with")
        return
    other, lacking, count = [], [], 0
    entry = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)\s*(;?)", re.M)
    for name, version, marker in entry.findall(path.read_text()):
        count += 1
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            if not marker:  # one with a marker may be for other systems
                lacking.append(name)
            continue
        if installed.partition("+")[0] != version.partition("+")[0]:
            other.append(f"{name} {installed} for {version}")
    parts = []
    if other:
        parts.append(f"{len(other)} of another version ({', '.join(other[:3])})")
    if lacking:
        parts.append(f"{len(lacking)} not installed ({', '.join(lacking[:3])})")
    found = "; ".join(parts) or f"all {count} packages as locked"
    remedy = "`make environment` installs the lock; results may differ with other versions."
    yield Check("lock", "warn" if parts else "ok", found, remedy if parts else "")
