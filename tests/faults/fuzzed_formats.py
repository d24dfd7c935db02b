"""Formats that the package reads: how a sound file is made and read, and files that lie."""

from __future__ import annotations

import io
import json
import os
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "workflow")]


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Attributes:
        ending: Of the file's name.
        make: Returns a sound file.
        read: Reads a file as the package does; returns, or raises an error of the package's own.
        lies: Files that are whole and say what is not so.
    """

    ending: str
    make: Callable[[], bytes]
    read: Callable[[Path], object]
    lies: Callable[[], list[bytes]] = field(default=list)


FORMATS: dict[str, Format] = {}
LEARNT = ("state", "onnx")
"""Those whose readers import torch or ONNX Runtime."""


def _npy(shape: tuple[int, ...], dtype: str = "<f4", data: bytes = b"") -> bytes:
    """Return an array file that states a shape, whatever it holds."""
    head = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head + data


def _zip(**entries: bytes) -> bytes:
    """Return an archive of array files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def _arrays(**arrays: Any) -> Callable[[], bytes]:
    def make() -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(buffer, allow_pickle=False, **arrays)
        return buffer.getvalue()

    return make


def _lying_arrays(name: str, **others: Any) -> Callable[[], list[bytes]]:
    """Return what makes archives in which one array is not what it says."""
    rest = {
        key: _npy(value.shape, value.dtype.str, value.tobytes()) for key, value in others.items()
    }
    shapes = ((1 << 40,), (1 << 20, 1 << 20, 1 << 20), (-1,), (3,), (0,), ())

    def make() -> list[bytes]:
        lies = [_zip(**rest, **{name: _npy(shape)}) for shape in shapes]
        lies += [
            _zip(**rest, **{name: _npy((1,), kind, bytes(8))}) for kind in ("|O", "<U9999", "?")
        ]
        return [*lies, _zip(**rest), _zip(), _zip(**rest, **{name: b""})]

    return make


def _read_sample(path: Path) -> object:
    from nadir.learn.export_sample import read_sample

    return read_sample(path)


def _read_frames(path: Path) -> object:
    from nadir.groundview.frames import read_frames

    return read_frames(path)


def _read_array(path: Path) -> object:
    from nadir.groundview.films import read_arrays

    return read_arrays(path, ("steps",))


def _read_label_array(path: Path) -> object:
    from nadir.raster.arrays import _numpy_array

    return np.array(_numpy_array(str(path), "", (path.stat().st_size, path.stat().st_mtime_ns)))


_ONE, _STEPS = np.ones((2, 3), np.float32), np.arange(3, dtype=np.int32)
_FRAMES = np.ones((3, 4, 4, 3), np.uint8)
FORMATS["sample"] = Format(
    ".npz",
    _arrays(input=_ONE, output=_ONE, tolerance=np.float64(0.1)),
    _read_sample,
    _lying_arrays("output", input=_ONE, tolerance=np.array(0.1)),
)
FORMATS["frames"] = Format(
    ".npz",
    _arrays(frames=_FRAMES, steps=_STEPS),
    _read_frames,
    _lying_arrays("frames", steps=_STEPS),
)
FORMATS["film"] = Format(
    ".npz",
    _arrays(frames=_FRAMES, steps=_STEPS),
    _read_array,
    _lying_arrays("frames", steps=_STEPS),
)
FORMATS["label array"] = Format(
    ".npy",
    lambda: _npy((2, 3), "<f4", _ONE.tobytes()),
    _read_label_array,
    lambda: [_npy(shape) for shape in ((1 << 40,), (-1,), (2, -3), (1 << 62, 8))],
)


def _parquet(columns: dict[str, Any]) -> bytes:
    import pandas as pd

    buffer = io.BytesIO()
    pd.DataFrame(columns).to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


def _odd_tables() -> list[bytes]:
    """Return tables whose columns hold what nobody would expect."""
    odd = ([["a"], ["b", "c"]], [{"x": 1}, {"x": 2}], [None, None], [b"\xff", b"\0"], ["1", "x"])
    names = ("id", "split", "epoch", "scene", "photo")
    return [_parquet(dict.fromkeys(names, values)) for values in odd] + [_parquet({})]


