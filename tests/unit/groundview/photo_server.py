"""A server on the loopback that behaves like a provider of photos, with failures on demand."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import numpy as np
from PIL import Image

KEY = "s3cret-key"


def jpeg(seed: int, size: tuple[int, int] = (80, 60)) -> bytes:
    data = io.BytesIO()
    small = np.random.default_rng([seed, 1]).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(small).resize(size).save(data, "JPEG")
    return data.getvalue()


class PhotoServer:
    """What was asked, and what goes wrong: path -> answers (codes or "cut") before the good one."""

    def __init__(self) -> None:
        self.photos = {f"Photo {k}.jpg": jpeg(k) for k in range(5)}
        self.faults: dict[str, list[int | str]] = {}
        self.asked: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self.wrong_digest: set[str] = set()
        self.address = ""

    def listing(self, query: dict[str, list[str]]) -> dict:
        north, west, south, east = map(float, query["ggsbbox"][0].split("|"))
        pages = []
        for k, (name, data) in enumerate(self.photos.items()):
            longitude, latitude = 1.01 + 0.015 * k, 43.02
            if not (west <= longitude <= east and south <= latitude <= north):
                continue
            digest = hashlib.sha1(data).hexdigest()
            info = {
                "url": f"{self.address}/file/{k}",
                "sha1": "0" * 40 if name in self.wrong_digest else digest,
                "mime": "image/jpeg",
                "descriptionurl": f"{self.address}/page/{k}",
                "extmetadata": {
                    "DateTimeOriginal": {"value": f"2023-07-0{k + 1} 12:00:00"},
                    "Artist": {"value": "<a href='x'>Ann &amp; Bob</a>"},
                    "LicenseShortName": {"value": "CC0"},
                },
            }
            at = [{"lon": longitude, "lat": latitude}]
            pages.append({"title": f"File:{name}", "imageinfo": [info], "coordinates": at})
        pages.append({"title": "File:A.pdf", "imageinfo": [{"mime": "application/pdf"}]})
        if "ggscontinue" not in query:  # in two parts, as large answers come
            return {"query": {"pages": pages[::2]}, "continue": {"ggscontinue": 1, "continue": "-"}}
        return {"query": {"pages": pages[1::2]}}

    def answer(self, path: str, query: dict[str, list[str]]) -> bytes:
        if path == "/api":
            return json.dumps(self.listing(query)).encode()
        if path == "/map":
            return self.map_picture(int(query["size"][0]))
        if path == "/graph":
            return json.dumps({"data": [self.street_photo(k) for k in range(3)]}).encode()
        return list(self.photos.values())[int(path.rsplit("/", 1)[1])]

    def street_photo(self, k: int) -> dict:
        return {
            "id": str(100 + k),
            "computed_geometry": {"coordinates": [1.01 + 0.001 * k, 43.02]},
            "computed_compass_angle": 350.0 + 10 * k,
            "captured_at": 1_690_000_000_000,
            "thumb_1024_url": f"{self.address}/file/{k}",
        }

    @staticmethod
    def map_picture(size: int) -> bytes:
        picture = np.zeros((size, size, 3), np.uint8)
        picture[: size // 2, :, 0] = 200  # the north is red
        picture[:, size // 2 :, 2] = 200  # the east is blue
        data = io.BytesIO()
        Image.fromarray(picture).save(data, "PNG")
        return data.getvalue()


@contextmanager
def serving() -> Iterator[PhotoServer]:
    known = PhotoServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlparse(self.path)
            known.asked[parts.path] += 1
            known.headers.append(dict(self.headers))
            faults = known.faults.get(parts.path, [])
            fault = faults.pop(0) if faults else 200
            data = known.answer(parts.path, parse_qs(parts.query)) if fault in (200, "cut") else b""
            self.send_response(200 if fault == "cut" else int(fault))
            if fault == 429:
                self.send_header("Retry-After", "7")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2] if fault == "cut" else data)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
