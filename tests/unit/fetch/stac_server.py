"""A small Earth behind a loopback server: Sentinel-2 images, labels, a catalogue, and faults."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from rasterio.io import MemoryFile
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

LEFT, TOP, SIDE = 450000.0, 4600000.0, 384
"""Upper-left corner (EPSG:32631) and pixels of 10 m of an image."""
BANDS = ("B02", "B08", "B8A")
KEYS = {"B02": "blue", "B08": "nir", "B8A": "nir08", "SCL": "scl"}
AREA_UTM = (450400.0, 4597200.0, 452400.0, 4599200.0)
AREA = tuple(transform_bounds("EPSG:32631", "EPSG:4326", *AREA_UTM))
"""Ground inside of every image, 2 km a side."""


def truth(band: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return 10000 * reflectance at a place: a plane, which bilinear resampling leaves as it is."""
    number = BANDS.index(band)
    return 700 + 900 * number + (x - LEFT) / 5 + (number + 1) * (TOP - y) / 10


def truth_of(band: str, transform: Any, shape: tuple[int, int]) -> np.ndarray:
    """Return the truth at the centers of a grid's pixels."""
    v, u = np.meshgrid(*(np.arange(n) + 0.5 for n in shape), indexing="ij")
    return truth(band, *(transform @ (u, v)))


def cog(data: np.ndarray, resolution: float, crs: str = "EPSG:32631", **options: Any) -> bytes:
    """Return (height, width) as the bytes of a cloud-optimized GeoTIFF."""
    place = from_origin(options.pop("left", LEFT), options.pop("top", TOP), resolution, resolution)
    shape = {"height": data.shape[0], "width": data.shape[1], "count": 1, "dtype": data.dtype}
    with MemoryFile() as memory:
        with memory.open(
            driver="COG",
            crs=crs,
            transform=place,
            blocksize=128,
            compress="deflate",
            nodata=options.pop("nodata", 0),
            **shape,
            **options,
        ) as file:
            file.write(data, 1)
        return memory.read()


