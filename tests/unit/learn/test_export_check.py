"""Checking bundles: a sound one passes; each fault is told once, at the file where it lies."""

from __future__ import annotations

import json
import pickle
import zipfile

import numpy as np
import onnx
import pytest

from nadir.errors import InputError
from nadir.learn.bundle import save_bundle
from nadir.learn.export import export_bundle
from nadir.learn.export_check import ORDER, check_bundle
from nadir.learn.export_item import DIGEST, checksum
from nadir.learn.export_pickles import pickled
from nadir.learn.export_sample import Sample, read_sample, sample_bytes
from nadir.provenance.digest import json_digest


def faults_of(folder, tiny):
    """Return file -> text of all faults."""
    findings = check_bundle(folder, tiny[1])
    assert [one.file for one in findings] == [*ORDER, "other files"]
    return {one.file: one.text for one in findings if one.state == "fault"}


def relist(folder):
    """Bring the item up to date with the files, as someone who means harm could."""
    item = json.loads((folder / "item.json").read_text())
    for asset in item["assets"].values():
        path = folder / asset["href"]
        asset["file:checksum"], asset["file:size"] = checksum(path), path.stat().st_size
    del item["properties"][DIGEST]
    item["properties"][DIGEST] = json_digest(item)
    (folder / "item.json").write_text(json.dumps(item))


def test_a_sound_bundle_passes(exported, tiny):
    findings = check_bundle(exported, tiny[1])
    assert [one.state for one in findings] == ["ok"] * 7


@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_a_flipped_byte_is_one_clear_fault(bundle, tiny, name, place):
    path = bundle / name
    data = bytearray(path.read_bytes())
    data[int(len(data) * place)] ^= 1
    path.write_bytes(data)
    faults = faults_of(bundle, tiny)
    assert list(faults) == [name]
    assert "sha256" in faults[name] or "JSON" in faults[name]


@pytest.mark.parametrize("name", ORDER)
def test_a_missing_file_is_one_clear_fault(bundle, tiny, name):
    (bundle / name).unlink()
    faults = faults_of(bundle, tiny)
    assert list(faults) == [name] and faults[name].startswith("it is missing")


def test_a_wrong_checksum_in_the_item_is_told(bundle, tiny):
    item = json.loads((bundle / "item.json").read_text())
    item["assets"]["onnx"]["file:checksum"] = "1220" + "0" * 64
    (bundle / "item.json").write_text(json.dumps(item))
    assert "changed after it was written" in faults_of(bundle, tiny)["item.json"]
    del item["properties"][DIGEST]
    item["properties"][DIGEST] = json_digest(item)
    (bundle / "item.json").write_text(json.dumps(item))
    faults = faults_of(bundle, tiny)
    assert list(faults) == ["model.onnx"] and "not what item.json lists" in faults["model.onnx"]


def test_files_of_another_model_are_told_though_all_checksums_agree(bundle, tiny, tmp_path):
    save, open_tiny = tiny
    other = tmp_path / "other"
    save(other, seed=7)
    export_bundle(open_tiny(other))
    for name in ("exported.pt2", "model.onnx"):
        (bundle / name).write_bytes((other / name).read_bytes())
    relist(bundle)
    faults = faults_of(bundle, tiny)
    assert list(faults) == ["exported.pt2", "model.onnx"]
    assert all("deviates from the sample's output by" in text for text in faults.values())


def test_a_sample_of_another_model_is_told(bundle, tiny):
    old = read_sample(bundle / "sample.npz")
    made = Sample(old.inputs, old.output + np.float32(0.01), old.tolerance)
    (bundle / "sample.npz").write_bytes(sample_bytes(made))
    relist(bundle)
    faults = faults_of(bundle, tiny)
    assert list(faults) == ["sample.npz"] and "off by 0.01" in faults["sample.npz"]


def test_weights_that_do_not_fit_are_told_once(bundle, tiny):
    save_bundle(bundle, {"task": "test"}, {"a": np.zeros(3, np.float32)})
    relist(bundle)

    def refuse(folder):
        raise InputError(folder / "model.safetensors", "these are of another model", "Give others.")

    findings = check_bundle(bundle, refuse)
    assert {one.file: one.state for one in findings} == {
        **dict.fromkeys([*ORDER, "other files"], "ok"),
        "model.safetensors": "fault",
        "model.yaml": "unchecked",
        "sample.npz": "unchecked",
    }


