"""What spoils photos: night, blur, rooms. Each is a function of a sound photo and a generator."""

from __future__ import annotations

import cv2
import numpy as np


def at_night(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a photo by moonlight: dark, blue, with little color and much noise (uint8)."""
    light = (rgb.astype(np.float32) / 255.0) ** 1.3
    grey = light.mean(axis=2, keepdims=True)
    dark = (grey + 0.35 * (light - grey)) * np.array([0.75, 0.85, 1.1], np.float32)
    dark *= rng.uniform(0.05, 0.16)
    noise = rng.uniform(0.008, 0.03) * rng.standard_normal(rgb.shape, dtype=np.float32)
    return _stored(dark + noise)


def blurred(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a photo out of focus, or taken with a moving hand (uint8)."""
    side = max(rgb.shape[:2])
    if rng.random() < 0.5:
        return cv2.GaussianBlur(rgb, (0, 0), side * rng.uniform(0.02, 0.045))
    length = max(5, round(side * rng.uniform(0.08, 0.18)))
    angle = np.pi * rng.random()
    kernel = np.zeros((length, length), np.float32)
    middle = (length - 1) / 2
    for at in np.linspace(-middle, middle, 4 * length):
        row, column = round(middle + at * np.sin(angle)), round(middle + at * np.cos(angle))
        kernel[row, column] += 1
    return cv2.filter2D(rgb, -1, kernel / kernel.sum(), borderType=cv2.BORDER_REPLICATE)


def indoors(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a photo of a room with a window that the photo is seen through (uint8)."""
    rows, columns = rgb.shape[:2]
    wall = np.array([0.62, 0.56, 0.47]) * rng.uniform(0.35, 0.75)
    floor = np.array([0.42, 0.29, 0.19]) * rng.uniform(0.35, 0.8)
    room = np.empty((rows, columns, 3), np.float32)
    room[:] = wall
    edge = round(rows * rng.uniform(0.72, 0.85))
    boards = 0.9 + 0.1 * np.sign(np.sin(np.linspace(0, 40, columns)))[None, :, None]
    room[edge:] = floor * boards
    wide, high = round(columns * rng.uniform(0.25, 0.42)), round(rows * rng.uniform(0.3, 0.42))
    left = round(rng.uniform(0.08, 0.92) * (columns - wide))
    top = round(rows * rng.uniform(0.12, 0.25))
    away = np.hypot(
        (np.arange(columns)[None] - left - wide / 2) / columns,
        (np.arange(rows)[:, None] - top - high / 2) / rows,
    )
    room *= (1.25 - np.clip(away, 0, 0.9))[..., None]
    frame = max(2, columns // 40)
    room[top - frame : top + high + frame, max(left - frame, 0) : left + wide + frame] = 0.75
    outside = cv2.resize(rgb, (wide, high), interpolation=cv2.INTER_AREA).astype(np.float32)
    room[top : top + high, left : left + wide] = np.clip(outside / 255.0 * 1.25, 0, 1)
    middle = left + wide // 2
    room[top : top + high, middle - frame // 2 : middle + frame // 2 + 1] = 0.72
    noise = 0.012 * rng.standard_normal(room.shape, dtype=np.float32)
    return _stored(cv2.GaussianBlur(room, (0, 0), 0.6) + noise)


def again(rgb: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the same photo cropped by a few pixels and scaled back (uint8)."""
    rows, columns = rgb.shape[:2]
    cut = rng.integers(0, max(2, columns // 40) + 1, 4)
    part = rgb[cut[0] : rows - cut[1], cut[2] : columns - cut[3]]
    return cv2.resize(part, (columns, rows), interpolation=cv2.INTER_LINEAR)


def _stored(image: np.ndarray) -> np.ndarray:
    return np.rint(255.0 * np.clip(image, 0.0, 1.0)).astype(np.uint8)
