"""Several views of one window: turned, mirrored and rescaled; their answers are averaged."""

from __future__ import annotations

from dataclasses import dataclass

from nadir.config.experiments import PredictConfig
from nadir.tiles.augment import COUNT

_SYMMETRIES = {
    "none": (0,),
    "flips": (0, 4, 6, 2),  # as it is, mirrored both ways, and both at once
    "dihedral": tuple(range(COUNT)),
}


@dataclass(frozen=True)
class View:
    """How a window is shown to a model.

    Attributes:
        symmetry: One of the eight of `nadir.tiles.augment`.
        scale: Factor on the window's sides in pixels; above 1, things look larger.
    """

    symmetry: int = 0
    scale: float = 1.0


PLAIN = (View(),)
"""The window as it is, alone."""


def views_of(cfg: PredictConfig) -> tuple[View, ...]:
    """Return the views over which a prediction is averaged, always in the same order."""
    return tuple(View(turned, scale) for scale in cfg.scales for turned in _SYMMETRIES[cfg.tta])
