"""Blocks and lots of built-up sites: which is which, and which are built by when."""

from __future__ import annotations

import numpy as np
from numba import njit

from nadir.simulate import sites as site_kinds
from nadir.simulate.buildings import hall_grid, street_grid
from nadir.simulate.epochs import exists
from nadir.simulate.noise import hash_cell, mix
from nadir.simulate.sites import KIND

STREET = 5.0
"""Half width of a town's street in metres, sidewalks included."""

LOT_LENGTH, LOT_DEPTH = 34.0, 36.0
"""Lots of loose housing in metres."""

_NEW_HOUSING, _NEW_HALLS, _NEW_BLOCKS = 0.25, 0.22, 0.15  # built within the last decade


@njit(cache=True, nogil=True)
def block_hash(site, h, u, v, seed):
    """Return the hash of a town's block, an estate's lot or a garden at a local position."""
    kind = site[KIND]
    if kind == site_kinds.TOWN:
        length, depth = street_grid(h)
        return mix(
            h ^ hash_cell(np.int64(np.floor(u / length)), np.int64(np.floor(v / depth)), 531, seed)
        )
    if kind == site_kinds.INDUSTRY:
        length, depth = hall_grid(h)
        return mix(
            h ^ hash_cell(np.int64(np.floor(u / length)), np.int64(np.floor(v / depth)), 535, seed)
        )
    return mix(
        h
        ^ hash_cell(
            np.int64(np.floor(u / LOT_LENGTH)), np.int64(np.floor(v / LOT_DEPTH)), 532, seed
        )
    )


@njit(cache=True, nogil=True)
def is_built(site, h, u, v, seed, epoch):
    """Whether a piece of a built-up site is built already; before that it is bare ground.

    Towns and estates grow block by block, loose housing by four lots on both sides of a street.
    Streets are there from the start.

    Args:
        site: Row of a site table.
        h: Hash of the site.
        u: Position along its first axis in metres.
        v: The same along its second axis.
        seed: From `noise.seed_hash`.
        epoch: From `epochs.Epoch.table`.
    """
    kind = site[KIND]
    if kind == site_kinds.SUBURB:
        group = hash_cell(
            np.int64(np.floor(u / (4.0 * LOT_LENGTH))),
            np.int64(np.floor(v / (2.0 * LOT_DEPTH) + 0.5)), 568, h,
        )  # fmt: skip
        return exists(group, 71, _NEW_HOUSING, 0.0, epoch)
    if kind == site_kinds.TOWN or kind == site_kinds.INDUSTRY:
        fresh = _NEW_BLOCKS if kind == site_kinds.TOWN else _NEW_HALLS
        return exists(block_hash(site, h, u, v, seed), 71, fresh, 0.02, epoch)
    return True


@njit(cache=True, nogil=True)
def on_street(site, h, u, v):
    """Whether a position in the frame of a site lies on one of its streets."""
    kind = site[KIND]
    if kind == site_kinds.SUBURB:
        return v - 2.0 * LOT_DEPTH * np.floor(v / (2.0 * LOT_DEPTH)) < 6.0
    if kind == site_kinds.TOWN or kind == site_kinds.INDUSTRY:
        length, depth = street_grid(h) if kind == site_kinds.TOWN else hall_grid(h)
        du = abs(u - length * np.floor(u / length + 0.5))
        dv = abs(v - depth * np.floor(v / depth + 0.5))
        return min(du, dv) < STREET
    return False
