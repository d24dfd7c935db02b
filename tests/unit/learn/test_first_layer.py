"""Which band takes which filters of pretrained weights."""

from __future__ import annotations

import pytest
import torch

from nadir.errors import InputError
from nadir.learn import encoders
from nadir.learn.encoders import build_encoder
from nadir.learn.first_layer import adapt_first_layer, band_key, color_sources


@pytest.fixture
def pretrained(monkeypatch):
    """ImageNet's weights without a network: by encoder, what was "fetched"."""
    plain, fetched = encoders.get_encoder, {}

    def fetch(name, weights=None, **options):
        encoder = plain(name, weights=None, **options)
        if weights is not None:
            fetched[name] = encoder
        return encoder

    monkeypatch.setattr(encoders, "get_encoder", fetch)
    return fetched


def _filters(pretrained, bands, name="resnet18"):
    """Return the first filters of an encoder for the bands, and those that it started from."""
    found = build_encoder(name, "imagenet", len(bands), bands=bands)
    return found.conv1.weight, pretrained[name].conv1.weight


def test_red_green_and_blue_take_their_own_filters(pretrained):
    found, (red, green, blue) = _channels(*_filters(pretrained, ("B02", "B03", "B04")))
    for channel, expected in zip(found, (blue, green, red), strict=True):
        assert torch.equal(channel, expected)


def _channels(found, given):
    return found.unbind(1), given.unbind(1)


def test_each_date_takes_them_and_other_bands_their_mean(pretrained):
    bands = ("B02", "B03", "B04", "B08") * 2
    found, (red, green, blue) = _channels(*_filters(pretrained, bands))
    mean = (red + green + blue) / 3
    for channel, expected in zip(found, (blue, green, red, mean) * 2, strict=True):
        torch.testing.assert_close(channel, expected * 3 / 8)
    # An image that is grey in all bands is answered as ImageNet's encoder answers grey.
    torch.testing.assert_close(sum(found), red + green + blue)


def test_all_but_the_first_layer_is_as_fetched(pretrained):
    found = build_encoder("resnet18", "imagenet", 2, bands=("B11", "B12"))
    given = pretrained["resnet18"].state_dict()
    for key, value in found.state_dict().items():
        assert key == "conv1.weight" or torch.equal(value, given[key])


@pytest.mark.parametrize("bands", [("red", "green", "blue"), ("R", "G", "B"), ("x", "y", "z")])
def test_pictures_and_unknown_bands_keep_their_order(pretrained, bands):
    found, given = _filters(pretrained, bands)
    assert torch.equal(found, given)


def test_filters_are_repeated_in_turn_where_no_band_is_known(pretrained):
    found, given = _filters(pretrained, ("",) * 5)
    torch.testing.assert_close(found, given[:, [0, 1, 2, 0, 1]] * 3 / 5)


def test_names_mean_bands():
    assert [band_key(name) for name in ("B4", "red", "R", "B8a", "Height")] == (
        ["B04", "B04", "B04", "B8A", "height"]
    )
    assert color_sources(("B08", "Height", "blue")) == [None, None, 2]
    assert color_sources(("VV", "VH")) is None


@pytest.mark.parametrize(
    "name", ["mobileone_s0", pytest.param("tu-repvgg_a0", marks=pytest.mark.slow)]
)
def test_all_branches_of_a_first_block_are_fitted(pretrained, name):
    encoder = build_encoder(name, "imagenet", 2, bands=("B03", "B04")).eval()
    given = pretrained[name].eval()
    values = torch.randn(1, 2, 64, 64)
    shown = torch.zeros(1, 3, 64, 64)
    shown[:, [1, 0]] = values * 3 / 2
    with torch.inference_mode():
        found, expected = encoder(values), given(shown)
    for own, same in zip(found[1:3], expected[1:3], strict=True):  # deeper ones only grow
        torch.testing.assert_close(own, same, atol=1e-4, rtol=1e-3)


def test_an_encoder_that_rearranges_its_input_first_is_refused():
    encoder = torch.nn.Sequential(torch.nn.PixelUnshuffle(4), torch.nn.Conv2d(48, 8, 3))
    assert adapt_first_layer(encoder, 3)[1].in_channels == 48
    with pytest.raises(InputError, match=r"sees 48 channels, not the 3"):
        adapt_first_layer(encoder, 5)
