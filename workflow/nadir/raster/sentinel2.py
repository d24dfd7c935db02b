"""Sentinel-2: bands, processing baselines, and digital numbers as reflectance.

From processing baseline 04.00 on (deployed 2022-01-25; also in the reprocessed collection 1, whose
names say N05xx), ESA adds 1000 to the stored numbers so that dark, noisy pixels need no negative
ones: reflectance = (raw + offset) / 10000 with offset = -1000 (product metadata `RADIO_ADD_OFFSET`,
`BOA_ADD_OFFSET`; Sentinel-2 Products Specification Document, issue 14.9 and later).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nadir.provenance.objects import filesystem, is_object, object_faults, parent_of
from nadir.provenance.raw import objects_beside

log = logging.getLogger(__name__)

QUANTIFICATION = 1e-4
"""Reflectance of one digital number."""
OFFSET_SINCE_4 = -1000.0
"""Added to digital numbers from baseline 04.00 on."""


@dataclass(frozen=True)
class Band:
    """One band of the MSI instrument.

    Attributes:
        wavelength: Center, nm (Sentinel-2A).
        resolution: Native pixel, m.
        common: The STAC common name.
    """

    wavelength: int
    resolution: int
    common: str


BANDS: dict[str, Band] = {
    "B01": Band(443, 60, "coastal"),
    "B02": Band(490, 10, "blue"),
    "B03": Band(560, 10, "green"),
    "B04": Band(665, 10, "red"),
    "B05": Band(704, 20, "rededge071"),
    "B06": Band(740, 20, "rededge075"),
    "B07": Band(783, 20, "rededge078"),
    "B08": Band(833, 10, "nir"),
    "B8A": Band(865, 20, "nir08"),
    "B09": Band(945, 60, "nir09"),
    "B10": Band(1374, 60, "cirrus"),
    "B11": Band(1614, 20, "swir16"),
    "B12": Band(2202, 20, "swir22"),
}

_BAND_TEXT = re.compile(r"(?:b|band)[\s_-]*0*(\d{1,2})(a?)(?![0-9a-z])", re.IGNORECASE)
_COMMON = {band.common: name for name, band in BANDS.items()}
_COMMON |= {"rededge1": "B05", "rededge2": "B06", "rededge3": "B07", "rededge": "B05"}
_NAME_BASELINE = re.compile(r"_N(\d{2})(\d{2})_")
_NAME_PRODUCT = re.compile(r"S2[ABCD]_MSIL[12][AC]_(\d{8})")
_TAGS = ("PROCESSING_BASELINE", "BASELINE", "S2:PROCESSING_BASELINE")


def canonical_band(text: str | None) -> str | None:
    """Return the Sentinel-2 name that a band description means, or None.

    >>> [canonical_band(text) for text in ("B4, central wavelength 665 nm", "b8a", "blue")]
    ['B04', 'B8A', 'B02']
    """
    text = (text or "").strip()
    found = _BAND_TEXT.match(text)
    if found:
        number, letter = found.groups()
        name = f"B{number}A" if letter else f"B{int(number):02d}"
        return name if name in BANDS else None
    return _COMMON.get(text.lower())


def normalize_baseline(text: str) -> str | None:
    """Return a baseline as "NN.NN" ("5.1" -> "05.10", "N0400" -> "04.00"), or None."""
    found = re.fullmatch(r"\s*N?(\d{1,2})[.](\d{1,2})\s*|\s*N?(\d{2})(\d{2})\s*", str(text))
    if not found:
        return None
    major, minor = (found[1], found[2]) if found[1] else (found[3], found[4])
    return f"{int(major):02d}.{minor:0<2}"


def baseline_offset(baseline: str) -> float:
    """Return what is added to the digital numbers of a product of this baseline ("NN.NN")."""
    return OFFSET_SINCE_4 if baseline >= "04.00" else 0.0


def detect_baseline(path: str, tags: Mapping[str, str] | None = None) -> str | None:
    """Return the processing baseline of a file as "NN.NN", or None when nothing tells.

    Looked at in this order: tags of the raster, a STAC item beside it (`NAME.json`), the file
    name (`..._N0510_...`) and the product folder above it (`S2A_MSI..._N0510_....SAFE`).

    Args:
        path: The raster.
        tags: Its metadata items.
    """
    for key, value in (tags or {}).items():
        if "=" in value and key.lower() == "s2":  # GDAL cuts `s2:processing_baseline` at the colon
            tail, value = value.split("=", 1)
            key = f"{key}:{tail}"
        if key.upper() in _TAGS and (found := normalize_baseline(value)):
            return found
    if text := _stac_item(path):
        try:
            found = normalize_baseline(_stac_baseline(json.loads(text)))
        except ValueError as error:
            log.warning("%s: its STAC item is not read (%s)", path, error)
            found = None
        if found:
            return found
    names = [Path(path).name, *(p.name for p in Path(path).parents if _NAME_PRODUCT.match(p.name))]
    for name in names:  # the file itself, then the product's folder
        if named := _NAME_BASELINE.search(name):
            return f"{named[1]}.{named[2]}"
    return None


def _stac_item(path: str) -> str | None:
    """Return the text of the STAC item beside a raster, on this machine or in a store."""
    if is_object(path):
        item = parent_of(path) + Path(path).with_suffix(".json").name
        if item not in objects_beside(path):
            return None
        with object_faults(item):
            return filesystem().cat_file(item).decode(errors="replace")
    beside = Path(path).with_suffix(".json")
    if "://" in path or not beside.is_file():
        return None
    try:
        return beside.read_text(errors="replace")
    except OSError as error:
        log.warning("%s: not read as a STAC item (%s)", beside, error)
        return None


def _stac_baseline(item: Any) -> str:
    """Return the baseline that a STAC item states, or an empty text."""
    properties = item.get("properties", {}) if isinstance(item, dict) else {}
    for key in ("s2:processing_baseline", "processing:version"):
        if key in properties:
            return str(properties[key])
    return ""


def is_product_name(path: str) -> bool:
    """Whether a file name says that this is a Sentinel-2 product (`S2A_MSIL1C_20170527...`)."""
    return _NAME_PRODUCT.search(path) is not None


def to_reflectance(
    raw: np.ndarray, scale: float | np.ndarray, offset: float | np.ndarray
) -> np.ndarray:
    """Return reflectance = scale * (raw + offset): the only place where raw values are converted.

    Args:
        raw: Raw values, any shape and dtype.
        scale: Reflectance of one raw unit; a scalar, or what broadcasts (one per date).
        offset: Added before scaling; likewise.

    Returns:
        float32 reflectance, 0 to about 1 (not clipped: noise below 0 and glint above 1 are real).
    """
    scale = np.asarray(scale, np.float32)
    offset = np.asarray(offset, np.float32)
    return (raw.astype(np.float32) + offset) * scale


def physical_warnings(
    reflectance: np.ndarray, valid: np.ndarray, bands: Sequence[str]
) -> list[str]:
    """Return what is implausible about a sample of reflectance; empty when it looks right.

    Args:
        reflectance: float32 (band, ...) values.
        valid: bool (...), which samples count.
        bands: Band names; those that are not Sentinel-2's are only checked for their range.
    """
    sample = reflectance[:, valid]
    if sample.size == 0:
        return []
    found: list[str] = []
    negative = float((sample < 0).mean())
    if negative > 0.02:
        found.append(
            f"{negative:.0%} of the reflectance is negative: "
            "the offset may be declared although the data hold none (see `baseline`)"
        )
    bright = float((sample > 1.6).mean())
    if bright > 0.01:
        found.append(f"{bright:.0%} of the reflectance is above 1.6: check `scale` and `baseline`")
    floor = float(np.percentile(sample, 0.1))
    if floor > 0.095:
        found.append(
            f"nothing is darker than {floor:.2f}: an offset of -1000 (baseline 04.00 and later) "
            "may be missing (see `baseline`), unless all is desert, cloud or snow"
        )
    if float(np.percentile(sample, 99.9)) < 0.01:
        found.append("nothing is brighter than 0.01: check `scale`")
    number = {canonical_band(name): index for index, name in enumerate(bands)}
    if {"B02", "B04", "B08"} <= number.keys():
        blue, red, nir = (sample[number[name]] for name in ("B02", "B04", "B08"))
        far = sample[number["B8A"]] if "B8A" in number else nir
        near = sample[number["B05"]] if "B05" in number else red
        # The red edge tells vegetation without the bands under suspicion.
        green = (far > 1.5 * near) & (far > 0.15)
        if green.mean() > 0.02 and float((blue[green] > nir[green]).mean()) > 0.5:
            found.append(
                "blue is brighter than near infrared over vegetation: bands may be swapped"
            )
        elif "B8A" in number and float(np.abs(nir - far).mean()) > 0.1:
            found.append("B08 and B8A, neighbours, differ by more than 0.1: bands may be swapped")
    return found
