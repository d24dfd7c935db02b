"""Clients that hang up, and uploads that are larger than memory should be."""

import asyncio
import threading
import tracemalloc

import numpy as np
import pytest
from segment_fakes import png, roofs
from segment_service import loaded

from nadir.service import uploads
from nadir.service.app import create_app
from nadir.service.segment import Segment
from nadir.service.settings import Settings

HEAD = b'--b\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'


def scope(path="/segment"):
    return {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"content-type", b"multipart/form-data; boundary=b")],
        "client": ("test", 1),
        "server": ("test", 80),
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
    }


async def send_nothing(message):
    pass


def admitted(app):
    return app.state.context.registry._metrics["nadir_work_admitted"].value(pool="segment")


@pytest.mark.parametrize("when", ["while it sends", "while it waits"])
def test_who_hangs_up_frees_the_place(roof_bundle, tmp_path, when):
    capability = Segment([loaded(roof_bundle)], tmp_path / "state")
    app = create_app(Settings(), [capability])
    gate, begun = threading.Event(), threading.Event()

    async def main():
        async with app.router.lifespan_context(app):
            predict, calls = capability._batcher.predict, []

            def held(*args):
                calls.append(1)
                begun.set()
                assert gate.wait(10)
                return predict(*args)

            capability._batcher.predict = held
            body = HEAD + png(roofs(200, 200)) + b"\r\n--b--\r\n"
            waits = when == "while it waits"
            messages = [{"type": "http.request", "body": body[:500], "more_body": True}]
            if waits:
                messages.append({"type": "http.request", "body": body[500:], "more_body": False})

            async def receive():
                if messages:
                    return messages.pop(0)
                while waits and not begun.is_set():
                    await asyncio.sleep(0.01)
                return {"type": "http.disconnect"}

            await app(scope(), receive, send_nothing)
            if waits:
                assert admitted(app) == 1, "the thread is still at it"
            gate.set()
            for _ in range(300):
                if admitted(app) == 0:
                    break
                await asyncio.sleep(0.01)
            assert admitted(app) == 0
            assert len(calls) == (1 if waits else 0), "it stopped after the window it was at"
            assert not any(capability.store.incoming.iterdir())

    asyncio.run(main())


def test_large_uploads_stay_out_of_memory(roof_bundle, tmp_path):
    capability = Segment([loaded(roof_bundle)], tmp_path / "state")
    app = create_app(Settings(), [capability])
    block, blocks = bytes(1 << 18), 400  # 100 MB
    statuses = []

    async def main():
        async with app.router.lifespan_context(app):
            parts = iter([HEAD, *[block] * blocks, b"\r\n--b--\r\n"])

            async def receive():
                part = next(parts, None)
                if part is None:
                    return {"type": "http.disconnect"}
                return {"type": "http.request", "body": part, "more_body": part[-4:] != b"--\r\n"}

            async def send(message):
                statuses.append(message.get("status"))

            tracemalloc.start()
            await app(scope("/jobs"), receive, send)
            statuses.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

    asyncio.run(main())
    assert statuses[0] == 422, "zeros are no image"
    assert statuses[-1] < 16 << 20
    assert not any(capability.store.incoming.iterdir()) if capability.store.incoming.exists() else 1


def test_the_content_survives_any_cut(roof_bundle, tmp_path):
    """The form is the same in whatever pieces it comes."""
    data = np.random.default_rng(0).bytes(5000) + b"\r\n--not the boundary\r\n"
    body = (
        HEAD + data + b'\r\n--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nx\r\n--b--'
    )
    for cut in (1, 7, 64, 4999):

        class Request:
            headers = {"content-type": "multipart/form-data; boundary=b"}  # noqa: RUF012
            pieces = [body[at : at + cut] for at in range(0, len(body), cut)]  # noqa: RUF012

            async def receive(self):
                part = self.pieces.pop(0)
                return {"type": "http.request", "body": part, "more_body": bool(self.pieces)}

        async def main(request=Request):
            async with uploads.received(request(), tmp_path, 5) as upload:
                return upload

        upload = asyncio.run(main())
        assert upload.data == data and upload.size == len(data) and upload.fields == {"model": "x"}
