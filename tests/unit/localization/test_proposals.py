"""Proposed places: read from a table, looked at closely, and weighed like all others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from ground_fakes import indexed
from textures import ground, pose_error, shoot

from nadir.config.localization import SearchConfig
from nadir.errors import InputError
from nadir.localization import coarse
from nadir.localization.localizer import Localizer
from nadir.localization.pose import Pose
from nadir.localization.proposals import Proposal, read_proposals

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SIDE, PHOTO = 512, 128
TRUE = Pose(333.4, 171.8, 77.0)
RIGHT = Proposal(300.0, 200.0, 64.0)
WRONG = (Proposal(100.0, 400.0, 64.0), Proposal(420.0, 420.0, 64.0))


@pytest.fixture(scope="module")
def picture():
    return ground(SIDE, 5)


@pytest.fixture(scope="module")
def localizer(tmp_path_factory, picture):
    reference = indexed(tmp_path_factory.mktemp("proposals"), "ground", picture)
    cfg = SearchConfig(rotation_step=15.0, candidates=2, precision=0.9, sift=False)
    return Localizer([reference], cfg, PHOTO)


@pytest.fixture
def blind(monkeypatch):
    """Take away what the search finds by itself."""
    monkeypatch.setattr(coarse, "_PLACES", 0)


def test_a_right_proposal_is_refined(localizer, picture, blind):
    answer = localizer.locate(shoot(picture, TRUE, PHOTO, PHOTO), (*WRONG, RIGHT))
    off, turned = pose_error(answer.pose, TRUE)
    assert off < 0.5 and turned < 0.2
    assert answer.stage == "proposals" and answer.resolved


def test_a_wrong_proposal_is_not_believed(localizer, picture, blind):
    photo = shoot(picture, TRUE, PHOTO, PHOTO)
    assert localizer.locate(photo).stage == "none"
    answer = localizer.locate(photo, WRONG)
    assert answer.stage == "proposals" and not answer.resolved
    assert pose_error(answer.pose, TRUE)[0] > 50


def test_wrong_proposals_do_not_lead_the_search_astray(localizer, picture):
    photo = shoot(picture, TRUE, PHOTO, PHOTO)
    plain, misled = localizer.locate(photo), localizer.locate(photo, WRONG)
    assert plain.pose == misled.pose and misled.stage == "search" and misled.resolved


@pytest.mark.parametrize("place", [(-500.0, 100.0), (100.0, 5000.0), (511.0, 511.0)])
def test_proposals_at_the_edge_and_beyond_do_no_harm(localizer, picture, place):
    answer = localizer.locate(shoot(picture, TRUE, PHOTO, PHOTO), [Proposal(*place, 20.0)])
    assert pose_error(answer.pose, TRUE)[0] < 0.5


def table(**columns):
    rows = {"photo": ["a", "b", "a"], "rank": [2, 1, 1], "x": [1.0, 2.0, 3.0], "y": 5.0}
    return pd.DataFrame({**rows, "reach": 9.0, "score": 0.5, **columns})


def test_the_best_are_read_by_photo(tmp_path):
    table().to_parquet(tmp_path / "p.parquet")
    found = read_proposals(tmp_path / "p.parquet", 1)
    assert found == {"b": (Proposal(2.0, 5.0, 9.0),), "a": (Proposal(3.0, 5.0, 9.0),)}
    assert [one.x for one in read_proposals(tmp_path / "p.parquet", 5)["a"]] == [3.0, 1.0]


def test_bad_tables_are_refused(tmp_path):
    table(x=np.nan).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(InputError, match="no number"):
        read_proposals(tmp_path / "p.parquet", 5)
    table().drop(columns="reach").to_parquet(tmp_path / "p.parquet")
    with pytest.raises(InputError, match="it lacks reach"):
        read_proposals(tmp_path / "p.parquet", 5)
