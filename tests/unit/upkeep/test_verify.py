"""A folder of results: every kind of damage is found, sound ones are left in peace."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nadir.cli.main import main
from nadir.errors import InputError
from nadir.provenance.atomic import write_text
from nadir.provenance.digest import sha
from nadir.provenance.written_by import kept_digests
from nadir.upkeep import structures
from nadir.upkeep.seal import FILE as SEAL
from nadir.upkeep.structures import Damaged, Unchecked, check_file
from nadir.upkeep.verify import repair_commands, verify

JOB = "groundview/valley"


def faults(folder, **options):
    return {
        one.path.relative_to(folder).as_posix(): one for one in verify(folder, **options).faults
    }


def test_a_sound_folder(results):
    verdict = verify(results)
    assert not verdict.findings
    assert (verdict.stores, verdict.files) == (1, 8)


def test_an_empty_folder_is_sound(tmp_path):
    (tmp_path / "results").mkdir()
    assert not verify(tmp_path / "results").findings


def test_no_folder(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        verify(tmp_path / "results")


@pytest.mark.parametrize(
    "name",
    ["figure.png", "photo.jpg", "map.tif", "page.html", "model.safetensors", "submission.zip",
     "metrics.json", "nadir/views.manifest.json"],
)  # fmt: skip
@pytest.mark.parametrize("keep", [0, 0.5])
def test_what_is_cut_off_is_found(name, keep, results):
    path = results / JOB / name
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    assert set(faults(results)) == {f"{JOB}/{name}"}


def test_a_flipped_bit_is_found_where_the_format_tells(results):
    for name in ("figure.png", "submission.zip"):
        path = results / JOB / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    assert set(faults(results)) == {f"{JOB}/figure.png", f"{JOB}/submission.zip"}


def test_what_was_made_and_is_gone_is_found_with_its_rule(results):
    (results / JOB / "map.tif").unlink()
    found = faults(results)[f"{JOB}/map.tif"]
    assert "gone" in found.problem
    assert found.rule == "make_map"


def test_a_lost_store_names_the_manifest_to_make_again(results):
    shutil.rmtree(results / JOB / "nadir/views.zarr")
    found = verify(results).faults
    assert [one.rule for one in found] == ["generate_views"]
    wanted = f"snakemake --cores all --forcerun results/{JOB}/nadir/views.manifest.json"
    assert repair_commands(found, results.parent) == [wanted]


def test_without_records_the_kind_of_a_store_names_the_rule(results):
    shutil.rmtree(results.parent / ".snakemake")
    shutil.rmtree(results / JOB / "nadir/views.zarr/views/c")
    assert [one.rule for one in verify(results).faults] == ["generate_views"]


def test_a_half_copied_store_is_told_once(results):
    (results / JOB / "nadir/views.manifest.json").unlink()
    shutil.rmtree(results.parent / ".snakemake")
    found = verify(results).faults
    assert [one.path.name for one in found] == ["views.zarr"]
    assert "half copied" in found[0].problem


def test_a_small_file_that_a_job_has_read_is_compared_with_what_it_read(results, record):
    name = f"results/{JOB}/metrics.json"
    record(name, "evaluate", ended=100.0)
    record("results/comparison.json", "compare", ended=200.0, inputs=[name])
    (results / "comparison.json").write_text("{}")
    assert not verify(results).findings
    (results / JOB / "metrics.json").write_text('{"iou": 0.9}\n')
    assert "changed after the job that read it" in faults(results)[f"{JOB}/metrics.json"].problem
    record(name, "evaluate", ended=300.0)  # made again since: another content is its right
    assert not verify(results).findings


def test_a_seal_finds_what_formats_cannot_tell(results, record):
    assert not verify(results, seal=True).findings
    path = results / JOB / "metrics.json"
    path.write_text('{"iou": 0.9}\n')
    (results / JOB / "photo.jpg").unlink()
    found = faults(results)
    assert set(found) == {f"{JOB}/metrics.json", f"{JOB}/photo.jpg"}
    assert "changed after it was sealed" in found[f"{JOB}/metrics.json"].problem
    record(f"results/{JOB}/metrics.json", "evaluate", ended=3e9)
    assert set(faults(results)) == {f"{JOB}/photo.jpg"}


def test_what_a_job_wrote_is_known_without_a_seal_and_without_records(results, tmp_path):
    name = f"{JOB}/scores.json"
    with kept_digests(results / name):
        write_text(results / name, '{"iou": 0.5}')
    assert not verify(results).findings
    (results / name).write_text('{"iou": 0.9}')
    assert "changed after it was made" in faults(results)[name].problem
    (results / name).unlink()
    assert name not in faults(results)  # Snakemake knows nothing of it: it may have been tidied
    shutil.rmtree(tmp_path / ".snakemake")
    notes = [one for one in verify(results).findings if not one.fault]
    assert results / name in [one.path for one in notes if "it is gone" in one.problem]


def test_what_is_wrong_is_not_sealed(results):
    (results / JOB / "map.tif").write_bytes(b"")
    verify(results, seal=True)
    assert not (results / SEAL).exists()


def test_a_seal_that_was_changed_is_refused(results):
    verify(results, seal=True)
    path = results / SEAL
    path.write_text(path.read_text().replace("figure", "Figure"))
    with pytest.raises(InputError, match="changed after it was written"):
        verify(results)


def test_lists_beside_files_are_believed(results):
    model = results / JOB / "model"
    model.mkdir()
    (model / "model.yaml").write_text("a: 1\n")
    checksum = "1220" + sha((model / "model.yaml").read_bytes())
    assets = {"x": {"href": "./model.yaml", "file:checksum": checksum}}
    (model / "item.json").write_text(json.dumps({"assets": assets}))
    assert not verify(results).findings
    (model / "model.yaml").write_text("a: 2\n")
    assert "the list beside it" in faults(results)[f"{JOB}/model/model.yaml"].problem
    (model / "model.yaml").unlink()
    assert "item.json lists it" in faults(results)[f"{JOB}/model/model.yaml"].problem


def test_a_list_leads_nobody_out_of_the_folder(results, tmp_path):
    (tmp_path / "secret").write_text("x")
    names = ["../../../../secret", "/etc/passwd", "a\0b", "..", ""]
    files = dict.fromkeys(names, "0" * 64)
    (results / JOB / "published.json").write_text(json.dumps({"files": files}))
    assert not verify(results).findings


def test_weights_are_compared_with_those_they_were_delivered_from(results):
    slot = results / ".cache/train" / ("0123456789" * 2)
    (slot / "result").mkdir(parents=True)
    weights = results / JOB / "model.safetensors"
    shutil.copy(weights, slot / "result/model.safetensors")
    (results / JOB / "model.yaml").write_text(f"keys:\n  training: {slot.name}\n")
    assert not verify(results).findings
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    found = faults(results)
    assert "differs from the kept result" in found[f"{JOB}/model.safetensors"].problem


def test_a_damaged_kept_result_is_removed_first(results):
    slot = results / ".cache/train" / ("0123456789" * 2)
    (slot / "result").mkdir(parents=True)
    (slot / "result/model.safetensors").write_bytes(b"")
    (slot / "work").mkdir()
    (slot / "work/last.ckpt").write_bytes(b"")  # of an unfinished run: not judged
    found = verify(results).faults
    assert len(found) == 1
    commands = repair_commands(found, results.parent)
    assert commands[0] == f"rm -r -- results/.cache/train/{slot.name}"


def test_odd_names(results, capsys):
    longest = "ж" * 127 + "a"
    assert len(longest.encode()) == 255
    odd = [longest, "with spaces", 'quote\'s "and" $(touch x)`', "-rf", "tab\there", "\x1b[31m"]
    for name in odd:
        (results / name).write_text("x")
    raw = os.fsencode(results) + b"/\xff\xfe.json"
    with open(raw, "wb") as file:
        file.write(b"")
    found = verify(results)
    assert len(found.faults) == 1
    with pytest.raises(SystemExit):
        main(["verify", str(results)])
    printed = capsys.readouterr().out
    assert "\\xff\\xfe.json: it is empty" in printed
    assert "\x1b" not in printed


def test_commands_are_safe_to_paste(results, record):
    name = f"{JOB}/it's $(touch x); `y` Карта.json"
    (results / name).write_text("no JSON")
    record(f"results/{name}", "make")
    command = repair_commands(verify(results).faults, results.parent)[0]
    words = subprocess.run(
        ["sh", "-c", f"set -- {command}; printf '%s' \"$5\""], capture_output=True, check=True
    )
    assert words.stdout.decode() == f"results/{name}"


def test_links_are_told_and_never_followed(results, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "bad.json").write_text("no JSON")
    (results / "out").symlink_to(tmp_path / "outside")
    (results / "loop").symlink_to(results)
    (results / "self").symlink_to("self")
    notes = {one.path.name: one.problem for one in verify(results).findings}
    assert set(notes) == {"out", "loop", "self"}
    assert "leads out" in notes["out"]
    assert not verify(results).faults


def test_a_store_that_is_a_link_is_refused(results, tmp_path):
    store = results / JOB / "nadir/views.zarr"
    shutil.move(store, tmp_path / "elsewhere")
    store.symlink_to(tmp_path / "elsewhere")
    assert "its store is a link" in [one.problem for one in verify(results).faults]


def test_no_pickle_is_loaded(results, tmp_path):
    mark = tmp_path / "ran"

    class Bomb:
        def __reduce__(self):
            return (os.system, (f"touch {mark}",))

    data = pickle.dumps(Bomb())
    for name in ("a.pkl", "a.ckpt", "a.pt", "a.npz", "a.npy", "a.safetensors"):
        (results / name).write_bytes(data)
    verify(results)
    assert not mark.exists()


def test_a_raster_reads_no_other_file(results, tmp_path):
    secret = results / JOB / "map.tif"
    text = (
        '<VRTDataset rasterXSize="300" rasterYSize="300"><VRTRasterBand dataType="Byte" band="1">'
        f"<SimpleSource><SourceFilename>{secret}</SourceFilename></SimpleSource>"
        "</VRTRasterBand></VRTDataset>"
    )
    (tmp_path / "fake.tif").write_text(text)
    with pytest.raises(Damaged):
        check_file(tmp_path / "fake.tif")


def test_a_pipe_does_not_hang(results):
    os.mkfifo(results / "pipe.json")
    assert "no plain file" in faults(results)["pipe.json"].problem


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told(results):
    (results / JOB / "metrics.json").chmod(0)
    assert "cannot be read" in faults(results)[f"{JOB}/metrics.json"].problem


def test_what_killed_runs_left_is_a_note(results):
    (results / JOB / ".map.tif.0123456789ab.partial.tif").write_bytes(b"")
    store = results / JOB / ".cube.zarr.0123456789ab.partial"
    store.mkdir()
    (store / "zarr.json").write_text("")
    verdict = verify(results)
    assert not verdict.faults
    assert len(verdict.findings) == 2


def test_an_archive_without_end_is_left_alone(results, monkeypatch):
    monkeypatch.setattr(structures, "_UNFOLDED", 1000)
    with pytest.raises(Unchecked, match="without end"):
        check_file(results / JOB / "submission.zip")


def test_the_command(results, capsys):
    main(["verify", str(results)])
    assert "sound" in capsys.readouterr().out
    (results / JOB / "map.tif").unlink()
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(results), "--json"])
    assert ended.value.code == 1
    found = json.loads(capsys.readouterr().out)
    assert found["findings"][0]["rule"] == "make_map"
    assert found["commands"] == [f"snakemake --cores all --forcerun results/{JOB}/map.tif"]


def test_a_folder_that_is_read_only_is_not_written(results):
    before = {path: path.stat().st_mtime_ns for path in results.parent.rglob("*")}
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from nadir.cli.main import main; "
        "sys.exit(main(['verify', sys.argv[2]]))"
    )
    package = Path(__file__).parents[3] / "workflow"
    subprocess.run(
        [sys.executable, "-c", code, str(package), str(results)], check=True, cwd=results.parent
    )
    assert {path: path.stat().st_mtime_ns for path in results.parent.rglob("*")} == before


def test_looking_at_a_large_raster_takes_little_memory(results):
    import tracemalloc

    import numpy as np
    import rasterio

    path = results / "large.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=6000, width=6000, dtype="uint8",
        transform=rasterio.Affine(10, 0, 4e5, 0, -10, 46e5),
        tiled=True, blockxsize=512, blockysize=512, compress="deflate",
    ) as dataset:  # fmt: skip
        dataset.write(np.zeros((6000, 6000), np.uint8), 1)
    tracemalloc.start()
    check_file(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
