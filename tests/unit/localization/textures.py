"""Made ground, and photos of it with known pose."""

import cv2
import numpy as np

from nadir.localization.pose import Pose, index_matrix


def ground(side, seed=0, finest=4):
    """Return (side, side, 3) uint8: noise of many octaves, with roofs and roads on it."""
    rng = np.random.default_rng([seed, 0])
    total = np.zeros((side, side, 3), np.float32)
    step = side // 4
    while step >= finest:
        cells = side // step + 3
        noise = rng.standard_normal((cells, cells, 3)).astype(np.float32)
        noise = 0.6 * noise.mean(2, keepdims=True) * 1.7 + 0.4 * noise
        grown = cv2.resize(noise, (cells * step, cells * step), interpolation=cv2.INTER_CUBIC)
        total += grown[:side, :side] * step**0.35
        step //= 2
    total = 110 + 28 * total / total.std()
    for _ in range(side * side // 6000):
        at, size = rng.uniform(0, side, 2), rng.uniform(6, 30, 2)
        box = cv2.boxPoints((tuple(at), tuple(size), rng.uniform(0, 180)))
        color = rng.uniform(30, 230, 3)
        cv2.fillPoly(total, [np.round(box * 16).astype(np.int32)], color.tolist(), cv2.LINE_AA, 4)
    # No lens shows finer detail than this: edges that a warp can carry.
    return np.clip(np.round(cv2.GaussianBlur(total, (0, 0), 1.0)), 0, 255).astype(np.uint8)


def shoot(picture, pose, width, height):
    """Return what a photo with this pose shows of a picture."""
    return cv2.warpAffine(
        picture,
        index_matrix(pose.matrix(width, height)),
        (width, height),
        flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT,
    )


def random_pose(side, reach, seed, scale=1.0):
    """Return a pose whose photo of half-diagonal `reach` lies inside a square picture."""
    rng = np.random.default_rng([seed, 1])
    x, y = rng.uniform(reach, side - reach, 2)
    return Pose(float(x), float(y), float(rng.uniform(0, 360)), scale)


def pose_error(one, other):
    """Return (distance in pixels, angle in degrees) between two poses."""
    turned = abs(one.angle - other.angle) % 360
    return float(np.hypot(one.x - other.x, one.y - other.y)), min(turned, 360 - turned)
