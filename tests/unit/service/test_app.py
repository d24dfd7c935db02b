import json
import logging
import re
from types import SimpleNamespace

import pytest
from fastapi import APIRouter
from fastapi.openapi.models import OpenAPI

from nadir.localization.pose import CORNERS, Pose
from nadir.service.answers import LocalizeAnswer
from nadir.service.context import PAGES
from nadir.service.localize import Localize
from nadir.service.logs import JsonLines
from nadir.service.problems import ProblemDocument

KEY = "a key of some length"


def bare(name="bare", ready=True, page=None):
    """A capability that does nothing."""
    return SimpleNamespace(
        name=name,
        title="Nothing",
        page=page,
        router=lambda: APIRouter(prefix=f"/{name}"),
        ready=lambda: ready,
        start=lambda context: None,
        describe=lambda: {"loaded": []},
        close=lambda: None,
    )


def test_health(client):
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_not_ready_until_every_capability_is(make_client):
    client = make_client([bare("one"), bare("two", ready=False)])
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503


def test_models_tells_what_is_loaded(client):
    told = client.get("/models").json()
    assert told["limits"]["bytes"] == 300_000 and told["limits"]["pixels"] == 100_000
    (about,) = told["capabilities"]["localize"]["substrates"]
    assert about["name"] == "plain" and about["grid"]["crs"] == "EPSG:32631"


def test_key_opens_what_is_locked(make_client, locator):
    client = make_client([Localize([locator])], api_key=KEY)
    locked = ["/models", "/metrics", "/localize/substrates/plain/preview.png"]
    for address in locked:
        for headers in (
            {},
            {"X-API-Key": "wrong"},
            {"X-API-Key": "é" * 3},
            {"X-API-Key": KEY[:-1]},
        ):
            sent = {name: value.encode() for name, value in headers.items()}
            reply = client.get(address, headers=sent)
            assert reply.status_code == 401
            assert KEY not in reply.text
            ProblemDocument.model_validate(reply.json())
        assert client.get(address, headers={"X-API-Key": KEY}).status_code == 200
    assert client.post("/localize", files={"photo": ("x", b"x" * 100_000)}).status_code == 401
    for address in ("/healthz", "/readyz", "/localize", "/pages/base.css"):
        assert client.get(address).status_code == 200


def test_errors_are_problem_documents(client):
    cases = [("GET", "/nothing", 404), ("DELETE", "/localize", 405), ("GET", "/pages/x", 404)]
    for method, address, status in cases:
        reply = client.request(method, address)
        assert reply.status_code == status
        assert reply.headers["content-type"] == "application/problem+json"
        document = ProblemDocument.model_validate(reply.json())
        assert document.status == status and document.request == reply.headers["x-request-id"]


@pytest.mark.parametrize(
    "path", ["/pages/../app.py", "/pages/%2e%2e/app.py", "/pages/..%2fapp.py", "/pages//etc/passwd"]
)
def test_pages_do_not_lead_out_of_their_folder(client, path):
    assert client.get(path).status_code == 404


def test_request_ids_are_taken_over_only_where_harmless(client):
    assert client.get("/healthz", headers={"X-Request-ID": "abc-1"}).headers["x-request-id"] == (
        "abc-1"
    )
    for bad in ("a b", "x" * 65, '"{}', ""):
        given = client.get("/healthz", headers={"X-Request-ID": bad}).headers["x-request-id"]
        assert re.fullmatch("[0-9a-f]{16}", given)


def test_log_lines_are_json(client, caplog):
    with caplog.at_level(logging.DEBUG, "nadir.service.access"):
        client.get("/nothing%0Aforged", headers={"X-Request-ID": "mine"})
    (record,) = [item for item in caplog.records if item.name == "nadir.service.access"]
    text = JsonLines().format(record)
    assert "\n" not in text
    line = json.loads(text)
    assert line["id"] == "mine" and line["status"] == 404 and line["method"] == "GET"
    assert line["path"] == "/nothing\nforged" and line["route"] == "none"
    assert line["ms"] >= 0 and line["bytes_out"] > 0 and line["level"] == "info"


def test_safe_headers(client):
    headers = client.get("/localize").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]


def references(value):
    """Yield every $ref of a document."""
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from references(item)


def test_openapi_is_valid(make_client, locator):
    client = make_client([Localize([locator])], api_key=KEY)
    document = client.get("/openapi.json").json()
    OpenAPI.model_validate(document)
    for reference in references(document):
        place = document
        for part in reference.removeprefix("#/").split("/"):
            place = place[part]
    post = document["paths"]["/localize"]["post"]
    assert set(post["responses"]) >= {"200", "401", "413", "422", "429", "503"}
    assert post["security"] == [{"APIKeyHeader": []}]
    photo = post["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]["photo"]
    assert photo["format"] == "binary"
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, reply in operation["responses"].items():
                if status >= "400":
                    assert set(reply["content"]) == {"application/problem+json"}
    assert client.get("/openapi.json").json() == document


def test_example_of_the_answer_is_true():
    (example,) = LocalizeAnswer.model_json_schema()["examples"]
    LocalizeAnswer.model_validate(example)
    size = (example["photo"]["width"], example["photo"]["height"])
    corners = Pose(**example["pose"]).corners(*size)
    for name, corner in zip(CORNERS, corners, strict=True):
        assert example["corners"][name] == pytest.approx(corner)


def test_front_leads_to_the_page_or_to_the_list(client, make_client):
    assert client.get("/", follow_redirects=False).headers["location"] == "/localize"
    text = make_client([bare("one"), bare("two")]).get("/").text
    assert "/pages/index.js" in text


def test_pages_are_whole_and_call_nobody_else():
    names = {path.name for path in PAGES.iterdir()}
    for path in PAGES.iterdir():
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text and "//cdn" not in text
        for used in re.findall(r'["/](?:pages|\.)/([a-z]+\.[a-z]+)"', text):
            assert used in names, f"{path.name} uses {used}"
        if path.suffix == ".html":
            assert "<style" not in text and "style=" not in text and " onclick" not in text
            ids = re.findall(r'\bid="([^"]+)"', text)
            assert len(ids) == len(set(ids))
            script = (PAGES / f"{path.stem}.js").read_text()
            for used in re.findall(r'\$\("([^"]+)"\)', script):
                assert used in ids, f"{path.stem}.js looks for {used}"


def test_pages_are_part_of_the_package():
    from setuptools import Distribution
    from setuptools.config.pyprojecttoml import apply_configuration

    root = PAGES.parents[3]
    if not (root / "pyproject.toml").is_file():
        pytest.skip("not a checkout")
    distribution = apply_configuration(Distribution(), root / "pyproject.toml")
    assert distribution.package_data["nadir.service"] == ["pages/*"]
