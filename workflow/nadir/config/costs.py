"""The configuration's section of what computing costs."""

from __future__ import annotations

from pydantic import Field

from nadir.config.base import ConfigModel


class CostConfig(ConfigModel):
    """What computing costs, for `results/cost.html`; nothing else is made again when it changes."""

    price_per_core_hour: float | None = Field(default=None, ge=0)
    """Price of one core for one hour; null: no prices."""
    price_per_kwh: float | None = Field(default=None, ge=0)
    """Price of the energy that GPUs took, per kWh; null: no prices."""
    currency: str = Field(default="EUR", min_length=1, max_length=8)
    """What prices are in."""
