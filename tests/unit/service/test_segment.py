"""Images answered at once: right, refused clearly, and alike alone or in company."""

import io
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.io import MemoryFile
from segment_fakes import (
    TABLE,
    bomb,
    encoded,
    geotiff,
    png,
    roofs,
    save_network,
    wait_for,
)
from segment_service import form, loaded, segment_client

from nadir.config.experiments import PredictConfig
from nadir.raster.grid import Grid
from nadir.segmentation.image import ArrayImage
from nadir.segmentation.predict import predict_map
from nadir.segmentation.threshold import threshold_map
from nadir.service.forms import OUTPUTS
from nadir.service.problems import ProblemDocument

MEDIA = {
    "mask.png": "image/png",
    "mask.tif": "image/tiff; application=geotiff",
    "probability.tif": "image/tiff; application=geotiff",
    "footprints.geojson": "application/geo+json",
    "statistics.json": "application/json",
}


def read(data):
    """Return the first band of a raster's bytes, and its profile."""
    with MemoryFile(data) as memory, memory.open() as dataset:
        return dataset.read(1), dataset.profile


def by_the_rule(data, bundle, level, folder):
    """Return map and probability as the batch commands make them of the same pixels."""
    with MemoryFile(data) as memory, memory.open() as dataset:
        pixels, grid = dataset.read([1, 2, 3]), Grid.of(dataset)
    if not grid.crs:
        grid = Grid.of_pixels(*grid.shape)
    cube = ArrayImage(pixels[None], None, grid, ("red", "green", "blue"))
    cube.manifest = SimpleNamespace(digest="of these pixels")
    predict_map(
        cube,
        loaded(bundle).predictor,
        PredictConfig(),
        folder / "raw" / "map.tif",
        probability_path=folder / "probability.tif",
        progress=False,
    )
    threshold_map(folder / "probability.tif", level, TABLE, folder / "map.tif")
    return (folder / "map.tif").read_bytes(), (folder / "probability.tif").read_bytes()


@pytest.mark.parametrize("place", ["EPSG:32631", None])
def test_as_the_batch_rule_to_the_byte(roof_client, roof_bundle, tmp_path, place):
    data = geotiff(roofs(150, 200), place)
    expected, probability = by_the_rule(data, roof_bundle, 100, tmp_path)
    reply = roof_client.post("/segment", **form(data, output="mask.tif", threshold="0.4"))
    assert reply.status_code == 200, reply.text
    assert reply.content == expected
    assert 0.2 < (read(expected)[0] == 2).mean() < 0.9, "or the test could not fail"
    reply = roof_client.post("/segment", **form(data, output="probability.tif"))
    assert reply.content == probability
    job = roof_client.post("/jobs", **form(data, threshold="0.4")).json()["id"]
    assert wait_for(roof_client, job)["state"] == "done"
    assert roof_client.get(f"/jobs/{job}/mask.tif").content == expected
    assert roof_client.get(f"/jobs/{job}/probability.tif").content == probability


def test_every_output(roof_client):
    data = geotiff(roofs(90, 120))
    for output in OUTPUTS:
        reply = roof_client.post("/segment", **form(data, output=output))
        assert reply.status_code == 200
        assert reply.headers["content-type"] == MEDIA[output]
    mask, profile = read(roof_client.post("/segment", **form(data, output="mask.tif")).content)
    assert profile["crs"].to_epsg() == 32631 and profile["transform"].c == 430_000
    picture, _ = read(roof_client.post("/segment", **form(data)).content)
    np.testing.assert_array_equal(picture, mask)
    told = roof_client.post("/segment", **form(data, output="statistics.json")).json()
    counts = {item["name"]: item["pixels"] for item in told["classes"]}
    assert counts == {"background": int((mask == 1).sum()), "building": int((mask == 2).sum())}
    assert told["classes"][1]["area_m2"] == pytest.approx(counts["building"] * 0.25)
    found = json.loads(roof_client.post("/segment", **form(data, output=OUTPUTS[3])).content)
    assert found["coordinates"] == "EPSG:4326"
    assert len(found["features"]) == told["footprints"]["count"] > 0
    assert set(found["features"][0]["properties"]) >= {"area_m2", "confidence", "regularized"}
    longitude, latitude = found["features"][0]["geometry"]["coordinates"][0][0]
    assert 2 < longitude < 3 and 41 < latitude < 42


