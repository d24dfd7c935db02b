"""Looking through an `exported.pt2` before torch may load it.

`torch.export.load` is not safe for files of unknown origin: it unpickles sample inputs, tensors
marked as pickled and custom objects, hands sizes to a parser that evaluates them as Python,
compiles guards from text, and resolves operators by name anywhere in torch. None of this is needed
for a network of plain tensor operations, so a file that has any of it is refused. The file is a zip
archive, which different readers may read differently; torch is therefore given a new archive of the
parts that were looked through.
"""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nadir.errors import InputError

_AGAIN = "Do not load it; export the bundle again (`nadir export-bundle`) from its weights."
_GRAPH = "models/model.json"
_EMPTY = "data/sample_inputs/model.pt"  # a pickle, were there anything in it
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_RAW = re.compile(r"data/(weights/weight|constants/tensor)_\d+\Z")
_SMALL = (
    *("archive_format", "archive_version", "byteorder"),
    *(".data/version", ".data/serialization_id", ".format_version", ".storage_alignment"),
)
_NAME = re.compile(r"[A-Za-z0-9_.]*\Z")
_VERSION = re.compile(r"[A-Za-z0-9_.+]*\Z")
_OPERATOR = re.compile(
    r"torch\.ops\.aten\.(?!from_file)\w+(\.\w+)?\Z"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|neg|getitem|eq|ne|lt|le|gt|ge)\Z"
    r"|math\.(ceil|floor|trunc)\Z"
    r"|torch\.sym_(int|float|max|min|not|ite)\Z"
)
_FUNCTIONS = "Add|Mul|Max|Min|FloorDiv|CeilDiv|CleanDiv|PythonMod|Mod|IntTrueDiv|ToFloat|int_oo"
_EXPRESSION = re.compile(  # possessive: what matches one way matches in no other
    rf"(?:{_FUNCTIONS}|Symbol\('[suz]\d++'(?:, [a-z]++=True)*+\)|Integer\(-?\d{{1,18}}+\)"
    r"|[suz]\d++|\d{1,18}+|\*(?!\*)|[-+/%(), <>=])*+\Z"
)
_LONGEST = 4000
_TREES = (None, "builtins.tuple", "builtins.list", "builtins.dict")
_DAMAGE = (zipfile.BadZipFile, RuntimeError, ValueError, KeyError, TypeError, EOFError)
_FORBIDDEN = {"as_operator", "as_graph", "as_custom_obj"}
_VOID = {"metadata", "custom_obj_values", "treespec_namedtuple_fields", "guards_code"}


class _Suspect(ValueError):
    """Something in the file that could run."""


def vetted_archive(path: str | os.PathLike[str]) -> io.BytesIO:
    """Return the file's parts as a new archive, none of which runs when torch loads it.

    Raises:
        InputError: When the file is absent, damaged, or holds anything that could run.
    """
    path = Path(path)
    try:
        parts = _parts(path)
        _vet(parts)
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", _AGAIN) from error
    except _Suspect as error:
        raise InputError(
            path, f"it holds something that loading could run: {error}", _AGAIN
        ) from error
    except _DAMAGE as error:
        raise InputError(path, f"this is no readable exported program ({error})", _AGAIN) from error
    return _archive(parts)


def _parts(path: Path) -> dict[str, bytes]:
    """Return the members of an archive, by name below its one folder."""
    parts: dict[str, bytes] = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            name = entry.filename.partition("/")[2]
            if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
                raise _Suspect(f"the packed or encrypted part {entry.filename!r}")
            if name in parts:
                raise _Suspect(f"two parts called {name!r}")
            if name not in (_GRAPH, _EMPTY, *_CONFIGS, *_SMALL) and not _RAW.match(name):
                raise _Suspect(f"the part {name!r}")
            parts[name] = archive.read(entry)
    return parts


def _vet(parts: dict[str, bytes]) -> None:
    """See that nothing in the parts runs when torch loads them."""
    if parts[_EMPTY]:
        raise _Suspect("pickled example inputs")
    for name in _CONFIGS:
        config = json.loads(parts[name])
        for entry in config["config"].values():
            where = f"{name.rpartition('/')[0]}/{entry['path_name']}"
            if entry["use_pickle"] is not False or not _RAW.match(where):
                raise _Suspect(f"the pickled tensor {entry['path_name']!r}")
        _walk(config, "config")
    _walk(json.loads(parts[_GRAPH]), "graph")


def _walk(value: Any, key: str) -> None:
    """See to every key and every text of a JSON value; `key` is what it is the value of."""
    if key in _VOID and value:
        raise _Suspect(f"{key} that is not empty")
    if isinstance(value, dict):
        for name, item in value.items():
            if name in _FORBIDDEN:
                raise _Suspect(f"an argument {name!r}")
            _text(name, "expr_str" if key == "range_constraints" else "name")
            _walk(item, name)
    elif isinstance(value, list):
        for item in value:
            _walk(item, key)
    elif isinstance(value, str):
        _text(value, key)


def _text(text: str, key: str) -> None:
    """See that a text is what is expected under its key."""
    check = _CHECKS.get(key, _NAME.match)
    if len(text) > _LONGEST or not check(text):
        raise _Suspect(f"the {key} {text[:60]!r}")


def _is_tree(text: str) -> bool:
    """Tell whether a text describes a nest of tuples, lists and dictionaries."""
    version, tree = json.loads(text)
    return version == 1 and _is_branch(tree)


def _is_branch(tree: dict[str, Any]) -> bool:
    context = tree["context"]
    keys = [] if context in (None, "null") else json.loads(context)
    return (
        set(tree) == {"type", "context", "children_spec"}
        and tree["type"] in _TREES
        and isinstance(keys, list)
        and all(isinstance(key, str) and _NAME.match(key) for key in keys)
        and all(_is_branch(branch) for branch in tree["children_spec"])
    )


_CHECKS: dict[str, Callable[[str], Any]] = {
    "target": _OPERATOR.match,
    "expr_str": _EXPRESSION.match,
    "torch_version": _VERSION.match,
    "in_spec": _is_tree,
    "out_spec": _is_tree,
}


def _archive(parts: dict[str, bytes]) -> io.BytesIO:
    """Return parts as the archive that torch reads."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(f"archive/{name}"), data)
    buffer.seek(0)
    return buffer
