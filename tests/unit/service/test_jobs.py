"""Jobs: their course, their results at any threshold, and what is left when things go wrong."""

import io
import sqlite3
import threading
import time

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.io import MemoryFile
from segment_fakes import geotiff, png, roofs, wait_for
from segment_service import form, segment_client

from nadir.errors import InputError
from nadir.service.jobstore import Job, JobStore
from nadir.service.segment import Segment


@pytest.fixture
def service(make_client, roof_bundle, tmp_path):
    """A function from settings to a client and the capability, always on the same state."""

    def start(**settings):
        bundles = {"roofs": roof_bundle}
        return segment_client(make_client, bundles, tmp_path / "state", **settings)

    return start


@pytest.fixture
def stopped_model(monkeypatch):
    """A gate that holds every call of the model until it is set."""
    gate, begun = threading.Event(), threading.Event()
    real = Segment.start

    def start(self, context):
        real(self, context)
        predict = self._batcher.predict

        def held(*args):
            begun.set()
            assert gate.wait(20)
            return predict(*args)

        self._batcher.predict = held

    monkeypatch.setattr(Segment, "start", start)
    yield gate, begun
    gate.set()


def accept(client, data, **fields):
    reply = client.post("/jobs", **form(data, **fields))
    assert reply.status_code == 202, reply.text
    assert reply.headers["location"] == f"/jobs/{reply.json()['id']}"
    return reply.json()["id"]


def pixels_of(reply):
    with MemoryFile(reply.content) as memory, memory.open() as dataset:
        return dataset.read(1)


def test_course_of_a_job(service, stopped_model):
    client, _ = service()
    gate, begun = stopped_model
    first = accept(client, geotiff(roofs(90, 130)))
    second = accept(client, png(roofs(70, 70)), threshold="0.25")
    assert begun.wait(10)
    running = client.get(f"/jobs/{first}").json()
    assert running["state"] == "running" and running["stage"] == "predicting"
    assert 0 < running["progress"] < 1 and set(running["links"]) == {"self"}
    waiting = client.get(f"/jobs/{second}").json()
    assert waiting["state"] == "queued" and waiting["progress"] == 0
    for name in ("mask.tif", "statistics.json", "footprints.gpkg", "tiles/0/0/0.png"):
        reply = client.get(f"/jobs/{first}/{name}")
        assert reply.status_code == 409 and reply.json()["type"].endswith("not-done")
    gate.set()
    done = wait_for(client, first)
    assert done["state"] == "done" and done["progress"] == 1 and done["problem"] is None
    assert done["created"] <= done["started"] <= done["ended"] < done["expires"]
    assert done["image"]["crs"] == "EPSG:32631" and done["image"]["pixel_size"] == 0.5
    told = wait_for(client, second)
    assert told["threshold"] == 0.25 and not told["image"]["georeferenced"]
    assert [job["id"] for job in client.get("/jobs").json()["jobs"]] == [second, first]
    assert len(client.get("/jobs?limit=1").json()["jobs"]) == 1
    end = time.monotonic() + 10  # jobs are counted a moment after their end is noted
    while 'nadir_jobs_total{state="done"} 2' not in client.get("/metrics").text:
        assert time.monotonic() < end, client.get("/metrics").text
    assert "nadir_jobs_queued 0" in client.get("/metrics").text


