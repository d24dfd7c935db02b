import cv2
import numpy as np
from textures import ground, shoot

from nadir.localization.gains import Thumbnail, compare_photos
from nadir.localization.pose import Pose
from nadir.localization.turning import reduce

SIDE, PHOTO, CELL = 768, 256, 8


def thumbnails(count=24, seed=0, gains=None, spoil=None):
    """Return thumbnails of photos of one picture, each multiplied by its gains."""
    picture = cv2.GaussianBlur(ground(SIDE, seed), (0, 0), 4)
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        x, y = rng.uniform(PHOTO / 2, SIDE - PHOTO / 2, 2)
        pose = Pose(float(x), float(y), float(rng.uniform(0, 360)))
        photo = shoot(picture, pose, PHOTO, PHOTO).astype(float)
        if gains is not None:
            photo = photo * gains[index]
        if spoil is not None:
            photo = spoil(index, photo)
        photo = np.clip(np.round(photo), 0, 255).astype(np.uint8)
        clear = np.ones((32, 32), np.float32)
        made.append(Thumbnail(reduce(photo, CELL), clear, pose, PHOTO, PHOTO))
    return made


def test_gains_undo_what_made_photos_differ():
    made = np.random.default_rng(1).uniform(0.8, 1.25, (24, 3))
    found = compare_photos(thumbnails(gains=made), SIDE, SIDE, CELL).gains
    left = np.log(found * made)
    left -= left.mean(0)
    before = np.log(made) - np.log(made).mean(0)
    assert left.std() < 0.15 * before.std()
    assert np.abs(np.log(found).mean(0)).max() < 0.02  # as a whole neither brighter nor darker


def test_equal_photos_stay_as_they_are():
    found = compare_photos(thumbnails(), SIDE, SIDE, CELL)
    assert np.abs(np.log(found.gains)).max() < 0.02
    agreement = np.concatenate([one.ravel() for one in found.agreement])
    assert np.quantile(agreement, 0.02) > 0.9


def test_a_veil_over_one_photo_is_doubted_there():
    def spoil(index, photo):
        if index == 3:
            photo[:, :80] = 0.15 * photo[:, :80] + 0.85 * 240
        return photo

    found = compare_photos(thumbnails(60, spoil=spoil), SIDE, SIDE, CELL)
    agreement = found.agreement[3]
    assert agreement.shape == (32, 32)
    assert agreement[4:-4, 1:8].mean() < 0.3
    assert agreement[4:-4, 13:30].mean() > 0.8
    assert np.mean([one.mean() for one in found.agreement[4:]]) > 0.9
    assert np.abs(np.log(found.gains[3])).max() < 0.08


def test_photos_alone_or_outside_keep_their_brightness():
    one = thumbnails(1)[0]
    outside = Thumbnail(one.rgb, one.clear, Pose(-5000.0, 0.0, 10.0), PHOTO, PHOTO)
    found = compare_photos([one, outside], SIDE, SIDE, CELL)
    assert np.abs(found.gains - 1).max() < 1e-3
    assert all((agreement > 0.99).all() for agreement in found.agreement)