def _read_split(path: Path) -> object:
    from nadir.tiles.table import read_split

    return read_split(path)


def _read_tiles(path: Path) -> object:
    from nadir.tiles.table import grid_of, read_tiles, scene_of, windows_of

    table = read_tiles(path)
    return grid_of(table), scene_of(table), windows_of(table)


def _read_history(path: Path) -> object:
    from nadir.learn.history import read_history

    return read_history(path)


def _read_poses(path: Path) -> object:
    import pyarrow as pa

    from nadir.provenance.tables import read_table

    schema = pa.schema([("photo", pa.string()), ("x", pa.float64()), ("n", pa.int32())])
    return read_table(path, schema, "table of poses")


_ROWS = {"id": ["a", "b"], "scene": ["s", "s"], "y": [0, 16], "x": [0, 0], "size": [16, 16]}


def _make_tiles() -> bytes:
    import geopandas as gpd
    from shapely import box

    shapes = [box(0, 0, 160, 160), box(0, 160, 160, 320)]
    table = gpd.GeoDataFrame({**_ROWS, "keep": [True, True]}, geometry=shapes, crs="EPSG:32631")
    place = {"crs": "EPSG:32631", "transform": [10.0, 0.0, 4e5, 0.0, -10.0, 46e5]}
    table.attrs = {"scene": "s", "grid": {**place, "height": 32, "width": 16}}
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


FORMATS["split"] = Format(
    ".parquet",
    lambda: _parquet({**_ROWS, "split": ["train", "test"]}),
    _read_split,
    _odd_tables,
)
FORMATS["tiles"] = Format(".parquet", _make_tiles, _read_tiles, _odd_tables)
FORMATS["history"] = Format(
    ".parquet",
    lambda: _parquet({"epoch": np.array([1, 2], np.int32), "loss": [0.5, np.nan]}),
    _read_history,
    _odd_tables,
)
FORMATS["table"] = Format(
    ".parquet",
    lambda: _parquet({"photo": ["a", "b"], "x": [0.5, 1.5], "n": np.array([1, 2], np.int32)}),
    _read_poses,
    _odd_tables,
)


def _tensors(head: Any, data: bytes = bytes(24)) -> bytes:
    """Return a file of tensors with a header of its own."""
    text = json.dumps(head).encode()
    return struct.pack("<Q", len(text)) + text + data


def _lying_tensors() -> list[bytes]:
    plain = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    changes: list[dict[str, Any]] = [
        {"shape": [1 << 40, 1 << 40]},
        {"shape": [-2, -3]},
        {"shape": [2.5]},
        {"shape": "six"},
        {"data_offsets": [0, 1 << 60]},
        {"data_offsets": [24, 0]},
        {"data_offsets": [0]},
        {"dtype": "F99"},
        {"dtype": "BF16", "shape": [12]},
        {"dtype": "F8_E4M3", "shape": [24]},
        {"dtype": None},
    ]
    lies = [_tensors({"w": {**plain, **change}}) for change in changes]
    lies += [_tensors(head) for head in ([], 7, None, {"w": 7}, {"__metadata__": 7}, {"w": {}})]
    return [*lies, struct.pack("<Q", 1 << 62), struct.pack("<Q", 3) + b"{}}", _tensors({})]


def _read_tensors(path: Path) -> object:
    from nadir.learn.bundle import check_weights_file, read_weights

    check_weights_file(path, "model.weights")
    return read_weights(path)


