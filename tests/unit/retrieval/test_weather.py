"""Weathers: pure functions of seed, name and weather, each doing what it is called for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from nadir.raster.noise import smooth_noise
from nadir.retrieval.weather import WEATHERS, apply_weather


def ground(seed: int = 0, rows: int = 128, columns: int = 128) -> np.ndarray:
    random = np.random.default_rng(seed)
    layers = [smooth_noise(random, (rows, columns), 6, 5) for _ in range(3)]
    grain = 12 * random.standard_normal((rows, columns, 1))
    return np.clip(110 + 45 * np.stack(layers, 2) + grain, 0, 255).astype(np.uint8)


def sharpness(picture: np.ndarray) -> float:
    return float(np.abs(np.diff(picture.astype(float).mean(2), axis=1)).mean())


def contrast(picture: np.ndarray) -> float:
    return float(picture.astype(float).mean(2).std())


@pytest.mark.parametrize("weather", WEATHERS)
def test_each_is_a_pure_function(weather: str) -> None:
    picture = ground()
    before = picture.copy()
    shown = apply_weather(picture, weather, seed=3, name="a")
    assert shown.dtype == np.uint8 and shown.shape == picture.shape
    np.testing.assert_array_equal(picture, before)
    np.testing.assert_array_equal(shown, apply_weather(picture, weather, seed=3, name="a"))
    if weather == "normal":
        np.testing.assert_array_equal(shown, picture)
        assert not np.shares_memory(shown, picture)
        return
    assert np.abs(shown.astype(int) - picture).mean() > 8
    for other in ({"seed": 3, "name": "b"}, {"seed": 4, "name": "a"}):
        assert (shown != apply_weather(picture, weather, **other)).mean() > 0.03


def test_ten_weathers_differ_from_each_other() -> None:
    assert len(WEATHERS) == 10
    shown = [apply_weather(ground(), weather, seed=0, name="a") for weather in WEATHERS]
    for one in range(10):
        for other in range(one):
            assert np.abs(shown[one].astype(int) - shown[other]).mean() > 4


def test_each_does_what_it_is_called_for() -> None:
    pictures = [ground(seed) for seed in range(6)]

    def mean_of(measure, weather: str) -> float:
        shown = [apply_weather(p, weather, seed=0, name=str(k)) for k, p in enumerate(pictures)]
        return float(np.mean([measure(picture) for picture in shown]))

    level, plain, crisp = (mean_of(m, "normal") for m in (np.mean, contrast, sharpness))
    assert mean_of(np.mean, "dark") < 0.5 * level
    assert mean_of(np.mean, "over-exposure") > 1.4 * level
    assert mean_of(contrast, "fog") < 0.7 * plain
    assert mean_of(contrast, "fog+rain") < 0.9 * plain
    assert mean_of(np.mean, "snow") > level
    assert mean_of(sharpness, "wind") < 0.5 * crisp
    assert mean_of(sharpness, "snow") > crisp  # flakes have edges


def test_places_stay_recognizable() -> None:
    """Under every weather a picture resembles its own ground more than other ground."""
    pictures = [ground(seed) for seed in range(6)]

    def look(picture: np.ndarray) -> np.ndarray:
        small = cv2.resize(
            picture.astype(np.float32).mean(2), (16, 16), interpolation=cv2.INTER_AREA
        )
        return (small - small.mean()).ravel() / small.std()

    for weather in WEATHERS:
        shown = [look(apply_weather(p, weather, seed=0, name="x")) for p in pictures]
        scores = np.stack(shown) @ np.stack([look(p) for p in pictures]).T
        assert (scores.argmax(1) == np.arange(6)).mean() >= 5 / 6, weather


@pytest.mark.parametrize("shape", [(64, 64), (300, 180), (17, 40)])
@pytest.mark.parametrize("weather", ["fog+snow", "rain", "wind", "over-exposure"])
def test_any_size(shape: tuple[int, int], weather: str) -> None:
    assert apply_weather(ground(1, *shape), weather, seed=0, name="a").shape == (*shape, 3)


def test_refuses_an_unknown_weather() -> None:
    with pytest.raises(ValueError, match="'hail' is no weather; there are normal, fog"):
        apply_weather(ground(), "hail", seed=0, name="a")
