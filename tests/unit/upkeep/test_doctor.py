"""Checks of a machine: each one warns and fails where it should, and leaves nothing behind."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from collections import namedtuple
from types import SimpleNamespace

import pytest

from nadir.cli.main import main
from nadir.upkeep import machine, place, software
from nadir.upkeep.checkup import Check, guarded, worst
from nadir.upkeep.doctor import examine

Usage = namedtuple("Usage", "total used free")


def one(checks, name=None):
    found = [check for check in checks if name is None or check.name == name]
    assert len(found) == 1, found
    assert bool(found[0].remedy) == (found[0].state != "ok")
    return found[0]


@pytest.mark.parametrize(("free", "state"), [(1e9, "fail"), (5e9, "warn"), (1e12, "ok")])
def test_disk(free, state, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2e12, 0, free))
    assert one(place.check_disk(tmp_path / "not there yet"), "disk").state == state


@pytest.mark.parametrize(
    ("files", "free", "state"), [(10**7, 5, "fail"), (10**7, 50_000, "warn"), (0, 0, "ok")]
)
def test_inodes(files, free, state, tmp_path, monkeypatch):
    facts = SimpleNamespace(
        f_files=files, f_favail=free, f_bavail=1, f_blocks=1, f_bfree=1, f_frsize=1
    )
    monkeypatch.setattr(os, "statvfs", lambda path: facts)
    assert one(place.check_disk(tmp_path), "inodes").state == state


def test_writing_leaves_nothing(tmp_path):
    before = sorted(tmp_path.rglob("*"))
    checks = [*place.check_writing(tmp_path, tmp_path), *place.check_names(tmp_path)]
    checks += [*place.check_locks(tmp_path), *place.check_clock(tmp_path, tmp_path)]
    assert {check.state for check in checks} <= {"ok", "warn"}
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_no_writing(code, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(place.tempfile, "mkdtemp", refuse)
    found = one(place.check_writing(tmp_path, tmp_path), "write: results")
    assert found.state == "fail"
    assert os.strerror(code).lower() in found.found


def test_names_that_a_disk_does_not_take(tmp_path, monkeypatch):
    def short(self, data):
        if len(self.name.encode()) > 143:
            raise OSError(errno.ENAMETOOLONG, "File name too long")
        with open(self, "wb") as file:
            return file.write(data)

    monkeypatch.setattr(place.Path, "write_bytes", short)
    found = one(place.check_names(tmp_path))
    assert (found.state, found.found) == ("warn", "255 bytes: file name too long")


def test_locks_that_do_not_exclude(tmp_path, monkeypatch):
    monkeypatch.setattr(fcntl, "flock", lambda file, how: None)
    assert one(place.check_locks(tmp_path)).found == "two got the same lock"


def test_no_locks(tmp_path, monkeypatch):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert one(place.check_locks(tmp_path)).state == "fail"


def test_clocks_that_differ(tmp_path, monkeypatch):
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    found = one(place.check_clock(tmp_path, tmp_path))
    assert (found.state, "3600 s" in found.found or "3599 s" in found.found) == ("fail", True)


def test_a_clock_that_was_set_back(tmp_path):
    (tmp_path / "a").write_text("")
    os.utime(tmp_path / "a", (time.time() + 7200, time.time() + 7200))
    found = one(place.check_clock(tmp_path, tmp_path))
    assert found.state == "warn"
    assert "2 hours" in found.found or "120 minutes" in found.found


def test_a_clock_of_long_ago(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "time", lambda: 1e6)
    assert one(place.check_clock(tmp_path, tmp_path)).state == "fail"


def test_a_lock_that_was_left(tmp_path):
    assert one(place.check_run(tmp_path)).state == "ok"
    (tmp_path / ".snakemake/locks").mkdir(parents=True)
    (tmp_path / ".snakemake/locks/0.output.lock").write_text("")
    assert "--unlock" in one(place.check_run(tmp_path)).remedy


@pytest.mark.parametrize(("free", "state"), [(1e9, "fail"), (4e9, "warn"), (64e9, "ok")])
def test_memory(free, state, monkeypatch):
    facts = SimpleNamespace(total=128e9, available=free)
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: facts)
    assert one(machine.check_memory(), "memory").state == state


def test_a_containers_memory(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text("1000000000\n")
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    found = one(machine.check_memory(), "memory")
    assert (found.state, "container" in found.found) == ("fail", True)
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.memory_limit()[1] == "of this machine"


def test_a_containers_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_CGROUP", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    (tmp_path / "cpu.max").write_text("250000 100000\n")
    found = one(machine.check_threads(), "cores")
    assert (found.state, "2.5 usable" in found.found) == ("warn", True)
    assert "--cores 2" in found.remedy
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert one(machine.check_threads(), "cores").state == "ok"
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    assert "Unset OMP_NUM_THREADS" in one(machine.check_threads(), "cores").remedy


def test_few_files_at_once(monkeypatch):
    monkeypatch.setattr(machine.resource, "getrlimit", lambda kind: (256, 4096))
    assert one(machine.check_files_at_once()).state == "warn"


@pytest.mark.parametrize(
    ("driver", "gpus", "wheel", "state"),
    [
        ((12, 4), 1, (13, 0), "fail"),
        ((13, 1), 2, (13, 0), "ok"),
        ((12, 1), 1, (12, 8), "ok"),  # minor versions go together
        ((13, 0), 0, (13, 0), "warn"),
        ((13, 0), 1, None, "warn"),
    ],
)
def test_gpu_and_driver_against_torch(driver, gpus, wheel, state, monkeypatch):
    monkeypatch.setattr(machine, "driver_cuda", lambda: driver)
    monkeypatch.setattr(machine, "count_gpus", lambda: gpus)
    assert one(machine.check_gpus(wheel)).state == state


def test_the_drivers_version_is_read_in_its_own_numbers(monkeypatch):
    class Driver:
        def cuDriverGetVersion(self, pointer):
            pointer._obj.value = 12040
            return 0

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Driver())
    assert machine.driver_cuda() == (12, 4)


def test_no_gpu_is_no_fault(monkeypatch):
    monkeypatch.setattr(machine, "driver_cuda", lambda: None)
    monkeypatch.setattr(machine.Path, "glob", lambda self, pattern: [])
    assert one(machine.check_gpus((13, 0))).state == "ok"


def test_what_torch_was_built_for_is_read_without_importing_it():
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.path[:0] = sys.argv[1:]\n"
            "from nadir.upkeep.software import torch_cuda\n"
            "print(torch_cuda(), 'torch' in sys.modules)",
            str(place.Path(place.__file__).parents[2]),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    import torch

    wanted = None if torch.version.cuda is None else tuple(map(int, torch.version.cuda.split(".")))
    assert done.stdout.strip() == f"{wanted} False"


def test_an_old_snakemake(monkeypatch):
    monkeypatch.setattr(software.importlib.metadata, "version", lambda name: "9.9.2")
    assert one(software.check_snakemake()).state == "fail"
    monkeypatch.setattr(software.importlib.metadata, "version", lambda name: "10.0rc1")
    assert one(software.check_snakemake()).state == "ok"


def test_modules_that_every_command_compiles_anew_are_said(monkeypatch):
    monkeypatch.setattr(software.sys, "dont_write_bytecode", False)
    assert one(software.check_compiled()).state == "ok"
    monkeypatch.setattr(software.sys, "dont_write_bytecode", True)
    monkeypatch.setattr(software.importlib.util, "find_spec", lambda name: None)
    check = one(software.check_compiled())
    assert check.state == "warn"
    assert "PYTHONDONTWRITEBYTECODE" in check.remedy


def test_gdal_and_proj(monkeypatch):
    assert {check.state for check in software.check_gdal()} == {"ok"}
    monkeypatch.setattr(software, "_DRIVERS", ("GTiff", "NoSuchFormat"))
    assert "NoSuchFormat" in one(software.check_gdal(), "GDAL").found


@pytest.mark.parametrize(
    ("trial", "state"),
    [
        ("import os; os.abort()", "fail"),
        ("raise ImportError('libcudart.so.13')", "fail"),
        ("print('{\"cpu\": 511.0}')", "fail"),
        ("print('{\"cpu\": 512.0}')", "ok"),
        ("import time; time.sleep(30)", "warn"),
    ],
)
def test_torch_is_tried_in_a_process_of_its_own(trial, state, monkeypatch):
    monkeypatch.setattr(software, "_TRIAL", trial)
    assert one(software.check_torch(seconds=1.5)).state == state


def test_versions_against_the_lock(tmp_path):
    lock = tmp_path / "requirements" / "requirements.lock"
    assert one(software.check_lock(tmp_path)).state == "ok"
    lock.parent.mkdir()
    version = software.importlib.metadata.version("numpy")
    lock.write_text(f"numpy=={version} \\\n    --hash=sha256:0\nnone==1 ; sys_platform == 'x'\n")
    assert one(software.check_lock(tmp_path)).state == "ok"
    lock.write_text("numpy==0.1 \\\nno-such-package==1.0 \\\n")
    found = one(software.check_lock(tmp_path))
    assert found.state == "warn"
    assert "1 of another version" in found.found
    assert "no-such-package" in found.found


def test_a_check_that_breaks_does_not_end_the_others():
    def broken():
        yield Check("a", "ok", "b")
        raise ZeroDivisionError("x")

    assert one(guarded("a", broken)).state == "warn"
    assert worst([]) == "ok"
    assert worst([Check("", "fail", ""), Check("", "warn", "")]) == "fail"


def test_the_command(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main(["doctor", "--quick", "--json", "--results", str(tmp_path / "Мои результаты")])
    found = json.loads(capsys.readouterr().out)
    assert {check["state"] for check in found["checks"]} <= {"ok", "warn"}
    assert not list(tmp_path.iterdir())

    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(1, 1, 0))
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--quick"])
    assert ended.value.code == 1
    assert "FAIL  disk" in capsys.readouterr().out


def test_strict_counts_warnings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("nadir.cli.doctor.examine", lambda *a, **k: [Check("a", "warn", "b", "c")])
    main(["doctor"])
    with pytest.raises(SystemExit):
        main(["doctor", "--strict"])


def test_every_check_answers(tmp_path):
    names = [check.name for check in examine(tmp_path, tmp_path, torch=False)]
    assert len(names) == len(set(names))
    assert {"disk", "inodes", "memory", "GPU", "GDAL", "Snakemake", "clock"} <= set(names)
