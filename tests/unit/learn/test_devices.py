"""Devices: what is asked for is there or refused; no two processes share one."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from nadir.errors import InputError
from nadir.learn import devices, distributed, gpu_lock
from nadir.learn.group import Group


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


def test_a_machine_shares_out_its_free_gpus(tmp_path, monkeypatch):
    """Two processes of a group get a GPU each, of which one is in use; the first holds both."""
    monkeypatch.setenv(gpu_lock.VARIABLE, str(tmp_path / "locks"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-6,MIG-7")
    monkeypatch.setattr(devices, "resolve", lambda device: torch.device("cuda", 0))
    monkeypatch.setattr(devices, "_uuid_of", lambda number: ["GPU-5", "GPU-6", "GPU-9"][number])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    chosen, board = [], {}
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(distributed, "tell", board.__setitem__)
    monkeypatch.setattr(distributed, "told", lambda group, name: board[name])
    with devices.lease("cuda") as alone:
        assert alone == torch.device("cuda", 0)
        with devices.lease("cuda", Group(2, 4, 0, 2, 1)) as first:
            with devices.lease("cuda", Group(3, 4, 1, 2, 1)) as second:
                assert (first.index, second.index) == (1, 2)
            assert board == {"gpus of node 1": "1,2"}
            assert all(gpu_lock.try_lock(name) is None for name in ("GPU-5", "GPU-6", "MIG-7"))
    assert chosen == [alone, first, second]
    wanted = pytest.raises(InputError, match="4 processes need a GPU each, and 3 are visible")
    with wanted, devices.lease("cuda", Group(0, 4, 0, 4, 0)):
        pass
