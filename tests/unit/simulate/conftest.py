"""Worlds that several tests look at."""

from __future__ import annotations

import pytest

from nadir.config.worlds import WorldConfig
from nadir.simulate.world import World


@pytest.fixture(scope="session")
def small_cfg() -> WorldConfig:
    """A world of 2.6 km: one block of 512 pixels, or four of 256."""
    return WorldConfig(seed=3, width_km=2.6, height_km=2.6)


@pytest.fixture(scope="session")
def world(small_cfg: WorldConfig) -> World:
    """The world of `small_cfg`."""
    return World(small_cfg)