FORMATS["tensors"] = Format(
    ".safetensors",
    lambda: _tensors({"w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}}),
    _read_tensors,
    _lying_tensors,
)

_LABELS = (
    '{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"EPSG:32631"}},'
    '"features":[{"type":"Feature","properties":{"kind":"forest"},"geometry":{"type":"Polygon",'
    '"coordinates":[[[0,0],[90,0],[90,90],[0,0]]]}}]}'
)


def _geometries() -> list[bytes]:
    """Return sets of features in which the geometry is of another kind or none."""
    start, end = _LABELS.index('{"type":"Polygon"'), _LABELS.index("}]}")
    made = (
        *("null", "7", '"x"', "[]", "{}", '{"type":"Point","coordinates":[0,0]}'),
        *('{"type":"Polygon","coordinates":[]}', '{"type":"Polygon","coordinates":[[]]}'),
        '{"type":"Polygon","coordinates":[[[0,0],[null,0],[1,1],[0,0]]]}',
        '{"type":"Polygon","coordinates":[[[0,0],[1e999,0],[1,1],[0,0]]]}',
        '{"type":"MultiPolygon","coordinates":[[[[0,0],[1,0],[1,1],[0,0]]],[]]}',
        '{"type":"GeometryCollection","geometries":[{"type":"Point","coordinates":[0,0]}]}',
    )
    kinds = ("null", "7", '["forest"]', '{"a":1}', '"unknown"', "1e400")
    return [
        *((_LABELS[:start] + text + _LABELS[end:]).encode() for text in made),
        *(_LABELS.replace('"forest"', kind).encode() for kind in kinds),
    ]


def _read_labels(path: Path) -> object:
    from nadir.config.classes import ClassTable
    from nadir.config.scenes import MaskSource
    from nadir.raster.vectors import inspect_vector, read_polygons

    classes = ClassTable.model_validate(
        {"classes": [{"value": 1, "name": "forest"}, {"value": 2, "name": "crops"}]}
    )
    source = MaskSource(vector=str(path), field="kind", resolution=1)
    facts = inspect_vector(source, classes)
    return facts, read_polygons(source, classes, "EPSG:32631")


def _geopackage(layer: str) -> Callable[[], bytes]:
    def make() -> bytes:
        import geopandas as gpd
        from shapely import box

        path = Path(os.environ["FUZZED"]) / "sound.gpkg"
        path.unlink(missing_ok=True)
        shapes = [box(0, 0, 9, 9), box(20, 0, 29, 9)]
        table = gpd.GeoDataFrame({"kind": ["forest", "crops"]}, geometry=shapes, crs="EPSG:32631")
        table.to_file(path, layer=layer, driver="GPKG")
        return path.read_bytes()

    return make


def _read_footprints(path: Path) -> object:
    from nadir.segmentation.footprint_scores import read_footprints

    return read_footprints(path)


FORMATS["labels as GeoJSON"] = Format(".geojson", _LABELS.encode, _read_labels, _geometries)
FORMATS["labels as GeoPackage"] = Format(".gpkg", _geopackage("labels"), _read_labels)
FORMATS["footprints"] = Format(".gpkg", _geopackage("footprints"), _read_footprints)


def _picture(kind: str) -> Callable[[], bytes]:
    def make() -> bytes:
        from PIL import Image

        buffer = io.BytesIO()
        pixels = np.random.default_rng(3).integers(0, 256, (24, 40, 3), np.uint8)
        exif = Image.Exif()
        exif[0x0112], exif[0x9003] = 6, "2020:05:06 07:08:09"
        exif.get_ifd(0x8825)[2] = (41.0, 23.0, 5.0)
        Image.fromarray(pixels).save(buffer, kind, exif=exif)
        return buffer.getvalue()

    return make


def _lying_png() -> list[bytes]:
    """Return pictures that state other sides, depths and colors, all with sound checksums."""
    sound, made = _picture("PNG")(), []
    for width, height, depth, color in (
        *((0x7FFFFFFF, 0x7FFFFFFF, 8, 2), (0, 0, 8, 2), (13000, 13000, 8, 2), (40, 24, 16, 2)),
        *((40, 24, 8, 3), (40, 24, 1, 0), (40, 24, 8, 7), (1 << 30, 1, 8, 6), (40, 24, 99, 2)),
    ):
        head = b"IHDR" + struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
        made.append(sound[:12] + head + struct.pack(">I", zlib.crc32(head)) + sound[33:])
    return made


def _lying_jpeg() -> list[bytes]:
    """Return pictures that state other sides and numbers of components."""
    sound, made = _picture("JPEG")(), []
    at = sound.index(b"\xff\xc0") + 5
    for height, width, parts in ((65535, 65535, 3), (0, 40, 3), (12000, 12000, 3), (24, 40, 1)):
        made.append(sound[:at] + struct.pack(">HHB", height, width, parts) + sound[at + 5 :])
    return made


def _read_picture(path: Path) -> object:
    from nadir.raster.pictures import read_picture

    return read_picture(path, upright=True)


def _read_photo(path: Path) -> object:
    from nadir.groundview.exif import read_facts
    from nadir.groundview.photo_files import read_photo

    return read_facts(path.read_bytes()), read_photo(path)


FORMATS["PNG"] = Format(".png", _picture("PNG"), _read_picture, _lying_png)
FORMATS["JPEG"] = Format(".jpg", _picture("JPEG"), _read_picture, _lying_jpeg)
FORMATS["photo as JPEG"] = Format(".jpg", _picture("JPEG"), _read_photo, _lying_jpeg)
FORMATS["photo as PNG"] = Format(".png", _picture("PNG"), _read_photo, _lying_png)


def _make_onnx(**changes: Any) -> bytes:
    from onnx import TensorProto, helper

    given = {"shape": [1, 3, 8, 8], "dims": [192, 2], "kind": TensorProto.FLOAT, **changes}
    weights = helper.make_tensor("w", TensorProto.FLOAT, [192, 2], np.ones(384, np.float32))
    del weights.dims[:]
    weights.dims.extend(given["dims"])
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["y"]),
    ]
    ends = (
        [helper.make_tensor_value_info("x", given["kind"], given["shape"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
    )
    graph = helper.make_graph(nodes, "scenes", *ends, [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return bytes(model.SerializeToString())


def _lying_onnx() -> list[bytes]:
    return [
        *(_make_onnx(dims=dims) for dims in ([1 << 31, 1 << 31], [-1, 2], [192, 3], [0], [])),
        *(_make_onnx(shape=shape) for shape in ([1, 3, 8], [1, 3, 8, 9], [], [9], ["a"] * 4)),
        *(_make_onnx(kind=kind) for kind in (8, 9, 9999)),
    ]


def _read_onnx(path: Path) -> object:
    from nadir.groundview.scene_network import OnnxScenes

    return OnnxScenes(str(path), ("a", "b")).predict([np.ones((8, 8, 3), np.uint8)])


FORMATS["onnx"] = Format(".onnx", _make_onnx, _read_onnx, _lying_onnx)


def _make_state() -> bytes:
    import torch

    buffer = io.BytesIO()
    progress = {"epochs": 3, "best_epoch": 1}
    torch.save({"progress": progress, "network": {"w": torch.ones(3)}}, buffer)
    return buffer.getvalue()


def _read_state(path: Path) -> object:
    from nadir.errors import InputError
    from nadir.learn.keeper import STATE, best_path, load_state

    path.replace(path.with_name(STATE))
    best_path(path.parent, 1).touch()
    found = load_state(path.parent)
    if found is None:
        raise InputError(path, "a warning was given", "The training begins anew.")
    return found


def _odd_states() -> list[bytes]:
    import pickle

    import torch

    made = [pickle.dumps(value) for value in (print, {"a": 1}, [])] + [
        b"",
        b"PK\x05\x06" + bytes(18),
    ]
    for value in ([], 7, {}, {"progress": 7}, {"progress": {}}, {"progress": {"best_epoch": "x"}}):
        buffer = io.BytesIO()
        torch.save(value, buffer)
        made.append(buffer.getvalue())
    return made


FORMATS["state"] = Format(".pt", _make_state, _read_state, _odd_states)


_SIDE = 48


def _geotiff(bands: int, dtype: str, **options: Any) -> Callable[[], bytes]:
    """Return what makes a raster with a place: noise, or values 1 and 2 for a single band."""

    def make() -> bytes:
        import rasterio
        from rasterio.transform import from_origin

        random = np.random.default_rng(5)
        values = random.integers(1, 3 if bands == 1 else 9000, (bands, _SIDE, _SIDE)).astype(dtype)
        shape = {"width": _SIDE, "height": _SIDE, "count": bands, "dtype": dtype}
        place = {"crs": "EPSG:32631", "transform": from_origin(4e5, 46e5, 10, 10)}
        with rasterio.MemoryFile() as file:
            with file.open(driver="GTiff", **shape, **place, **options) as raster:
                raster.write(values)
                if bands > 1:
                    raster.descriptions = ("B02", "B03")
            return bytes(file.read())

    return make


def _with_fields(make: Callable[[], bytes], **changes: Any) -> bytes:
    """Return a TIFF in whose first page fields of one value are replaced, by their numbers."""
    data = bytearray(make())
    (page,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, page)
    for at in range(page + 2, page + 2 + 12 * count, 12):
        name = f"f{struct.unpack_from('<H', data, at)[0]}"
        if name in changes:
            struct.pack_into("<HII", data, at + 2, 4, 1, changes[name])
    return bytes(data)


def _lying_tiffs(make: Callable[[], bytes]) -> Callable[[], list[bytes]]:
    """Return what makes rasters that state other sides, tiles, types, and offsets."""
    changes: tuple[dict[str, int], ...] = (
        *({name: value} for name in ("f256", "f257") for value in (0, 1, 49, 1 << 20, 0x7FFFFFFF)),
        {"f256": 1 << 24, "f257": 1 << 24},
        *({name: value} for name in ("f322", "f323") for value in (0, 7, 1 << 20, 0x7FFFFFF0)),
        *({"f277": value} for value in (0, 1, 3, 65535)),
        *({"f258": value} for value in (0, 1, 7, 64)),
        *({"f259": value} for value in (1, 2, 5, 7, 34925, 50000, 65000)),
        *({"f339": value} for value in (2, 3, 6, 99)),
        *({"f317": value} for value in (2, 3, 99)),
        *({"f284": 2}, {"f262": 3}, {"f262": 6}, {"f262": 99}, {"f324": 1 << 30}, {"f325": 1}),
    )
    return lambda: [_with_fields(make, **change) for change in changes]


def _read_image(path: Path) -> object:
    """Check an image as `check-images` does, then read all of it as `build-cube` does."""
    from nadir.config.scenes import ImageSource, SceneConfig
    from nadir.raster.check import check_scene
    from nadir.raster.sources import open_source

    image = ImageSource(file=str(path), scale=1e-4, offset=0)
    scene = SceneConfig(dates={"june": image}, role="predict")
    facts = check_scene("here", scene, ("B02", "B03"))
    source = open_source(image, ("B02", "B03"))
    height, width = source.grid.shape
    for y in range(0, min(height, 512), 128):
        source.read(y, 0, min(128, height - y), min(512, width))
    source.close()
    return facts


def _read_mask(path: Path) -> object:
    """Check a mask as `check-scene` does, then align it as `align-labels` does."""
    from nadir.config.classes import ClassTable
    from nadir.config.scenes import ImageSource, LabelConfig, MaskSource, SceneConfig
    from nadir.raster.check import check_scene
    from nadir.raster.grid import Grid
    from nadir.raster.labels import align_labels

    table = ClassTable.model_validate(
        {"classes": [{"value": 1, "name": "forest"}, {"value": 2, "name": "crops"}]}
    )
    image = path.parent.parent / "sound.tif"
    if not image.exists():
        image.write_bytes(_geotiff(2, "uint16")())
    dates = {"june": ImageSource(file=str(image), scale=1e-4, offset=0)}
    scene = SceneConfig(dates=dates, mask=MaskSource(file=str(path)))
    grid = Grid.from_dict(check_scene("here", scene, ("B02", "B03"), table)["grid"])
    manifest = path.with_name("labels.manifest.json")
    return align_labels(path, grid, table, LabelConfig(), manifest, {}, workers=1)


_IMAGE = _geotiff(2, "uint16", tiled=True, blockxsize=16, blockysize=16, compress="deflate")
_MASK = _geotiff(1, "uint8", tiled=True, blockxsize=16, blockysize=16, compress="lzw")
FORMATS["image as GeoTIFF"] = Format(".tif", _IMAGE, _read_image, _lying_tiffs(_IMAGE))
FORMATS["mask as GeoTIFF"] = Format(".tif", _MASK, _read_mask, _lying_tiffs(_MASK))
