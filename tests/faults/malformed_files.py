"""Malformed files, made by code: what each is, and the command that a user would give it to.

    python tests/faults/malformed_files.py FOLDER [FIRST LAST]

runs the commands one after the other in one process with a bound on its memory and on the time of
each, and prints a line of JSON for each: its name, exit code, what was said, seconds, memory.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow"), str(ROOT / "tests" / "rules")]

from commands import BANDS, Commands  # noqa: E402

SECONDS = 60
"""Of processors, for one command; what goes on without an end, ends the whole process."""
MEMORY = 6 << 30
"""Bytes of address space that the process may have."""
Case = tuple[str, Callable[[Commands], tuple[list[str], str]]]
"""Name; and what breaks a file and returns the command line and the name that errors must hold."""


def cases() -> list[Case]:
    """Return all cases; each is a pure function of its number."""
    return [*rasters(), *masks(), *vectors(), *documents(), *configurations(), *fuzzed()]


def rasters() -> Iterator[Case]:
    """Images that lie about themselves."""
    made: dict[str, Callable[[bytes], bytes]] = {
        "empty": lambda data: b"",
        "a header alone": lambda data: data[:8],
        "a header and noise": lambda data: data[:8] + _noise(5000, 1),
        "zeros": lambda data: bytes(len(data)),
        "half": lambda data: data[: len(data) // 2],
        "a page that points to itself": _endless,
        "a page beyond the end": lambda data: data[:4] + struct.pack("<I", 1 << 31) + data[8:],
        "a page of pages without number": lambda data: _field(data, 256, 0xFFFFFFFF),
        "a height of billions": lambda data: _field(data, 257, 0xFFFFFFF0),
        "no bands": lambda data: _field(data, 277, 0),
        "sixty thousand bands": lambda data: _field(data, 277, 60000),
        "an unknown compression": lambda data: _field(data, 259, 31337),
        "text": lambda data: "не растр\n".encode() * 500,
        "a page of the web": lambda data: b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "a VRT that reads itself": lambda data: _VRT,
        "an archive": lambda data: b"PK\x03\x04" + data[:600],
        "a picture's beginning": lambda data: b"\x89PNG\r\n\x1a\n" + data[:100],
    }
    for name, change in made.items():
        yield f"image: {name}", _changed("august", change, "check-images")


def masks() -> Iterator[Case]:
    """Masks that are none."""
    made: dict[str, Callable[[bytes], bytes]] = {
        "empty": lambda data: b"",
        "half": lambda data: data[: len(data) // 2],
        "a header and noise": lambda data: data[:8] + _noise(5000, 2),
        "a width of billions": lambda data: _field(data, 256, 0xFFFFFFF0),
        "a page that points to itself": _endless,
        "text": lambda data: b"10,10,20\n" * 400,
    }
    for name, change in made.items():
        yield f"mask: {name}", _changed("mask", change, "check-scene")


def vectors() -> Iterator[Case]:
    """Labels as polygons that are none."""
    deep = b'{"type":"GeometryCollection","geometries":[' * 3000
    made = {
        "empty": b"",
        "no JSON": b"{",
        "another JSON": b'{"a": [1, 2, 3]}',
        "no features": b'{"type":"FeatureCollection","features":[]}',
        "nesting without end": deep,
        "rings of two corners": _polygon("[[[0,0],[1,1]]]"),
        "corners that are words": _polygon('[[["a","b"],["c","d"],["e","f"],["a","b"]]]'),
        "corners beyond all ground": _polygon(
            "[[[1e308,1e308],[-1e308,0],[0,1e308],[1e308,1e308]]]"
        ),
    }
    for name, data in made.items():
        yield f"vector: {name}", _labels(data)


def documents() -> Iterator[Case]:
    """Manifests and other JSON between commands."""
    made = {
        "empty": b"",
        "half": b'{"kind": "cube", "dig',
        "a list": b"[]",
        "a number": b"7",
        "null": b"null",
        "of another kind": b'{"kind": "labels", "digest": "x"}',
        "wrong types": b'{"kind": "cube", "digest": 5, "grid": [], "content": 7, "sources": null}',
        "nesting without end": b"[" * 100_000,
        "a number without end": b'{"kind": ' + b"9" * 10_000 + b"}",
        "no text": bytes(range(128, 256)) * 8,
        "no grid": b'{"kind": "cube", "digest": "x", "grid": null, "content": {}}',
        "a store that is no text": b'{"kind": "cube", "digest": "x", "store": 7}',
        "a store in another folder": b'{"kind": "cube", "digest": "x", "store": "../other.zarr"}',
        "a store of the system": b'{"kind": "cube", "digest": "x", "store": "file:///etc"}',
        "half a grid": b'{"kind": "cube", "digest": "x", "grid": {"crs": "EPSG:32631"}}',
        "a grid of words": _stated("a", "b"),
        "a grid of nothing": _stated(0, -5),
        "a grid of trillions": _stated(10**13, 10**13),
    }
    for name, data in made.items():
        yield f"manifest: {name}", _manifest(data)


def configurations() -> Iterator[Case]:
    """Settings of a command as JSON text, as the graph or a person gives them."""
    made = {
        "empty": "",
        "half": '{"dates": {',
        "a list": "[]",
        "null": "null",
        "nesting without end": "[" * 100_000,
        "an unknown key": '{"dates": {"dates": {}}, "bands": ["B02"], "colour": 1}',
        "numbers for names": '{"dates": {"dates": {"june": {"file": 5}}}, "bands": ["B02"]}',
        "no bands": '{"dates": {"dates": {}}, "bands": []}',
        "a file that is a folder": json.dumps(
            {"dates": {"dates": {"june": {"file": "/"}}}, "bands": BANDS}
        ),
        "a number beyond all": '{"dates": {"dates": {"june": {"scale": 1e999}}}, "bands": ["B02"]}',
    }
    for name, text in made.items():
        yield f"settings: {name}", _settings(text)


def fuzzed() -> Iterator[Case]:
    """Sound files with some bytes changed, moved, doubled or left out: by the number alone."""
    for number in range(12):
        for file, verb in (("august", "check-images"), ("mask", "check-scene")):
            yield f"fuzzed {file}: {number}", _changed(file, _fuzz(number), verb, may_pass=True)


def _changed(
    file: str, change: Callable[[bytes], bytes], verb: str, may_pass: bool = False
) -> Callable[[Commands], tuple[list[str], str]]:
    def make(at: Commands) -> tuple[list[str], str]:
        path: Path = getattr(at, file)
        path.write_bytes(change(path.read_bytes()))
        return at.words(verb), "" if may_pass else path.name

    return make


def _labels(data: bytes) -> Callable[[Commands], tuple[list[str], str]]:
    def make(at: Commands) -> tuple[list[str], str]:
        path = at.raw / "labels.geojson"
        path.write_bytes(data)
        words = at.words("check-scene")
        place = words.index("--cfg") + 1
        cfg = json.loads(words[place])
        cfg["scene"]["mask"] = {"vector": str(path), "field": "kind"}
        words[place] = json.dumps(cfg)
        return words, path.name

    return make


def _manifest(data: bytes) -> Callable[[Commands], tuple[list[str], str]]:
    def make(at: Commands) -> tuple[list[str], str]:
        path = at.path("cube.manifest.json")
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        path.with_name("cube.zarr").mkdir()
        return at.words("align-labels"), path.name

    return make


def _stated(height: object, width: object) -> bytes:
    """Return a manifest of a cube that states a grid of this size."""
    place = {"crs": "EPSG:32631", "transform": [10.0, 0.0, 4e5, 0.0, -10.0, 46e5]}
    grid = {**place, "height": height, "width": width}
    return json.dumps({"kind": "cube", "digest": "x", "grid": grid}).encode()


def _settings(text: str) -> Callable[[Commands], tuple[list[str], str]]:
    def make(at: Commands) -> tuple[list[str], str]:
        words = at.words("build-cube")
        words[words.index("--cfg") + 1] = text
        return words, ""

    return make


def _noise(length: int, seed: int) -> bytes:
    return np.random.default_rng([seed, 60]).bytes(length)


def _fuzz(number: int) -> Callable[[bytes], bytes]:
    """Return what changes a file: a pure function of its number and the file."""

    def change(data: bytes) -> bytes:
        rng = np.random.default_rng([number, 61])
        some = bytearray(data)
        for _ in range(1 + number):
            # Mostly where formats keep their lists: at the beginning and the end.
            at = int(rng.choice([rng.integers(200), rng.integers(len(some)), len(some) - 1]))
            kind = rng.integers(4)
            if kind == 0:
                some[at] = rng.integers(256)
            elif kind == 1:
                some[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x80"])
            elif kind == 2:
                some[at : at + 16] = some[at // 2 : at // 2 + 16]
            else:
                del some[at : at + int(rng.integers(1, 64))]
        return bytes(some)

    return change


def _field(data: bytes, tag: int, value: int) -> bytes:
    """Return a little-endian TIFF in whose first page a tag has another value."""
    changed = bytearray(data)
    page = struct.unpack_from("<I", data, 4)[0]
    for number in range(struct.unpack_from("<H", data, page)[0]):
        entry = page + 2 + 12 * number
        if struct.unpack_from("<H", data, entry)[0] == tag:
            struct.pack_into("<HII", changed, entry + 2, 4, 1, value)
    return bytes(changed)


def _endless(data: bytes) -> bytes:
    """Return a TIFF whose first page names itself as the next one."""
    changed = bytearray(data)
    page = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, page)[0]
    struct.pack_into("<I", changed, page + 2 + 12 * count, page)
    return bytes(changed)


def _polygon(coordinates: str) -> bytes:
    return (
        '{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"kind":"forest"},'
        f'"geometry":{{"type":"Polygon","coordinates":{coordinates}}}}}]}}'
    ).encode()


_VRT = b"""<VRTDataset rasterXSize="64" rasterYSize="64"><VRTRasterBand dataType="UInt16" band="1">
<SimpleSource><SourceFilename relativeToVRT="1">august.tif</SourceFilename>
<SourceBand>1</SourceBand>
</SimpleSource></VRTRasterBand></VRTDataset>"""


def run_case(number: int, folder: Path) -> dict[str, object]:
    """Make the files of a case, run its command, and return what became of it."""
    from nadir.cli.main import main

    name, make = cases()[number]
    at = Commands(folder / f"{number}" / "raw", folder / f"{number}" / "results").write()
    words, named = make(at)
    said, begun = io.StringIO(), time.monotonic()
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
            code: object = main(words)
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        code = "crash"
        said.write(traceback.format_exc())
    signal.setitimer(signal.ITIMER_PROF, 0)
    most = _peak_mb()
    told = {"code": code, "said": said.getvalue()[-3000:], "named": named, "memory_mb": most}
    return {"name": name, **told, "seconds": round(time.monotonic() - begun, 2)}


def _peak_mb() -> int:
    """Return the most memory that this program has held; `ru_maxrss` tells its parent's, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


def main() -> None:
    """Run the cases that the command line names."""
    folder = Path(sys.argv[1])
    first, last = map(int, sys.argv[2:] or (0, len(cases())))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.environ["OMP_NUM_THREADS"] = "1"
    for number in range(first, last):
        sys.stdout.write(json.dumps(run_case(number, folder)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
