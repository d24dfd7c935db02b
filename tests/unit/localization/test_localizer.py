"""The localiser end to end: parts of a pixel, and doubt where there is nothing to find."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from ground_fakes import Waves, away, indexed, to_bytes

from nadir.config.localization import SearchConfig
from nadir.localization.localizer import Answer, Localizer
from nadir.localization.pose import Pose
from nadir.localization.references import Reference

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SIZE = (400, 372)
SIDE = 256
WAVES = Waves(0)
QUICK = SearchConfig(rotation_step=15.0, candidates=2, precision=0.9)
SLOW = QUICK.model_copy(update={"sift": False})


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return indexed(tmp_path_factory.mktemp("localizer"), "ground", WAVES.substrate(*SIZE))


@pytest.fixture(scope="module")
def localizers(reference):
    """The same, with the fast pass and without."""
    return {cfg.sift: Localizer([reference], cfg, SIDE) for cfg in (QUICK, SLOW)}


def check(answer: Answer) -> None:
    """See that an answer is one, right or not."""
    pose = answer.pose
    assert np.isfinite([pose.x, pose.y, pose.angle, pose.scale]).all()
    assert 0 <= pose.angle < 360 and pose.scale > 0
    assert 0 <= answer.probability <= 1
    assert 0 <= answer.evidence.agreement <= 1 and 0 <= answer.evidence.clear <= 1
    assert answer.stage in ("features", "search", "none")
    if answer.covariance is not None:
        assert (np.linalg.eigvalsh(answer.covariance) > 0).all()


@pytest.mark.parametrize("sift", [True, False])
@pytest.mark.parametrize("pose", [Pose(201.37, 191.81, 33.3), Pose(205.5, 187.25, 359.97)])
def test_a_photo_is_located_to_parts_of_a_pixel(localizers, sift, pose):
    answer = localizers[sift].locate(WAVES.shoot(pose, SIDE, SIDE))
    check(answer)
    off, turned = away(answer.pose, pose)
    assert off < 0.1 and turned < 0.02 and answer.pose.scale == pytest.approx(1)
    assert answer.resolved and answer.reference == "ground"
    assert answer.stage == ("features" if sift else "search")
    assert sift or answer.margin > 0.1


@pytest.mark.parametrize("scale", [1.1, 0.92])
def test_an_unknown_scale_is_found(reference, scale):
    localizer = Localizer([reference], QUICK.model_copy(update={"scale_range": 0.12}), SIDE)
    pose = Pose(203.3, 189.6, 77.7, scale)
    answer = localizer.locate(WAVES.shoot(pose, SIDE, SIDE))
    assert away(answer.pose, pose)[0] < 0.1 and away(answer.pose, pose)[1] < 0.02
    assert answer.pose.scale == pytest.approx(scale, abs=5e-4) and answer.resolved


@pytest.mark.slow
def test_an_unknown_scale_is_found_by_correlation(reference):
    cfg = SLOW.model_copy(update={"scale_range": 0.12})
    pose = Pose(203.3, 189.6, 77.7, 1.1)
    answer = Localizer([reference], cfg, SIDE).locate(WAVES.shoot(pose, SIDE, SIDE))
    assert away(answer.pose, pose)[0] < 0.1 and away(answer.pose, pose)[1] < 0.02
    assert answer.pose.scale == pytest.approx(1.1, abs=5e-4) and answer.resolved


@pytest.mark.parametrize("sift", [True, False])
def test_a_known_scale_that_is_not_one(tmp_path, sift):
    """Photos of half the substrate's pixel size."""
    reference = indexed(tmp_path, "ground", WAVES.substrate(220, 200))
    pose = Pose(112.4, 99.8, 250.0, 0.5)
    cfg = QUICK if sift else SLOW
    localizer = Localizer([reference], cfg, SIDE, scale=0.5)
    answer = localizer.locate(WAVES.shoot(pose, SIDE, SIDE))
    check(answer)
    assert away(answer.pose, pose)[0] < 0.1 and away(answer.pose, pose)[1] < 0.03
    assert answer.pose.scale == pytest.approx(0.5)


@pytest.mark.slow
@pytest.mark.parametrize("sift", [True, False])
def test_a_large_photo_on_a_large_substrate(tmp_path, sift):
    waves = Waves(1, shortest=12.0)
    reference = indexed(tmp_path, "wide", waves.substrate(3000, 3000))
    localizer = Localizer([reference], QUICK if sift else SLOW, 1024)
    assert localizer.level == 4
    pose = Pose(1703.37, 1211.81, 211.4)
    answer = localizer.locate(waves.shoot(pose, 1024, 1024))
    assert away(answer.pose, pose)[0] < 0.1 and away(answer.pose, pose)[1] < 0.02
    assert answer.resolved and answer.stage == ("features" if sift else "search")


