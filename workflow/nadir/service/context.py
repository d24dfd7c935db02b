"""What all capabilities share: settings, pools, metrics; and what a capability is."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from fastapi import APIRouter, Request

from nadir.service.metrics import Registry
from nadir.service.settings import Settings
from nadir.service.work import Pool, PoolMetrics

PAGES = Path(__file__).parent / "pages"
"""Folder of the pages: HTML, styles and scripts."""


class Capability(Protocol):
    """Something that a service can do, at an address of its own."""

    @property
    def name(self) -> str:
        """Name, and first part of its addresses."""

    @property
    def title(self) -> str:
        """What it does, in a few words, for the list of capabilities."""

    @property
    def page(self) -> str | None:
        """File name of its page among the pages; None where it has none."""

    def router(self) -> APIRouter:
        """Return its addresses."""

    def start(self, context: Context) -> None:
        """Begin, before the first request; it may count in the context's registry."""

    def ready(self) -> bool:
        """Whether it can answer now."""

    def describe(self) -> dict[str, Any]:
        """Return what is loaded, for `/models`."""

    def close(self) -> None:
        """Let go of what it holds."""


@dataclass
class Context:
    """One running service.

    Attributes:
        settings: Its limits.
        capabilities: What it can do.
        registry: Its metrics.
        work: Threads for heavy work.
        reads: Threads for tiles and pictures.
        pool_metrics: What is counted of pools.
        stopping: Whether it was told to stop.
    """

    settings: Settings
    capabilities: tuple[Capability, ...]
    registry: Registry = field(default_factory=Registry)
    stopping: bool = False

    def __post_init__(self) -> None:
        given, self.pool_metrics = self.settings, PoolMetrics(self.registry)
        metrics = self.pool_metrics
        self.work = Pool("work", given.workers, given.queue, given.seconds, metrics)
        self.reads = Pool("reads", given.readers, given.read_queue, given.seconds, metrics)

    def start(self) -> None:
        """Let every capability begin."""
        for capability in self.capabilities:
            capability.start(self)

    def ready(self) -> bool:
        """Whether every capability can answer."""
        return not self.stopping and all(item.ready() for item in self.capabilities)

    def close(self) -> None:
        """Stop taking work, and let go of everything."""
        self.stopping = True
        self.work.close()
        self.reads.close()
        for capability in self.capabilities:
            capability.close()


def context_of(request: Request) -> Context:
    """Return the service that a request came to."""
    context = request.app.state.context
    assert isinstance(context, Context)
    return context
