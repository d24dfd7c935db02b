"""The configuration of simulated photos from the ground."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from nadir.config.base import ConfigModel

NUISANCES = ("night", "blurred", "indoor", "far", "season", "duplicate")
"""What is wrong with some of the photos, in the order in which photos are chosen for it."""


class ViewsConfig(ConfigModel):
    """Photos of a world from eye height, with coordinates, and a satellite crop of each place."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of where, when and in which weather photos are taken, and of what is wrong with some."""

    n: int = Field(default=400, ge=1, le=1_000_000)
    """Number of photos, the faulty ones included."""

    image_px: int = Field(default=128, ge=32, le=2048)
    """Side of a photo in pixels."""

    view_deg: float = Field(default=75.0, ge=20, le=110)
    """Angle of view in degrees."""

    eye_height_m: float = Field(default=1.7, ge=0.5, le=30)
    """Height of the camera above the ground in metres."""

    visibility_m: tuple[float, float] = (2500.0, 14000.0)
    """Haziest and clearest air: distance at which a third of the contrast is left."""

    clouds: tuple[float, float] = (0.0, 0.75)
    """Least and largest share of the sky under clouds."""

    season: Literal["april", "august"] = "august"
    """Season of the photos."""

    year: int = Field(default=2024, ge=2014, le=2024)
    """Year of the photos."""

    unknown_heading: float = Field(default=0.3, ge=0, le=1)
    """Share of the photos whose direction is not recorded."""

    crop_px: int = Field(default=128, ge=16, le=2048)
    """Side of a satellite crop in pixels."""

    crop_resolution: float = Field(default=1.0, gt=0, le=10)
    """Size of its pixels in metres."""

    crop_season: Literal["april", "august"] = "april"
    """Season of the crops."""

    crop_year: int = Field(default=2020, ge=2014, le=2024)
    """Year of the crops."""

    change: float = Field(default=1.0, ge=0, le=2)
    """Strength of what changed between the years."""

    heading_up: bool = False
    """Whether crops are written turned as well, the direction of view upwards."""

    night: float = Field(default=0.04, ge=0, le=1)
    """Share of the photos taken at night."""

    blurred: float = Field(default=0.04, ge=0, le=1)
    """Share of the photos that are blurred."""

    indoor: float = Field(default=0.04, ge=0, le=1)
    """Share of the photos that show a room, and the place through its window at most."""

    far: float = Field(default=0.03, ge=0, le=1)
    """Share of the photos whose coordinates lie outside the world."""

    off_season: float = Field(default=0.04, ge=0, le=1)
    """Share of the photos of the other season."""

    duplicate: float = Field(default=0.04, ge=0, le=1)
    """Share of the photos that are another one again: cropped a little, and compressed anew."""

    quality: int = Field(default=92, ge=30, le=100)
    """Quality of the JPEG files."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the photos."""
        return tuple(f"view_{number:04d}" for number in range(1, self.n + 1))

    @property
    def counts(self) -> dict[str, int]:
        """How many photos have each fault, by the names of `NUISANCES`."""
        shares = (self.night, self.blurred, self.indoor, self.far, self.off_season, self.duplicate)
        return {name: round(share * self.n) for name, share in zip(NUISANCES, shares, strict=True)}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(self.counts.values()) >= self.n:
            raise ValueError(
                "at least one photo must be sound: lower the shares of the faulty ones"
            )
        for name, least, most in (("visibility_m", 100, 1e5), ("clouds", 0, 1)):
            low, high = getattr(self, name)
            if not least <= low <= high <= most:
                raise ValueError(f"{name}: two numbers from {least:g} to {most:g}, in order")
        return self
