import io
import threading

import numpy as np
import pytest
from PIL import Image
from rasterio.warp import transform

from nadir.errors import InputError
from nadir.service.answers import LocalizeAnswer
from nadir.service.localize import Localize


def send(client, photo, name="photo.png", **options):
    return client.post("/localize", files={"photo": (name, photo)}, **options)


def area(ring):
    x, y = np.array(ring).T
    return 0.5 * np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])


def test_photo_is_found(client, photo, encode):
    pixels, pose = photo
    reply = send(client, encode(pixels))
    assert reply.status_code == 200
    answer = reply.json()
    LocalizeAnswer.model_validate(answer)
    assert answer["pose"] == {"x": pose.x, "y": pose.y, "angle": 90.0, "scale": 1.0}
    assert answer["resolved"] is True and answer["probability"] > 0.99
    assert answer["photo"] == {"width": 80, "height": 60}
    assert answer["reference"] == "substrate" and answer["stage"] == "template"
    np.testing.assert_allclose(answer["covariance"], np.diag([0.1, 0.1, 0]))
    corners = np.array(list(answer["corners"].values()))
    np.testing.assert_allclose(corners, pose.corners(80, 60))


def test_place_on_the_ground(client, photo, encode):
    answer = send(client, encode(photo[0])).json()
    assert answer["map"]["crs"] == "EPSG:32631"
    for name, (x, y) in answer["corners"].items():
        want = [500_000 + 2 * x, 4_500_000 - 2 * y]
        np.testing.assert_allclose(answer["map"]["corners"][name], want)
    feature = answer["footprint"]
    assert feature["type"] == "Feature" and feature["geometry"]["type"] == "Polygon"
    (ring,) = feature["geometry"]["coordinates"]
    assert ring[0] == ring[-1] and len(ring) == 5
    assert area(ring) > 0  # counterclockwise, as RFC 7946 asks
    east, north = transform("EPSG:4326", "EPSG:32631", *np.array(ring).T.tolist())
    back = {(round(e, 2), round(n, 2)) for e, n in zip(east, north, strict=True)}
    assert back == {tuple(corner) for corner in answer["map"]["corners"].values()}


def test_photo_of_elsewhere_is_not_resolved(client, encode):
    noise = np.random.default_rng(9).integers(0, 255, (50, 50, 3), dtype=np.uint8)
    answer = send(client, encode(noise)).json()
    assert answer["resolved"] is False and answer["probability"] < 0.5
    assert answer["footprint"]["properties"]["resolved"] is False


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_formats(client, photo, encode, kind):
    options = {"quality": 95} if kind == "JPEG" else {}
    answer = send(client, encode(photo[0], kind, **options), "x.bin").json()
    assert answer["pose"]["x"] == photo[1].x


def test_gray_and_transparent_photos_are_taken(client, photo, encode):
    pixels, pose = photo
    alpha = np.dstack([pixels, np.full(pixels.shape[:2], 9, np.uint8)])
    assert send(client, encode(alpha)).json()["pose"]["x"] == pose.x
    assert send(client, encode(pixels[..., 1])).status_code == 200


class Unsure:
    """A locator that knows little."""

    name, grid, size = "bare", None, (620, 410)

    def __init__(self, substrate, found):
        self.substrate, self.found = substrate, found

    def locate(self, photo):
        self.found.probability = self.found.margin = float("nan")
        self.found.covariance = np.full((3, 3), np.nan)
        return self.found


def test_what_is_not_known_is_null(make_client, locator, substrate, photo, encode):
    found = locator.locate(photo[0])
    client = make_client([Localize([Unsure(substrate, found)])])
    answer = send(client, encode(photo[0])).json()
    for name in ("probability", "margin", "covariance", "map"):
        assert answer[name] is None
    feature = answer["footprint"]
    assert feature["properties"]["coordinates"] == "pixels"
    want = [answer["corners"][name] for name in ("left_top", "right_top", "right_bottom")]
    assert feature["geometry"]["coordinates"][0][:3] == want


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"no image at all", "not-an-image"),
        (b"\x89PNG\r\n\x1a\n", "not-an-image"),
        (b"", "empty-photo"),
        (b"%PDF-1.7", "not-an-image"),
    ],
)
def test_what_is_no_photo(client, data, kind):
    reply = send(client, data)
    assert reply.status_code == 422
    assert reply.json()["type"] == f"urn:nadir:problem:{kind}"
    assert reply.json()["remedy"].endswith(".")


