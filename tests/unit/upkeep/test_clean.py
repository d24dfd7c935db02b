"""Cleaning the result cache: what products came from stays, whatever its age."""

from __future__ import annotations

import fcntl
import json
import os
import time

import pytest

from nadir.cli.main import main
from nadir.errors import InputError
from nadir.provenance.cache import ResultCache
from nadir.upkeep.clean import parse_span, remove_slot, survey

DAY = 86400.0


def age(path, days):
    when = time.time() - days * DAY
    for item in [path, *path.rglob("*")]:
        os.utime(item, (when, when), follow_symlinks=False)


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    (folder / "landcover").mkdir(parents=True)
    return folder


@pytest.fixture
def kept(results):
    """Return a function that keeps a result as jobs do: number, kind, age in days -> slot."""

    def keep(number, kind="train", days=100.0, done=True):
        cache = ResultCache(results / ".cache" / kind, {"number": number})
        with cache.lock():
            (cache.work / "last.ckpt").write_bytes(b"x" * 500)
            if done:
                with cache.store() as result:
                    (result / "model.safetensors").write_bytes(b"%020d" % number * 50)
        age(cache.folder, days)
        return cache

    return keep


def going(results, older=30.0, keep=0):
    return {slot.path for slot in survey(results, older * DAY, keep, time.time()) if not slot.kept}


def test_old_ones_go_and_new_ones_stay(results, kept):
    old, new = kept(1, days=31), kept(2, days=29)
    assert going(results) == {old.folder}
    assert going(results, older=20) == {old.folder, new.folder}


def test_the_last_of_each_kind_stay(results, kept):
    slots = [kept(n, "train", days=100 + n) for n in range(4)]
    deep = [kept(n, "train-groundview/adversarial", days=100 + n) for n in range(3)]
    assert going(results, keep=2) == {slots[2].folder, slots[3].folder, deep[2].folder}


def test_what_a_bundle_names_stays_and_does_not_count_among_the_last(results, kept):
    slots = [kept(n, days=100 + n) for n in range(3)]
    text = f"keys:\n  training: {slots[0].key}\n"
    (results / "landcover" / "model.yaml").write_text(text)
    assert going(results, keep=1) == {slots[2].folder}


def test_what_a_product_equals_byte_for_byte_stays(results, kept):
    one, other = kept(1, "predict"), kept(2, "predict")
    one.deliver({"model.safetensors": results / "landcover" / "Карта мира.tif"})
    assert going(results) == {other.folder}


def test_a_product_at_the_top_counts_as_well(results, kept):
    one = kept(1)
    one.deliver({"model.safetensors": results / "copy"})
    assert not going(results)


def test_what_a_killed_run_left_goes_when_old(results, kept):
    slot = kept(1, done=False)
    found = survey(results, 30 * DAY, 0, time.time())[0]
    assert (found.finished, found.kept, found.path) == (False, "", slot.folder)
    assert found.size >= 500


def test_a_use_makes_it_young_again(results, kept):
    slot = kept(1)
    assert going(results) == {slot.folder}
    with slot.lock():
        pass
    assert not going(results)


def test_what_a_run_holds_is_not_removed(results, kept):
    slot = kept(1)
    found = survey(results, 0, 0, time.time())[0]
    with (slot.folder / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not remove_slot(found)
        assert slot.result is not None
    assert remove_slot(found)
    assert not slot.folder.exists()
    assert list((results / ".cache/train").iterdir()) == []


def test_links_are_not_followed(results, kept, tmp_path):
    slot = kept(1)
    away = tmp_path / "away"
    (slot.folder).rename(away)
    slot.folder.symlink_to(away)
    (results / ".cache" / "loop").symlink_to(results / ".cache")
    assert survey(results, 0, 0, time.time()) == []
    assert (away / "result").is_dir()


def test_a_link_inside_a_key_costs_only_the_link(results, kept, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    slot = kept(1)
    (slot.folder / "link").symlink_to(outside)
    age(slot.folder, 100)
    assert remove_slot(survey(results, 0, 0, time.time())[0])
    assert (outside / "precious").exists()


def test_a_cache_that_is_a_link_is_refused(results, tmp_path):
    (tmp_path / "disk").mkdir()
    (results / ".cache").symlink_to(tmp_path / "disk")
    with pytest.raises(InputError, match="it is a link"):
        survey(results, 0, 0, 0)


def test_only_keys_are_keys(results, kept):
    kept(1)
    for name in ("notes", "0123456789", "Z" * 20):
        (results / ".cache/train" / name).mkdir()
    assert len(survey(results, 0, 0, time.time())) == 1


def test_empty_and_absent(results, tmp_path):
    assert survey(results, 0, 0, 0) == []
    with pytest.raises(InputError, match="no such folder"):
        survey(tmp_path / "none", 0, 0, 0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 30 * DAY), ("30", 30 * DAY), ("12h", 43200), ("2W", 14 * DAY), ("0.5d", 43200)],
)
def test_spans(text, seconds):
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "-3d", "3y", "1d2h", "٣٠d d", "1e9999d"])
def test_what_is_no_span(text):
    with pytest.raises(ValueError, match="no span of time"):
        parse_span(text)


def test_the_command(results, kept, capsys):
    old, new = kept(1), kept(2, days=1)
    words = ["clean", str(results), "--older-than", "30d", "--keep", "0"]
    main([*words, "--dry-run", "--json"])
    found = json.loads(capsys.readouterr().out)
    sizes = sum(item.stat().st_size for item in old.folder.rglob("*") if item.is_file())
    assert found["freed"] == sizes
    assert {key["state"] for key in found["keys"]} == {"would go", "used lately"}
    assert old.result is not None
    main(words)
    assert "freed" in capsys.readouterr().out
    assert (old.result, new.result is not None) == (None, True)


def test_the_command_refuses_nonsense(results, capsys):
    for words in (["--older-than", "soon"], ["--older-than", "3d", "--keep", "-1"], []):
        with pytest.raises(SystemExit) as ended:
            main(["clean", str(results), *words])
        assert ended.value.code == 2


@pytest.mark.skipif(os.geteuid() == 0, reason="root may remove everything")
def test_what_may_not_be_removed(results, kept, capsys):
    slot = kept(1)
    slot.folder.parent.chmod(0o555)
    assert main(["clean", str(results), "--older-than", "0d", "--keep", "0"]) == 2
    slot.folder.parent.chmod(0o755)
    assert "not permitted" in capsys.readouterr().err