@functools.cache
def contents(added: int, clouds: tuple[tuple[int, int], ...] | None, crs: str) -> dict[str, bytes]:
    """Return the files of an image: band (or SCL) -> GeoTIFF; see `Server.add_image`."""
    files = {}
    for band in BANDS:
        step = 20 if band == "B8A" else 10
        shape = (SIDE * 10 // step,) * 2
        values = truth_of(band, from_origin(LEFT, TOP, step, step), shape) + added
        if clouds:
            values[tuple(slice(a * 20 // step, b * 20 // step) for a, b in clouds)] = 9000
        files[band] = cog(np.rint(values).astype(np.uint16), step, crs)
    classes = np.full((SIDE // 2,) * 2, 4, np.uint8)
    if clouds:
        classes[tuple(slice(*span) for span in clouds)] = 9
    return {**files, "SCL": cog(classes, 20, crs)}


@dataclass
class Fault:
    """What a server does wrong with a path, so many times.

    Attributes:
        kind: "busy" (HTTP `code`), "cut" (half of the body), "stall" (`seconds` of silence before
            the body), "freeze" (half of the body, then `seconds` of silence), "trickle" (`seconds`
            between pieces), "whole" (knows no ranges), "replace" (another content from then on).
        times: How often; each request counts.
        after: Requests that go well before.
        retry_after: What a busy server says of when to ask again, if anything.
    """

    kind: str
    times: int = 1
    after: int = 0
    code: int = 503
    seconds: float = 0.0
    content: bytes = b""
    retry_after: str = ""


@dataclass
class Server:
    """What lies behind the addresses.

    Attributes:
        files: Path -> content.
        faults: Path -> what goes wrong.
        asked: (path, range or "") of every request, in order.
        sent: Bytes of bodies by path.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    sent: dict[str, int] = field(default_factory=dict)
    url: str = ""
    items: list[dict[str, Any]] = field(default_factory=list)
    is_api: bool = False

    def fault(self, path: str) -> Fault | None:
        """Return what goes wrong with this request."""
        fault = self.faults.get(path)
        if fault is None or fault.times <= 0:
            return None
        if fault.after > 0:
            fault.after -= 1
            return None
        fault.times -= 1
        return fault

    def add_image(
        self,
        name: str,
        day: str,
        cloud: float = 5.0,
        baseline: str = "05.00",
        clouds: tuple[slice, slice] | None = None,
        properties: dict[str, Any] | None = None,
        crs: str = "EPSG:32631",
        shift: int = 0,
    ) -> dict[str, Any]:
        """Add an image of the truth; its numbers are those of its baseline.

        Args:
            name: Name of the item.
            day: Day, YYYY-MM-DD.
            cloud: Percent that it states.
            baseline: Processing baseline.
            clouds: Rows and columns of 20 m that are cloud: white in all bands.
            properties: Further properties.
            crs: System; in another one than the default its pixels lie elsewhere.
            shift: Added to all numbers, so that images can be told apart.
        """
        offset = 1000 if baseline >= "04.00" else 0
        part = tuple((s.start, s.stop) for s in clouds) if clouds else None
        assets = {
            band: self._add(name, band, content)
            for band, content in contents(offset + shift, part, crs).items()
        }
        for band in BANDS:
            assets[band]["raster:bands"] = [{"scale": 0.0001, "offset": -0.1 * bool(offset)}]
        bounds = transform_bounds(crs, "EPSG:4326", LEFT, TOP - SIDE * 10, LEFT + SIDE * 10, TOP)
        item = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": name,
            "collection": "sentinel-2-l2a",
            "geometry": _polygon(bounds),
            "bbox": list(bounds),
            "properties": {
                "datetime": f"{day}T10:50:31Z",
                "eo:cloud_cover": cloud,
                "s2:processing_baseline": baseline,
                **(properties or {}),
            },
            "links": [],
            "assets": {KEYS[band]: asset for band, asset in assets.items()},
        }
        self.items.append(item)
        return item

    def _add(self, name: str, band: str, content: bytes) -> dict[str, Any]:
        path = f"/{name}/{band}.tif"
        self.files[path] = content
        return {
            "href": f"../{name}/{band}.tif",
            "type": "image/tiff; application=geotiff; profile=cloud-optimized",
            "roles": ["data"],
            "file:size": len(content),
            "file:checksum": "1220" + hashlib.sha256(content).hexdigest(),
        }

    def publish(self) -> str:
        """Write the catalogue as static files and return its address."""
        world = {"spatial": {"bbox": [[-180, -90, 180, 90]]}}
        extent = {**world, "temporal": {"interval": [["2015-06-23T00:00:00Z", None]]}}
        links = [{"rel": "item", "href": f"./items/{item['id']}.json"} for item in self.items]
        collection = {
            "type": "Collection",
            "stac_version": "1.0.0",
            "id": "sentinel-2-l2a",
            "description": "images",
            "license": "proprietary",
            "extent": extent,
            "links": links,
        }
        catalog = {
            "type": "Catalog",
            "stac_version": "1.0.0",
            "id": "earth",
            "description": "a small Earth",
            "links": [{"rel": "child", "href": "./collection.json"}],
        }
        self.files["/catalog.json"] = json.dumps(catalog).encode()
        self.files["/collection.json"] = json.dumps(collection).encode()
        for item in self.items:
            self.files[f"/items/{item['id']}.json"] = json.dumps(item).encode()
        return f"{self.url}/catalog.json"

    def publish_api(self) -> str:
        """Offer the catalogue as an API that searches, two items a page, and return its address."""
        self.is_api = True
        core = "https://api.stacspec.org/v1.0.0"
        self.files["/"] = json.dumps(
            {
                "type": "Catalog",
                "stac_version": "1.0.0",
                "id": "api",
                "description": "an API",
                "conformsTo": [f"{core}/core", f"{core}/item-search", f"{core}/collections"],
                "links": [
                    {"rel": "self", "href": f"{self.url}/"},
                    {
                        "rel": "search",
                        "href": f"{self.url}/search",
                        "method": "POST",
                        "type": "application/geo+json",
                    },
                    {"rel": "data", "href": f"{self.url}/collections"},
                ],
            }
        ).encode()
        self.publish()
        collection = json.loads(self.files["/collection.json"]) | {"links": []}
        self.files["/collections/sentinel-2-l2a"] = json.dumps(collection).encode()
        self.files["/collections"] = json.dumps({"collections": [collection], "links": []}).encode()
        return f"{self.url}/"

    def search(self, query: dict[str, Any]) -> bytes:
        """Return a page of an API's answer."""
        first = int(query.get("token", 0))
        found = [
            {**item, "links": [{"rel": "self", "href": f"{self.url}/items/{item['id']}.json"}]}
            for item in self.items
        ]
        links = []
        if first + 2 < len(found):
            body = {**query, "token": first + 2}
            next_page = {"rel": "next", "href": f"{self.url}/search", "method": "POST"}
            links = [{**next_page, "body": body}]
        page = {"type": "FeatureCollection", "features": found[first : first + 2], "links": links}
        return json.dumps(page).encode()


def _polygon(bounds: tuple[float, ...]) -> dict[str, Any]:
    west, south, east, north = bounds
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


@contextmanager
def served() -> Iterator[Server]:
    """Yield a server on loopback, empty at first."""
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(state.files.get(self.path.split("?")[0]))

        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(state.search(query))

        def _answer(self, content: bytes | None) -> None:
            path = self.path.split("?")[0]
            asked = self.headers.get("Range", "")
            state.asked.append((path, asked))
            fault = state.fault(path)
            kind = fault.kind if fault else ""
            if kind == "busy":
                self._refuse(fault.code, fault.retry_after)
                return
            if content is None:
                self._refuse(404)
                return
            if kind == "replace":
                content = state.files[path] = fault.content
            tag = f'"{hashlib.md5(content).hexdigest()}"'
            part = re.fullmatch(r"bytes=(\d+)-(\d+)", asked)
            total = len(content)
            if part and kind != "whole":
                start, end = int(part[1]), min(int(part[2]) + 1, total)
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{end - 1}/{total}")
                content = content[start:end]
            else:
                self.send_response(200)
            self.send_header("ETag", tag)
            self.send_header("Content-Length", str(len(content)))
            json_like = path.endswith("json") or (state.is_api and not path.endswith("tif"))
            self.send_header("Content-Type", "application/json" if json_like else "image/tiff")
            self.end_headers()
            self._send(path, content, fault)

        def _send(self, path: str, content: bytes, fault: Fault | None) -> None:
            kind = fault.kind if fault else ""
            if kind == "stall":
                time.sleep(fault.seconds)
            if kind == "cut":
                content, self.close_connection = content[: len(content) // 2], True
            step = 4096 if kind == "trickle" else max(len(content), 1)
            if kind == "freeze":
                step = len(content) // 2 + 1
            try:
                for place in range(0, len(content), step):
                    self.wfile.write(content[place : place + step])
                    state.sent[path] = state.sent.get(path, 0) + len(content[place : place + step])
                    if kind in ("trickle", "freeze"):
                        time.sleep(fault.seconds)
            except OSError:
                self.close_connection = True

        def _refuse(self, code: int, retry_after: str = "") -> None:
            self.send_response(code)
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Clients that hang up are what is tested."""

    with Quiet(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
