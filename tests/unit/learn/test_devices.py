"""Devices: what is asked for is there or refused; no two processes share one."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from nadir.errors import InputError
from nadir.learn import devices


def test_a_gpu_where_there_is_none_is_refused(monkeypatch):
    monkeypatch.setattr(devices, "count_gpus", lambda: 0)
    for ask in (devices.check_device, devices.resolve):
        with pytest.raises(InputError, match="a GPU is asked for, and there is none"):
            ask("cuda")
    with pytest.raises(InputError, match="a GPU"), devices.lease("cuda"):
        pass


def test_hidden_gpus_are_named_as_the_cause(monkeypatch):
    monkeypatch.setattr(devices, "count_gpus", lambda: 0)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(InputError, match="CUDA_VISIBLE_DEVICES is ''"):
        devices.check_device("cuda")


def test_a_gpu_that_torch_cannot_use_is_refused(monkeypatch):
    monkeypatch.setattr(devices, "count_gpus", lambda: 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="this build of torch cannot use it"):
        devices.resolve("cuda")
    assert devices.resolve("auto") == torch.device("cpu")


def test_unknown_devices_are_refused():
    with pytest.raises(InputError, match="'gpu' is no device"):
        devices.check_device("gpu")


def test_checking_does_not_import_torch():
    code = (
        "import sys\n"
        "from nadir.learn.devices import check_device\n"
        "check_device('auto')\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_cpu_is_not_locked():
    with devices.lease("cpu") as one, devices.lease("cpu") as two:
        assert one == two == torch.device("cpu")


_HOLDER = """
import sys
from nadir.learn import devices
lock = devices._try_lock("GPU-1")
print("held" if lock else "busy", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path, monkeypatch):
    """Another process that holds the lock of GPU-1."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(devices.tempfile, "tempdir", None)
    with subprocess.Popen(
        [sys.executable, "-c", _HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_device_is_held_by_one_process_and_freed_by_its_death(holder, monkeypatch):
    monkeypatch.setattr(devices, "_WAIT", 0.01)
    assert devices._try_lock("GPU-1") is None
    number, lock = devices._first_free(["GPU-1", "GPU-2"])
    assert number == 1
    lock.close()
    holder.kill()
    holder.wait()
    number, lock = devices._first_free(["GPU-1", "GPU-2"])
    assert number == 0
    lock.close()


def test_a_lock_can_be_taken_by_every_user(tmp_path, monkeypatch):
    monkeypatch.setattr(devices.tempfile, "tempdir", str(tmp_path))
    before = os.umask(0o077)
    try:
        devices._try_lock("GPU-1").close()
    finally:
        os.umask(before)
    (path,) = (tmp_path / devices.LOCKS).iterdir()
    assert path.stat().st_mode & 0o777 == 0o644
    again = devices._try_lock("GPU-1")
    assert again is not None and not again.writable()  # the file may be another user's
    again.close()


def test_two_numberings_of_one_device_meet_in_one_lock(monkeypatch):
    class Properties:
        uuid = "abc"

    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: Properties())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,1")
    assert devices._physical_id(0) == "abc"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "MIG-1,MIG-2")
    assert devices._physical_id(1) == "MIG-2"
