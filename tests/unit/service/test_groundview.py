"""Maps to stand on over HTTP: views as the batch rule makes them, and clear answers."""

import base64
import io
import threading
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from standing_maps import CROP_M, CROP_PX, IMAGE_PX, LEFT, TEST, TOP

from nadir.cli.generate_views import run as generate_views
from nadir.errors import InputError
from nadir.groundview.generator import load_generator
from nadir.groundview.pairs import open_pairs
from nadir.groundview.view_store import read_views
from nadir.service.grounds import OpenGround, load_grounds
from nadir.service.groundview import Groundview
from nadir.service.looked import LookAnswer, MapsAnswer

KEY = "a key of some length"
HERE = {"x": LEFT + 200, "y": TOP - 200}


@pytest.fixture(scope="module")
def grounds(ground_folder):
    return load_grounds([ground_folder])


@pytest.fixture
def client(make_client, grounds):
    return make_client([Groundview(grounds)])


def look(client, **question):
    return client.post("/groundview", json=question)


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data))).transpose(2, 0, 1)


def unpacked(told):
    return pixels(base64.b64decode(told["png"]))


def kind_of(reply):
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["remedy"].endswith(".")
    return reply.json()["type"].removeprefix("urn:nadir:problem:")


def test_views_are_those_of_generate_views(client, ground_folder, tmp_path):
    """The same crop, heading and seed give the batch rule's views, for its first place."""
    pairs = ground_folder.parent.parent / "pairs.manifest.json"
    model = ground_folder.parent / "model" / "model.safetensors"
    out = tmp_path / "views.manifest.json"
    cfg = {"generate": {"samples": 3, "seed": 11, "walks": 0}}
    generate_views(SimpleNamespace(pairs=pairs, model=model, out=out, cfg=cfg, threads=1))
    made = read_views(out).views[0]
    place = open_pairs(pairs).of("test")
    row = place.table.iloc[0]
    answer = look(
        client, longitude=row.longitude, latitude=row.latitude, heading=float(row.heading),
        samples=3, seed=11,
    ).json()  # fmt: skip
    np.testing.assert_array_equal(unpacked(answer["crop"]), place.crops[0])
    for view, known in zip(answer["views"], made, strict=True):
        np.testing.assert_array_equal(unpacked(view), known)
    assert made.std() > 0 and (made[0] != made[1]).any()


def test_any_heading_and_none(client, grounds):
    generator = load_generator(grounds[0].ground.model)
    for heading in (None, 0, 359.5, -20, 90):
        answer = LookAnswer.model_validate(look(client, **HERE, heading=heading, seed=2).json())
        crop = unpacked(answer.crop.model_dump())
        given = np.nan if heading is None else heading % 360
        (known,) = generator.generate(crop[None], [given], 1, 2)
        np.testing.assert_array_equal(unpacked(answer.views[0].model_dump()), known[0])
        assert answer.heading == (None if heading is None else heading % 360)


def test_answers_repeat_and_links_lead_to_the_same(client):
    question = {**HERE, "heading": 120, "samples": 3, "seed": 4}
    first, again = look(client, **question).json(), look(client, **question).json()
    assert first["views"] == again["views"] and first["crop"] == again["crop"]
    other = look(client, **{**question, "seed": 5}).json()
    # Some generators make their first sample without noise, whatever the seed.
    assert other["views"][1]["png"] != first["views"][1]["png"]
    for told in [*first["views"], first["crop"]]:
        reply = client.get(told["address"])
        assert reply.headers["content-type"] == "image/png"
        assert reply.content == base64.b64decode(told["png"])
    fewer = look(client, **{**question, "samples": 1}).json()
    assert fewer["views"] == first["views"][:1]


def test_what_is_told_of_a_place(client):
    answer = look(client, **HERE, samples=2).json()
    assert answer["map"] == "town-flow" and answer["crs"] == "EPSG:32631"
    assert answer["position"] == [HERE["x"], HERE["y"]]
    assert answer["image_px"] == IMAGE_PX == unpacked(answer["views"][0]).shape[-1]
    assert unpacked(answer["crop"]).shape == (3, CROP_PX, CROP_PX)
    assert answer["crop"]["meters"] == CROP_M and answer["crop"]["north"] == "true"
    longitude, latitude = answer["degrees"]
    same = look(client, longitude=longitude, latitude=latitude, samples=2).json()
    assert same["position"] == pytest.approx(answer["position"], abs=1e-3)


def test_maps_and_their_pictures(client, grounds):
    (told,) = MapsAnswer.model_validate(client.get("/groundview/maps").json()).maps
    assert told.crop_m == CROP_M and told.headings and told.generator == "flow"
    assert len(told.examples) == TEST and told.examples[2].heading is None
    for example in told.examples:
        assert look(client, x=example.x, y=example.y).status_code == 200
    assert client.get("/models").json()["capabilities"]["groundview"]["maps"][0] == told.model_dump(
        mode="json"
    )
    base = f"/groundview/maps/{told.name}"
    preview = Image.open(io.BytesIO(client.get(f"{base}/preview.png").content))
    assert preview.size == (told.width, told.height)
    tile = client.get(f"{base}/tiles/{told.levels}/0/0.png")
    assert Image.open(io.BytesIO(tile.content)).size == (256, 256)
    missing = client.get(f"{base}/tiles/{told.levels}/9/9.png")
    assert (missing.status_code, kind_of(missing)) == (404, "no-tile")
    assert client.get("/groundview/maps/..%2Ftown/preview.png").status_code == 404
    assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("place", "word"),
    [
        ({"x": LEFT + 10, "y": TOP - 200}, "does not show all"),
        ({"x": LEFT + 200, "y": TOP - 390}, "does not show all"),  # no data there
        ({"x": LEFT - 5000, "y": TOP}, "lies beyond"),
        ({"x": 1e300, "y": -1e300}, "lies beyond"),
        ({"longitude": 179.0, "latitude": -89.9}, "lies beyond"),
        ({"longitude": 0.0, "latitude": 90.0}, "lies beyond"),
    ],
)
def test_places_outside_the_imagery(client, place, word):
    for reply in (
        look(client, **place),
        client.get("/groundview/view.png", params=place),
        client.get("/groundview/crop.png", params=place),
    ):
        assert (reply.status_code, kind_of(reply)) == (422, "outside")
        assert word in reply.json()["detail"]
        assert "EPSG:32631" in reply.json()["remedy"]


