import numpy as np
import pytest

from nadir.localization.pose import Pose
from nadir.localization.ransac import ransac
from nadir.localization.voting import Correspondences, vote

SIDE, WIDTH, HEIGHT = 4000, 640, 480


def made(pose, right, wrong, noise=0.0, seed=0):
    """Return correspondences of which `right` agree with a pose, and the rest with nothing."""
    rng = np.random.default_rng(seed)
    count = right + wrong
    photo = rng.uniform((0, 0), (WIDTH, HEIGHT), (count, 2))
    reference = rng.uniform(0, SIDE, (count, 2))
    matrix = pose.matrix(WIDTH, HEIGHT)
    reference[:right] = photo[:right] @ matrix[:, :2].T + matrix[:, 2]
    reference[:right] += rng.normal(0, noise, (right, 2)) if noise else 0
    turn = rng.uniform(0, 360, count)
    turn[:right] = (pose.angle + rng.normal(0, 3, right)) % 360
    growth = np.exp(rng.normal(0, 0.6, count))
    growth[:right] = pose.scale * np.exp(rng.normal(0, 0.08, right))
    ratio = rng.uniform(0.8, 1.0, count)
    order = rng.permutation(count)
    return Correspondences(photo[order], reference[order], turn[order], growth[order], ratio[order])


def error(found, pose):
    turned = abs(found.angle - pose.angle) % 360
    return np.hypot(found.x - pose.x, found.y - pose.y), min(turned, 360 - turned)


@pytest.mark.parametrize("angle", [0.0, 3.0, 119.0, 180.0, 269.9, 359.5])
def test_finds_few_right_ones_among_thousands(angle):
    pose = Pose(1234.5, 2345.25, angle)
    found = vote(made(pose, 20, 3000), WIDTH, HEIGHT)
    distance, turned = error(found.pose, pose)
    assert distance < 0.1
    assert turned < 0.02
    assert found.pose.scale == pytest.approx(1, abs=1e-12)
    assert 18 <= found.inliers <= 24  # a chance match may agree, two right ones may be one place
    assert found.runner_up_inliers < 8


def test_ratio_test_and_ransac_do_not():
    matches = made(Pose(1234.5, 2345.25, 30.0), 20, 3000)
    assert ransac(matches, WIDTH, HEIGHT, ratio=0.8) is None


def test_says_what_it_does_not_know():
    pose = Pose(1000.0, 1500.0, 77.0)
    pulls = []
    for seed in range(60):
        found = vote(made(pose, 60, 300, noise=1.0, seed=seed), WIDTH, HEIGHT)
        angle = (found.pose.angle - pose.angle + 180) % 360 - 180
        deviation = np.array([found.pose.x - pose.x, found.pose.y - pose.y, angle])
        pulls.append(deviation / np.sqrt(np.diag(found.covariance)))
    spread = np.std(pulls, axis=0)
    assert ((spread > 0.75) & (spread < 1.35)).all()


def test_covariance_is_that_of_least_squares():
    # Inliers in one half of the photo: center and angle depend on each other.
    pose = Pose(2000.0, 2000.0, 0.0)
    matches = made(pose, 400, 0, noise=0.5)
    half = matches.take(matches.photo[:, 0] > WIDTH / 2)
    covariance = vote(half, WIDTH, HEIGHT).covariance
    arm = half.photo - (WIDTH / 2, HEIGHT / 2)
    rows = []
    for x, y in arm:
        rows += [[1, 0, -np.deg2rad(y)], [0, 1, np.deg2rad(x)]]
    expected = 0.25 * np.linalg.inv(np.array(rows).T @ np.array(rows))
    assert covariance == pytest.approx(expected, rel=0.35, abs=2e-6)
    assert covariance[1, 2] < 0


def test_strays_near_the_tolerance_do_not_pull():
    pose = Pose(1500.0, 1500.0, 200.0)
    clean, bent = made(pose, 60, 0, noise=0.3), made(pose, 60, 0, noise=0.3)
    bent.reference[:12] += (6.0, 0.0)
    one, other = vote(clean, WIDTH, HEIGHT), vote(bent, WIDTH, HEIGHT)
    assert error(other.pose, one.pose)[0] < 0.15


def test_known_scale_shuts_other_scales_out():
    pose = Pose(1500.0, 1500.0, 200.0, 1.15)
    matches = made(pose, 80, 200)
    free = vote(matches, WIDTH, HEIGHT, scale_range=0.25)
    assert error(free.pose, pose)[0] < 0.1
    assert free.pose.scale == pytest.approx(1.15, abs=1e-4)
    fixed = vote(matches, WIDTH, HEIGHT)
    assert fixed is None or fixed.inliers < free.inliers / 2
    bounded = vote(matches, WIDTH, HEIGHT, scale_range=0.05)
    assert bounded is None or bounded.pose.scale <= 1.05 + 1e-9
    known = vote(matches, WIDTH, HEIGHT, scale=1.15)
    assert error(known.pose, pose)[0] < 0.1


def test_many_features_at_one_place_are_one_witness():
    pose = Pose(1500.0, 1500.0, 45.0)
    matches = made(pose, 15, 0)
    doubled = Correspondences(*(np.concatenate([values] * 5) for values in vars(matches).values()))
    assert vote(doubled, WIDTH, HEIGHT).inliers == vote(matches, WIDTH, HEIGHT).inliers <= 15


def test_runner_up_is_the_second_place():
    one, other = (
        made(Pose(1000.0, 1000.0, 10.0), 40, 0),
        made(Pose(3000.0, 2500.0, 99.0), 25, 0, seed=1),
    )
    both = Correspondences(
        *(
            np.concatenate([first, second])
            for first, second in zip(vars(one).values(), vars(other).values(), strict=True)
        )
    )
    found = vote(both, WIDTH, HEIGHT)
    assert error(found.pose, Pose(1000.0, 1000.0, 10.0))[0] < 0.1
    assert found.inliers >= 38
    assert 23 <= found.runner_up_inliers <= 25


def test_center_may_lie_outside_the_reference():
    pose = Pose(-60.0, -20.0, 30.0)
    assert error(vote(made(pose, 30, 500), WIDTH, HEIGHT).pose, pose)[0] < 0.1


def test_no_agreement_is_no_answer():
    nothing = made(Pose(0, 0, 0), 0, 0)
    assert vote(nothing, WIDTH, HEIGHT) is None
    assert ransac(nothing, WIDTH, HEIGHT) is None
    assert vote(made(Pose(0, 0, 0), 0, 4), WIDTH, HEIGHT) is None


def test_same_matches_give_the_same_answer():
    matches = made(Pose(1000.0, 1000.0, 10.0), 30, 2000, noise=1.0)
    one, other = vote(matches, WIDTH, HEIGHT), vote(matches, WIDTH, HEIGHT)
    assert one.pose == other.pose
    assert np.array_equal(one.covariance, other.covariance)


def test_ransac_finds_what_stands_out():
    pose = Pose(1234.5, 2345.25, 301.0)
    matches = made(pose, 60, 60, noise=0.2)
    matches.ratio[:] = 0.5
    found = ransac(matches, WIDTH, HEIGHT)
    distance, turned = error(found.pose, pose)
    assert distance < 0.3
    assert turned < 0.05
    assert found.inliers >= 55
    assert found.runner_up_inliers < 6
    assert found.pose == ransac(matches, WIDTH, HEIGHT).pose
