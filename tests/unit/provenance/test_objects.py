import pytest

from nadir.errors import InputError
from nadir.provenance import objects
from nadir.provenance.objects import (
    is_object,
    list_objects,
    object_faults,
    open_object,
    parent_of,
    split_address,
    stat_object,
)


def test_addresses_fall_into_bucket_and_key():
    assert split_address("s3://data/a/b c.tif") == ("data", "a/b c.tif")
    assert split_address("s3://data") == ("data", "")
    assert parent_of("s3://data/a/b.tif") == "s3://data/a/"
    assert is_object("s3://data/x") and not is_object("data/x") and not is_object("s3:/data/x")


@pytest.mark.parametrize("text", ["s3://", "s3:///key", "s3://Up_per/key", "https://x/y", "a/b"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(InputError, match="no address"):
        split_address(text)


def test_lists_and_sizes(store):
    store.put("a/x.tif", b"12345")
    store.put("a/y.tif", b"1")
    store.put("b/x.tif", b"")
    assert list(list_objects("s3://data/a/")) == ["s3://data/a/x.tif", "s3://data/a/y.tif"]
    info = stat_object("s3://data/a/x.tif")
    assert info.size == 5
    assert info == list_objects("s3://data/a/x")["s3://data/a/x.tif"]
    assert list_objects("s3://data/none/") == {}


def test_lists_of_several_pages_are_whole(store, monkeypatch):
    for number in range(5):
        store.put(f"a/{number}", b"x")
    client = objects.filesystem()
    whole = client.call_s3
    monkeypatch.setattr(client, "call_s3", lambda name, **keys: whole(name, MaxKeys=2, **keys))
    assert len(list_objects("s3://data/a/")) == 5


def test_an_absent_object_names_the_nearest(store):
    store.put("a/april.tif", b"x")
    with pytest.raises(InputError, match=r"no such object; did you mean 'april.tif'\?"):
        stat_object("s3://data/a/aprl.tif")


def test_an_absent_bucket_is_named(store):
    for ask in (stat_object, list_objects):
        with pytest.raises(InputError, match="there is no bucket 'nowhere'"):
            ask("s3://nowhere/x.tif")


@pytest.mark.parametrize("code", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch"])
def test_refused_access_tells_where_credentials_come_from(store, code):
    store.put("x", b"1")
    store.fail("/data", status=403, code=code, times=99)
    with pytest.raises(InputError, match=r"access is denied.*AWS_ACCESS_KEY_ID") as caught:
        list_objects("s3://data/x")
    assert "testing" not in str(caught.value)  # neither key nor secret
    with pytest.raises(InputError, match="access is denied"):
        stat_object("s3://data/x")


def test_without_credentials_this_is_said(store, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(InputError, match=r"no credentials.*AWS_NO_SIGN_REQUEST"):
        list_objects("s3://data/x")
    monkeypatch.setenv("AWS_NO_SIGN_REQUEST", "YES")
    assert list_objects("s3://data/x") == {}  # this store asks nobody


def test_a_store_that_is_not_there(store, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(InputError, match=r"http://127.0.0.1:1 cannot be reached"):
        stat_object("s3://data/x")


def test_an_overloaded_store_is_asked_again(store):
    store.put("x", b"123")
    store.fail("HEAD /data/x", status=503, code="SlowDown", times=2)
    assert stat_object("s3://data/x").size == 3
    store.fail("GET /data", status=500, code="InternalError", times=99)
    with pytest.raises(InputError, match="the store fails"):
        list_objects("s3://data/x")


def test_random_access_reads_what_is_there(store):
    body = bytes(range(256)) * 6000  # more than one block
    store.put("x", body)
    with open_object("s3://data/x") as file:
        file.seek(objects.BLOCK - 10)
        assert file.read(20) == body[objects.BLOCK - 10 : objects.BLOCK + 10]
        file.seek(-5, 2)
        assert file.read() == body[-5:]


def test_a_body_that_is_cut_off_is_asked_for_again(store):
    store.put("x", b"a" * 5000)
    store.fail("GET /data/x", keep=100)
    with open_object("s3://data/x") as file:
        assert file.read() == b"a" * 5000
    store.fail("GET /data/x", keep=100, times=99)
    with (
        pytest.raises(InputError, match="cut off"),
        open_object("s3://data/x") as file,
        object_faults("s3://data/x"),
    ):
        file.read()


def test_an_object_that_is_replaced_while_it_is_read(store):
    store.put("x", b"a" * 3 * objects.BLOCK)
    with open_object("s3://data/x") as file:
        file.read(10)
        store.put("x", b"b" * 3 * objects.BLOCK)
        file.seek(2 * objects.BLOCK)
        with pytest.raises(InputError, match="replaced"), object_faults("s3://data/x"):
            file.read(10)


def test_other_errors_pass():
    with pytest.raises(ZeroDivisionError), object_faults("s3://data/x"):
        _ = 1 / 0
