"""Trainings kept by key: delivered when done before, gone on with when killed, else run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nadir.learn.kept import CARD, TrainingRun, keep_training
from nadir.learn.session import Session

FACTS = {"device": "cpu", "seconds": 1.5, "result": {"best": 0.25}}


class Training:
    """Counts its runs, and does what it is told."""

    def __init__(self, fails: bool = False) -> None:
        self.fails, self.runs = fails, []

    def __call__(self, session: Session) -> dict:
        work, made, keys = session.work, session.folder, session.keys
        assert (session.device, session.threads) == ("cpu", 2)
        assert work.is_dir() and not list(made.iterdir())
        before = sorted(path.name for path in work.iterdir() if path != made)
        self.runs.append((before, keys))
        (made / "half.bin").write_bytes(b"half")
        (work / "state").write_text("after the first epoch")
        if self.fails:
            raise RuntimeError("killed")
        (made / "half.bin").unlink()
        (made / "model.bin").write_bytes(b"weights")
        return FACTS


def keep(fit: Training, folder: Path, code: str = "c", seed: int = 1, **options) -> str:
    run = TrainingRun(folder / "cache", code, seed, device="cpu", threads=2)
    parts = {"method": {"steps": 3}, "photos": ["d1", "d2"]} | options
    outputs = {"model.bin": folder / "out" / "m.bin", CARD: folder / "out" / CARD}
    return keep_training(fit, run, parts, outputs, cfg=("method",))


def test_a_training_runs_once(tmp_path):
    fit = Training()
    key = keep(fit, tmp_path)
    assert (tmp_path / "out" / "m.bin").read_bytes() == b"weights"
    card = (tmp_path / "out" / CARD).read_bytes()
    for name in ("m.bin", CARD):
        (tmp_path / "out" / name).unlink()
    again = Training(fails=True)
    assert keep(again, tmp_path) == key
    assert not again.runs, "what is kept is delivered without a training"
    assert (tmp_path / "out" / "m.bin").read_bytes() == b"weights"
    assert (tmp_path / "out" / CARD).read_bytes() == card
    assert fit.runs == [([], {"training": key, "code": "c", "seed": 1})]


def test_the_card_tells_settings_and_digests_apart(tmp_path):
    keep(Training(), tmp_path)
    card = json.loads((tmp_path / "out" / CARD).read_text())
    text = json.dumps(card)
    assert '"steps": 3' in text and '"d1"' in text and '"best": 0.25' in text
    settings = [value for value in card.values() if value == {"method": {"steps": 3}}]
    digests = [value for value in card.values() if value == {"photos": ["d1", "d2"]}]
    assert len(settings) == len(digests) == 1


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"code": "d"}, {"method": {"steps": 4}}, {"photos": ["d1"]}]
)
def test_anything_that_matters_makes_another_training(tmp_path, other):
    fit = Training()
    assert keep(fit, tmp_path) != keep(fit, tmp_path, **other)
    assert len(fit.runs) == 2


def test_a_failure_leaves_no_result_and_the_next_run_its_state(tmp_path):
    failing = Training(fails=True)
    with pytest.raises(RuntimeError, match="killed"):
        keep(failing, tmp_path)
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob("cache/*/result")) and not list(tmp_path.rglob("*.partial*"))
    fit = Training()
    key = keep(fit, tmp_path)
    assert fit.runs[0][0] == ["state"], "the work goes on, and what was half made is gone"
    assert (tmp_path / "out" / "m.bin").read_bytes() == b"weights"
    assert not (tmp_path / "cache" / key / "work").exists()
    assert not list((tmp_path / "cache" / key / "result").glob("half*"))


def test_a_lacking_result_file_is_no_delivery(tmp_path):
    """A training that made something else than was declared leaves nothing half delivered."""

    def fit(session: Session) -> dict:
        return FACTS

    with pytest.raises(FileNotFoundError):
        keep(fit, tmp_path)
    assert not list((tmp_path / "out").glob("*"))
