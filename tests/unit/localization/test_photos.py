"""The table of photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nadir.errors import InputError
from nadir.localization.photos import SCHEMA, asked, poses_of, read_photos, write_photos
from nadir.localization.pose import Pose


def table() -> pd.DataFrame:
    nan = float("nan")
    rows = [
        ("b", "b.png", "test", "", 20, 12, nan, nan, nan, nan, "22"),
        ("a", "a.png", "train", "all", 20, 12, 1.5, 2.5, 90.0, 1.0, "11"),
    ]
    return pd.DataFrame(rows, columns=SCHEMA.names)


def test_table_is_sorted_and_byte_stable(tmp_path: Path) -> None:
    write_photos(tmp_path / "one.parquet", table())
    write_photos(tmp_path / "two.parquet", table()[::-1])
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    found = read_photos(tmp_path / "one.parquet")
    assert found["photo"].tolist() == ["a", "b"]
    assert poses_of(found)[0] == Pose(1.5, 2.5, 90.0, 1.0)
    assert np.isnan(found["x"][1])
    assert asked(found)["photo"].tolist() == ["b"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda frame: frame.drop(columns="x"), "lacks x"),
        (lambda frame: frame.assign(photo="a"), "twice"),
        (lambda frame: frame.assign(split="holdout"), "split 'holdout'"),
        (lambda frame: frame.assign(width="wide"), "no photo table"),
        (lambda frame: frame.assign(date=[None, "all"]), "gaps"),
    ],
)
def test_table_refuses(tmp_path: Path, change, problem: str) -> None:
    path = tmp_path / "photos.parquet"
    change(table()).to_parquet(path)
    with pytest.raises(InputError, match=problem):
        read_photos(path)


def test_table_refuses_other_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such photo table"):
        read_photos(tmp_path / "photos.parquet")
    (tmp_path / "photos.parquet").write_bytes(b"not this")
    with pytest.raises(InputError, match="no photo table"):
        read_photos(tmp_path / "photos.parquet")
