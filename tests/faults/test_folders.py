"""What may happen to a folder of results and of raw files between two runs of the graph.

The tests share one bench and run in their order; each leaves whole results behind. Its raw files
have the names that people, and people who mean harm, give to files.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rasterio
from bench import Bench
from raw import BANDS, CLASSES, write_image, write_scene

pytestmark = [pytest.mark.rules, pytest.mark.slow]

FOLDER = "raw files; touch pwned; $(touch pwned) `touch pwned` 'q\" {scene} Сцена & | > pwned"
LONGEST = "я" * 125 + "a.tif"
"""255 bytes, the most that file systems take."""
SCENE = "results/landcover/d/scenes/a"


def whole(folder: Path) -> dict[str, str]:
    """Return product -> digest of its bytes, stores included."""
    root = folder / "results"
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted((root / "landcover").rglob("*"))
        if path.is_file()
    }


def verify(bench: Bench) -> subprocess.CompletedProcess[str]:
    """Run `nadir verify` in the bench's folder."""
    return subprocess.run(
        [sys.executable, "-m", "nadir", "verify", "--json"],
        cwd=bench.folder,
        env=bench.environment(),
        capture_output=True,
        text=True,
        check=False,
    )


def repair(bench: Bench, told: str) -> None:
    """Do what `nadir verify` says, word for word."""
    commands = json.loads(told)["commands"]
    assert commands
    names = f'snakemake() {{ {sys.executable} -m snakemake "$@"; }}\n'
    subprocess.run(
        ["bash", "-ec", names + "\n".join(commands)],
        cwd=bench.folder,
        env=bench.environment(),
        check=True,
        capture_output=True,
    )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """One scene to learn from, up to its split."""
    folder = tmp_path_factory.mktemp("folders")
    raw = folder / FOLDER
    scene = write_scene(raw, 1, 300000)
    (raw / "image.tif").rename(raw / LONGEST)
    scene["dates"]["june"]["file"] = str(raw / LONGEST)
    dataset = {"classes": CLASSES, "bands": BANDS, "scenes": {"a": scene}}
    dataset |= {"tiles": {"sizes": [16]}, "split": {"method": "blocks", "block": 2}}
    job = {"datasets": {"d": dataset}, "experiments": {}}
    bench = Bench(folder, {"landcover": job, "compute": {"device": "cpu"}})
    bench.run()
    return bench


@pytest.fixture(scope="module")
def expected(bench: Bench) -> dict[str, str]:
    """What an undisturbed run makes."""
    found = whole(bench.folder)
    assert len(found) > 15
    return found


def test_hostile_names_of_files_do_nothing_but_name_files(bench: Bench) -> None:
    assert len(os.fsencode(LONGEST)) == 255
    assert not [path for path in bench.folder.rglob("*") if path.name == "pwned"]
    sources = json.loads((bench.folder / SCENE / "cube.manifest.json").read_text())["sources"]
    assert any(LONGEST in name for name in sources)


def test_a_lost_folder_of_snakemake(bench: Bench, expected: dict[str, str]) -> None:
    shutil.rmtree(bench.folder / ".snakemake")
    bench.run()
    assert whole(bench.folder) == expected
    assert bench.run() == set()