def test_truncated_photo(client, photo, encode):
    whole = encode(photo[0])
    reply = send(client, whole[: len(whole) // 2])
    assert reply.status_code == 422
    assert "cannot be read" in reply.json()["detail"]


def test_sixteen_bits(client, encode):
    reply = send(client, encode(np.full((40, 40), 40_000, np.uint16)))
    assert reply.status_code == 422
    assert "8-bit" in reply.json()["remedy"]


def test_too_many_pixels(client, encode):
    reply = send(client, encode(np.zeros((400, 400, 3), np.uint8)))
    assert reply.status_code == 413
    assert "400 x 400" in reply.json()["detail"]


def test_too_many_bytes_announced_or_not(client):
    assert send(client, bytes(400_000)).status_code == 413

    def stream():
        for _ in range(40):
            yield bytes(10_000)

    reply = client.post(
        "/localize",
        content=stream(),
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert reply.status_code == 413
    assert reply.json()["type"] == "urn:nadir:problem:too-many-bytes"


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"", None, 415),
        (b"abc", "application/json", 415),
        (b"abc", "image/png", 415),
        (b"abc", "multipart/form-data", 400),
        (b"", "multipart/form-data; boundary=x", 422),
        (b"garbage without end", "multipart/form-data; boundary=x", 400),
        (b"--x\r\nno colon\r\n\r\n", "multipart/form-data; boundary=x", 400),
    ],
)
def test_forms_that_are_none(client, content, kind, status):
    headers = {"content-type": kind} if kind else {}
    reply = client.post("/localize", content=content, headers=headers)
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["remedy"]


def test_photo_as_text_or_under_another_name(client, photo, encode):
    data = encode(photo[0])
    assert client.post("/localize", files={"image": ("a.png", data)}).status_code == 422
    assert client.post("/localize", files={"x": ("", b"")}, data={"photo": "text"}).status_code in (
        400,
        422,
    )
    many = [("photo", ("a.png", data)), ("photo", ("b.png", data))]
    assert client.post("/localize", files=many).status_code == 400


