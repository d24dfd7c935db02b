"""What a hostile file, name or setting must not reach: code, other folders, the shell, logs."""

from __future__ import annotations

import ast
import io
import json
import logging
import os
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from commands import Commands, files
from malformed_files import ROOT

from nadir.cli.main import main
from nadir.config.document import load_config
from nadir.errors import ConfigError, InputError, without_secrets
from nadir.groundview.indexing import list_photos
from nadir.provenance.archive import pack_archive
from nadir.provenance.manifest import read_manifest, staged_store, store_path

PACKAGE = ROOT / "workflow" / "nadir"
SOURCES = sorted(
    path
    for folder in (PACKAGE, ROOT / "benchmarks")
    for path in folder.rglob("*.py")
    if "__pycache__" not in path.parts
)
UNPICKLERS = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
OWN = {
    # Looks for pickles in files, and never opens one.
    "workflow/nadir/learn/export_pickles.py": ["pickle"],
    # What processes of one Dask cluster send each other, which Dask itself pickles; no file.
    "workflow/nadir/raster/cluster.py": ["pickle"],
}
"""What is known to be found, and why it does no harm."""
EXECUTED = {"eval", "exec", "compile", "__import__"}
UNSAFE = {
    "read_pickle",
    "unsafe_load",
    "full_load",
    "load_all",
    "unpack_archive",
    "extractall",
    "system",
    "popen",
    "getoutput",
}


