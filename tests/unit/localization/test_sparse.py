from functools import cache

import numpy as np
import pytest
from textures import ground, pose_error, random_pose, shoot

from nadir.localization.features import Features, array_reader, extract, extract_tiled
from nadir.localization.pose import Pose
from nadir.localization.sparse import (
    SparseReference,
    is_sure,
    locate_photo,
    ransac_estimator,
    voting_estimator,
)
from nadir.localization.voting import Vote

SIDE, PHOTO = 900, 320


@cache
def picture(seed=0):
    return ground(SIDE, seed)


@cache
def reference(clahe=True, seed=0):
    read = array_reader(picture(seed), 2)
    found = extract_tiled(read, (SIDE // 2, SIDE // 2), 2, clahe)
    return SparseReference(f"ground{seed}", found)


@pytest.mark.parametrize("seed", range(4))
def test_votes_locate_clean_photos(seed):
    pose = random_pose(SIDE, 0.72 * PHOTO, seed)
    photo = shoot(picture(), pose, PHOTO, PHOTO)
    found = locate_photo(photo, [reference()], voting_estimator())
    distance, turned = pose_error(found.vote.pose, pose)
    assert distance < 0.1
    assert turned < 0.02
    assert found.sure and found.reference == "ground0"


def test_ransac_locates_clean_photos():
    pose = random_pose(SIDE, 0.72 * PHOTO, 5)
    photo = shoot(picture(), pose, PHOTO, PHOTO)
    found = locate_photo(photo, [reference(False)], ransac_estimator(), clahe=False)
    distance, turned = pose_error(found.vote.pose, pose)
    assert distance < 0.1
    assert turned < 0.02
    assert found.sure


def test_scale_is_found_where_it_may_differ():
    pose = random_pose(SIDE, 0.85 * PHOTO, 6, scale=1.12)
    photo = shoot(picture(), pose, PHOTO, PHOTO)
    found = locate_photo(photo, [reference()], voting_estimator(0.2)).vote
    assert pose_error(found.pose, pose)[0] < 0.3
    assert found.pose.scale == pytest.approx(1.12, abs=1e-3)


def test_photo_that_is_not_square_with_other_light():
    pose = random_pose(SIDE, 0.72 * PHOTO, 7)
    photo = shoot(picture(), pose, PHOTO, 240)
    hazy = np.round(60 + 0.6 * photo + np.random.default_rng(0).normal(0, 4, photo.shape))
    found = locate_photo(hazy.astype(np.uint8), [reference()], voting_estimator())
    assert pose_error(found.vote.pose, pose)[0] < 0.5
    assert found.sure


def test_the_right_reference_is_found():
    pose = random_pose(SIDE, 0.72 * PHOTO, 8)
    photo = shoot(picture(1), pose, PHOTO, PHOTO)
    references = [reference(), reference(seed=1), SparseReference("empty", Features.empty())]
    found = locate_photo(photo, references, voting_estimator())
    assert found.reference == "ground1" and found.sure


def test_ground_that_is_nowhere_is_not_sure():
    photo = ground(PHOTO, 9)
    found = locate_photo(photo, [reference(), reference(seed=1)], voting_estimator())
    assert not found.sure


def test_a_photo_without_features_has_no_answer():
    found = locate_photo(np.full((64, 64, 3), 90, np.uint8), [reference()], voting_estimator())
    assert found.vote is None and not found.sure and found.reference == ""


def test_the_same_photo_gets_the_same_answer():
    photo = shoot(picture(), random_pose(SIDE, 0.72 * PHOTO, 10), PHOTO, PHOTO)
    again = SparseReference("again", extract_tiled(array_reader(picture()), (450, 450)))
    one = locate_photo(photo, [reference()], voting_estimator()).vote
    other = locate_photo(photo, [again], voting_estimator()).vote
    assert one.pose == other.pose and one.inliers == other.inliers


def test_what_makes_sure():
    def made(inliers, runner_up, spread=0.1):
        return Vote(Pose(0, 0, 0), inliers, runner_up, 1.0, np.eye(3) * spread**2)

    assert is_sure(made(12, 6))
    assert not is_sure(made(11, 0))
    assert not is_sure(made(20, 11))
    assert not is_sure(made(20, 0), against=11)
    assert not is_sure(made(20, 0, spread=0.5))


def test_features_of_a_photo_are_those_of_the_ground():
    pose = Pose(450.0, 450.0, 0.0)
    found = extract(shoot(picture(), pose, PHOTO, PHOTO), 2, False)
    shift = 450.0 - PHOTO / 2
    apart = np.linalg.norm(
        found.points[:, None] + np.float32(shift) - reference(False).features.points[None], axis=2
    )
    assert (apart.min(1) < 0.2).mean() > 0.6
