"""Retrieval: where places and their images come from, and how a ranking is judged."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from nadir.config.base import ConfigModel, Name
from nadir.config.places import PlacesConfig

Weather = Literal[
    "normal",
    "fog",
    "rain",
    "snow",
    "fog+rain",
    "fog+snow",
    "rain+snow",
    "dark",
    "over-exposure",
    "wind",
]
"""A weather by name."""


class PairLists(ConfigModel):
    """Files that name one pair a line, as CVUSA, CVACT and VIGOR have them."""

    train: str | None = None
    """List of the pairs that train, from the folder of the data."""
    validation: str | None = None
    """List of the pairs of validation."""
    test: str | None = None
    """List of the pairs that are ranked; each image is query and gallery."""
    folders: tuple[str, str] = ("", "")
    """Folders of the first and the second column, where lines give bare names."""

    @model_validator(mode="after")
    def _some_list(self) -> Self:
        if not (self.train or self.validation or self.test):
            raise ValueError("give at least one of train, validation and test")
        return self


class TilesConfig(ConfigModel):
    """The tiles of a substrate among which photos are looked for."""

    size: int | None = Field(default=None, ge=32)
    """Side of a tile in pixels of the substrate; null: that of a photo on the ground."""
    overlap: float = Field(default=0.5, ge=0, lt=1)
    """Share of the side that neighbors share."""
    least_valid: float = Field(default=0.5, ge=0, le=1)
    """Tiles with a smaller share of valid pixels are left out."""


class PlacesDataset(ConfigModel):
    """Images of places in two views.

    Of a simulated world, in a folder of a known layout, or the photos of a localization case and
    the tiles of its substrate.
    """

    world: Name | None = None
    """A simulated world of the section `worlds`, seen as `simulate` says."""
    simulate: PlacesConfig = PlacesConfig()
    """The simulated places; only with `world`."""
    case: Name | None = None
    """A dataset of the localization: its photos are looked for among tiles of its substrate, and
    its located photos train.
    """
    tiles: TilesConfig = TilesConfig()
    """These tiles; only with `case`."""
    folder: str | None = None
    """The folder of the data, in the layout that `layout` names."""
    layout: Literal["university", "flat", "lists"] = "university"
    """`university`: `train/VIEW/ID/*` and `test/query_VIEW/ID/*`, as University-1652. `flat`:
    `VIEW/NAME.*`, equal names show one place. `lists`: pairs that files name.
    """
    views: tuple[str, str] = ("drone", "satellite")
    """The two views between which places are looked for, both ways; for `lists`, those of the
    first and the second column, and for `case` what photos and tiles are called.
    """
    lists: PairLists | None = None
    """For `lists`: the files."""
    test: float = Field(default=0.2, gt=0, lt=1)
    """For `flat`: share of the places that are ranked."""
    fold: int = Field(default=0, ge=0)
    """For `flat`: which of the disjoint choices of places to rank."""
    validation: float = Field(default=0.1, ge=0, lt=1)
    """Share of the training places that are held out to choose by."""
    coordinates: str | None = None
    """A csv file with the columns place (or image), x and y, for maps."""
    queries: str | None = None
    """A list of queries, one name a line: the order of the lines of the answer, where the
    challenge gives one.
    """
    upright: bool = False
    """Whether pictures are turned as their EXIF orientation says; by default they are read as
    stored.
    """
    seed: int = Field(default=0, ge=0)
    """Seed of which places are held out."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(map(bool, (self.world, self.case, self.folder))) != 1:
            raise ValueError("give exactly one of world, case and folder")
        if not self.folder and (self.lists or self.coordinates or self.queries):
            raise ValueError("lists, coordinates and queries belong to a folder")
        if (self.layout == "lists") != (self.lists is not None):
            raise ValueError("layout 'lists' and the key 'lists' go together")
        if self.views[0] == self.views[1]:
            raise ValueError("the two views must differ")
        return self


class RerankingConfig(ConfigModel):
    """Re-ranking by k-reciprocal neighbors (Zhong et al. 2017)."""

    neighbors: int = Field(default=20, ge=1)
    """How far a list of neighbors reaches."""
    expansion: int = Field(default=6, ge=1)
    """Neighbors whose descriptions are averaged; 1 for none."""
    plain: float = Field(default=0.3, ge=0, le=1)
    """Weight of the plain distance against Jaccard's."""


class IndexConfig(ConfigModel):
    """An index over the gallery, for approximate rankings of large galleries."""

    kind: Literal["flat", "ivf", "hnsw"] = "hnsw"
    """`flat`: exact, by faiss. `ivf`: lists around centers, a share of which is looked into.
    `hnsw`: a graph of neighbors, the fastest, with the most memory.
    """
    effort: float = Field(default=0.125, gt=0, le=1)
    """Share of the lists that a query looks into, or how far it searches in the graph (1: 512
    candidates); more is slower and finds more.
    """


class RankingConfig(ConfigModel):
    """How features are compared and rankings judged; what follows a search has its own rows."""

    flip: bool = True
    """Whether features of the mirror image are added, as the public evaluator does."""
    turns: bool = False
    """Whether a row is added in which features of all four quarter turns are summed."""
    weathers: tuple[Weather, ...] = ("normal",)
    """Weathers in which the queries ask, each for itself."""
    resamples: int = Field(default=1000, ge=0)
    """Resamples of the 95 % intervals; 0 for none."""
    by_place: bool = False
    """Whether places are resampled, with all their queries, instead of single queries."""
    whitening: bool = False
    """Whether a row with whitened features is added, fitted on the gallery."""
    multi_query: bool = False
    """Whether a row is added in which all views of a place ask together."""
    reranking: RerankingConfig | None = None
    """How a row with re-ranked results is made; none by default."""
    memory_mb: int = Field(default=128, ge=1)
    """Memory of the scores that are held at once, in MiB."""
    index: IndexConfig | None = None
    """How the gallery is searched for the rankings (pictures, answer, proposals); null: exactly.
    Scores are of exact rankings in any case: they look at the place of every match.
    """
    seed: int = Field(default=0, ge=0)
    """Seed of resamples and weathers."""

    @model_validator(mode="after")
    def _no_doubles(self) -> Self:
        if len(set(self.weathers)) < len(self.weathers) or not self.weathers:
            raise ValueError("name each weather once, and at least one")
        return self
