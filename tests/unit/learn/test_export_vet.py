"""Exported programs of unknown origin: what could run is found before torch sees it."""

from __future__ import annotations

import io
import json
import os
import pickle
import time
import zipfile

import numpy as np
import pytest
import torch

from nadir.errors import InputError
from nadir.learn.export_program import load_program, run_program
from nadir.learn.export_vet import vetted_archive

GRAPH = "models/model.json"


class Bomb:
    """Makes a folder when it is unpickled."""

    folder = "."

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.fixture(autouse=True)
def ran(tmp_path, monkeypatch):
    """Return the folder that is there once a bomb has been unpickled."""
    monkeypatch.setattr(Bomb, "folder", str(tmp_path / "ran"))
    return tmp_path / "ran"


@pytest.fixture
def rewrite(bundle):
    """Return a function that changes the parts of an exported program; its path."""
    path = bundle / "exported.pt2"

    def change(edit):
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        edit(parts)
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
        return path

    return change


def in_graph(edit):
    """Return an edit of the parts that changes the graph's JSON."""

    def change(parts):
        graph = json.loads(parts[f"archive/{GRAPH}"])
        edit(graph)
        parts[f"archive/{GRAPH}"] = json.dumps(graph).encode()

    return change


def first_of(value, key):
    """Return the first dictionary in a JSON value that has a key."""
    if isinstance(value, dict):
        if key in value:
            return value
        value = list(value.values())
    for item in value if isinstance(value, list) else []:
        found = first_of(item, key)
        if found is not None:
            return found
    return None


EVIL = "__import__('builtins').setattr(__import__('os'), 'ran', 1)"


def _weights_pickled(parts):
    name = "archive/data/weights/model_weights_config.json"
    config = json.loads(parts[name])
    entry = next(iter(config["config"].values()))
    entry["use_pickle"] = True
    parts[name] = json.dumps(config).encode()
    parts[f"archive/data/weights/{entry['path_name']}"] = pickle.dumps(Bomb())


def _legacy(parts):
    parts["archive/data/weights/model.pt"] = pickle.dumps(Bomb())


def _example(parts):
    parts["archive/data/sample_inputs/model.pt"] = pickle.dumps(Bomb())


def _custom(parts):
    name = "archive/data/constants/model_constants_config.json"
    entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True}
    parts[name] = json.dumps({"config": {"c": {**entry, "tensor_meta": None}}}).encode()


def _size(graph):
    first_of(graph, "expr_str")["expr_str"] = EVIL


def _range(graph):
    graph["range_constraints"][EVIL] = {"min_val": 0, "max_val": None}


def _guard(graph):
    graph["guards_code"] = [EVIL]


def _operator(graph):
    first_of(graph, "target")["target"] = "torch.serialization.load"


def _file(graph):
    first_of(graph, "target")["target"] = "torch.ops.aten.from_file.default"


def _name(graph):
    first_of(graph["graph_module"]["graph"]["nodes"], "name")["name"] = "x\nimport os\n"


def _metadata(graph):
    first_of(graph, "metadata")["metadata"] = {"source_fn_stack": "a,torch.hub.load"}


def _tree(graph):
    tree = '[1, {"type": "os.system", "context": "null", "children_spec": []}]'
    first_of(graph, "in_spec")["in_spec"] = tree


@pytest.mark.parametrize(
    "edit",
    [
        *(_weights_pickled, _legacy, _example, _custom),
        *map(in_graph, (_size, _range, _guard, _operator, _file, _name, _metadata, _tree)),
    ],
    ids=lambda edit: "",
)
def test_what_could_run_is_refused(rewrite, ran, edit):
    path = rewrite(edit)
    with pytest.raises(InputError, match="holds something that loading could run") as caught:
        load_program(path)
    assert caught.value.file == str(path)
    assert not ran.exists() and not hasattr(os, "ran")


def test_torch_alone_would_have_run_it(rewrite, ran):
    """The guard guards against something: without it, the pickle runs."""
    with pytest.raises(Exception, match=r"."):
        torch.export.load(rewrite(_weights_pickled))
    assert ran.is_dir()


def test_torch_alone_would_have_run_a_size(rewrite, monkeypatch):
    monkeypatch.setattr(os, "ran", 0, raising=False)
    with pytest.raises(Exception, match=r"."):
        torch.export.load(rewrite(in_graph(_size)))
    assert os.ran == 1


def test_what_is_harmless_passes_and_runs(bundle):
    sample = np.zeros((1, 2, 32, 32), np.float32)
    assert run_program(load_program(bundle / "exported.pt2"), sample).shape == (1, 2, 16, 16)


def test_torch_gets_a_new_archive_of_the_parts(bundle):
    """Bytes around the parts, which another reader could take for the archive, are left out."""
    path = bundle / "exported.pt2"
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("archive/data/sample_inputs/model.pt", pickle.dumps(Bomb()))
    path.write_bytes(inner.getvalue() + path.read_bytes())
    data = vetted_archive(path).getvalue()
    assert pickle.dumps(Bomb()) not in data
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read("archive/data/sample_inputs/model.pt") == b""


@pytest.mark.parametrize("keep", [0, 10, 500, -100])
def test_damage_is_told(bundle, keep):
    path = bundle / "exported.pt2"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match="no readable exported program"):
        load_program(path)


def test_an_absent_file_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_program(tmp_path / "exported.pt2")


def test_long_sizes_are_read_in_no_time(rewrite):
    long = "Symbol('s1'" + ", a=True" * 400 + "1" * 500 + "!"
    path = rewrite(in_graph(lambda graph: first_of(graph, "expr_str").update(expr_str=long)))
    started = time.perf_counter()
    with pytest.raises(InputError, match="expr_str"):
        vetted_archive(path)
    assert time.perf_counter() - started < 1