def test_pictures_without_georeference_are_told_in_pixels(roof_client):
    pixels = roofs(90, 120)
    for data in (png(pixels), encoded(pixels, "JPEG", quality=95), geotiff(pixels, None)):
        found = roof_client.post("/segment", **form(data, output="footprints.geojson")).json()
        assert found["coordinates"] == "pixels" and "pixels" in found["coordinate_system"]
        corners = np.concatenate(
            [np.array(item["geometry"]["coordinates"][0]) for item in found["features"]]
        )
        assert corners.min() >= 0 and corners[:, 0].max() <= 120 and corners[:, 1].max() <= 90
        assert all(item["properties"]["area_m2"] is None for item in found["features"])


def test_alpha_and_no_data_are_left_out(roof_client):
    pixels = roofs(80, 80)
    alpha = np.full((80, 80, 1), 255, np.uint8)
    alpha[:30] = 0
    reply = roof_client.post("/segment", **form(png(np.dstack([pixels, alpha]))))
    mask, _ = read(reply.content)
    assert (mask[:30] == 0).all() and (mask[30:] > 0).all()
    pixels[50:] = 0
    data = geotiff(pixels, nodata=0)
    mask, _ = read(roof_client.post("/segment", **form(data, output="mask.tif")).content)
    assert (mask[50:] == 0).all() and (mask[:50] > 0).any()


def test_bands_are_found_by_name_or_color(roof_client):
    pixels = roofs(80, 80)
    turned = np.ascontiguousarray(pixels[..., ::-1])
    straight, _ = read(roof_client.post("/segment", **form(png(pixels))).content)
    more = np.dstack([np.full((80, 80), 9, np.uint8), turned])  # infrared, blue, green, red
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", height=80, width=80, count=4, dtype="uint8", photometric="MINISBLACK"
        ) as dataset:
            dataset.write(np.moveaxis(more, 2, 0))
            dataset.descriptions = ("nir", "Blue", "green", "RED")
        named = memory.read()
    mask, _ = read(roof_client.post("/segment", **form(named)).content)
    np.testing.assert_array_equal(mask, straight)


def test_16_bits_are_scaled_by_what_is_declared_or_refused(roof_client):
    pixels = roofs(80, 80)
    expected, _ = read(roof_client.post("/segment", **form(png(pixels))).content)
    wide = pixels.astype(np.uint16) * 40 + 1000
    declared = geotiff(wide, scales=(1 / (255 * 40), -1000 / (255 * 40)))
    mask, _ = read(roof_client.post("/segment", **form(declared)).content)
    assert (mask == expected).mean() > 0.999
    plain = geotiff(wide)
    reply = roof_client.post("/segment", **form(plain))
    assert reply.status_code == 422 and reply.json()["type"].endswith("unknown-scale")
    stated = form(plain, scale=str(1 / (255 * 40)), offset="-1000")
    mask, _ = read(roof_client.post("/segment", **stated).content)
    assert (mask == expected).mean() > 0.999
    share = geotiff((pixels / 255).astype(np.float32))
    mask, _ = read(roof_client.post("/segment", **form(share)).content)
    assert (mask == expected).mean() > 0.98  # stored in steps of 1/10000
    reply = roof_client.post("/segment", **form(geotiff(pixels.astype(np.float32))))
    assert reply.status_code == 422 and reply.json()["type"].endswith("other-scale")
    assert "/" not in reply.json()["detail"], "no path of the machine"


