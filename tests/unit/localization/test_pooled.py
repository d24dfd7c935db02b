"""All photos of a case: those in doubt on the mosaic of the sure ones, and what they are worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from ground_fakes import Waves, away, indexed, photo_table, to_bytes

from nadir.config.localization import SearchConfig
from nadir.localization import pooled
from nadir.localization.calibration import calibrate, is_right
from nadir.localization.coarse import gradient_description
from nadir.localization.confidence import Confidence, Evidence
from nadir.localization.localizer import Answer
from nadir.localization.photos import read_photos
from nadir.localization.pooled import NEIGHBORS, locate_all, measures_of
from nadir.localization.pose import Pose

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SIDE = 160
BORDER = 215  # right of it the ground has been built over since the substrate was taken
OLD, NEW = Waves(0), Waves(1)
CFG = SearchConfig(rotation_step=20.0, candidates=2, precision=0.95)
SURE = {
    "a": Pose(185.3, 90.6, 0.0),
    "b": Pose(188.8, 180.2, 90.0),
    "c": Pose(186.0, 140.9, 180.0),
}
DOUBTFUL = Pose(300.4, 137.7, 75.0)


def snap(pose: Pose) -> np.ndarray:
    """Return what a photo shows after the change."""
    old, new = (waves.photo(pose, SIDE, SIDE) for waves in (OLD, NEW))
    at = np.stack(np.meshgrid(np.arange(SIDE) + 0.5, np.arange(SIDE) + 0.5, indexing="xy"), -1)
    x = np.concatenate([at, np.ones((SIDE, SIDE, 1))], -1) @ pose.matrix(SIDE, SIDE)[0]
    share = np.clip((x - BORDER) / 4 + 0.5, 0, 1)[..., None]
    return to_bytes((1 - share) * old + share * new)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """Photos across the change, and one wholly on changed ground that two of them overlap."""
    folder = tmp_path_factory.mktemp("pooled")
    substrate = indexed(folder, "substrate", OLD.substrate(400, 280))
    # Two more, on changed ground but found by their other half, reach over to the doubtful one.
    placed = {**SURE, "d": Pose(232.0, 110.0, 270.0), "e": Pose(234.5, 165.0, 200.0)}
    shots = [(name, "test", snap(pose), None) for name, pose in placed.items()]
    shots.append(("lost", "test", snap(DOUBTFUL), None))
    table = read_photos(photo_table(folder, shots))
    return table, substrate, placed


def answers_of(case, threads=1, cfg=CFG) -> dict[str, Answer]:
    table, substrate = case[:2]
    found, _ = locate_all(
        table,
        measures_of(table),
        [substrate],
        cfg,
        (gradient_description,),
        device=torch.device("cpu"),
        threads=threads,
    )
    return dict(zip(table["photo"], found, strict=True))


@pytest.fixture(scope="module")
def joint(case):
    return answers_of(case)


def test_a_photo_that_the_substrate_does_not_show_is_found_among_its_neighbors(case, joint):
    alone = answers_of(case, cfg=CFG.model_copy(update={"joint": False}))
    assert not alone["lost"].resolved and alone["lost"].stage != NEIGHBORS
    assert away(alone["lost"].pose, DOUBTFUL)[0] > 10
    found = joint["lost"]
    assert found.stage == found.reference == NEIGHBORS
    assert found.resolved and found.probability > alone["lost"].probability
    assert away(found.pose, DOUBTFUL)[0] < 1 and away(found.pose, DOUBTFUL)[1] < 0.3
    for name in SURE:
        assert joint[name].resolved and joint[name].pose == alone[name].pose
        assert joint[name].reference == "substrate"


def test_the_sure_ones_are_right(case, joint):
    for name, pose in case[2].items():
        assert away(joint[name].pose, pose)[0] < 0.5


def test_answers_do_not_depend_on_threads(case, joint):
    for name, other in answers_of(case, threads=2).items():
        one = joint[name]
        assert (one.pose, one.probability, one.stage) == (
            other.pose,
            other.probability,
            other.stage,
        )
        assert one.resolved == other.resolved


def made_answer(number: int, right: bool = True) -> Answer:
    evidence = Evidence(0.4, 0.12, 0.6, 50, 1.0)
    pose = Pose(50.0 + number, 60.0 + (0 if right else 40), 5.0)
    return Answer(pose, None, evidence, 0.12, 0.5, False, "substrate", "search")


def made_table(splits: list[str], known: bool = True) -> pd.DataFrame:
    rows = [
        {"photo": f"p{k}", "split": split, "x": 50.0 + k, "y": 60.0, "angle": 5.0, "scale": 1.0}
        for k, split in enumerate(splits)
    ]
    frame = pd.DataFrame(rows)
    return frame if known else frame.assign(x=np.nan, y=np.nan, angle=np.nan, scale=np.nan)


def calibrated(answers, photos, precision):
    """Return the answers with what the photos teach, and that."""
    learned = calibrate(answers, photos)
    return [learned.apply(one, precision) for one in answers], learned


@pytest.mark.parametrize("right", [True, False])
def test_calibration_moves_with_the_photos_of_validation(right):
    splits = ["validation"] * 30 + ["test"]
    answers = [made_answer(k, right) for k in range(31)]
    found, learned = calibrated(answers, made_table(splits), 0.9)
    usual = Confidence().probability(answers[-1].evidence)
    assert (found[-1].probability > usual) if right else (found[-1].probability < usual)
    for one in found:
        assert one.resolved == (one.probability >= 0.9)
        assert one.probability == found[-1].probability
        assert one.probability == learned.confidence.probability(one.evidence)


def test_calibration_sees_nothing_of_other_splits():
    """Where a table tells the truth of test photos, it is not looked at."""
    splits = ["validation"] * 6 + ["test"] * 30
    right = [made_answer(k) for k in range(36)]
    wrong = [*right[:6], *(made_answer(k, right=False) for k in range(6, 36))]
    table = made_table(splits)
    one, other = (calibrated(given, table, 0.9)[0] for given in (right, wrong))
    assert [a.probability for a in one] == [a.probability for a in other]
    blind = table.assign(**{"x": table["x"].where(table["split"] == "validation")})
    third, _ = calibrated(right, blind, 0.9)
    assert [a.probability for a in one] == [a.probability for a in third]


def test_without_validation_the_prior_speaks_and_no_answer_stays_none():
    answers = [made_answer(k) for k in range(3)]
    nowhere = Answer(
        Pose(1, 1, 0), None, Evidence(0, 0, 0, 0, 0), 0.0, 0.0, False, "substrate", "none"
    )
    table = made_table(["test"] * 3 + ["validation"])
    found, _ = calibrated([*answers, nowhere], table, 0.9)
    prior = Confidence().probability(answers[0].evidence)
    assert [one.probability for one in found] == [prior] * 3 + [0.0]
    assert found[-1] is nowhere


def test_what_counts_as_right():
    truth = Pose(100.0, 50.0, 359.8)
    assert is_right(Pose(106.0, 57.9, 0.6), truth)
    assert not is_right(Pose(106.1, 58.1, 0.6), truth)
    assert not is_right(Pose(100.0, 50.0, 0.9), truth)
    assert not is_right(Pose(100.0, 50.0, 179.8), truth)


def test_too_few_sure_photos_make_no_mosaic(case, monkeypatch):
    monkeypatch.setattr(pooled, "write_mosaic", None)
    answers = [made_answer(k) for k in range(3)]
    table = made_table(["test"] * 3, known=False)
    assert pooled._jointly(table, list(answers), case[1], None, 1) == answers
    sure = [Answer(**{**vars(one), "resolved": True}) for one in answers]
    assert pooled._jointly(table, list(sure), case[1], None, 1) == sure
