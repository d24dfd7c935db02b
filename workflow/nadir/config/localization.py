"""Localization: what a case is made of, and the methods that locate its photos."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from nadir.config.base import ConfigModel, Name
from nadir.config.cases import CaseConfig

PROPOSED = 5
"""Proposed places that are looked at for a photo, by default."""


class CaseDataset(ConfigModel):
    """A substrate and its photos: a folder in the case's layout, or a simulated world."""

    world: Name | None = None
    """A simulated world of the section `worlds`, photographed as `simulate` says."""
    simulate: CaseConfig = CaseConfig()
    """The simulated case; only with `world`."""
    folder: str | None = None
    """A folder with `train/img`, `train/json`, `test` (or `test/img`), and the substrate."""
    substrate: str | None = None
    """The substrate, georeferenced or not; by default `original.tiff` in the folder."""
    truth: str | None = None
    """A folder of JSON files with the positions of the test photos, where they are known; used for
    nothing but scores.
    """
    dates: str | None = None
    """A csv file with the columns `photo` and `date`: photos of one date make one mosaic; by
    default all are of one date.
    """
    validation: float = Field(default=0.2, ge=0.0, lt=1)
    """Share of the located photos that no mosaic and no training sees: scores and confidence are
    measured on them.
    """
    seed: int = Field(default=0, ge=0)
    """Seed of which photos these are."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if bool(self.world) == bool(self.folder):
            raise ValueError("give exactly one of world and folder")
        if self.world and (self.substrate or self.truth or self.dates):
            raise ValueError("a simulated case has its own substrate, truth and dates")
        return self


class SearchConfig(ConfigModel):
    """How the localiser searches."""

    rotation_step: float = Field(default=5.0, gt=0, le=30)
    """Step of the coarse search over directions, in degrees."""
    scale_range: float = Field(default=0.0, ge=0, le=0.5)
    """Largest relative deviation of a photo's scale from the substrate's; 0 takes it as known."""
    candidates: int = Field(default=10, ge=2)
    """Places that are looked at closely."""
    sift: bool = True
    """Whether a fast pass over local features comes first, and ends the search where it is sure."""
    joint: bool = True
    """Whether overlapping photos are located together: a sure one fixes its neighbours."""
    precision: float = Field(default=0.995, gt=0.5, lt=1)
    """Least probability of being right; answers below are flagged as unresolved."""


class DescriptorConfig(ConfigModel):
    """A small network trained from located photos and from the substrate itself."""

    steps: int = Field(default=300, ge=0)
    """Training steps; 0 searches with gradient-orientation channels, which need no training."""
    batch_size: int = Field(default=6, ge=2)
    """Pairs a step; each is also a negative for the others."""
    channels: int = Field(default=16, ge=4)
    """Numbers that describe a cell."""
    width: int = Field(default=16, ge=8)
    """Channels of the first layer."""
    learning_rate: float = Field(default=3e-3, gt=0)
    """Initial learning rate; it falls to zero along a cosine."""
    seed: int = Field(default=0, ge=0)
    """Seed of weights and samples; combined with the configuration's seed."""


class ProposalsConfig(ConfigModel):
    """Places that a retrieval proposes: what it finds first among tiles of the substrate."""

    dataset: Name
    """A dataset of the section `retrieval` with this `case`."""
    experiment: Name
    """An experiment of that section that is trained on it."""
    count: int = Field(default=PROPOSED, ge=1, le=100)
    """Tiles a photo, the best first."""


class Localiser(ConfigModel):
    """nadir's own: references, fast pass, search over rotations, refinement, joint reasoning."""

    name: Literal["localiser"] = "localiser"
    pool: bool = True
    """Whether mosaics of the located photos are references beside the substrate."""
    search: SearchConfig = SearchConfig()
    """How to search."""
    descriptor: DescriptorConfig = DescriptorConfig()
    """What to search with."""
    proposals: ProposalsConfig | None = None
    """Where else to look closely: near tiles that a retrieval proposes. None by default."""


class SiftRansac(ConfigModel):
    """SIFT, ratio test and RANSAC over similarities on the substrate: the classical baseline."""

    name: Literal["sift_ransac"] = "sift_ransac"
    pool: bool = False
    """As for `localiser`."""
    ratio: float = Field(default=0.8, gt=0, le=1)
    """Largest ratio of the distances to the nearest and the second nearest feature."""
    clahe: bool = False
    """Whether contrast is equalized locally first."""


class SiftVoting(ConfigModel):
    """SIFT with local contrast equalization, and votes for direction and center at known scale."""

    name: Literal["sift_voting"] = "sift_voting"
    pool: bool = False
    """As for `localiser`."""


class Regression(ConfigModel):
    """A convolutional network that guesses corners' midpoint, extent and angle from the photo."""

    name: Literal["regression"] = "regression"
    encoder: str = "resnet50"
    """Encoder by name (torchvision's or `tu-NAME` for timm's)."""
    weights: str | None = None
    """`imagenet`, a file (.safetensors), or null for none."""
    head_only: bool = True
    """Whether only the last layer is trained."""
    size: int = Field(default=224, ge=32)
    """Side in pixels to which photos are resized."""
    epochs: int = Field(default=15, ge=1)
    """Passes over the training photos."""
    batch_size: int = Field(default=16, ge=1)
    """Photos a step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Learning rate of Adam."""
    crops: int = Field(default=0, ge=0)
    """Crops cut from the substrate an epoch as extra training photos."""
    test_time_augmentation: bool = False
    """Whether answers of the photo turned by 0, 90, 180 and 270 degrees are averaged."""
    members: int = Field(default=1, ge=1)
    """Networks of different seeds whose answers are averaged."""
    seed: int = Field(default=0, ge=0)
    """Seed of weights, order and augmentation; combined with the configuration's seed."""


class Constant(ConfigModel):
    """The middle of the substrate at 0 degrees, for every photo: a floor under every table."""

    name: Literal["constant"] = "constant"


class RandomGuess(ConfigModel):
    """A random place and angle for every photo: the other floor."""

    name: Literal["random"] = "random"
    seed: int = Field(default=0, ge=0)
    """Seed of the guesses."""


MethodConfig = Annotated[
    Localiser | SiftRansac | SiftVoting | Regression | Constant | RandomGuess,
    Field(discriminator="name"),
]


class LocalizationExperiment(ConfigModel):
    """One method on one or more cases."""

    datasets: tuple[Name, ...] = Field(min_length=1)
    """Names of the cases that it is run on."""
    method: MethodConfig = Localiser()
    """The method."""


class LocalizationConfig(ConfigModel):
    """Localization: cases and the methods that locate their photos."""

    datasets: dict[Name, CaseDataset] = Field(default_factory=dict)
    """Case name -> substrate and photos."""
    experiments: dict[Name, LocalizationExperiment] = Field(default_factory=dict)
    """Experiment name -> method."""
