"""The store of pairs: what is written is read, and what does not belong together is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nadir.errors import InputError
from nadir.groundview.pairs import CLASSES, SCHEMA, open_pairs, table_path, write_pairs
from nadir.provenance.manifest import Manifest
from nadir.simulate.cover import Cover


def _table(count: int = 5) -> pd.DataFrame:
    table = pd.DataFrame({name: np.full(count, np.nan) for name in SCHEMA.names})
    table["pair"] = [f"p{number}" for number in range(count)]
    table["place"] = "a"
    table["split"] = (["train", "test", "train", "validation", "test"] * count)[:count]
    table["heading"] = np.arange(count) * 10.0
    return table


def _write(folder: Path, table: pd.DataFrame, seed: int = 0) -> tuple[Manifest, list[np.ndarray]]:
    rng = np.random.default_rng([seed, len(table)])
    sizes = (20, 33, 33)
    arrays = [rng.integers(0, 256, (len(table), 3, s, s), dtype=np.uint8) for s in sizes]
    names = ("photos", "crops", "turned")
    shapes = {name: values.shape for name, values in zip(names, arrays, strict=True)}
    batches = ([values[k : k + 2] for values in arrays] for k in range(0, len(table), 2))
    path = folder / "pairs.manifest.json"
    return write_pairs(path, table, batches, shapes, {"resolution": 1.0}), arrays


def test_classes_are_those_of_the_simulated_world() -> None:
    assert tuple(cover.name.lower() for cover in Cover) == CLASSES


def test_what_is_written_is_read(tmp_path: Path) -> None:
    table = _table()
    _, arrays = _write(tmp_path, table)
    pairs = open_pairs(tmp_path / "pairs.manifest.json")
    for found, values in zip((pairs.photos, pairs.crops, pairs.turned), arrays, strict=True):
        assert (found == values).all()
    assert pairs.facts["pairs"] == len(pairs) == 5
    assert pairs.rows("test").tolist() == [1, 4]
    test = pairs.of("test")
    assert test.headings.tolist() == [10, 40] and (test.crops == arrays[1][[1, 4]]).all()
    with pytest.raises(ValueError, match="no split"):
        pairs.rows("tests")


def test_equal_content_gives_an_equal_digest(tmp_path: Path) -> None:
    one, _ = _write(tmp_path / "a", _table())
    same, _ = _write(tmp_path / "b", _table())
    other, _ = _write(tmp_path / "c", _table(), seed=1)
    table = _table()
    table.loc[0, "heading"] = 1.0
    turned, _ = _write(tmp_path / "d", table)
    assert one.digest == same.digest
    assert len({one.digest, other.digest, turned.digest}) == 3


def test_shares_of_the_view_sum_to_one(tmp_path: Path) -> None:
    table = _table()
    table["sky"] = [0.25, 0.0, 1.0, 0.5, 0.4]
    table[[f"view_{name}" for name in CLASSES]] = 0.0
    table["view_water"] = [0.5, 1.0, 0.0, 1.0, 0.25]
    table["view_forest"] = [0.5, 0.0, 0.0, 0.0, 0.75]
    _write(tmp_path, table)
    shares = open_pairs(tmp_path / "pairs.manifest.json").view_shares()
    assert shares is not None
    assert shares.sum(1) == pytest.approx(np.ones(5))
    assert shares[0, [0, 3, 12]] == pytest.approx([0.25, 0.375, 0.375])


def test_without_truth_there_are_no_shares(tmp_path: Path) -> None:
    _write(tmp_path, _table())
    pairs = open_pairs(tmp_path / "pairs.manifest.json")
    assert pairs.view_shares() is None and pairs.crop_shares() is None


def test_another_table_is_refused(tmp_path: Path) -> None:
    _write(tmp_path, _table())
    _write(tmp_path / "other", _table(4))
    path = tmp_path / "pairs.manifest.json"
    table_path(path).write_bytes((tmp_path / "other" / "pairs.parquet").read_bytes())
    with pytest.raises(InputError, match="not the table"):
        open_pairs(path)


def test_no_pairs_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such manifest"):
        open_pairs(tmp_path / "pairs.manifest.json")
