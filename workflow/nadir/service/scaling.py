"""From an image's numbers to reflectance: what its file declares, or the request states."""

from __future__ import annotations

import numpy as np
from rasterio.io import DatasetReader

from nadir.raster.encoding import Encoding
from nadir.service.catalog import Model
from nadir.service.problems import Problem

_COLORS = {"red", "green", "blue"}
_STATE = (
    "Declare scale and offset in the file (gdal_edit.py -scale S -offset O FILE), state them in "
    "the fields `scale` and `offset`, or send 8 bits a band."
)


def encoding_of(
    dataset: DatasetReader, model: Model, given: tuple[float | None, float | None]
) -> Encoding:
    """Return how an image's values are stored for a model.

    8-bit pictures in red, green and blue are 1/255; 16-bit PNGs are 1/65535, as that format says;
    floating-point numbers without a declared scale are reflectance. Anything else must be declared
    by the file or stated by the request: a guess would be a wrong map.

    Args:
        dataset: The image.
        model: The model.
        given: Scale and offset that the request states: reflectance = scale * (value + offset).

    Raises:
        Problem: 422 when it is not known.
    """
    dtype = np.dtype(dataset.dtypes[0])
    scale, offset = given
    if scale is None and offset is None:
        scale, offset = _declared(dataset)
    if scale is None:
        scale = _usual(dataset, dtype, model)
    if scale is None:
        raise Problem(
            422,
            "unknown-scale",
            f"the image's values are {dtype}, and nothing tells what they measure",
            _STATE,
        )
    return Encoding.of(dtype, scale, offset or 0.0)


def _usual(dataset: DatasetReader, dtype: np.dtype, model: Model) -> float | None:
    """Return the scale that a format or type has where nothing is declared."""
    if dtype == np.uint8:
        colors = {name.lower() for name in model.predictor.bands} == _COLORS
        return 1 / 255 if colors else None
    if dtype == np.uint16 and dataset.driver == "PNG":
        return 1 / 65535
    return 1.0 if dtype.kind == "f" else None


def _declared(dataset: DatasetReader) -> tuple[float | None, float | None]:
    """Return the scale and offset of a file, (None, None) where it declares none.

    A file's own are those of value * scale + offset.

    Raises:
        Problem: 422 when they differ between bands, or are no use.
    """
    pairs = set(zip(dataset.scales, dataset.offsets, strict=True))
    if pairs == {(1.0, 0.0)}:
        return None, None
    scale, offset = next(iter(pairs))
    if len(pairs) > 1 or not (np.isfinite([scale, offset]).all() and scale > 0):
        raise Problem(
            422,
            "unusable-scale",
            "the scales that the image declares differ between bands, or are not positive",
            _STATE,
        )
    return float(scale), float(offset / scale)
