"""Whether holders of leases live, told without waiting for them."""

from __future__ import annotations

import json
import os
import time

import pytest

from nadir.provenance import lease as lease_module
from nadir.provenance.lease import LeaseWatch, held


@pytest.fixture
def path(tmp_path):
    return tmp_path / "one.lease"


def elsewhere(path):
    """Write the lease of a process on another machine."""
    path.write_text(json.dumps({"host": "n7", "machine": "other", "pid": 1, "started": "1"}))


def test_no_lease_is_nobodys_and_a_process_of_this_machine_is_known_at_once(path):
    watch = LeaseWatch()
    assert watch.lives(path) is False
    with held(path, "x"):
        assert watch.lives(path) is True
    owner = {**lease_module._identity(), "started": "1"}  # the number of a process was used again
    path.write_text(json.dumps(owner))
    assert watch.lives(path) is False
    assert not path.exists()


def test_a_holder_on_another_machine_lives_while_it_renews(path, monkeypatch):
    monkeypatch.setattr(lease_module, "LAPSE", 0.6)
    monkeypatch.setattr(lease_module, "BEAT", 0.1)
    watch = LeaseWatch()
    elsewhere(path)
    assert watch.lives(path) is None
    os.utime(path, ns=(1, 1))
    assert watch.lives(path) is True
    assert watch.lives(path) is True  # for a while: others may be looked at meanwhile
    time.sleep(0.4)
    assert watch.lives(path) is None  # and not for ever
    time.sleep(0.4)
    assert watch.lives(path) is False


def test_a_holder_on_another_machine_is_dead_after_the_lapse(path, monkeypatch):
    monkeypatch.setattr(lease_module, "LAPSE", 0.2)
    watch = LeaseWatch()
    elsewhere(path)
    assert watch.lives(path) is None and path.exists()
    time.sleep(0.25)
    assert watch.lives(path) is False
    assert not path.exists()
