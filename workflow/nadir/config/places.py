"""The configuration of simulated places for retrieval: seen by a drone and from above."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from nadir.config.base import ConfigModel


class PlacesConfig(ConfigModel):
    """Places of a world around single buildings, each seen by a circling drone and by satellite.

    Written in the layout of University-1652 (`retrieval.PlacesDataset.layout: university`).
    """

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of which buildings are taken and of how the drone flies."""

    train: int = Field(default=200, ge=0)
    """Places to train on."""

    test: int = Field(default=100, ge=0)
    """Places to rank."""

    distractors: int = Field(default=100, ge=0)
    """Places that are in the galleries only, on the ground of the test."""

    apart_m: float = Field(default=50.0, ge=5, le=5000)
    """Least distance between two places, in metres."""

    gap_m: float = Field(default=150.0, ge=0, le=10000)
    """Least distance between a place to train on and any other, in metres: places lie in square
    blocks of ground that belong to one split each, so far from their edges.
    """

    block_m: float = Field(default=640.0, ge=50, le=100000)
    """Side of these blocks in metres."""

    drone: int = Field(default=12, ge=1, le=999)
    """Images of each place by the drone, which circles it while it descends."""

    rounds: float = Field(default=2.6, ge=0, le=20)
    """How often it circles the place."""

    heights_m: tuple[float, float] = (45.0, 130.0)
    """Lowest and highest flight above the ground of the place, in metres."""

    distances_m: tuple[float, float] = (45.0, 90.0)
    """Distance from the place at the lowest and at the highest flight, in metres."""

    wander_m: float = Field(default=6.0, ge=0, le=50)
    """Root mean square of how far the drone is off its path, and looks beside the building."""

    view_deg: float = Field(default=50.0, ge=20, le=110)
    """Angle of view of the drone's camera in degrees."""

    image_px: int = Field(default=128, ge=32, le=2048)
    """Side of an image of the drone in pixels."""

    drone_season: Literal["april", "august"] = "august"
    """Season of the drone's flights."""

    drone_year: int = Field(default=2024, ge=2014, le=2024)
    """Year of the drone's flights."""

    satellite_px: int = Field(default=128, ge=32, le=2048)
    """Side of a satellite image in pixels."""

    satellite_resolution: float = Field(default=0.75, gt=0, le=5)
    """Size of its pixels in metres."""

    satellite_season: Literal["april", "august"] = "april"
    """Season of the satellite images."""

    satellite_year: int = Field(default=2020, ge=2014, le=2024)
    """Year of the satellite images."""

    change: float = Field(default=1.0, ge=0, le=2)
    """Strength of what changed between the years; a place's building stands in both."""

    quality: int = Field(default=92, ge=30, le=100)
    """Quality of the JPEG files."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.train + self.test:
            raise ValueError("give at least one place to train on or to rank")
        if self.distractors and not self.test:
            raise ValueError("distractors belong to a test: give at least one place to rank")
        for name in ("heights_m", "distances_m"):
            low, high = getattr(self, name)
            if not 20 <= low <= high <= 1000:
                raise ValueError(f"{name}: two lengths from 20 to 1000 m, the smaller one first")
        if self.gap_m < self.apart_m:
            raise ValueError("gap_m must be at least apart_m")
        if self.block_m < self.gap_m + self.apart_m:
            raise ValueError("block_m must exceed gap_m by at least apart_m")
        return self
