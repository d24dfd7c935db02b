"""Clients of a service with the tiny segmentation model."""

from __future__ import annotations

from nadir.service.catalog import load_model
from nadir.service.segment import Segment

_loaded = {}


def loaded(folder, name="roofs"):
    """Return a bundle, loaded once a process."""
    if (folder, name) not in _loaded:
        _loaded[folder, name] = load_model(name, folder)
    return _loaded[folder, name]


def form(data, **fields):
    """Return a form with an image, as httpx takes it."""
    return {"files": {"image": ("image.bin", data)}, "data": fields}


def segment_client(make_client, bundles, state, **settings):
    """Return a client of a service with some bundles (name -> folder), and the capability."""
    capability = Segment([loaded(folder, name) for name, folder in bundles.items()], state)
    return make_client([capability], **settings), capability