@pytest.mark.parametrize(
    "name",
    [
        "../../etc/passwd",
        "/etc/passwd",
        "..\\..\\x",
        "C:\\x.png",
        "a\0b.png",
        "%2e%2e%2fx",
        "x" * 999,
    ],
)
def test_names_are_only_names(client, photo, encode, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reply = send(client, encode(photo[0]), name)
    assert reply.status_code == 200
    assert name not in reply.text
    assert not list(tmp_path.rglob("*"))


def test_substrate_is_chosen_by_name(make_client, locator, substrate, photo, encode):
    other = type(locator)("other", substrate)
    client = make_client([Localize([locator, other])])
    data = encode(photo[0])
    assert send(client, data).json()["substrate"] == "plain"
    assert send(client, data, data={"substrate": "other"}).json()["substrate"] == "other"
    reply = send(client, data, data={"substrate": "othr"})
    assert reply.status_code == 404
    assert "did you mean 'other'?" in reply.json()["detail"]


def test_substrates_need_names_of_their_own(locator):
    with pytest.raises(InputError, match="names"):
        Localize([locator, locator])


def test_tiles_are_the_pixels(client, picture):
    (about,) = client.get("/localize/substrates").json()["substrates"]
    assert (about["width"], about["height"], about["levels"]) == (620, 410, 2)
    assert about["meters_per_pixel"] == 2.0
    reply = client.get("/localize/substrates/plain/tiles/2/1/0.png")
    assert reply.headers["content-type"] == "image/png"
    tile = np.asarray(Image.open(io.BytesIO(reply.content)))
    np.testing.assert_array_equal(tile, picture[:256, 256:512])
    preview = Image.open(io.BytesIO(client.get("/localize/substrates/plain/preview.png").content))
    assert preview.size == (620, 410)


@pytest.mark.parametrize(
    ("place", "status"),
    [("9/0/0", 404), ("2/3/0", 404), ("2/a/0", 422), ("2/-1/0", 422), (f"2/{10**30}/0", 422)],
)
def test_tiles_that_are_none(client, place, status):
    reply = client.get(f"/localize/substrates/plain/tiles/{place}.png")
    assert reply.status_code == status
    assert reply.json()["status"] == status


@pytest.mark.parametrize("name", ["nobody", "..%2f..%2fetc", "%2e%2e", "a%00b", "x" * 300])
def test_unknown_names_are_not_found(client, name):
    for address in (f"/localize/substrates/{name}/preview.png", f"/localize/examples/{name}"):
        assert client.get(address).status_code in (404, 422)


def test_examples(make_client, locator, photo, encode, tmp_path):
    paths = [tmp_path / "a b.png", tmp_path / "second.png"]
    for path in paths:
        path.write_bytes(encode(photo[0]))
    client = make_client([Localize([locator], paths)])
    names = client.get("/models").json()["capabilities"]["localize"]["examples"]
    assert names == ["a b", "second"]
    reply = client.get("/localize/examples/a b")
    assert reply.content == paths[0].read_bytes() and reply.headers["content-type"] == "image/png"
    small = client.get("/localize/examples/second/thumbnail.png")
    assert Image.open(io.BytesIO(small.content)).size == (80, 60)


class Held:
    """A locator that waits until it is let go."""

    def __init__(self, locator):
        self.locator = locator
        self.begun, self.go = threading.Semaphore(0), threading.Event()

    def __getattr__(self, name):
        return getattr(self.locator, name)

    def locate(self, photo):
        self.begun.release()
        assert self.go.wait(5)
        return self.locator.locate(photo)


def test_full_queue_is_told_to_come_back(make_client, locator, photo, encode):
    held = Held(locator)
    client = make_client([Localize([held])], workers=1, queue=1)
    data, replies = encode(photo[0]), []
    threads = [
        threading.Thread(target=lambda: replies.append(send(client, data))) for _ in range(2)
    ]
    threads[0].start()
    assert held.begun.acquire(timeout=5)
    threads[1].start()
    gauge = 'nadir_work_admitted{pool="work"} 2'
    while gauge not in client.get("/metrics").text:
        pass
    refused = send(client, data)
    tile = client.get("/localize/substrates/plain/tiles/0/0/0.png")  # not held up by the search
    held.go.set()
    for thread in threads:
        thread.join()
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert refused.json()["type"] == "urn:nadir:problem:busy"
    assert tile.status_code == 200
    assert [reply.status_code for reply in replies] == [200, 200]
    assert send(client, data).status_code == 200
    assert 'nadir_work_refused_total{pool="work"} 1' in client.get("/metrics").text


def test_out_of_time(make_client, locator, photo, encode):
    held = Held(locator)
    client = make_client([Localize([held])], seconds=1)
    reply = send(client, encode(photo[0]))
    held.go.set()
    assert reply.status_code == 503
    assert reply.json()["type"] == "urn:nadir:problem:out-of-time"
    assert "retry-after" in reply.headers


class Broken:
    """A locator that raises."""

    def __init__(self, locator, error):
        self.locator, self.error = locator, error

    def __getattr__(self, name):
        return getattr(self.locator, name)

    def locate(self, photo):
        raise self.error


def test_faults_of_the_photo_and_of_the_service(make_client, locator, photo, encode, caplog):
    data = encode(photo[0])
    fault = InputError("/secret/place.tif", "the photo is blank", "Send another one.")
    reply = send(make_client([Localize([Broken(locator, fault)])]), data)
    assert reply.status_code == 422
    assert reply.json()["detail"] == "the photo is blank"
    assert reply.json()["remedy"] == "Send another one."
    assert "secret" not in reply.text
    client = make_client([Localize([Broken(locator, KeyError("inner secret"))])])
    reply = send(client, data)
    assert reply.status_code == 500
    assert reply.headers["content-type"] == "application/problem+json"
    for word in ("Traceback", "KeyError", "secret", ".py"):
        assert word not in reply.text
    logged = [record for record in caplog.records if record.exc_info]
    assert len(logged) == 1 and logged[0].fields["id"] == reply.headers["x-request-id"]
    assert send(client, data).status_code == 500  # and it goes on


def test_answers_are_counted(client, photo, encode):
    send(client, encode(photo[0]))
    send(client, encode(photo[0]))
    send(client, b"nothing")
    text = client.get("/metrics").text
    assert 'nadir_localize_answers_total{substrate="plain",resolved="true"} 2' in text
    assert 'nadir_http_requests_total{method="POST",route="/localize",status="200"} 2' in text
    assert 'nadir_http_requests_total{method="POST",route="/localize",status="422"} 1' in text
