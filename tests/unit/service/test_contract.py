"""The service keeps what its OpenAPI document promises, whatever it is sent (schemathesis)."""

import itertools
import threading
import time

import httpx
import hypothesis
import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, Phase, given
from schemathesis import checks
from schemathesis.specs.openapi import checks as openapi_checks
from segment_fakes import geotiff, png, roofs, wait_for
from segment_service import form, loaded

from nadir.service.app import create_app
from nadir.service.galleries import load_galleries
from nadir.service.grounds import load_grounds
from nadir.service.groundview import Groundview
from nadir.service.localize import Localize
from nadir.service.retrieve import Retrieve
from nadir.service.segment import Segment
from nadir.service.server import listen
from nadir.service.settings import Settings

CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def live(roof_bundle, locator, gallery_folder, ground_folder, tmp_path_factory):
    """The address of a running service with everything, and a job that is done."""
    state = tmp_path_factory.mktemp("live")
    galleries, grounds = load_galleries([gallery_folder]), load_grounds([ground_folder])
    capabilities = [
        Segment([loaded(roof_bundle)], state),
        Localize([locator]),
        Retrieve(galleries),
        Groundview(grounds),
    ]
    limits = Settings(queue=64, direct_queue=64, max_pixels=100_000, seconds=30)
    app = create_app(limits, capabilities)
    place = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False))
    thread = threading.Thread(target=lambda: server.run(sockets=[place]), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    with httpx.Client(base_url=f"http://127.0.0.1:{place.getsockname()[1]}") as client:
        job = client.post("/jobs", **form(geotiff(roofs(64, 80)))).json()["id"]
        wait_for(client, job)
        yield (
            str(client.base_url).rstrip("/"),
            {
                "job": job,
                "gallery": galleries[0].name,
                "image": next(iter(galleries[0].row_of)),
                "map": grounds[0].name,
                "spot": grounds[0].facts.examples[0],
            },
        )
    server.should_exit = True
    thread.join(20)


def explore(live, examples):
    """Send generated requests to every operation, and return how many operations there are."""
    schema = schemathesis.openapi.from_url(f"{live[0]}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    for operation in operations:
        probe(operation, *live, examples)
    return len(operations)


def probe(operation, address, known, examples):
    """Send generated requests to one operation; half of them name what is there."""
    turn, image = itertools.count(), png(roofs(64, 64))
    there = {"image": image, "photo": image}
    if "saliency" in operation.path:
        there["image"] = known["image"]

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def send(case):
        if next(turn) % 2:
            if case.method != "DELETE":
                case.path_parameters.update(
                    {name: known[name] for name in case.path_parameters if name in known}
                )
            if isinstance(case.body, dict):
                case.body.update({name: there[name] for name in case.body if name in there})
                for name in {"gallery", "view", "map"} & set(case.body):
                    del case.body[name]
            stand(case, known["spot"])
        case.call_and_validate(base_url=address, checks=CHECKS)

    send()


def stand(case, spot):
    """Let a question of the ground view be of a place that there is."""
    asked = case.body if case.method == "POST" else case.query
    of_place = case.path in ("/groundview", "/groundview/view.png", "/groundview/crop.png")
    if of_place and isinstance(asked, dict):
        for name in {"map", "longitude", "latitude"} & set(asked):
            del asked[name]
        asked.update(x=spot.x, y=spot.y)


def test_promises_are_kept(live):
    assert explore(live, 6) > 20


@pytest.mark.slow
def test_promises_are_kept_at_length(live):
    assert explore(live, 150) > 20


def test_every_operation_shows_an_example(live):
    document = httpx.get(f"{live[0]}/openapi.json").json()
    schemas = document["components"]["schemas"]

    def shown(content):
        if "example" in content or "examples" in content:
            return True
        schema = content.get("schema", {})
        schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
        return "examples" in schema

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (method, path)
            for item in operation.get("parameters", []):
                if item["in"] == "path":
                    assert {"example", "examples"} & {*item, *item["schema"]}, (path, item)
            if "requestBody" in operation:
                assert all(map(shown, operation["requestBody"]["content"].values())), path
            for status, reply in operation["responses"].items():
                if status < "300":
                    kinds = reply.get("content", {}).items()
                    for kind, content in kinds:
                        if kind == "application/json":
                            assert shown(content), (method, path)