def faulty():
    """Return faults by name: (body, fields, status, kind)."""
    pixels = roofs(70, 90)
    whole, tiff = png(pixels), geotiff(pixels)
    jpeg = encoded(pixels, "JPEG", quality=95)
    gray = pixels[..., 0]
    four = geotiff(np.dstack([pixels, gray]), photometric="MINISBLACK", alpha="unspecified")
    return {
        "no image": (b"certainly no image", {}, 422, "not-an-image"),
        "empty": (b"", {}, 422, "empty-image"),
        "truncated PNG": (whole[: len(whole) // 2], {}, 422, "damaged-image"),
        "truncated JPEG": (jpeg[: len(jpeg) // 2], {}, 422, "damaged-image"),
        "truncated TIFF": (tiff[: len(tiff) // 2], {}, 422, "damaged-image"),
        "header alone": (whole[:20], {}, 422, "damaged-image"),
        "zip bomb": (bomb(), {}, 413, "too-many-pixels"),
        "one band": (png(gray), {}, 422, "other-bands"),
        "four bands": (four, {}, 422, "other-bands"),
        "GIF": (encoded(pixels, "GIF"), {}, 422, "not-an-image"),
        "unknown model": (whole, {"model": "rofs"}, 404, "no-model"),
        "unknown output": (whole, {"output": "mask.jpg"}, 422, "unknown-output"),
        "unknown field": (whole, {"treshold": "0.5"}, 422, "unknown-field"),
        "threshold": (whole, {"threshold": "1.5"}, 422, "invalid-number"),
        "no number": (whole, {"threshold": "half"}, 422, "invalid-number"),
        "NaN": (whole, {"threshold": "nan"}, 422, "invalid-number"),
        "path": (whole, {"model": "../../etc/passwd"}, 404, "no-model"),
    }


@pytest.mark.parametrize("name", list(faulty()))
@pytest.mark.parametrize("address", ["/segment", "/jobs"])
def test_faults_are_told(roof_client, tmp_path, name, address):
    data, fields, status, kind = faulty()[name]
    if address == "/jobs" and name.startswith("truncated") and "TIFF" not in name:
        pytest.skip("jobs decode later")
    reply = roof_client.post(address, **form(data, **fields))
    assert reply.status_code == status, reply.text
    document = ProblemDocument.model_validate(reply.json())
    assert document.type == f"urn:nadir:problem:{kind}"
    assert str(tmp_path) not in reply.text
    if kind == "no-model" and fields["model"] == "rofs":
        assert "did you mean 'roofs'" in document.detail
    assert not list((tmp_path / "state" / "incoming").iterdir())
    assert not list((tmp_path / "state" / "jobs").iterdir())


def test_forms_that_are_none(roof_client):
    send = roof_client.post
    assert (
        send("/segment", content=b"{}", headers={"content-type": "application/json"})
        .json()["type"]
        .endswith("not-a-form")
    )
    assert send("/segment").status_code == 415
    kind = {"content-type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x\r\n", b"--x\r\nContent-Disposition: form-data\r\n\r\nhm\r\n--x--\r\n"):
        assert send("/segment", content=body, headers=kind).status_code in (400, 422)
    torn = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n\x89PNG'
    assert send("/segment", content=torn, headers=kind).status_code == 400
    assert (
        send("/segment", content=torn, headers={"content-type": "multipart/form-data"}).json()[
            "status"
        ]
        == 400
    )
    assert send("/segment", data={"model": "roofs"}, files={"other": b"x"}).status_code == 422


def test_names_of_files_are_never_used(roof_client, tmp_path):
    for name in ("../../evil.tif", "/etc/passwd", "a\0b", "x" * 5000, "CON", "%2e%2e/"):
        files = {"image": (name, png(roofs(64, 64)))}
        assert roof_client.post("/jobs", files=files).status_code in (202, 400)
    outside = {path.name for path in tmp_path.iterdir()}
    assert outside == {"state"}


def test_indexed_pictures_are_read_by_their_colors(roof_client):
    image = Image.fromarray(roofs(70, 70)).quantize(64)
    data = encoded(np.asarray(image.convert("RGB")), "PNG")
    expected = roof_client.post("/segment", **form(data)).content
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    assert roof_client.post("/segment", **form(buffer.getvalue())).content == expected


def test_large_images_become_jobs(make_client, roof_bundle, tmp_path):
    client, _ = segment_client(
        make_client, {"roofs": roof_bundle}, tmp_path / "state", direct_pixels=100 * 100
    )
    assert client.post("/segment", **form(png(roofs(100, 100)))).status_code == 200
    reply = client.post("/segment", **form(png(roofs(101, 100))))
    assert reply.status_code == 202
    assert reply.headers["location"] == reply.json()["links"]["self"]
    assert wait_for(client, reply.json()["id"])["state"] == "done"


def test_alone_and_in_company_alike(make_client, roof_bundle, tmp_path):
    client, _ = segment_client(make_client, {"roofs": roof_bundle}, tmp_path / "state")
    images = [png(roofs(70 + 7 * n, 90, seed=n)) for n in range(8)]
    alone = [client.post("/segment", **form(data, output=OUTPUTS[2])).content for data in images]
    with ThreadPoolExecutor(8) as pool:
        together = list(
            pool.map(
                lambda data: client.post("/segment", **form(data, output=OUTPUTS[2])).content,
                images * 3,
            )
        )
    assert together == alone * 3


def test_models_of_many_classes(make_client, roof_bundle, cover_bundle, tmp_path):
    bundles = {"roofs": roof_bundle, "cover": cover_bundle}
    client, _ = segment_client(make_client, bundles, tmp_path / "state")
    pixels = np.dstack([roofs(80, 90), roofs(80, 90, 5)[..., 0]])
    values = geotiff(
        (pixels / 255 * 10_000).astype(np.uint16), scales=(1e-4, 0), photometric="MINISBLACK"
    )
    told = client.get("/models").json()["capabilities"]["segment"]["models"]
    assert [item["kind"] for item in told] == ["binary", "classes"]
    send = {"model": "cover"}
    mask, _ = read(client.post("/segment", **form(values, output="mask.tif", **send)).content)
    assert set(np.unique(mask)) == {1, 2, 3}
    sure, _ = read(
        client.post("/segment", **form(values, output="mask.tif", threshold="0.6", **send)).content
    )
    levels, _ = read(
        client.post("/segment", **form(values, output="probability.tif", **send)).content
    )
    np.testing.assert_array_equal(sure, np.where(levels >= 150, mask, 0))
    reply = client.post("/segment", **form(values, output="footprints.geojson", **send))
    assert reply.status_code == 422 and reply.json()["type"].endswith("no-footprints")
    job = client.post("/jobs", **form(values, **send)).json()["id"]
    told = wait_for(client, job)
    assert told["state"] == "done" and "footprints.gpkg" not in told["links"]
    np.testing.assert_array_equal(read(client.get(f"/jobs/{job}/mask.tif").content)[0], mask)
    np.testing.assert_array_equal(
        read(client.get(f"/jobs/{job}/mask.tif?threshold=0.6").content)[0], sure
    )
    assert client.get(f"/jobs/{job}/footprints.geojson").status_code == 422
    counts = client.get(f"/jobs/{job}/statistics.json?threshold=0.6").json()["classes"]
    assert [item["pixels"] for item in counts] == [int((sure == n).sum()) for n in (1, 2, 3)]
    assert client.get(f"/jobs/{job}/tiles/0/0/0.png?layer=mask&space=pixels").status_code == 200


def test_full_queues_are_told(make_client, roof_bundle, tmp_path):
    client, capability = segment_client(
        make_client, {"roofs": roof_bundle}, tmp_path / "state", direct_queue=0
    )
    gate, held = threading.Event(), capability._batcher.predict
    capability._batcher.predict = lambda *args: gate.wait(20) and held(*args)
    with ThreadPoolExecutor(12) as pool:
        data = png(roofs(64, 64))
        replies = [pool.submit(client.post, "/segment", **form(data)) for _ in range(12)]
        time.sleep(1.0)
        gate.set()
        codes = [item.result().status_code for item in replies]
    assert codes.count(200) >= 4 and codes.count(429) == 12 - codes.count(200) > 0


def test_models_say_their_threshold(tmp_path, make_client):
    bundle = save_network(tmp_path / "town" / "model", seed=2)
    (tmp_path / "town" / "threshold.json").write_text('{"threshold": 0.3, "level": 75}')
    client, _ = segment_client(make_client, {"town": bundle}, tmp_path / "state")
    (told,) = client.get("/models").json()["capabilities"]["segment"]["models"]
    assert told["threshold"] == 0.3 and told["target"] == 2
    data = png(roofs(64, 64))
    send = client.post
    own = send("/segment", **form(data)).content
    assert own == send("/segment", **form(data, threshold="0.3")).content
    assert own != send("/segment", **form(data, threshold="0.7")).content
    with rasterio.MemoryFile(own) as memory, memory.open() as dataset:
        assert dataset.colormap(1)[2][:3] == (0xC0, 0x39, 0x2B)
