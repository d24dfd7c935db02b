"""Labels of a scene: shares of every class in each image pixel, and one hard label.

One pass over the fine mask gives both. The store `labels.zarr` holds `fraction (class, y, x)`
uint8 and `hard (y, x)` uint8; class 0 is no data, which includes ground that the mask lacks.
"""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nadir.config.classes import ClassTable
from nadir.config.scenes import CubeConfig, LabelConfig
from nadir.errors import InputError
from nadir.provenance.manifest import (
    Manifest,
    read_manifest,
    staged_store,
    stated_facts,
    store_of,
)
from nadir.raster.blocks import run_blocks
from nadir.raster.grid import Grid
from nadir.raster.store import (
    ArraySpec,
    Block,
    Layout,
    StoredArray,
    UnitDigest,
    blocks_of,
    content_digest,
    create_array,
    create_group,
    unit_digests,
)

if TYPE_CHECKING:  # whoever only reads labels need not wait for Numba and GDAL
    from nadir.raster.alignment import AreaAlignment, NestedAlignment, Rule
    from nadir.raster.masks import RawMask

log = logging.getLogger(__name__)

KIND = "labels"


@dataclass(frozen=True)
class _AlignBlock:
    """Aligns one block and writes it; pickles for Dask workers."""

    store: Path
    alignment: NestedAlignment | AreaAlignment
    count: int
    rule: Rule

    def __call__(self, block: Block) -> tuple[np.ndarray, int, list[UnitDigest]]:
        """Write the block; return pixels by hard label, pixels with any labelled share, digests."""
        from nadir.raster.kernels import smoothed_label

        y, x, height, width = block
        r = self.rule.radius
        shares, hard = self.alignment.aggregate(
            y - r, x - r, height + 2 * r, width + 2 * r, self.count, self.rule
        )
        if r:
            hard = np.empty((height, width), np.uint8)
            smoothed_label(
                shares, self.alignment.scale, r, self.rule.weights, self.rule.min_share, hard
            )
            shares = np.ascontiguousarray(shares[:, r:-r, r:-r])
        units = []
        for name, values in (("fraction", shares), ("hard", hard)):
            StoredArray(self.store / name).write((), y, x, values)
            units += unit_digests(name, (), y, x, values)
        labelled = int(np.count_nonzero(shares[0] < self.alignment.scale))
        return np.bincount(hard.ravel(), minlength=self.count), labelled, units