def test_a_store_edited_by_hand(bench: Bench, expected: dict[str, str]) -> None:
    store = bench.folder / SCENE / "cube.zarr"
    part = max(
        (path for path in store.rglob("*") if path.is_file()), key=lambda p: p.stat().st_size
    )
    content = bytearray(part.read_bytes())
    content[len(content) // 3] ^= 0xFF
    part.write_bytes(content)
    done = verify(bench)
    assert done.returncode == 1
    findings = json.loads(done.stdout)["findings"]
    assert [(one["path"], one["rule"]) for one in findings if one["state"] == "fault"] == [
        (f"{SCENE}/cube.zarr", "build_cube")
    ]
    repair(bench, done.stdout)
    assert whole(bench.folder) == expected
    assert verify(bench).returncode == 0


def test_a_product_edited_by_hand(bench: Bench, expected: dict[str, str]) -> None:
    """It is sound in its format, no job has read it, and nobody has sealed the folder."""
    product = bench.folder / "results/landcover/d/leakage.json"
    facts = json.loads(product.read_text())
    product.write_text(json.dumps(facts | {"scenes": ["none"]}))
    done = verify(bench)
    findings = [one for one in json.loads(done.stdout)["findings"] if one["state"] == "fault"]
    assert [(one["path"], one["rule"], one["problem"]) for one in findings] == [
        ("results/landcover/d/leakage.json", "certify_split", "it was changed after it was made")
    ]
    repair(bench, done.stdout)
    assert whole(bench.folder) == expected
    assert verify(bench).returncode == 0


def test_a_half_copied_folder(bench: Bench, expected: dict[str, str]) -> None:
    """Every third file did not arrive, and the last one came to its half."""
    paths = [bench.folder / "results" / name for name in expected]
    for path in paths[::3]:
        path.unlink()
    left = next(path for path in paths[::-1] if path.exists() and path.stat().st_size > 2)
    os.truncate(left, left.stat().st_size // 2)
    done = verify(bench)
    assert done.returncode == 1
    repair(bench, done.stdout)
    bench.run()
    assert whole(bench.folder) == expected
    assert verify(bench).returncode == 0


def test_a_clock_that_was_set_back(bench: Bench, expected: dict[str, str]) -> None:
    """Products are of tomorrow: some may be made again, and what changes now must be seen."""
    tomorrow = time.time() + 86400
    for path in (bench.folder / "results/landcover").rglob("*"):
        os.utime(path, (tomorrow, tomorrow))
    bench.run()
    assert whole(bench.folder) == expected
    image = bench.folder / FOLDER / LONGEST
    sound = image.read_bytes()
    with rasterio.open(image) as file:
        pixels = file.read()
    write_image(image, pixels[:, ::-1].copy(), 300000)
    long_ago = 1_000_000_000
    os.utime(image, (long_ago, long_ago))
    bench.run()
    assert (
        whole(bench.folder)["landcover/d/scenes/a/cube.manifest.json"]
        != (expected["landcover/d/scenes/a/cube.manifest.json"])
    )
    image.write_bytes(sound)
    os.utime(image, (long_ago, long_ago))
    bench.run()
    assert whole(bench.folder) == expected
    assert bench.run() == set()


def test_two_users_of_one_folder(bench: Bench, expected: dict[str, str]) -> None:
    """The second Snakemake is refused with a word about the lock, and harms nothing."""
    (bench.folder / SCENE / "cube.manifest.json").unlink()
    first = subprocess.Popen(
        bench.command(),
        cwd=bench.folder,
        env=bench.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        locks = bench.folder / ".snakemake/locks"
        deadline = time.monotonic() + 300
        while not any(locks.glob("*")):
            assert first.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        second = bench.snakemake(check=False)
        if first.poll() is None:
            assert second.returncode != 0
            assert "lock" in (second.stdout + second.stderr).lower()
        assert first.wait(900) == 0
    finally:
        if first.poll() is None:
            os.killpg(first.pid, signal.SIGKILL)
    assert whole(bench.folder) == expected


def test_two_runs_that_write_the_same(bench: Bench, expected: dict[str, str]) -> None:
    """Without Snakemake's lock, as from two machines: one writes at a time, and all is whole.

    A run may well end with an error, when the other has removed an output to make it anew.
    """
    labels = f"{SCENE}/labels.manifest.json"
    (bench.folder / labels).unlink()
    runs = [
        subprocess.Popen(
            bench.command("--nolock", labels),
            cwd=bench.folder,
            env=bench.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    assert 0 in [run.wait(900) for run in runs]
    assert (bench.folder / labels).exists()
    bench.run()
    assert whole(bench.folder) == expected
    assert not [path for path in bench.folder.rglob("*.partial*")]
