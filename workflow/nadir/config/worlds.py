"""The configuration of a simulated world."""

from __future__ import annotations

from pydantic import Field, field_validator

from nadir.config.base import ConfigModel


class WorldConfig(ConfigModel):
    """A procedural world: the same seed, extent and settings give the same bytes everywhere."""

    seed: int = Field(default=1, ge=0, lt=2**31)
    """Seed of everything in the world: terrain, land cover, sensors, clouds and label noise."""

    width_km: float = Field(default=10.24, ge=0.5, le=1000)
    """Extent from west to east in km; a multiple of 0.02 (two pixels of 10 m)."""

    height_km: float = Field(default=10.24, ge=0.5, le=1000)
    """Extent from north to south in km; a multiple of 0.02 (two pixels of 10 m)."""

    crs: str = "EPSG:32631"
    """Projected coordinate system of the products, in metres."""

    origin: tuple[float, float] = (240000.0, 4780000.0)
    """Easting and northing of the upper-left corner in metres."""

    relief_m: float = Field(default=1500.0, ge=0, le=8000)
    """Height of the highest summits in metres; worlds under 10 km are scaled down in proportion."""

    sea_share: float = Field(default=0.04, ge=0, le=0.6)
    """Share of the extent that lies beyond the coast, in the south-east; 0 for an inland world."""

    cloud_share: float = Field(default=0.03, ge=0, le=0.9)
    """Approximate share of each date that opaque clouds cover; each casts a shadow."""

    snow: bool = True
    """Whether the highest ground lies under snow in April."""

    swath_edge: bool = True
    """Whether the August scene ends at the edge of the swath, in the north-east (no data beyond).
    """

    unmapped_corner: bool = True
    """Whether the mask ends at the border of the mapped region, in the south-west (0 beyond)."""

    variation: float = Field(default=1.0, ge=0, le=4)
    """Strength of the spectral differences between parcels, stands and roofs of one material."""

    drift: float = Field(default=1.0, ge=0, le=4)
    """Strength of the slow regional changes of soils, phenology and moisture (over some 2 km)."""

    texture: float = Field(default=1.0, ge=0, le=4)
    """Strength of the changes of vigor, moisture and brightness within a parcel or a stand, over
    some 20 m.
    """

    sensor_noise: float = Field(default=1.0, ge=0, le=20)
    """Strength of the sensor's noise; 1 is about 0.002 in reflectance."""

    courtyards: float = Field(default=0.0, ge=0, le=1)
    """Share of the blocks of towns that one building around a courtyard fills, if it has room."""

    label_noise_m: float = Field(default=4.0, ge=0, le=12)
    """Typical displacement of the mask's boundaries against the ground, in metres."""

    @field_validator("width_km", "height_km")
    @classmethod
    def _whole_pixels(cls, value: float) -> float:
        if abs(value * 50 - round(value * 50)) > 1e-6:
            raise ValueError("use a multiple of 0.02 km, so that the 20 m bands have whole pixels")
        return value

    @property
    def width(self) -> int:
        """Columns of the 10 m grid."""
        return 2 * round(self.width_km * 50)

    @property
    def height(self) -> int:
        """Rows of the 10 m grid."""
        return 2 * round(self.height_km * 50)
