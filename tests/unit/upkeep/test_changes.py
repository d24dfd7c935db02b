"""Changed parameters in words."""

from __future__ import annotations

import json

import pytest

from nadir.upkeep.changes import explain_params


def told(old, new):
    return explain_params([repr(item) for item in old], [repr(item) for item in new])


def text(**values):
    return json.dumps(values, sort_keys=True)


def test_code():
    assert told(["0123456789abcdef"], ["fedcba9876543210"]) == (
        "the code that its command imports was edited"
    )


def test_a_setting_by_its_path():
    old = text(train={"epochs": 2, "loss": {"name": "dice"}}, seed=0)
    new = text(train={"epochs": 3, "loss": {"name": "dice"}}, seed=0)
    assert told([old], [new]) == "train.epochs was 2, is 3"


def test_settings_that_come_and_go():
    found = told([text(a=1, gone=[1])], [text(a=1, new="x")])
    assert found == 'gone is gone (it was [1]); new is new: "x"'


def test_raw_files_by_name():
    old = {"data/april 1.tif": "a" * 64, "data/b.c.tif": "b" * 64}
    new = {"data/april 1.tif": "c" * 64, "data/d.tif": "d" * 64}
    found = told([json.dumps(old)], [json.dumps(new)])
    assert found == (
        "raw file data/april 1.tif changed; raw file data/b.c.tif is no longer asked for; "
        "raw file data/d.tif is new"
    )


def test_several_at_once_are_told_apart():
    raw = [json.dumps({"a.tif": sign * 64}) for sign in "ab"]
    cfg = [text(scale=1), text(scale=2)]
    found = told([*raw[:1], *cfg[:1], "0" * 16], [*cfg[1:], "1" * 16, *raw[1:]])
    assert set(found.split("; ")) == {
        "the code that its command imports was edited",
        "scale was 1, is 2",
        "raw file a.tif changed",
    }


def test_many_changes_are_cut():
    found = told([text(**dict.fromkeys("abcdefgh", 1))], [text(**dict.fromkeys("abcdefgh", 2))])
    assert found.endswith("4 more changes")


def test_long_values_are_cut():
    assert len(told([text(a="x" * 500)], [text(a="y" * 500)])) < 120


@pytest.mark.parametrize(
    ("old", "new"), [(["'"], []), (["{'"], ["[["]), ([], []), (["1"], ["None"]), (["'{'"], ["'['"])]
)
def test_odd_values(old, new):
    assert explain_params(old, new)


def test_what_would_steer_a_terminal_is_escaped():
    assert "\x1b" not in told([text(a="\x1b[31m")], [text(a="b")])
    assert "\x1b" not in told([text(**{"\x1b": 1})], [text()])
