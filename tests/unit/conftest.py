"""What tests of several parts share: an object store on loopback."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def object_store():
    """A store with its proxy, started once a process of the test runner."""
    from object_store import ObjectStore

    store = ObjectStore()
    yield store
    store.stop()


@pytest.fixture
def store(object_store, monkeypatch, tmp_path):
    """An empty bucket `data`; the environment says where it is, and copies go to a cache here."""
    from nadir.provenance import objects, raw

    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_NO_SIGN_REQUEST", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    settings = {
        "AWS_ENDPOINT_URL": object_store.url,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "3",
        "NADIR_CACHE": str(tmp_path / "cache"),
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    object_store.reset()
    raw.forget_objects()
    yield object_store
    raw.forget_objects()
    objects._client.cache_clear()
