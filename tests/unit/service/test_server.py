import http.client
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nadir.errors import InputError
from nadir.service.server import is_loopback, listen

PROGRAM = """
import logging, sys, time
from types import SimpleNamespace
from fastapi import APIRouter, Request
from nadir.service.app import create_app
from nadir.service.context import context_of
from nadir.service.server import listen, serve
from nadir.service.settings import Settings

logging.basicConfig(level=logging.INFO)
router = APIRouter(prefix="/slow")

@router.get("/work")
async def work(request: Request):
    print("begun", flush=True)
    return await context_of(request).work.run(lambda: time.sleep(0.7) or "done")

@router.post("/refuse")
async def refuse(request: Request):
    from nadir.service.problems import Problem
    raise Problem(429, "busy", "no place", "Later.")

slow = SimpleNamespace(
    name="slow", title="Slow", page=None, router=lambda: router, ready=lambda: True,
    start=lambda context: None, describe=dict, close=lambda: None,
)
place = listen("127.0.0.1", 0)
print(place.getsockname()[1], flush=True)
serve(create_app(Settings(max_bytes=50_000_000), [slow]), place, grace=5)
"""


@pytest.fixture
def server():
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "workflow")},
    )
    port = int(process.stdout.readline())
    for _ in range(200):
        try:
            ask(port, "/healthz")
            break
        except OSError:
            time.sleep(0.02)
    yield process, port
    process.kill()
    process.communicate()


def ask(port, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST" if body else "GET", path, body)
    return connection.getresponse()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_lets_open_requests_end(server, number):
    process, port = server
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/slow/work")
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    assert connection.getresponse().read() == b'"done"'
    assert process.wait(5) == 0
    lines = process.stderr.read().splitlines()
    assert lines and all(line.startswith("{") and line.endswith("}") for line in lines)
    assert "Traceback" not in "".join(lines)


def test_refusals_reach_clients_that_still_send(server):
    _, port = server
    reply = ask(port, "/slow/refuse", bytes(20_000_000))
    assert reply.status == 429
    assert b"no place" in reply.read()


def test_taken_ports_are_told():
    with listen("127.0.0.1", 0) as taken, pytest.raises(InputError, match="cannot listen"):
        listen("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(InputError):
        listen("127.0.0.1", 99_999)


def test_loopback():
    assert all(map(is_loopback, ("127.0.0.1", "::1", "localhost", "127.3.2.1")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "example.org")))
