"""Galleries over HTTP: rankings as the batch rule's, pictures by name, and clear answers."""

import io
import threading

import numpy as np
import pytest
from gallery_fakes import PLACES, VIEWS, make_gallery
from PIL import Image
from segment_fakes import geotiff, roofs

from nadir.errors import InputError
from nadir.service.catalog import load_model
from nadir.service.found import PlacesAnswer, RetrieveAnswer
from nadir.service.galleries import OpenGallery, load_galleries
from nadir.service.retrieve import Retrieve

KEY = "a key of some length"


@pytest.fixture(scope="module")
def galleries(gallery_folder):
    return load_galleries([gallery_folder])


@pytest.fixture
def client(make_client, galleries):
    return make_client([Retrieve(galleries)], max_bytes=300_000, max_pixels=100_000)


@pytest.fixture(scope="module")
def query(products):
    """The bytes of one query of the drone."""
    return path_bytes(products.queries().iloc[0].path)


def path_bytes(path):
    with open(path, "rb") as file:
        return file.read()


def ask(client, photo, **fields):
    return client.post("/retrieve", files={"photo": ("photo.bin", photo)}, data=fields)


def kind_of(reply):
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["remedy"].endswith(".")
    return reply.json()["type"].removeprefix("urn:nadir:problem:")


@pytest.mark.parametrize("view", VIEWS)
def test_the_ranking_is_that_of_the_batch_rule(client, products, view):
    asked = products.queries()
    asked = asked[asked["view"] == view]
    assert len(asked) == PLACES
    for row in asked.itertuples():
        reply = ask(client, path_bytes(row.path), view=view)
        assert reply.status_code == 200
        answer = RetrieveAnswer.model_validate(reply.json())
        names, scores = products.top(row.image)
        assert [found.name for found in answer.results] == names
        assert [found.rank for found in answer.results] == list(range(1, 11))
        np.testing.assert_allclose([found.score for found in answer.results], scores, atol=1e-5)


def test_what_is_told_of_an_image(client, products, query):
    answer = ask(client, query, k=PLACES).json()
    assert (answer["view"], answer["searched"], answer["images"]) == (*VIEWS, PLACES)
    assert answer["gallery"] == "town-tiny" and answer["crs"] == "EPSG:32631"
    assert len(answer["results"]) == PLACES  # the picture that counts for no place is left out
    by_place = {found["place"]: found for found in answer["results"]}
    assert by_place["0003"]["coordinates"] == [1030.0, 1997.0]
    assert by_place["0005"]["coordinates"] is None
    for found in answer["results"]:
        table = products.stored.table.set_index("image")
        assert table.loc[found["name"], "place"] == found["place"]


def test_a_gallery_smaller_than_asked_for_is_ranked_whole(client, query):
    assert len(ask(client, query, k=100).json()["results"]) == PLACES
    assert len(ask(client, query, k=1).json()["results"]) == 1


def test_pictures_by_name(client, query):
    found = ask(client, query, k=1).json()["results"][0]
    reply = client.get(found["picture"])
    assert reply.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(reply.content)).size == (48, 48)
    small = client.get(found["picture"].replace("/pictures/", "/thumbnails/"))
    assert Image.open(io.BytesIO(small.content)).format == "JPEG"
    encoded = found["name"].replace("/", "%2F")
    again = client.get(f"/retrieve/galleries/town-tiny/pictures/{encoded}")
    assert again.content == reply.content


@pytest.mark.parametrize(
    "name",
    [
        "..%2F..%2Fgallery.json",
        "../gallery.json",
        "%2e%2e/%2e%2e/gallery.json",
        "%2Fetc%2Fpasswd",
        "000000.jpg",
        "pictures/000000.jpg",
        "x%00y",
        "a" * 900,
    ],
)
def test_names_are_no_paths(client, name):
    for part in ("pictures", "thumbnails"):
        assert client.get(f"/retrieve/galleries/town-tiny/{part}/{name}").status_code == 404
    assert client.get("/retrieve/galleries/..%2Ftown/pictures/x").status_code == 404


