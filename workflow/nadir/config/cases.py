"""The configuration of a simulated localization case: a substrate and photos of one world."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nadir.config.base import ConfigModel


class CaseConfig(ConfigModel):
    """A substrate of one date, and photos of another, rendered from a world."""

    seed: int = Field(default=0, ge=0, lt=2**31)
    """Seed of where photos are taken, of what changed between the dates, and of their weather."""

    substrate_px: int = Field(default=2048, ge=256)
    """Side of the substrate in pixels, cut from the middle of the world."""

    resolution: float = Field(default=0.5, gt=0, le=5)
    """Size of a pixel of substrate and photos, in metres."""

    photo_px: int = Field(default=256, ge=64)
    """Side of a photo in pixels."""

    train: int = Field(default=80, ge=0)
    """Photos with known position."""

    test: int = Field(default=40, ge=0)
    """Photos to locate."""

    substrate_season: Literal["april", "august"] = "april"
    """Season of the substrate."""

    photo_season: Literal["april", "august"] = "august"
    """Season of the photos, some years later."""

    change: float = Field(default=1.0, ge=0, le=2)
    """Strength of what changed between the dates: built and felled, crops, single trees; 0: nothing
    but season, sun and weather.
    """

    cloudy: float = Field(default=0.4, ge=0, le=1)
    """Share of the photos with clouds."""

    cloud_cover: tuple[float, float] = (0.0, 0.8)
    """Least and largest share of a cloudy photo that clouds cover."""

    misregistration_px: float = Field(default=1.5, ge=0, le=20)
    """Root mean square of the smooth displacement between the dates, in pixels."""

    scale: float = Field(default=0.0, ge=0, le=0.5)
    """Largest relative deviation of a photo's scale from the substrate's."""

    tilt_deg: float = Field(default=0.0, ge=0, le=15)
    """Largest deviation of a photo's axis from the vertical, in degrees."""
