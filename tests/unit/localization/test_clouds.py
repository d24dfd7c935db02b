import cv2
import numpy as np
import pytest
from textures import ground

from nadir.localization.clouds import clear_weight, cloud_share


def cover(side, seed):
    """Return a soft cover (side, side), 0 to 1, of about a third of the picture."""
    noise = np.random.default_rng(seed).standard_normal((6, 6)).astype(np.float32)
    grown = cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.clip(3 * (grown - np.quantile(grown, 0.66)) / grown.std(), 0, 1)


def clouded(picture, alpha, white=(228, 232, 236)):
    veil = alpha[:, :, None]
    return np.round(picture * (1 - veil) + np.array(white) * veil).astype(np.uint8)


@pytest.mark.parametrize("side", [128, 256, 512])
def test_clouds_weigh_little_and_ground_much(side):
    alpha = cover(side, 1)
    weight = clear_weight(clouded(ground(side, 2), alpha))
    assert weight.shape == (side, side) and weight.dtype == np.float32
    assert weight.min() >= 0 and weight.max() <= 1
    away = cv2.dilate((alpha > 0).astype(np.uint8), np.ones((side // 16, side // 16))) == 0
    assert weight[alpha > 0.95].mean() < 0.15
    assert weight[away].mean() > 0.9


def test_share_is_that_of_the_made_clouds():
    alpha = cover(256, 3)
    share = cloud_share(clouded(ground(256, 4), alpha))
    assert share == pytest.approx((alpha > 0.5).mean(), abs=0.08)
    assert cloud_share(ground(256, 4)) < 0.03
    assert cloud_share(np.full((64, 64, 3), 235, np.uint8)) > 0.98


def test_bright_ground_is_no_cloud_where_it_has_color_or_grain():
    rng = np.random.default_rng(5)
    sand = np.clip(np.array([225, 195, 150]) + rng.normal(0, 5, (128, 128, 1)), 0, 255)
    gravel = np.clip(190 + rng.normal(0, 40, (128, 128, 1)).repeat(3, 2), 0, 255)
    for bright in (sand, gravel):
        assert clear_weight(bright.astype(np.uint8)).mean() > 0.8


def test_soft_shadows_weigh_a_little_less():
    picture = ground(256, 6)
    shade = 1 - 0.7 * cover(256, 7)
    weight = clear_weight(np.round(picture * shade[:, :, None]).astype(np.uint8))
    deep, light = weight[shade < 0.35].mean(), weight[shade > 0.99].mean()
    assert 0.6 < deep < light
    assert light > 0.85


def test_weights_turn_with_the_picture():
    photo = clouded(ground(192, 8), cover(192, 9))
    turned = np.ascontiguousarray(np.rot90(photo))
    assert np.abs(np.rot90(clear_weight(photo)) - clear_weight(turned)).max() < 1e-3
