"""Small rasters made by code."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio

from nadir.config.classes import ClassTable, LandClass

CRS, LEFT, TOP = "EPSG:32631", 400_000.0, 4_600_000.0


@pytest.fixture
def write_raster(tmp_path):
    """Return a function that writes an array (y, x) or (band, y, x) as a GeoTIFF at a grid."""

    def write(name, values, resolution=1.0, origin=(LEFT, TOP), crs=CRS, bands=(), **options):
        path = tmp_path / name
        values = values if values.ndim == 3 else values[None]
        transform = options.pop("transform", (resolution, 0, origin[0], 0, -resolution, origin[1]))
        with rasterio.open(
            path,
            "w",
            driver="GTiff",
            count=values.shape[0],
            height=values.shape[1],
            width=values.shape[2],
            dtype=values.dtype,
            crs=crs,
            transform=rasterio.Affine(*transform[:6]),
            **options,
        ) as dataset:
            dataset.write(values)
            for number, band in enumerate(bands, start=1):
                dataset.set_band_description(number, band)
        return path

    return write


@pytest.fixture
def make_table():
    """Return a function that makes a class table of `count` classes with values 1 to `count`."""

    def make(count, nodata=(0,)):
        return ClassTable(
            classes=tuple(
                LandClass(value=value, name=f"class {value}", color=f"#{value:06x}")
                for value in range(1, count + 1)
            ),
            nodata=nodata,
        )

    return make


@pytest.fixture
def patches():
    """Return a function that makes a random mask (y, x) of blobs, so that pixels are part mixed."""

    def make(height, width, count, seed=0, blob=7):
        rng = np.random.default_rng([seed, height, width])
        small = rng.integers(0, count + 1, (-(-height // blob), -(-width // blob)), dtype=np.uint8)
        mask = np.kron(small, np.ones((blob, blob), np.uint8))[:height, :width]
        noise = rng.random((height, width)) < 0.1
        mask[noise] = rng.integers(0, count + 1, int(noise.sum()), dtype=np.uint8)
        return mask

    return make


class RawFiles:
    """Raw files of a test, in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder

    def path(self, name):
        """Return the path of a file, as text."""
        return str(self.folder / name)

    def noise(self, bands, height, width, seed=0, dtype="uint16"):
        """Return plausible digital numbers (1200 to 5000; 8-bit: 10 to 250), none of them 0."""
        low, high = (10, 250) if dtype == "uint8" else (1200, 5000)
        values = np.random.default_rng(seed).integers(low, high, (bands, height, width))
        return values.astype(dtype)

    def tif(
        self,
        name,
        data,
        *,
        resolution=10.0,
        origin=(LEFT, TOP),
        crs=CRS,
        bands=(),
        tags=(),
        **options,
    ):
        """Write (band, y, x) or (y, x) as a GeoTIFF (without any place if `crs` is None)."""
        data = data[None] if data.ndim == 2 else data
        if crs is not None:
            x, y = origin
            options |= {
                "crs": crs,
                "transform": rasterio.Affine(resolution, 0, x, 0, -resolution, y),
            }
        count, height, width = data.shape
        with rasterio.open(
            self.folder / name,
            "w",
            driver="GTiff",
            count=count,
            height=height,
            width=width,
            dtype=data.dtype,
            **options,
        ) as dataset:
            dataset.write(data)
            for number, text in enumerate(bands, start=1):
                dataset.set_band_description(number, text)
            dataset.update_tags(**dict(tags))
        return self.path(name)


@pytest.fixture
def raw(tmp_path):
    """Files made by code in a fresh folder."""
    return RawFiles(tmp_path)