def test_a_picture_that_went_is_told(make_client, products, tmp_path):
    folder = make_gallery(products, tmp_path / "g")
    (gallery,) = load_galleries([folder])
    client = make_client([Retrieve([gallery])])
    gallery.gallery.picture(0).unlink()
    name = gallery.gallery.table["image"][0]
    reply = client.get(f"/retrieve/galleries/town-tiny/pictures/{name}")
    assert reply.status_code == 500 and str(folder) not in reply.text
    kind_of(reply)


def test_places_for_a_map(client):
    told = PlacesAnswer.model_validate(client.get("/retrieve/galleries/town-tiny").json())
    assert len(told.places) == PLACES - 1
    assert told.images == {"drone": PLACES, "satellite": 2 * PLACES}


def test_examples_have_their_view(client):
    told = client.get("/models").json()["capabilities"]["retrieve"]
    (gallery,) = told["galleries"]
    assert set(gallery["examples"].values()) == set(VIEWS)
    assert set(gallery["examples"]) == set(told["examples"])
    for name, view in gallery["examples"].items():
        photo = client.get(f"/retrieve/examples/{name}").content
        assert ask(client, photo, view=view).status_code == 200
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_formats(client, encode, kind):
    pixels = np.random.default_rng(2).integers(0, 255, (40, 60, 3), np.uint8)
    answer = ask(client, encode(pixels, kind)).json()
    assert answer["photo"] == {"width": 60, "height": 40}


def test_gray_and_transparent_pictures_are_taken(client, encode):
    pixels = np.random.default_rng(2).integers(0, 255, (40, 60, 3), np.uint8)
    alpha = np.dstack([pixels, np.full((40, 60), 9, np.uint8)])
    assert (
        ask(client, encode(alpha)).json()["results"]
        == ask(client, encode(pixels)).json()["results"]
    )
    assert ask(client, encode(pixels[..., 0])).status_code == 200
    assert ask(client, encode(pixels[:1, :1])).status_code == 200


def test_georeferenced_picture(client, encode):
    pixels = roofs(64, 80)
    answer = ask(client, geotiff(pixels))
    assert answer.status_code == 200
    plain = ask(client, encode(np.asarray(pixels, np.uint8)))
    assert answer.json()["results"] == plain.json()["results"]


