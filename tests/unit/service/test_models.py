import os

import numpy as np
import pytest

from nadir.errors import InputError
from nadir.learn.bundle import load_bundle, save_bundle
from nadir.provenance import transfer
from nadir.provenance.publishing import publish
from nadir.service.models import local_bundle


@pytest.fixture
def bundle(tmp_path):
    folder = tmp_path / "model"
    weights = np.random.default_rng(0).normal(size=(40, 40)).astype(np.float32)
    save_bundle(folder, {"task": "segmentation"}, {"w": weights})
    return folder


def test_a_folder_is_itself(bundle, tmp_path):
    assert local_bundle(bundle) == bundle
    assert local_bundle(str(bundle)) == bundle
    with pytest.raises(InputError, match=r"no model.yaml"):
        local_bundle(tmp_path)


def test_a_published_bundle_is_copied_once(store, bundle):
    publish(bundle, "s3://data/models/roofs")
    folder = local_bundle("s3://data/models/roofs")
    assert np.array_equal(load_bundle(folder).weights["w"], load_bundle(bundle).weights["w"])
    store.requests()
    assert local_bundle("s3://data/models/roofs/") == folder
    assert not [line for line in store.requests() if "safetensors" in line and "GET" in line]


def test_the_newest_version_is_taken_and_older_ones_stay(store, bundle):
    first = publish(bundle, "s3://data/m")
    old = local_bundle("s3://data/m")
    save_bundle(bundle, {"task": "segmentation"}, {"w": np.zeros(3, np.float32)})
    publish(bundle, "s3://data/m")
    assert local_bundle("s3://data/m") != old
    assert local_bundle(first) == old


def test_a_plain_copy_of_the_files_will_do(store, bundle):
    for path in bundle.iterdir():
        store.put(f"plain/{path.name}", path.read_bytes())
    assert load_bundle(local_bundle("s3://data/plain")).description["task"] == "segmentation"


def test_a_copy_that_was_killed_goes_on(store, bundle, monkeypatch):
    publish(bundle, "s3://data/m")
    whole, died = transfer.download, []

    def dying(address, place, info=None):
        if address.endswith("model.yaml") and not died:
            died.append(address)
            raise KeyboardInterrupt
        whole(address, place, info)

    monkeypatch.setattr(transfer, "download", dying)
    with pytest.raises(KeyboardInterrupt):
        local_bundle("s3://data/m")
    store.requests()
    load_bundle(local_bundle("s3://data/m"))
    assert not [line for line in store.requests() if "GET" in line and "safetensors" in line]


def test_weights_that_are_not_the_described_ones(store, bundle):
    for path in bundle.iterdir():
        store.put(f"m/{path.name}", path.read_bytes())
    body = bytearray((bundle / "model.safetensors").read_bytes())
    body[-1] ^= 1
    store.put("m/model.safetensors", bytes(body))
    for _ in range(2):
        with pytest.raises(InputError, match="another digest"):
            local_bundle("s3://data/m")
    store.put("m/model.safetensors", (bundle / "model.safetensors").read_bytes())
    load_bundle(local_bundle("s3://data/m"))


def test_what_is_no_bundle(store):
    store.put("m/readme.txt", b"x")
    with pytest.raises(InputError, match=r"no model.yaml under it"):
        local_bundle("s3://data/m")


def test_pickles_are_never_loaded(store, bundle):
    evil = b"cos\nsystem\n(S'touch pwned'\ntR."
    for path in bundle.iterdir():
        store.put(f"m/{path.name}", path.read_bytes())
    store.put("m/model.safetensors", evil)
    with pytest.raises(InputError, match="safetensors"):
        local_bundle("s3://data/m")
    assert not os.path.exists("pwned")