def test_an_item_that_is_not_one_is_told(bundle, tiny):
    for content, text in (({}, "no STAC item"), ([], "no STAC item")):
        (bundle / "item.json").write_text(json.dumps(content))
        assert text in faults_of(bundle, tiny)["item.json"]
    item = {"type": "Feature", "properties": {}}
    item["properties"][DIGEST] = json_digest(item)
    (bundle / "item.json").write_text(json.dumps(item))
    assert "no valid STAC item" in faults_of(bundle, tiny)["item.json"]


def test_a_file_that_the_item_does_not_list_is_told(bundle, tiny):
    item = json.loads((bundle / "item.json").read_text())
    del item["assets"]["onnx"], item["properties"][DIGEST]
    item["properties"][DIGEST] = json_digest(item)
    (bundle / "item.json").write_text(json.dumps(item))
    assert "does not list it" in faults_of(bundle, tiny)["model.onnx"]


def test_an_onnx_model_with_weights_elsewhere_is_refused(bundle, tiny):
    model = onnx.load(bundle / "model.onnx")
    onnx.save(
        model,
        bundle / "model.onnx",
        save_as_external_data=True,
        size_threshold=0,
        location="secret.bin",
    )
    relist(bundle)
    assert "its weights lie in another file" in faults_of(bundle, tiny)["model.onnx"]


class _Bomb:
    def __reduce__(self):
        return (exec, ("raise SystemExit('unpickled')",))


def _object_array(path):
    np.save(path, np.array([_Bomb()], object), allow_pickle=True)


def _zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/data", pickle.dumps(_Bomb()))


@pytest.mark.parametrize("protocol", range(6))
def test_a_smuggled_pickle_is_told(bundle, tiny, protocol):
    (bundle / "deep").mkdir()
    (bundle / "deep" / "notes.txt").write_bytes(pickle.dumps(_Bomb(), protocol=protocol))
    faults = faults_of(bundle, tiny)
    assert list(faults) == ["other files"] and "deep/notes.txt" in faults["other files"]


@pytest.mark.parametrize("make", [_object_array, _zip])
def test_pickles_within_other_files_are_found(tmp_path, make):
    path = tmp_path / "values.npy"
    make(path)
    assert pickled(path)


def test_names_alone_tell_of_pickles(tmp_path):
    (tmp_path / "last.ckpt").write_bytes(b"anything")
    assert pickled(tmp_path / "last.ckpt")


@pytest.mark.parametrize(
    "content", [b"", b".", b"{}", b"Notes on the model.\n", b"\x89PNG\r\n", bytes(100), b"cat sat"]
)
def test_other_files_are_no_pickles(tmp_path, content):
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    assert not pickled(path)
    np.save(tmp_path / "numbers.npy", np.arange(5))
    assert not pickled(tmp_path / "numbers.npy")


def test_a_pickled_program_is_told_and_not_run(bundle, tiny):
    (bundle / "exported.pt2").write_bytes(pickle.dumps(_Bomb()))
    relist(bundle)
    faults = faults_of(bundle, tiny)
    assert (
        list(faults) == ["exported.pt2"]
        and "no readable exported program" in faults["exported.pt2"]
    )


def test_a_folder_that_is_not_there_is_told(tmp_path, tiny):
    with pytest.raises(InputError, match="no such folder"):
        check_bundle(tmp_path / "nowhere", tiny[1])


@pytest.mark.parametrize("key", ["mlm:name", "mlm:architecture", "mlm:tasks", "mlm:input"])
def test_an_item_that_says_too_little_is_told(bundle, tiny, key):
    item = json.loads((bundle / "item.json").read_text())
    del item["properties"][key], item["properties"][DIGEST]
    item["properties"][DIGEST] = json_digest(item)
    (bundle / "item.json").write_text(json.dumps(item))
    faults = faults_of(bundle, tiny)
    assert list(faults) == ["item.json"] and "no valid item" in faults["item.json"]