def test_results_for_any_threshold(service):
    client, _ = service()
    job = accept(client, geotiff(roofs(90, 130)))
    wait_for(client, job)
    levels = pixels_of(client.get(f"/jobs/{job}/probability.tif"))
    for threshold in (0.0, 0.2, 0.5, 0.9, 1.0):
        least = max(1, round(threshold * 250))
        expected = np.where(levels >= least, 2, 1)
        query = f"?threshold={threshold}"
        for name in ("mask.tif", "mask.png"):
            mask = pixels_of(client.get(f"/jobs/{job}/{name}{query}"))
            np.testing.assert_array_equal(mask, expected)
        told = client.get(f"/jobs/{job}/statistics.json{query}").json()
        assert told["threshold"] == threshold
        assert told["classes"][1]["pixels"] == int((expected == 2).sum())
        assert told["classes"][1]["share"] == pytest.approx((expected == 2).mean())
        found = client.get(f"/jobs/{job}/footprints.geojson{query}").json()["features"]
        told = client.get(f"/jobs/{job}/statistics.json{query}").json()
        assert told["footprints"]["count"] == len(found)
    ground = client.get(f"/jobs/{job}/footprints.geojson").json()
    plain = client.get(f"/jobs/{job}/footprints.geojson?space=pixels").json()
    assert (ground["coordinates"], plain["coordinates"]) == ("EPSG:4326", "pixels")
    x, y = np.array(plain["features"][0]["geometry"]["coordinates"][0]).T
    assert x.min() >= 0 and x.max() <= 130 and y.min() >= 0 and y.max() <= 90
    assert client.get(f"/jobs/{job}/footprints.gpkg").content.startswith(b"SQLite format 3")
    for bad in ("2", "-1", "nan", "x"):
        assert client.get(f"/jobs/{job}/mask.tif?threshold={bad}").status_code == 422


def test_few_thresholds_are_kept(service, tmp_path):
    client, _ = service()
    job = accept(client, png(roofs(64, 64)))
    wait_for(client, job)
    for step in range(30):
        assert client.get(f"/jobs/{job}/mask.tif?threshold={step / 40}").status_code == 200
    kept = {path.name for path in (tmp_path / "state" / "jobs" / job / "result").iterdir()}
    assert len(kept) < 22 and "mask-125.tif" in kept


def test_tiles(service):
    import morecantile

    client, _ = service()
    shown = roofs(300, 500)
    job = accept(client, geotiff(shown))
    tiles = wait_for(client, job)["tiles"]
    assert tiles["levels"] == 1 and tiles["tile"] == 256

    def tile(z, x, y, **query):
        reply = client.get(f"/jobs/{job}/tiles/{z}/{x}/{y}.png", params=query)
        assert reply.status_code == 200, reply.text
        image = Image.open(io.BytesIO(reply.content)).convert("RGBA")
        assert image.size == (256, 256)
        return np.asarray(image)

    image = tile(1, 1, 0, space="pixels")
    np.testing.assert_array_equal(image[:, :244, :3], shown[:256, 256:])
    assert (image[:, 244:, 3] == 0).all()
    mask = pixels_of(client.get(f"/jobs/{job}/mask.tif?threshold=0.3"))
    drawn = tile(1, 1, 0, space="pixels", layer="mask", threshold=0.3)
    np.testing.assert_array_equal(drawn[:, :244, 3] == 255, mask[:256, 256:] == 2)
    assert (drawn[:, 244:, 3] == 0).all()
    levels = pixels_of(client.get(f"/jobs/{job}/probability.tif"))
    ramp = tile(1, 0, 1, space="pixels", layer="probability")
    assert (ramp[44:, :, 3] == 0).all()
    np.testing.assert_array_equal(ramp[:44, :, 3] == 0, levels[256:, :256] == 0)

    west, south, east, north = client.get(f"/jobs/{job}").json()["image"]["bounds"]
    grid = morecantile.tms.get("WebMercatorQuad")
    place = grid.tile((west + east) / 2, (south + north) / 2, tiles["maxzoom"])
    for layer in ("image", "mask", "probability"):
        assert (tile(place.z, place.x, place.y, layer=layer)[..., 3] > 0).mean() > 0.2
    for wrong in (
        "1/2/0.png?space=pixels",
        "2/0/0.png?space=pixels",
        "5/0/0.png",
        f"{place.z}/0/0.png?layer=mask",
    ):
        assert client.get(f"/jobs/{job}/tiles/{wrong}").status_code == 404
    plain = accept(client, png(roofs(64, 64)))
    wait_for(client, plain)
    assert client.get(f"/jobs/{plain}/tiles/0/0/0.png").status_code == 200
    reply = client.get(f"/jobs/{plain}/tiles/0/0/0.png?space=mercator")
    assert reply.status_code == 422 and reply.json()["type"].endswith("no-georeference")