def test_what_is_no_picture(client, query, encode):
    cases = {
        b"no image at all": "not-an-image",
        b"\x89PNG\r\n\x1a\n": "not-an-image",
        b"": "empty-photo",
        query[: len(query) // 2]: "unusable-input",
        encode(np.full((40, 40), 40_000, np.uint16)): "unusable-input",
    }
    cmyk = io.BytesIO()
    Image.new("CMYK", (40, 40)).save(cmyk, "JPEG")
    cases[cmyk.getvalue()] = "unusable-input"
    for data, kind in cases.items():
        reply = ask(client, data)
        assert (reply.status_code, kind_of(reply)) == (422, kind)


def test_wrong_requests(client, query):
    wrong = client.post("/retrieve", content=query, headers={"content-type": "image/jpeg"})
    assert (wrong.status_code, kind_of(wrong)) == (415, "not-a-form")
    empty = client.post("/retrieve")
    assert (empty.status_code, kind_of(empty)) == (415, "not-a-form")
    assert client.post("/retrieve", data={"k": "3"}, files={"other": b"x"}).status_code == 422
    for fields, status, kind in (
        ({"k": "0"}, 422, "invalid-number"),
        ({"k": "101"}, 422, "invalid-number"),
        ({"k": "ten"}, 422, "invalid-number"),
        ({"k": "²"}, 422, "invalid-number"),
        ({"view": "dron"}, 404, "no-view"),
        ({"gallery": "../town"}, 404, "no-gallery"),
        ({"veiw": "drone"}, 422, "unknown-field"),
    ):
        reply = ask(client, query, **fields)
        assert (reply.status_code, kind_of(reply)) == (status, kind)
    assert "'drone'" in ask(client, query, view="dron").json()["detail"]


def test_limits_on_bytes_and_pixels(client, encode):
    assert ask(client, bytes(400_000)).status_code == 413
    reply = ask(client, encode(np.zeros((400, 400, 3), np.uint8)))
    assert reply.status_code == 413 and "400 x 400" in reply.json()["detail"]


class Held(OpenGallery):
    """A gallery that waits before it answers."""

    def __init__(self, retriever):
        super().__init__(retriever)
        self.begun, self.go = threading.Semaphore(0), threading.Event()

    def find(self, *arguments):
        self.begun.release()
        assert self.go.wait(5)
        return super().find(*arguments)


def test_a_full_queue_is_told_to_come_back(make_client, galleries, query):
    held = Held(galleries[0].retriever)
    client = make_client([Retrieve([held])], queue=0)
    replies = []
    threads = [
        threading.Thread(target=lambda: replies.append(ask(client, query))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert held.begun.acquire(timeout=5)
    refused = ask(client, query)
    held.go.set()
    for thread in threads:
        thread.join()
    assert (refused.status_code, kind_of(refused)) == (429, "busy")
    assert int(refused.headers["retry-after"]) >= 1
    assert [reply.status_code for reply in replies] == [200] * 4
    told = client.get("/metrics").text
    assert 'nadir_retrieve_answers_total{gallery="town-tiny",view="drone"} 4' in told
    assert 'nadir_work_refused_total{pool="retrieve"} 1' in told
    assert "nadir_retrieve_batch_pictures_count 4" in told


def test_an_answer_that_comes_too_late(make_client, galleries, query):
    held = Held(galleries[0].retriever)
    client = make_client([Retrieve([held])], seconds=1)
    reply = ask(client, query)
    held.go.set()
    assert (reply.status_code, kind_of(reply)) == (503, "out-of-time")


def test_many_at_once_get_their_own_answers(client, products):
    rows = list(products.queries().itertuples())
    replies = {}

    def send(row):
        replies[row.image] = ask(client, path_bytes(row.path), view=row.view)

    for start in range(0, len(rows), 7):
        threads = [threading.Thread(target=send, args=(row,)) for row in rows[start : start + 7]]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for name, reply in replies.items():
        assert [found["name"] for found in reply.json()["results"]] == products.top(name)[0]


def test_the_key_locks_everything(make_client, galleries, query):
    client = make_client([Retrieve(galleries)], api_key=KEY)
    (name, *_) = galleries[0].row_of
    addresses = ["", f"/pictures/{name}", f"/thumbnails/{name}"]
    for address in addresses:
        address = f"/retrieve/galleries/town-tiny{address}"
        assert client.get(address).status_code == 401
        assert client.get(address, headers={"X-API-Key": KEY}).status_code == 200
    assert ask(client, query).status_code == 401


def test_what_speaks_for_an_image(client, query, encode):
    found = ask(client, query, k=1).json()["results"][0]["name"]

    def explain(photo, image):
        return client.post(
            "/retrieve/saliency", files={"photo": ("x", photo)}, data={"image": image}
        )

    reply = explain(query, found)
    assert reply.headers["content-type"] == "image/png"
    pixels = np.asarray(Image.open(io.BytesIO(reply.content)))
    assert pixels.shape == (48, 48, 4) and pixels[..., 3].max() > 200
    flat = explain(encode(np.full((30, 30, 3), 90, np.uint8)), found)  # covering changes nothing
    assert flat.status_code == 200
    missing = explain(query, "../gallery.json")
    assert (missing.status_code, kind_of(missing)) == (404, "no-image")
    assert explain(b"nothing", found).status_code == 422


def test_pictures_are_turned_where_the_gallery_was(galleries, encode):
    """An EXIF orientation counts only where the features were made upright."""
    image = Image.fromarray(np.zeros((20, 30, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    (gallery,) = galleries
    assert gallery.decode(buffer.getvalue(), 10**6).shape == (20, 30, 3)
    facts = gallery.facts
    try:
        gallery.facts = facts.model_copy(update={"upright": True})
        assert gallery.decode(buffer.getvalue(), 10**6).shape == (30, 20, 3)
    finally:
        gallery.facts = facts


def test_galleries_need_different_names(galleries):
    with pytest.raises(InputError, match="different names"):
        Retrieve([*galleries, *galleries])
    with pytest.raises(InputError):
        Retrieve([])


def test_a_bundle_without_a_gallery_is_told_what_it_lacks(products):
    with pytest.raises(InputError, match="export-gallery"):
        load_model("tiny", products.folder / "model")