@pytest.mark.parametrize("sift", [True, False])
def test_nothing_but_clouds_is_not_resolved(localizers, sift):
    random = np.random.default_rng(0)
    overcast = to_bytes(np.clip(225 + random.normal(0, 3, (SIDE, SIDE, 1)), 0, 255))
    photo = overcast.repeat(3, 2) if sift else np.full((SIDE, SIDE, 3), 255, np.uint8)
    answer = localizers[sift].locate(photo)
    check(answer)
    assert not answer.resolved


@pytest.mark.parametrize("blank", [True, False])
def test_a_photo_of_elsewhere_or_of_nothing_is_not_resolved(localizers, blank):
    elsewhere = Waves(7).shoot(Pose(200, 200, 10), SIDE, SIDE)
    answer = localizers[True].locate(0 * elsewhere if blank else elsewhere)
    check(answer)
    assert not answer.resolved and answer.probability < 0.5


def test_half_of_a_photo_under_clouds(localizers):
    pose = Pose(204.6, 190.3, 140.0)
    photo = WAVES.shoot(pose, SIDE, SIDE)
    photo[: SIDE // 2] = 240
    answer = localizers[True].locate(photo)
    check(answer)
    assert away(answer.pose, pose)[0] < 0.2 and away(answer.pose, pose)[1] < 0.05
    assert answer.evidence.clear < 0.65 and answer.resolved


@pytest.mark.parametrize("cfg", [QUICK, SLOW], ids=["features", "search"])
def test_a_photo_as_large_as_the_substrate(tmp_path, cfg):
    reference = indexed(tmp_path, "small", WAVES.substrate(240, 240))
    for angle in (90.0, 30.0):
        pose = Pose(120.0, 120.0, angle)
        answer = Localizer([reference], cfg, 240).locate(WAVES.shoot(pose, 240, 240))
        check(answer)
        if answer.resolved:
            assert away(answer.pose, pose)[0] < 0.2


@pytest.mark.parametrize("cfg", [QUICK, SLOW], ids=["features", "search"])
@pytest.mark.parametrize("sides", [(100, 90), (40, 300)])
def test_a_photo_larger_than_the_substrate(tmp_path, cfg, sides):
    reference = indexed(tmp_path, "tiny", WAVES.substrate(*sides))
    pose = Pose(50.0, 45.0, 30.0)
    answer = Localizer([reference], cfg, SIDE).locate(WAVES.shoot(pose, SIDE, SIDE))
    check(answer)
    assert answer.stage == "none" or not answer.resolved or away(answer.pose, pose)[0] < 1


def test_a_substrate_of_next_to_nothing(tmp_path):
    reference = indexed(tmp_path, "dot", WAVES.substrate(20, 20))
    answer = Localizer([reference], QUICK, 1024).locate(np.zeros((1024, 1024, 3), np.uint8))
    assert not answer.resolved


@pytest.mark.parametrize("cfg", [QUICK, SLOW], ids=["features", "search"])
def test_the_reference_that_shows_the_photo_is_named(reference, tmp_path, cfg):
    pose = Pose(201.37, 191.81, 33.3)
    other = indexed(tmp_path, "other", Waves(5).substrate(*SIZE))
    photo = WAVES.shoot(pose, SIDE, SIDE)
    answer = Localizer([other, reference], cfg, SIDE).locate(photo)
    assert answer.reference == "ground" and answer.resolved
    assert away(answer.pose, pose)[0] < 0.1


def test_the_same_place_on_two_references_is_no_rival(reference, tmp_path):
    """A mosaic beside the substrate does not cost an answer its margin."""
    again = Reference(reference._store.with_name("ground.manifest.json"))
    photo = WAVES.shoot(Pose(201.37, 191.81, 33.3), SIDE, SIDE)
    alone = Localizer([reference], SLOW, SIDE).locate(photo)
    both = Localizer([reference, again], SLOW, SIDE).locate(photo)
    assert both.margin == pytest.approx(alone.margin, abs=0.02) and both.resolved


def test_several_threads_give_what_one_gives(reference):
    localizer = Localizer([reference], QUICK, SIDE)
    poses = [Pose(201.37, 191.81, 33.3), Pose(205.5, 187.25, 300.0), Pose(204.0, 190.0, 180.0)]
    photos = [WAVES.shoot(pose, SIDE, SIDE) for pose in poses]
    with ThreadPoolExecutor(3) as pool:
        side_by_side = list(pool.map(localizer.locate, photos))
    for one, photo in zip(side_by_side, photos, strict=True):
        other = localizer.locate(photo)
        assert (one.pose, one.evidence.score, one.probability) == (
            other.pose,
            other.evidence.score,
            other.probability,
        )
