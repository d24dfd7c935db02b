"""Bands of STAC items, and what their numbers mean."""

from __future__ import annotations

import pytest

from nadir.errors import InputError
from nadir.raster.assets import SCL, baseline_of, image_assets, mask_asset

TIFF = "image/tiff; application=geotiff; profile=cloud-optimized"
BANDS = ("B02", "B05", "B8A")


def item(assets, **properties):
    return {"id": "x", "properties": properties, "assets": assets}


def plain(*keys, **more):
    return {key: {"href": f"/{key}.tif", "type": TIFF, **more} for key in keys}


def hrefs(found):
    return {band: asset.href for band, asset in found.items()}


def test_common_names():
    assets = plain("blue", "rededge1", "nir08", "nir", "scl", "blue-jp2", "visual", "thumbnail")
    found = image_assets(item(assets), BANDS)
    assert hrefs(found) == {
        "B02": "/blue.tif",
        "B05": "/rededge1.tif",
        "B8A": "/nir08.tif",
        SCL: "/scl.tif",
    }


def test_numbers_at_several_resolutions():
    assets = plain("B02_60m", "B02_10m", "B02_20m", "B05_20m", "B05_60m", "B8A_20m", "SCL_20m")
    found = image_assets(item(assets), BANDS)
    assert [found[band].href for band in BANDS] == ["/B02_10m.tif", "/B05_20m.tif", "/B8A_20m.tif"]


def test_names_in_metadata_and_tiff_before_jpeg_2000():
    assets = {
        "one": {"href": "/1.jp2", "type": "image/jp2", "eo:bands": [{"name": "B02"}]},
        "two": {"href": "/2.tif", "type": TIFF, "eo:bands": [{"name": "B02"}]},
        "rgb": {"href": "/3.tif", "type": TIFF, "eo:bands": [{"name": "B02"}, {"name": "B03"}]},
        "four": {"href": "/4.tif", "type": TIFF, "bands": [{"name": "B05"}]},
        "five": {"href": "/5.tif", "type": TIFF, "bands": [{"eo:common_name": "nir08"}]},
        "blue": {"href": "/6.png", "type": "image/png"},
        **plain("SCL"),
    }
    found = image_assets(item(assets), BANDS)
    assert [found[band].href for band in BANDS] == ["/2.tif", "/4.tif", "/5.tif"]


@pytest.mark.parametrize(("gone", "word"), [("rededge1", "B05"), ("scl", "SCL")])
def test_a_missing_asset_is_told_with_those_there_are(gone, word):
    assets = plain("blue", "rededge1", "nir08", "scl")
    del assets[gone]
    with pytest.raises(InputError, match=rf"no asset for {word}.*assets: blue"):
        image_assets(item(assets), BANDS)


LISTED = {"raster:bands": [{"scale": 0.0001, "offset": -0.1}]}
HERE = {"raster:scale": 0.0001, "raster:offset": -0.1}
NEW = {"s2:processing_baseline": "05.00"}
ZERO = {"raster:bands": [{"scale": 0.0001, "offset": 0}]}


@pytest.mark.parametrize(
    ("asset", "properties", "offset", "scale"),
    [
        (LISTED, {"s2:processing_baseline": "05.00"}, -1000, 1e-4),
        (HERE, {"s2:processing_baseline": "05.11"}, -1000, 1e-4),
        (LISTED, {}, -1000, 1e-4),
        ({}, {"s2:processing_baseline": "04.00"}, -1000, 1e-4),
        ({}, {"processing:version": "5.10"}, -1000, 1e-4),
        ({}, {"s2:processing_baseline": "03.01"}, 0, 1e-4),
        ({}, {}, 0, 1e-4),
        # Catalogues that lie: the offset is declared, but was taken off, or never was there.
        (
            LISTED,
            {"s2:processing_baseline": "05.00", "earthsearch:boa_offset_applied": True},
            0,
            1e-4,
        ),
        (
            LISTED,
            {"s2:processing_baseline": "05.00", "earthsearch:boa_offset_applied": False},
            -1000,
            1e-4,
        ),
        (LISTED, {"s2:processing_baseline": "02.12"}, 0, 1e-4),
        (ZERO, {"s2:processing_baseline": "05.00"}, 0, 1e-4),
        ({"raster:bands": [{"scale": 0.0002, "offset": -0.1}]}, {}, -500, 2e-4),
    ],
)
def test_what_numbers_mean(asset, properties, offset, scale):
    found = image_assets(item(plain("blue", "B05", "B8A", "scl", **asset), **properties), BANDS)
    assert (found["B02"].offset, found["B02"].scale) == (offset, scale)


def test_doubt_is_logged(caplog):
    image_assets(item(plain("B02", "scl")), ("B02",))
    assert "neither offset nor baseline" in caplog.text


def test_checksums_and_sizes():
    more = {"file:checksum": "1220ab", "file:size": 7}
    found = image_assets(item(plain("B02", "scl", **more)), ("B02",))["B02"]
    assert (found.checksum, found.size) == ("1220ab", 7)


def test_baselines():
    assert baseline_of(item({}, **{"s2:processing_baseline": "N0510"})) == "05.10"
    assert baseline_of(item({}, **{"processing:version": "2.8.1"})) is None
    assert baseline_of(item({})) is None


def test_labels():
    one = {
        "map": {"href": "/m.tif", "type": TIFF, "roles": ["data"]},
        "preview": {"href": "/p.png"},
    }
    assert mask_asset(item(one), None).href == "/m.tif"
    assert mask_asset(item(plain("a", "b")), "b").href == "/b.tif"
    for name in (None, "c"):
        with pytest.raises(InputError, match=r"which asset.*a, b"):
            mask_asset(item(plain("a", "b")), name)
