"""Splitting tiles into training, validation and test."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from nadir.config.tiling import SplitConfig
from nadir.errors import InputError
from nadir.raster.grid import Grid
from nadir.tiles.ground import places
from nadir.tiles.prune import place_shapes, prune
from nadir.tiles.split_blocks import find_blocks
from nadir.tiles.split_clusters import find_clusters
from nadir.tiles.split_file import split_by_file
from nadir.tiles.split_groups import find_groups
from nadir.tiles.stratify import stratify
from nadir.tiles.table import SPLITS, grid_of, scene_of

_log = logging.getLogger(__name__)

COLUMNS = ("id", "scene", "y", "x", "size", "split", "block", "reason")
SPATIAL = ("blocks", "clusters", "groups")
"""Methods that keep groups of tiles whole and a distance between splits."""
_ATTEMPTS = 8  # assignments that are tried until crossing and distance leave every class its place


def split_tiles(
    scenes: Sequence[pd.DataFrame],
    cfg: SplitConfig,
    seed: int,
    test_scenes: Sequence[pd.DataFrame] = (),
    groups: Mapping[str, str] | None = None,
) -> pd.DataFrame:
    """Split the kept tiles of all learning scenes.

    Args:
        scenes: Tile tables of the learning scenes (`index_tiles`).
        cfg: Method, fractions, block, buffer.
        seed: Seed of everything random.
        test_scenes: Tile tables of scenes that are test as a whole; learning tiles keep their
            distance from these, too.
        groups: Scene -> group (city), for the method `groups`; a scene without one is its own.

    Returns:
        One row a kept tile, in the order of the scenes: id, scene, y, x, size, split (train,
        validation, test or none), block (name of the block or cluster, "" where there is none)
        and reason (why a tile is in none). `attrs`: method, seed, fractions, buffer, grids
        (scene -> grid), warnings, classes (names by id), pixels (split -> pixels by class id).

    Raises:
        InputError: When no tile is left, a split is empty that should not be, or a class is
            missing from training, or from another split although it occurs in enough groups.
    """
    if not scenes:
        raise InputError("split", "no scene to learn from", "Give a scene the role `learn`.")
    table = _gather(scenes)
    if table.empty:
        raise InputError(
            ", ".join(scene_of(tiles) for tiles in scenes),
            "no tile is kept: all are without labels or valid pixels, or filtered out",
            "See tiles.parquet for the causes; check mask and no-data, or loosen the filters.",
        )
    every = _gather([*scenes, *test_scenes])
    grids = {scene_of(tiles): grid_of(tiles) for tiles in (*scenes, *test_scenes)}
    names = list(scenes[0].attrs.get("classes", []))
    columns = [f"class_{number}" for number in range(1, len(names))]
    counts = table[columns].to_numpy(np.int64) if columns else np.zeros((len(table), 0), np.int64)

    # The buffer's default is half the largest tile, as the configuration says.
    buffer = int(table["size"].max()) // 2 if cfg.buffer is None else cfg.buffer
    fixed = np.arange(len(every)) >= len(table)
    near = [place_shapes(every, grids, place) for place in places(grids, reach=buffer)]
    learn = {scene_of(tiles): grids[scene_of(tiles)] for tiles in scenes}
    candidates = _candidates(table, learn, counts, cfg, buffer, seed, groups or {})
    best: tuple[tuple[float, float], np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None = None
    for split, block, reason, group in candidates:
        all_split = np.append(split, np.full(int(fixed.sum()), "test", object))
        # With a buffer of 0 a file stands as its author gave it, and overlap is refused by the
        # certificate; with a buffer, its tiles give way to each other like those of blocks.
        if cfg.method in SPATIAL or (cfg.method == "file" and buffer > 0):
            all_split, why = prune(all_split, fixed, near, buffer)
            reason = np.where(why[: len(split)] != "", why[: len(split)], reason)
        split = all_split[: len(table)]
        faults = _faults(split, group, counts, names, cfg)
        score = (float(len(faults)), _deviation(split, counts, cfg.fractions))
        if best is None or score < best[0]:
            best = (score, split, reason, block, group)
        if not faults:
            break
    assert best is not None
    _, split, reason, block, group = best
    faults = _faults(split, group, counts, names, cfg)
    if faults:
        raise InputError("split", "; ".join(faults), _remedy(cfg))
    warnings = _scarce(split, group, counts, names, cfg)
    for warning in warnings:
        _log.warning("%s", warning)

    result = table[["id", "scene", "y", "x", "size"]].copy()
    result["split"], result["block"], result["reason"] = split, block, reason
    rest = every[fixed][["id", "scene", "y", "x", "size"]]
    rest = rest.assign(split="test", block="", reason="")
    result = pd.concat([result, rest], ignore_index=True)[list(COLUMNS)]
    for column in ("id", "scene", "split", "block", "reason"):
        result[column] = result[column].astype("str")
    result.attrs = {
        "method": cfg.method,
        "seed": int(seed),
        "fractions": list(cfg.fractions),
        "buffer": buffer if cfg.method != "random" else 0,
        "grids": {scene: grid.to_dict() for scene, grid in grids.items()},
        "test_scenes": [scene_of(tiles) for tiles in test_scenes],
        "classes": names,
        "pixels": {
            name: [int(n) for n in counts[split == name].sum(axis=0)] for name in (*SPLITS, "none")
        },
        "warnings": warnings,
    }
    _log.info("split: %s", {name: int((split == name).sum()) for name in (*SPLITS, "none")})
    return result


def _gather(scenes: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the kept tiles of all scenes in one table, without geometry.

    Raises:
        InputError: When scenes share a name or differ in their classes.
    """
    names = [scene_of(tiles) for tiles in scenes]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(twice[0], "two scenes have this name", "Give each scene its own name.")
    labelled = {tuple(tiles.attrs.get("classes", [])) for tiles in scenes}
    if len(labelled) > 1:
        raise InputError(
            ", ".join(names), "scenes were indexed with different classes", "Index them again."
        )
    parts = [
        pd.DataFrame(tiles.loc[tiles["keep"], [c for c in tiles.columns if c != "geometry"]])
        for tiles in scenes
    ]
    for part in parts:
        part.attrs = {}  # each has its own grid; together they have none
    return pd.concat(parts, ignore_index=True)