def test_large_images_get_overviews_beside_them(service, tmp_path, monkeypatch):
    monkeypatch.setattr("nadir.service.tiles._UNAIDED", 200)
    monkeypatch.setattr("nadir.service.tiles._COARSEST", 256)
    client, _ = service()
    shown = roofs(64, 600)
    for data in (geotiff(shown), png(shown)):
        job = accept(client, data)
        assert wait_for(client, job)["state"] == "done", client.get(f"/jobs/{job}").json()
        folder = tmp_path / "state" / "jobs" / job
        (beside,) = folder.glob("*.ovr")
        assert beside.with_suffix("").name in ("upload", "image.tif")
        assert not list(folder.glob(".*"))
        assert (folder / "upload").read_bytes() == data
        with rasterio.open(beside.with_suffix("")) as dataset:
            assert dataset.overviews(1) == [4, 8]
            coarse = dataset.read(out_shape=(3, 16, 150))
        expected = np.moveaxis(shown.reshape(16, 4, 150, 4, 3).mean((1, 3)), 2, 0)
        assert np.abs(coarse - expected).max() <= 1


def test_cancel_while_it_waits_and_while_it_runs(service, stopped_model, tmp_path):
    client, _ = service()
    gate, begun = stopped_model
    first, second = (accept(client, png(roofs(200, 200))) for _ in range(2))
    assert begun.wait(10)
    assert client.delete(f"/jobs/{second}").json()["state"] == "cancelled"
    assert client.delete(f"/jobs/{first}").json()["state"] == "cancelled"
    gate.set()
    third = accept(client, png(roofs(64, 64)))
    assert wait_for(client, third)["state"] == "done"
    for job in (first, second):
        assert client.get(f"/jobs/{job}").json()["state"] == "cancelled"
        assert client.get(f"/jobs/{job}/mask.tif").status_code == 410
        assert not (tmp_path / "state" / "jobs" / job).exists()
    assert client.delete(f"/jobs/{third}").status_code == 200
    assert client.get(f"/jobs/{third}").status_code == 404
    assert not any((tmp_path / "state" / "jobs").iterdir())
    assert client.delete(f"/jobs/{third}").status_code == 404


def test_damage_found_late_is_an_explicit_failure(service):
    client, _ = service()
    whole = png(roofs(300, 300))
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 0xFF
    told = wait_for(client, accept(client, bytes(broken)))
    assert told["state"] == "failed"
    assert told["problem"]["type"].endswith("damaged-image") and told["problem"]["remedy"]
    assert client.get(f"/jobs/{told['id']}/mask.png").status_code == 410


def test_a_stop_parks_what_a_start_takes_up(make_client, roof_bundle, tmp_path, stopped_model):
    gate, begun = stopped_model
    bundles = {"roofs": roof_bundle}
    client, capability = segment_client(make_client, bundles, tmp_path / "state", seconds=1)
    data = [geotiff(roofs(150, 150, seed)) for seed in range(3)]
    jobs = [accept(client, item) for item in data]
    assert begun.wait(10)
    threading.Timer(1.5, gate.set).start()  # later than the grace of one second
    capability.close()
    table = sqlite3.connect(tmp_path / "state" / "jobs.sqlite3")
    assert {row[0] for row in table.execute("SELECT state FROM jobs")} == {"queued"}
    capability.close = lambda: None
    again, _ = segment_client(make_client, bundles, tmp_path / "state")
    for job, item in zip(jobs, data, strict=True):
        assert wait_for(again, job)["state"] == "done"
        direct = again.post("/segment", **form(item, output="mask.tif")).content
        assert again.get(f"/jobs/{job}/mask.tif").content == direct


