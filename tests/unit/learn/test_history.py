"""The history as a table."""

from __future__ import annotations

import errno

import numpy as np
import pytest

from nadir.errors import InputError, OutputError
from nadir.learn.history import BoardWriter, read_history, write_history

ROWS = [
    {"epoch": 1.0, "train_loss": 1.5, "iou/forest": float("nan")},
    {"epoch": 2.0, "train_loss": 1.25, "iou/forest": 0.5, "dice/forest": 0.66},
]


def test_rows_come_back_with_gaps_as_nan(tmp_path):
    write_history(tmp_path / "history.parquet", ROWS)
    table = read_history(tmp_path / "history.parquet")
    assert table["epoch"].tolist() == [1, 2]
    assert table["epoch"].dtype == np.int32
    assert table["train_loss"].tolist() == [1.5, 1.25]
    assert np.isnan(table["iou/forest"][0]) and np.isnan(table["dice/forest"][0])


def test_equal_rows_give_equal_bytes(tmp_path):
    for name in ("a", "b"):
        write_history(tmp_path / name, ROWS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_what_is_no_history_is_refused(tmp_path):
    (tmp_path / "x.parquet").write_text("no")
    for name in ("x.parquet", "absent.parquet"):
        with pytest.raises(InputError, match="no readable history"):
            read_history(tmp_path / name)


def test_tensorboard_shows_each_epoch_once_after_a_kill(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    picture = {"tiles": np.zeros((4, 4, 3), np.uint8)}
    first = BoardWriter(tmp_path)
    for epoch, loss in ((1, 5.0), (2, 4.0), (3, 9.0)):
        first.add({"epoch": epoch, "train_loss": loss}, picture)
    first.close()
    second = BoardWriter(tmp_path, first_epoch=3)
    second.add({"epoch": 3, "train_loss": 3.0}, {})
    second.close()
    board = EventAccumulator(str(tmp_path)).Reload()
    assert [(e.step, e.value) for e in board.Scalars("train_loss")] == [
        (1, 5.0),
        (2, 4.0),
        (3, 3.0),
    ]
    assert len(board.Images("tiles")) == 2


def test_a_full_disk_is_told_by_the_writer_itself(tmp_path, monkeypatch):
    def no_space(self, step, **content):
        raise OSError(errno.ENOSPC, "No space left on device")

    board = BoardWriter(tmp_path)
    monkeypatch.setattr(BoardWriter, "_write", no_space)
    with pytest.raises(OutputError, match="the disk is full"):
        board.add({"epoch": 1, "train_loss": 1.0}, {})
    with pytest.raises(OutputError, match="the disk is full"):
        BoardWriter(tmp_path / "b")
    board.close()
