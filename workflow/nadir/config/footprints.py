"""How footprints of buildings are drawn out of a map of probabilities."""

from __future__ import annotations

from pydantic import Field

from nadir.config.base import ConfigModel


class FootprintConfig(ConfigModel):
    """From probabilities to polygons with right angles, where the roofs have them."""

    min_area: float = Field(default=6.0, ge=0)
    """Least area of a building, in square metres; what is smaller is left out."""
    min_hole: float = Field(default=12.0, ge=0)
    """Least area of a courtyard, in square metres; smaller holes are filled."""
    split: float = Field(default=0.8, ge=0, le=1)
    """Roofs that touch are parted where the valley between two cores reaches at most this share of
    the lesser core: in how far its probability lies above the threshold, times the root of its
    width. 0 never parts, 1 parts at every narrowing.
    """
    simplify: float = Field(default=1.5, gt=0)
    """How far a simplified outline may lie from the traced one, in pixels."""
    regularize: bool = True
    """Whether outlines get right angles; the others are simplified only."""
    snap: float = Field(default=22.5, gt=0, lt=45)
    """Edges within this angle of the building's main axes are laid parallel to them, in degrees."""
    min_rectilinear: float = Field(default=0.7, ge=0, le=1)
    """Least share of the outline's length that must lie along two axes at right angles; round and
    oblique buildings have less and keep their shape.
    """
    min_iou: float = Field(default=0.85, ge=0, le=1)
    """Least intersection over union of the regularized with the traced outline."""
    nominal_pixel: float = Field(default=0.3, gt=0)
    """Size of a pixel in metres for `min_area` and `min_hole` where an image has no georeference.
    """
