"""What the graph is drawn from: raw files, mosaics, and whether there is anything to hand in."""

from __future__ import annotations

from pathlib import Path

import pytest
from localization_cases import write_case

from nadir.config.localization import CaseDataset
from nadir.errors import InputError
from nadir.localization.case import check_case
from nadir.localization.plan import plan_case


@pytest.fixture(autouse=True)
def _own_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the cache of digests lies in the working folder


def test_a_folder(tmp_path: Path) -> None:
    write_case(tmp_path / "case", train=5, test=2, exact=True)
    plan = plan_case(CaseDataset(folder="case"))
    assert plan.substrate == "case/original.tiff"
    assert plan.mosaics == ("all",) and plan.tests
    assert len(plan.files) == 7 * 2 + 1  # photos and positions, and exact poses
    everything = {path.relative_to(tmp_path) for path in Path(tmp_path).rglob("*")}
    files = {str(path) for path in everything if (tmp_path / path).is_file()}
    assert {*plan.files, plan.substrate} == files


def test_dates_are_those_of_the_photos_that_training_sees(tmp_path: Path) -> None:
    train, test = write_case(tmp_path / "case", train=10, test=2)
    config = CaseDataset(folder="case", dates="dates.csv", validation=0.3)
    names = sorted([*train, *test])
    (tmp_path / "dates.csv").write_text(
        "photo,date\n" + "".join(f"{name},d{k}\n" for k, name in enumerate(names))
    )
    plan = plan_case(config)
    _, photos = check_case(config)
    assert plan.mosaics == tuple(sorted(photos["date"][photos["split"] == "train"]))
    assert len(plan.mosaics) == 7 and "dates.csv" in plan.files


@pytest.mark.parametrize(("train", "share", "mosaics"), [(10, 0.2, ("all",)), (1, 0.2, ())])
def test_a_simulated_case(train: int, share: float, mosaics: tuple[str, ...]) -> None:
    simulate = {"train": train, "test": 0}
    plan = plan_case(CaseDataset(world="w", simulate=simulate, validation=share))
    assert plan.substrate is None and plan.files == () and not plan.tests
    assert plan.mosaics == mosaics


def test_no_folder() -> None:
    with pytest.raises(InputError, match="nowhere: there is no such folder"):
        plan_case(CaseDataset(folder="nowhere"))


def test_no_date_may_be_called_as_the_substrate(tmp_path: Path) -> None:
    train, _ = write_case(tmp_path / "case", train=3, test=0)
    lines = "".join(f"{name},substrate\n" for name in train)
    (tmp_path / "dates.csv").write_text("photo,date\n" + lines)
    with pytest.raises(Exception, match="names the substrate, and no date"):
        check_case(CaseDataset(folder="case", dates="dates.csv"))
