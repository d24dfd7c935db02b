"""Which located photos are kept from training: scores and confidence are measured on them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection


def draw_validation(names: Collection[str], share: float, seed: int) -> set[str]:
    """Draw the photos that no training sees: those whose hash with the seed is lowest.

    Args:
        names: Located photos.
        share: Share of them; above 0 at least one is drawn.
        seed: Seed.
    """
    count = max(1, round(share * len(names))) if share > 0 else 0
    return set(
        sorted(names, key=lambda name: hashlib.sha256(f"{seed}/{name}".encode()).digest())[:count]
    )
