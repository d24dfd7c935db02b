"""Sentinel-2 images in STAC items: which asset is which band, and what its numbers mean.

Catalogues name bands by number (`B02`, `B02_10m`), by common name (`blue`) or in metadata alone
(`eo:bands`, `bands` since STAC 1.1), and state the offset of processing baseline 04.00 in several
ways, not always rightly. What is believed, in this order:

1. `earthsearch:boa_offset_applied` (or `sentinel:boa_offset_applied`) is true: the offset was taken
   off already, whatever `raster:bands` still says;
2. a baseline before 04.00: there never was an offset, whatever is declared (with a warning);
3. a declared scale and offset (`raster:bands`, `raster:scale`, `raster:offset`);
4. the baseline.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nadir.errors import InputError, did_you_mean
from nadir.raster.sentinel2 import (
    QUANTIFICATION,
    baseline_offset,
    canonical_band,
    normalize_baseline,
)

log = logging.getLogger(__name__)

SCL = "SCL"
"""The scene classification."""

_PICTURES = ("image/png", "image/jpeg", "image/webp")
_METRES = re.compile(r"_(\d+)m$")


@dataclass(frozen=True)
class Asset:
    """One file of an image.

    Attributes:
        href: Its address.
        scale: Reflectance = scale * (raw + offset).
        offset: See `scale`.
        checksum: Multihash in hex, or "".
        size: Bytes that the catalogue states, or 0.
    """

    href: str
    scale: float = 1.0
    offset: float = 0.0
    checksum: str = ""
    size: int = 0


def baseline_of(item: dict[str, Any]) -> str | None:
    """Return the processing baseline that an item states, as "NN.NN", or None."""
    facts = item.get("properties", {})
    for key in ("s2:processing_baseline", "sentinel:processing_baseline", "processing:version"):
        if key in facts and (found := normalize_baseline(str(facts[key]))):
            return found
    return None


def image_assets(item: dict[str, Any], bands: Sequence[str]) -> dict[str, Asset]:
    """Return the files of an image: band name -> asset, and `SCL`.

    Args:
        item: A STAC item with absolute addresses.
        bands: The bands wanted.

    Raises:
        InputError: When a band or the scene classification is missing; it names what there is.
    """
    found = _by_band(item)
    where = f"item {item['id']}"
    for band in (*bands, SCL):
        if band not in found:
            known = [name for name in found if name != SCL]
            raise InputError(
                where,
                f"it has no asset for {band}{did_you_mean(band, known)} "
                f"(assets: {', '.join(sorted(item['assets']))})",
                "Choose another collection (level 2A), or leave this band out of `bands`.",
            )
    baseline = baseline_of(item)
    result = {band: _asset(item, found[band], baseline) for band in bands}
    return {**result, SCL: _plain(found[SCL])}


def mask_asset(item: dict[str, Any], name: str | None) -> Asset:
    """Return the file of an item that holds labels.

    Args:
        item: A STAC item with absolute addresses.
        name: Name of the asset, or None for the only one that is data.

    Raises:
        InputError: When there is none, or several to choose from.
    """
    assets = item["assets"]
    if name is None:
        data = [key for key, asset in assets.items() if "data" in asset.get("roles", ())]
        names = data or [key for key, asset in assets.items() if "tif" in asset.get("type", "")]
        name = names[0] if len(names) == 1 else None
    if name not in assets:
        raise InputError(
            f"item {item['id']}",
            f"which asset holds the labels? There are: {', '.join(sorted(assets))}",
            "Name one as `asset`.",
        )
    return _plain(assets[name])


def _plain(asset: dict[str, Any]) -> Asset:
    return Asset(
        href=asset["href"],
        checksum=str(asset.get("file:checksum", "")),
        size=int(asset.get("file:size", 0)),
    )


def _by_band(item: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return band name -> asset; of several the finest, then GeoTIFF, then by name."""
    candidates: dict[str, list[tuple[Any, dict[str, Any]]]] = {}
    for key, asset in item["assets"].items():
        kind = str(asset.get("type", ""))
        band = None if kind.startswith(_PICTURES) else _band_of(key, asset)
        if band:
            no_tiff = "tif" not in kind and not asset["href"].split("?")[0].endswith(".tif")
            rank = (_resolution(key, asset), no_tiff, len(key), key)
            candidates.setdefault(band, []).append((rank, asset))
    return {band: min(assets, key=lambda pair: pair[0])[1] for band, assets in candidates.items()}


def _band_of(key: str, asset: dict[str, Any]) -> str | None:
    """Return the band that an asset holds alone, or None."""
    if re.fullmatch(r"scl([_-].*)?", key.lower()):
        return SCL
    stated = asset.get("eo:bands") or asset.get("bands") or []
    if len(stated) > 1:
        return None  # a picture of several bands
    if band := canonical_band(key):
        return band
    for part in stated:
        for name in (part.get("name"), part.get("common_name"), part.get("eo:common_name")):
            if band := canonical_band(name):
                return band
    return None


def _resolution(key: str, asset: dict[str, Any]) -> float:
    """Return the size of a pixel in metres, as far as the catalogue tells."""
    stated = _METRES.search(key)
    value = asset.get("gsd") or _first(asset).get("spatial_resolution")
    return float(value or (stated[1] if stated else 0))


def _first(asset: dict[str, Any]) -> dict[str, Any]:
    """Return what is said of the values of an asset's only band."""
    listed = asset.get("raster:bands") or asset.get("bands") or [{}]
    return {**asset, **listed[0]}


def _asset(item: dict[str, Any], asset: dict[str, Any], baseline: str | None) -> Asset:
    """Return an asset of reflectance with its scale and offset."""
    stated = _first(asset)
    scale = stated.get("scale", stated.get("raster:scale"))
    scale = float(scale) if scale else QUANTIFICATION
    declared = stated.get("offset", stated.get("raster:offset"))
    offset = None if declared is None else round(float(declared) / scale, 6)
    facts = item.get("properties", {})
    applied = any(
        facts.get(f"{prefix}:boa_offset_applied") is True for prefix in ("earthsearch", "sentinel")
    )
    if applied:
        offset = 0.0
    elif baseline and baseline_offset(baseline) == 0:
        if offset:
            log.warning(
                "item %s declares an offset of %g, which baseline %s has not: none is taken",
                item["id"],
                offset,
                baseline,
            )
        offset = 0.0
    elif offset is None:
        offset = baseline_offset(baseline) if baseline else 0.0
        if baseline is None:
            log.warning("item %s states neither offset nor baseline: none is taken", item["id"])
    plain = _plain(asset)
    return Asset(plain.href, scale, offset, plain.checksum, plain.size)