def _candidates(
    table: pd.DataFrame,
    grids: Mapping[str, Grid],
    counts: np.ndarray,
    cfg: SplitConfig,
    buffer: int,
    seed: int,
    groups: Mapping[str, str],
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (split, block, reason, group) of possible assignments, before tiles yield."""
    empty = np.full(len(table), "", object)
    names = np.array(SPLITS, object)
    if cfg.method == "random":
        rng = np.random.default_rng([seed])
        edges = np.round(np.cumsum(cfg.fractions) * len(table)).astype(int)
        rank = rng.permutation(len(table))
        split = names[np.searchsorted(edges[:-1], rank, side="right")]
        yield split, empty, empty, np.arange(len(table))
    elif cfg.method == "file":
        assert cfg.file is not None
        split, reason = split_by_file(table, grids, cfg.file)
        yield split, empty, reason, np.arange(len(table))
    elif cfg.method in ("clusters", "groups"):
        if cfg.method == "clusters":
            member = find_clusters(table, grids, buffer)
            block = np.array([f"cluster{number + 1}" for number in member], object)
        else:
            labels, member = find_groups(table, grids, groups)
            block = np.array(labels, object)[member]
        for attempt in range(_ATTEMPTS):
            chosen = stratify(_sums(counts, member), cfg.fractions, _seed(seed, attempt))
            yield names[chosen[member]], block, empty.copy(), member
    else:
        blocks = find_blocks(table, grids, cfg.block)
        block = np.array(blocks.names, object)[blocks.home]
        # Tiles across a border may be lost: only those inside count as what a block offers.
        offered = np.where(blocks.inner[:, None], counts, 0)
        number = len(blocks.names)
        for attempt in range(_ATTEMPTS):
            sums = _sums(offered, blocks.home, number)
            if not counts.shape[1]:
                sums = np.bincount(blocks.home, minlength=number)[:, None]
            chosen = stratify(
                sums, cfg.fractions, _seed(seed, attempt), blocks.neighbours if buffer else None
            )
            split, reason = names[chosen[blocks.home]], empty.copy()
            other = chosen[blocks.touched] != chosen[blocks.home][:, None]
            crossing = np.flatnonzero(other.any(axis=1))
            for tile in crossing:
                into = names[chosen[blocks.touched[tile, np.argmax(other[tile])]]]
                reason[tile] = f"reaches into a {into} block"
            split[crossing] = "none"
            yield split, block, reason, np.where(blocks.inner, blocks.home, -1)


def _seed(seed: int, attempt: int) -> int:
    """Return a seed of its own for each attempt."""
    return int(np.random.default_rng([seed, attempt]).integers(2**31))


def _sums(counts: np.ndarray, group: np.ndarray, groups: int | None = None) -> np.ndarray:
    """Return (groups, classes) sums of the counts of tiles by group."""
    sums = np.zeros((groups or int(group.max()) + 1, counts.shape[1]), np.int64)
    np.add.at(sums, group, counts)
    return sums


def _offers(group: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return in how many groups each class occurs."""
    inside = group >= 0
    if not inside.any():
        return np.zeros(counts.shape[1], np.int64)
    return (_sums(counts[inside], group[inside]) > 0).sum(axis=0)


def _active(cfg: SplitConfig) -> list[str]:
    """Return the splits that must not be empty."""
    if cfg.method == "file":
        return ["train"]  # whether there is more is the user's choice
    return [name for name, share in zip(SPLITS, cfg.fractions, strict=True) if share > 0]


def _absent(split: np.ndarray, counts: np.ndarray, cfg: SplitConfig) -> list[tuple[str, int]]:
    """Return (split, class id) where a split that has tiles lacks a class that there is."""
    there = counts.sum(axis=0) > 0
    lacking = []
    for name in _active(cfg):
        tiles = split == name
        if tiles.any():
            for column in np.flatnonzero(there & (counts[tiles].sum(axis=0) == 0)):
                lacking.append((name, int(column) + 1))
    return lacking


def _faults(
    split: np.ndarray, group: np.ndarray, counts: np.ndarray, names: list[str], cfg: SplitConfig
) -> list[str]:
    """Return what makes a split unusable, one clause each."""
    faults = [f"the {name} set is empty" for name in _active(cfg) if not (split == name).any()]
    offers = _offers(group, counts)
    enough = len(_active(cfg))
    for name, number in _absent(split, counts, cfg):
        if name == "train" or offers[number - 1] >= enough:
            faults.append(f"class {names[number]!r} is missing from the {name} set")
    return faults


def _scarce(
    split: np.ndarray, group: np.ndarray, counts: np.ndarray, names: list[str], cfg: SplitConfig
) -> list[str]:
    """Return warnings about classes that are too rare to be in every split."""
    offers = _offers(group, counts)
    what = {"blocks": "block", "clusters": "cluster", "groups": "group"}.get(cfg.method, "tile")
    return [
        f"class {names[number]!r} is missing from the {name} set: it occurs in"
        f" {offers[number - 1]} {what}{'' if offers[number - 1] == 1 else 's'} only"
        for name, number in _absent(split, counts, cfg)
        if name != "train"
    ]


def _deviation(split: np.ndarray, counts: np.ndarray, fractions: Sequence[float]) -> float:
    """Return how far the splits are from their fractions of every class and of all tiles."""
    columns = np.concatenate([counts, np.ones((len(split), 1), np.int64)], axis=1)
    totals = np.maximum(columns.sum(axis=0), 1)
    return sum(
        float(((columns[split == name].sum(axis=0) / totals - share) ** 2).sum())
        for name, share in zip(SPLITS, fractions, strict=True)
    )


def _remedy(cfg: SplitConfig) -> str:
    """Return what to do about a split that leaves something empty."""
    return {
        "blocks": "Make `split.block` or `split.buffer` smaller, change the fractions or the seed,"
        " add a scene, or take the class out of the class table.",
        "clusters": "Make `tiles.sizes` or `split.buffer` smaller (clusters then fall apart),"
        " change the fractions or the seed, or add labels.",
        "groups": "Add scenes of other groups (cities), change the fractions, or use the method"
        " `blocks`.",
        "random": "Change the fractions or the seed, cut smaller tiles, or add a scene.",
        "file": "Put tiles of every class into the file's training set.",
    }[cfg.method]
