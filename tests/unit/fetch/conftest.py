"""Fixtures of the tests of fetching."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from stac_server import Server, served


@pytest.fixture
def server() -> Iterator[Server]:
    """An empty server on loopback."""
    with served() as state:
        yield state