def test_jobs_of_a_model_that_is_gone_fail_and_results_stay(
    make_client, roof_bundle, cover_bundle, tmp_path
):
    state = tmp_path / "state"
    client, capability = segment_client(make_client, {"roofs": roof_bundle}, state)
    done = accept(client, png(roofs(64, 64)))
    wait_for(client, done)
    job = capability.store.get(done)
    capability.close()
    capability.close = lambda: None
    store = JobStore(state)
    values = {**job.__dict__, "id": "0" * 16, "state": "running", "digest": "another"}
    store.folder("0" * 16).mkdir()
    store.add(Job(**values))
    store.folder("f" * 16).mkdir()  # an upload that was never accepted
    (store.incoming / "torn.upload").write_bytes(b"x")
    store.close()
    again, _ = segment_client(make_client, {"cover": cover_bundle}, state)
    told = wait_for(again, "0" * 16)
    assert told["state"] == "failed" and told["problem"]["type"].endswith("no-model")
    assert again.get(f"/jobs/{done}/mask.tif?threshold=0.1").status_code == 200
    assert not (state / "jobs" / ("f" * 16)).exists() and not any((state / "incoming").iterdir())


def test_results_expire(service, tmp_path, monkeypatch):
    monkeypatch.setattr("nadir.service.runner._SWEEP", 0.1)
    client, _ = service(keep_seconds=1)
    job = accept(client, png(roofs(64, 64)))
    assert wait_for(client, job)["state"] == "done"
    kept = tmp_path / "state" / "jobs"  # forgotten first, then removed
    end = time.monotonic() + 30
    while any(kept.iterdir()) and time.monotonic() < end:
        time.sleep(0.1)
    assert client.get(f"/jobs/{job}").status_code == 404
    assert not any(kept.iterdir())


def test_no_room_is_told_before_the_upload_is_taken(service, tmp_path):
    client, _ = service(stored_bytes=30 << 20)
    assert client.post("/jobs", **form(png(roofs(64, 64)))).status_code == 202
    reply = client.post("/jobs", **form(png(roofs(1500, 1500))))
    assert reply.status_code == 507 and reply.json()["type"].endswith("storage-full")
    assert len(list((tmp_path / "state" / "jobs").iterdir())) <= 1


def test_a_full_disk_is_told(service, monkeypatch, tmp_path):
    client, _ = service()
    data = png(np.random.default_rng(1).integers(0, 256, (900, 900, 3)).astype(np.uint8))
    assert len(data) > 2 << 20, "or it would stay in memory"

    def full(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nadir.service.uploads._FormReader._write", full)
    reply = client.post("/jobs", **form(data))
    assert reply.status_code == 507, reply.text
    assert str(tmp_path) not in reply.text
    assert not any((tmp_path / "state" / "incoming").iterdir())


def test_a_disk_that_fills_while_a_job_runs(service, monkeypatch):
    client, _ = service()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nadir.segmentation.mosaic._write", full)
    told = wait_for(client, accept(client, png(roofs(64, 64))))
    assert told["state"] == "failed" and told["problem"]["type"].endswith("storage-full")


def test_many_waiting_jobs_are_refused(service, stopped_model):
    client, _ = service(job_queue=1)
    accept(client, png(roofs(64, 64)))
    assert stopped_model[1].wait(10)
    accept(client, png(roofs(64, 64)))
    reply = client.post("/jobs", **form(png(roofs(64, 64))))
    assert reply.status_code == 429 and int(reply.headers["retry-after"]) > 0


def test_one_service_at_a_time_holds_a_state(service, tmp_path):
    service()
    with pytest.raises(InputError, match="another service"):
        JobStore(tmp_path / "state")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError):
        JobStore(tmp_path / "file")


def test_endless_kills_end_in_a_failure(tmp_path, service):
    client, capability = service()
    store = capability.store
    number, folder = store.new_folder()
    (folder / "upload").write_bytes(png(roofs(64, 64)))
    done = accept(client, png(roofs(64, 64)))
    wait_for(client, done)
    values = {**store.get(done).__dict__, "id": number, "state": "queued", "attempts": 99}
    store.add(Job(**values))
    capability.desk.runner.wake()
    told = wait_for(client, number)
    assert told["state"] == "failed" and "99 times" in told["problem"]["detail"]


@pytest.mark.parametrize("job", ["0" * 16, "..%2f..", "x", "0" * 15, "A" * 16])
def test_unknown_jobs(service, job):
    client, _ = service()
    for name in ("", "/mask.tif", "/statistics.json", "/tiles/0/0/0.png"):
        assert client.get(f"/jobs/{job}{name}").status_code in (404, 422)