def faults_of(text: str) -> list[str]:
    """Return what in a source would unpickle, execute a text, unpack anywhere, or ask a shell."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [one.name for one in node.names if one.name.split(".")[0] in UNPICKLERS]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in UNPICKLERS:
            found.append(str(node.module))
        elif isinstance(node, ast.Call):
            found += _of_call(node)
    return found


def _of_call(call: ast.Call) -> list[str]:
    named = {one.arg: ast.unparse(one.value) for one in call.keywords}
    if isinstance(call.func, ast.Name):
        return [call.func.id] if call.func.id in EXECUTED else []
    if not isinstance(call.func, ast.Attribute):
        return []
    whole, name = ast.unparse(call.func), call.func.attr
    found = [whole] if name in UNSAFE else []
    if named.get("shell", "False") != "False":
        found.append(f"{whole}(shell)")
    if whole == "torch.load" and named.get("weights_only") != "True":
        found.append(f"{whole} without weights_only")
    if named.get("allow_pickle", "False") != "False":
        found.append(f"{whole}(allow_pickle)")
    if whole == "yaml.load":
        found.append(whole)
    return found


@pytest.mark.parametrize("part", sorted({path.relative_to(ROOT).parts[:3] for path in SOURCES}))
def test_nothing_is_unpickled_executed_or_handed_to_a_shell(part: tuple[str, ...]) -> None:
    for path in SOURCES:
        if path.relative_to(ROOT).parts[:3] == part:
            known = OWN.get(str(path.relative_to(ROOT)), [])
            assert faults_of(path.read_text()) == known, path


def test_the_search_for_pickles_unpickles_none() -> None:
    tree = ast.parse((PACKAGE / "learn" / "export_pickles.py").read_text())
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "pickle"
    }
    assert used == {"HIGHEST_PROTOCOL"}


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text)",
        "pd.read_pickle(path)",
        "eval(text)",
        "os.system(text)",
        "subprocess.run(text, shell=True)",
        "archive.extractall(folder)",
    ],
)
def test_the_search_for_such_things_finds_them(text: str) -> None:
    assert faults_of(text)


PLAIN = re.compile(r"threads|wildcards\.\w+|resources\.\w+|params\.(code|seed)")
"""What needs no quotes: numbers, names that hold letters, digits, `_` and `-`, fingerprints."""


def test_every_value_in_a_rule_is_quoted() -> None:
    rules = sorted((ROOT / "rules").glob("*.smk"))
    assert len(rules) > 10
    seen = 0
    for path in rules:
        for shell in re.findall(r"^    shell:\n((?: {8}.*\n)+)", path.read_text(), re.M):
            for value in re.findall(r"(?<!\{)\{([^{}]+)\}(?!\})", shell):
                seen += 1
                assert value.endswith(":q") or PLAIN.fullmatch(value), f"{path.name}: {value}"
    assert seen > 100


HOSTILE = [
    "; touch x",
    "$(touch x)",
    "`touch x`",
    "a'b",
    'a"b',
    "../x",
    "/x",
    "a b",
    "x\ny",
    "",
    ".",
]


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("place", ["dataset", "scene", "experiment", "world", "date"])
def test_hostile_names_are_refused(name: str, place: str) -> None:
    scene = {"dates": {"d" if place != "date" else name: {"file": "a.tif"}}, "role": "predict"}
    scenes = {name if place == "scene" else "s": scene}
    dataset = {"classes": "catalonia", "bands": ["B02"], "scenes": scenes}
    raw = {
        "worlds": {name if place == "world" else "w": {"seed": 1}},
        "landcover": {
            "datasets": {name if place == "dataset" else "d": dataset},
            "experiments": {name if place == "experiment" else "e": {"recipe": "unet_scratch"}},
        },
    }
    with pytest.raises(ConfigError) as caught:
        load_config(raw)
    assert repr(name)[1:-1] in str(caught.value) or name in str(caught.value)


def test_a_manifest_names_no_store_but_its_own(tmp_path: Path) -> None:
    """A store's place follows from its manifest's; nothing inside a manifest is a path to open."""
    inner = tmp_path / "a"
    (tmp_path / "cube.zarr").mkdir()
    with staged_store(inner / "cube.manifest.json") as stage:
        stage.path.mkdir()
    text = {"kind": "cube", "digest": "x", "content": {"path": "../cube.zarr", "store": "/etc"}}
    (inner / "cube.manifest.json").write_text(json.dumps(text))
    assert store_path(inner / "cube.manifest.json") == inner / "cube.zarr"
    with pytest.raises(InputError, match="gone"):
        read_manifest(inner / "cube.manifest.json")


@pytest.mark.parametrize("file", ["../../secret.jpg", "/etc/passwd", "a/../../secret.jpg"])
def test_a_table_of_photos_leads_nobody_out_of_its_folder(tmp_path: Path, file: str) -> None:
    from nadir.config.groundview import PhotosDataset

    folder = tmp_path / "inner" / "photos"
    folder.mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(b"")
    (folder / "photos.csv").write_text(f"file,latitude,longitude\n{file},41,2\n")
    with pytest.raises(InputError, match=r"photos\.csv"):
        list_photos(PhotosDataset.model_construct(panels=None), folder)


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "..\\x", "C:\\x", "a\0b", ""])
def test_no_archive_is_made_that_leaves_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError):
        pack_archive(tmp_path / "a.zip", {name: b"", "good.txt": b""})
    assert not list(tmp_path.iterdir())


def test_usual_names_in_archives_stay(tmp_path: Path) -> None:
    names = ["a.txt", "masks/тайл 1.tif", "..a", "a..b/c"]
    pack_archive(tmp_path / "a.zip", dict.fromkeys(names, b""))
    assert sorted(zipfile.ZipFile(tmp_path / "a.zip").namelist()) == sorted(names)


SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIA-secret-one",
    "AWS_SECRET_ACCESS_KEY": "secret-two",
    "AWS_SESSION_TOKEN": "secret-three",
    "NADIR_API_KEY": "secret-four",
}


def test_secrets_of_the_environment_stay_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    at = Commands(tmp_path / "raw", tmp_path / "results").write()
    at.run("check-images", "build-cube", "align-labels", "index-tiles", "split-tiles")
    at.june.unlink()
    assert main(at.words("check-images")) == 2
    printed = "".join(capfd.readouterr())
    for path in files(tmp_path):
        content = path.read_bytes()
        assert not [value for value in SECRETS.values() if value.encode() in content], path
    assert not [value for value in SECRETS.values() if value in printed]


ADDRESSES = [
    "https://user:hidden@host/a.tif",
    "https://hidden@host/a.tif",
    "https://host/a.tif?X-Amz-Signature=hidden&X-Amz-Date=1",
    "https://host/a?se=2030&sig=hidden",
    "https://host/a?access_token=hidden#x",
    "https://host/a?x=1&apiKey=hidden",
    '{"url": "https://user:hidden@host/a", "b": "c@d"}',
    "s3://user:hidden@bucket/key",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_secret_in_an_address_is_not_shown(address: str) -> None:
    assert "hidden" not in without_secrets(f"reading {address}: done")
    assert without_secrets(without_secrets(address)) == without_secrets(address)


@pytest.mark.parametrize(
    "text", ["s3://bucket/a@b.tif", "https://host/a?tile=1&zoom=2", "mail a@b.c", "a: b@c", "x?y=z"]
)
def test_what_is_not_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.parametrize("address", ADDRESSES[:6])
def test_no_command_writes_secrets_of_addresses(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], address: str
) -> None:
    """Neither in the line that a log begins with, nor in messages, nor in what is refused."""
    at = Commands(tmp_path / "raw", tmp_path / "results").write()
    words = at.words("check-images")
    place = words.index("--cfg") + 1
    cfg = json.loads(words[place])
    cfg["dates"]["dates"]["june"]["file"] = address
    words[place] = json.dumps(cfg)
    log_file = tmp_path / "log"
    kept, log = os.dup(2), os.open(log_file, os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 2)  # a regular file, as the graph gives it
    try:
        code = main(words)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(log)
    assert code == 2
    assert "hidden" not in log_file.read_text() + "".join(capfd.readouterr())
    assert not [path for path in files(tmp_path / "results") if b"hidden" in path.read_bytes()]


def test_messages_of_a_log_hide_secrets_whoever_writes_them() -> None:
    from nadir.cli.main import _hide_secrets

    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(_hide_secrets)
    log = logging.Logger("some library")
    log.addHandler(handler)
    log.warning("GET %s gave %d", ADDRESSES[0], 403)
    log.warning("100 %% of %s", "it")
    assert stream.getvalue() == "GET https://***@host/a.tif gave 403\n100 % of it\n"


def test_no_tag_of_yaml_is_executed(tmp_path: Path) -> None:
    text = "seed: !!python/object/apply:os.system ['touch executed']"
    with pytest.raises(yaml.YAMLError):
        yaml.safe_load(text)
    path = tmp_path / "a.parquet"
    pd.DataFrame({"a": [1]}).to_parquet(path)  # tables are Parquet, which holds no objects
    assert b"pickle" not in path.read_bytes()