@pytest.mark.parametrize(
    ("question", "status", "kind"),
    [
        ({}, 422, "no-place"),
        ({"x": 5}, 422, "no-place"),
        ({**HERE, "longitude": 3.0}, 422, "no-place"),
        ({**HERE, "longitude": 3.0, "latitude": 40.0}, 422, "no-place"),
        ({**HERE, "map": "twon-flow"}, 404, "no-map"),
        ({**HERE, "samples": 9}, 422, "invalid-request"),
        ({**HERE, "samples": 0}, 422, "invalid-request"),
        ({**HERE, "seed": -1}, 422, "invalid-request"),
        ({**HERE, "seed": 2**31}, 422, "invalid-request"),
        ({**HERE, "heading": 1000}, 422, "invalid-request"),
        ({**HERE, "heading": "north"}, 422, "invalid-request"),
        ({**HERE, "haeding": 10}, 422, "invalid-request"),
        ({"longitude": 181, "latitude": 0}, 422, "invalid-request"),
    ],
)
def test_wrong_questions(client, question, status, kind):
    reply = look(client, **question)
    assert (reply.status_code, kind_of(reply)) == (status, kind)


def test_no_numbers_and_no_json(client):
    for text in ('{"x": NaN, "y": 1}', '{"x": Infinity, "y": 1}', "{", "[]", ""):
        reply = client.post(
            "/groundview", content=text, headers={"content-type": "application/json"}
        )
        assert (reply.status_code, kind_of(reply)) == (422, "invalid-request")
    nan = client.get("/groundview/view.png", params={"x": "nan", "y": 1})
    assert (nan.status_code, kind_of(nan)) == (422, "invalid-request")
    strange = client.get("/groundview/crop.png", params={**HERE, "heading": 3})
    assert strange.status_code == 422


def test_a_generator_without_headings_says_so(make_client, tmp_path_factory):
    from standing_maps import make_ground

    folder = make_ground(tmp_path_factory.mktemp("plain") / "town", "dcgan_encoder")
    client = make_client([Groundview(load_grounds([folder]))])
    (told,) = client.get("/groundview/maps").json()["maps"]
    assert not told["headings"]
    north, east = (look(client, **HERE, heading=value).json() for value in (0, 90))
    assert north["heading"] is None and north["views"] == east["views"]


class Held(OpenGround):
    """A map that waits before it answers."""

    def __init__(self, ground, generator):
        super().__init__(ground, generator)
        self.begun, self.go = threading.Semaphore(0), threading.Event()

    def look(self, *arguments):
        self.begun.release()
        assert self.go.wait(5)
        return super().look(*arguments)


def test_a_full_queue_is_told_to_come_back(make_client, grounds):
    held = Held(grounds[0].ground, grounds[0].painter.generator)
    client = make_client([Groundview([held])], queue=0)
    replies = []
    threads = [
        threading.Thread(target=lambda: replies.append(look(client, **HERE))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for _ in threads:
        assert held.begun.acquire(timeout=5)
    refused = look(client, **HERE)
    held.go.set()
    for thread in threads:
        thread.join()
    assert (refused.status_code, kind_of(refused)) == (429, "busy")
    assert int(refused.headers["retry-after"]) >= 1
    assert [reply.status_code for reply in replies] == [200] * 4
    assert len({reply.json()["views"][0]["png"] for reply in replies}) == 1
    metrics = client.get("/metrics").text
    assert 'nadir_groundview_views_total{map="town-flow"} 4' in metrics
    assert 'nadir_work_refused_total{pool="groundview"} 1' in metrics
    assert "nadir_groundview_batch_views_count 4" in metrics


def test_shared_calls_give_each_its_own(make_client, grounds):
    """As on an accelerator: views of many requests in calls of eight."""
    ground = OpenGround(grounds[0].ground, grounds[0].painter.generator)
    ground.painter.size = 8
    client = make_client([Groundview([ground])])
    alone = [look(client, **HERE, heading=45 * turn, samples=3).json()["views"] for turn in (1, 2)]
    found = {}

    def ask(turn):
        found[turn] = look(client, **HERE, heading=45 * turn, samples=3).json()["views"]

    threads = [threading.Thread(target=ask, args=(turn,)) for turn in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[1], found[2]] == alone and alone[0] != alone[1]


def test_a_key_is_needed_where_there_is_one(make_client, grounds):
    client = make_client([Groundview(grounds)], api_key=KEY)
    for address in ("/groundview/maps", "/groundview/view.png", "/groundview/crop.png"):
        assert client.get(address).status_code == 401
    assert look(client, **HERE).status_code == 401
    assert client.get("/groundview").status_code == 200  # the page holds nothing secret
    assert client.post("/groundview", json=HERE, headers={"X-API-Key": KEY}).status_code == 200


def test_maps_need_different_names(grounds):
    with pytest.raises(InputError, match="different names"):
        Groundview([*grounds, *grounds])
    with pytest.raises(InputError):
        Groundview([])
