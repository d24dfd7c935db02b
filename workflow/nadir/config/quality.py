"""How far a map may be trusted: calibration, conformal sets, generalization, evaluation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nadir.config.base import ConfigModel, Name

RESAMPLES = 2000
"""How often blocks are drawn, unless the configuration says otherwise."""


class ConformalConfig(ConfigModel):
    """Sets of classes that hold the true one with a promised probability (split conformal)."""

    method: Literal["lac", "aps"] = "lac"
    """`lac`: every class that is probable enough, the smallest sets on average (Sadinle et al.
    2019); `aps`: the most probable classes until they add up to enough, sets that grow where the
    model is unsure (Romano et al. 2020).
    """
    coverage: float = Field(default=0.9, gt=0, lt=1)
    """The promise: share of pixels whose set holds the true class."""
    exchangeable: Literal["blocks", "pixels"] = "blocks"
    """What new ground resembles. Neighboring pixels err together: `blocks` promises for a pixel of
    a block never seen, each block counting alike (Dunn et al. 2023); `pixels` takes every pixel
    for an independent witness, and promises too much where there are few blocks.
    """
    level: Literal["cross_validated", "guaranteed"] = "cross_validated"
    """What a promise for blocks is worth. `cross_validated`: on average over worlds it is kept, as
    it would have been on each block of the split with the threshold of the others; `guaranteed`: at
    least the promise, whatever the blocks are, with one more standing for the block to come (Dunn
    et al. 2023); with forty blocks sets then hold the truth some two points more often than asked.
    """
    block: int | None = Field(default=None, ge=8)
    """Side of those blocks in pixels; by default that of the dataset's largest tile. A block of the
    split, which holds several, would be one draw; few validations have enough of those to promise
    anything.
    """
    at_least_one: bool = True
    """Put the most probable class into every set. Where the model alone is right more often than
    promised, sets then keep more than the promise; without, some are empty.
    """


class CalibrationConfig(ConfigModel):
    """Probabilities that mean what they say: fitted on the validation ground."""

    pixels: int = Field(default=400_000, ge=1000)
    """Most pixels to fit on, drawn evenly over the validation ground."""
    bins: int = Field(default=15, ge=5, le=100)
    """Bins of confidence in the expected calibration error (Guo et al. 2017)."""
    conformal: ConformalConfig = ConformalConfig()
    """Class sets."""


class GeneralizeConfig(ConfigModel):
    """Tidying of the map's classes after prediction."""

    smooth: int = Field(default=0, ge=0, le=16)
    """Radius in pixels of a majority filter that smooths borders; 0 leaves them."""
    min_area: float = Field(default=0.0, ge=0)
    """Minimum mapping unit in square metres: smaller patches (pixels that share a side) go to the
    neighbor with which they share the longest border.
    """


class PolygonConfig(ConfigModel):
    """The map as polygons (`polygons.gpkg`)."""

    simplify: float = Field(default=0.0, ge=0, le=10)
    """Tolerance in pixels within which borders are simplified; neighbors keep a common border."""
    min_area: float = Field(default=0.0, ge=0)
    """Patches below so many square metres are left out; see `generalize` for merging them."""


class EnsembleConfig(ConfigModel):
    """Several experiments, or seeds of one, that answer together: their probabilities' mean."""

    members: tuple[Name, ...] = Field(min_length=2)
    """Names of experiments that are trained on the same datasets."""


class AreaConfig(ConfigModel):
    """Area of each class with an interval, from the map and a sample of the truth."""

    design: Literal["blocks", "pixels"] = "blocks"
    """`blocks`: every labelled pixel of the held-out blocks, each block one draw, so that the
    interval knows that neighbors err together; `pixels`: a random sample of labelled pixels of the
    whole scene, stratified by the map (Olofsson et al. 2014); it gives user's and producer's
    accuracy with standard errors as well.
    """
    sample: int = Field(default=1000, ge=50)
    """Pixels drawn for `pixels`."""
    least: int = Field(default=50, ge=2)
    """Least pixels drawn in each class of the map, where it has as many."""
    level: float = Field(default=0.95, gt=0.5, lt=1)
    """Confidence of the intervals."""


class QualityConfig(ConfigModel):
    """What is looked at beyond one score."""

    bins: int = Field(default=15, ge=5, le=100)
    """Bins of the reliability diagram."""
    block: int | None = Field(default=None, ge=8)
    """Side in pixels of the squares that are scored one by one and shown on the map of scores; by
    default that of the dataset's largest tile. Intervals draw blocks of the split as wholes, and
    such squares only where the split has no blocks. Experiments are compared on equal squares.
    """
    boundary: int = Field(default=2, ge=1, le=32)
    """Width in pixels of the band along borders in boundary IoU (Cheng et al. 2021)."""
    distances: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(1, 2, 4, 8), min_length=1)
    """Edges, in pixels, of the classes of distance to the nearest border of the truth."""
    purities: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        default=(0.5, 0.75, 0.95, 1.0), min_length=1
    )
    """Edges of the classes of purity: share of a pixel's ground that its main class covers."""
    resamples: int = Field(default=RESAMPLES, ge=100)
    """Resamples of blocks in the comparison of two experiments, and the least number of swaps; the
    most that any experiment of the job asks for. More pairs have more swaps.
    """
    worst: int = Field(default=6, ge=1, le=24)
    """Tiles in the gallery of the worst."""
    area: AreaConfig = AreaConfig()
    """Area of each class."""