def align_labels(
    mask: str | os.PathLike[str] | RawMask,
    grid: Grid,
    table: ClassTable,
    cfg: LabelConfig,
    manifest: str | os.PathLike[str],
    sources: dict[str, str],
    cube: CubeConfig | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
) -> Manifest:
    """Align a fine mask with the grid of an image and store shares and hard labels.

    Whole-number ratios are counted exactly; other ratios along the same axes use exact areas;
    another CRS or orientation is warped categorically onto a fine sub-grid first (see
    `nadir.raster.alignment`). Memory is bounded by the shard's side and the number of workers,
    whatever the size of the scene.

    Args:
        mask: The mask's file, or a `RawMask` such as `ArrayMask`.
        grid: Grid of the image.
        table: What the mask's values mean.
        cfg: Rule for hard labels.
        manifest: Path of the manifest to write, `.../NAME.manifest.json`.
        sources: Raw files -> digests of their bytes, for the manifest.
        cube: Codec, chunk and shard of the store.
        workers: Blocks at a time; None for one per processor.
        scheduler: Address of a Dask scheduler, if any.

    Returns:
        The manifest; its `content` has `shape`, `classes`, `rule`, `fraction_scale`, `alignment`
        ("nested", "area" or "warped") and `pixels` (hard labels by id).

    Raises:
        InputError: When the mask cannot be read, has no CRS, does not overlap the image, holds no
            label there, or holds values outside the class table. Nothing is left behind.
        OutputError: When the disk is full or not writable. Nothing is left behind.
    """
    from nadir.raster.alignment import Rule, plan_alignment
    from nadir.raster.masks import MaskReader, RasterMask

    raw = RasterMask(os.fspath(mask)) if isinstance(mask, (str, os.PathLike)) else mask
    reader = MaskReader(raw, table)
    alignment = plan_alignment(reader, grid, table)
    rule = Rule.of(cfg, table)
    layout = Layout.of(cube or CubeConfig(), grid.height, grid.width)
    if isinstance(raw, RasterMask) and raw.striped and grid.width > layout.block:
        log.warning(
            "%s is stored in strips, not tiles: each strip is decoded %d times. "
            "It is read faster after `gdal_translate -of COG`",
            raw.name,
            -(-grid.width // layout.block),
        )
    count = table.count + 1
    arrays = [
        ArraySpec("fraction", "uint8", (count, *grid.shape), ("class", "y", "x")),
        ArraySpec("hard", "uint8", grid.shape, ("y", "x")),
    ]
    facts: dict[str, Any] = {
        "fraction_scale": alignment.scale,
        "classes": table.model_dump(mode="json"),
        "rule": cfg.model_dump(mode="json"),
    }
    with staged_store(manifest) as stage:
        create_group(stage.path, {**facts, "grid": grid.to_dict()})
        for spec in arrays:
            create_array(stage.path, spec, layout, {})
        blocks = blocks_of(*grid.shape, layout.block)
        work = _AlignBlock(stage.path, alignment, count, rule)
        found = run_blocks(work, blocks, workers, scheduler, "align labels")
        if not any(labelled for _, labelled, _ in found):
            raise InputError(
                raw.name,
                "the mask holds no label over the image, only no data",
                "Give the mask of this scene, or give the scene the role `predict`.",
            )
        units = [unit for _, _, units in found for unit in units]
        digest = content_digest(units, {**facts, "grid": grid.to_dict()})
        content = {
            **facts,
            "shape": [count, *grid.shape],
            "alignment": alignment.method,
            "pixels": np.sum([pixels for pixels, _, _ in found], axis=0).tolist(),
        }
        return stage.commit(Manifest(KIND, digest, grid.to_dict(), content, sources))


class Labels:
    """Aligned labels of a scene; safe for threads, pickles as the path.

    Args:
        manifest: Path of the manifest.

    Attributes:
        manifest: The manifest.
        grid: Grid of the image.
        classes: The class table.
        fraction_scale: share of a class = fraction / fraction_scale.
        shape: (height, width).
    """

    def __init__(self, manifest: str | os.PathLike[str]) -> None:
        self.path = Path(manifest)
        self.manifest = read_manifest(manifest, KIND)
        content = self.manifest.content
        self.grid = Grid.of_manifest(self.manifest, manifest)
        with stated_facts(manifest):
            self.classes = ClassTable.model_validate(content["classes"])
            self.fraction_scale: int = content["fraction_scale"]
        self.shape = self.grid.shape
        store = store_of(manifest, self.manifest)
        self._fraction, self._hard = StoredArray(store / "fraction"), StoredArray(store / "hard")

    @property
    def rule(self) -> LabelConfig:
        """The rule of the hard labels."""
        return LabelConfig.model_validate(self.manifest.content["rule"])

    def hard(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return uint8 ids (height, width), 0 = no data; boundless, 0 outside."""
        return self._hard.read(y, x, height, width)

    def fraction(self, y: int, x: int, height: int, width: int) -> np.ndarray:
        """Return uint8 shares x `fraction_scale` (K + 1, height, width).

        Outside the scene the share of id 0 (no data) is whole.
        """
        shares = self._fraction.read(y, x, height, width)
        rows, columns = self.shape
        if y < 0 or x < 0 or y + height > rows or x + width > columns:
            outside = np.ones((height, width), bool)
            outside[max(-y, 0) : max(rows - y, 0), max(-x, 0) : max(columns - x, 0)] = False
            shares[0, outside] = self.fraction_scale
        return shares


def open_labels(manifest: str | os.PathLike[str]) -> Labels:
    """Open aligned labels through their manifest. Raises `InputError` when it is not there."""
    return Labels(manifest)
