"""Ground view: where photos come from, which are kept, and what is seen of their places above."""

from __future__ import annotations

import re
import string
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from nadir.config.base import ConfigModel, Name
from nadir.config.views import ViewsConfig

Season = Literal["spring", "summer", "autumn", "winter"]
"""A quarter of the year between equinoxes and solstices, of the photo's own hemisphere."""

Degrees = tuple[float, float, float, float]
"""(west, south, east, north) in degrees."""


def _check_box(box: Degrees) -> Degrees:
    west, south, east, north = box
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise ValueError("give west, south, east, north in degrees, west < east and south < north")
    return box


Box = Annotated[Degrees, AfterValidator(_check_box)]
"""A part of the earth that does not cross the date line."""


def _check_pattern(text: str) -> str:
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise ValueError(f"this is no regular expression ({error})") from error
    if groups < 1:
        raise ValueError("it needs a group: put what is wanted in parentheses")
    return text


Pattern = Annotated[str, AfterValidator(_check_pattern)]
"""A regular expression whose first group is what is wanted."""


class PanelsConfig(ConfigModel):
    """A folder of pictures that each hold a photo and its crop side by side."""

    folder: str
    """The folder; pictures in folders inside it count as well."""
    layout: tuple[Literal["satellite", "ground", "other"], ...] = ("satellite", "ground")
    """What the panels of a picture are, from left to right; all have one width."""
    place: Pattern = r"(.+)\.[^.]+$"
    """What of a file's name names its place: pictures of one place stay in one split."""
    heading: Pattern | None = None
    """What of a file's name is the direction of view in degrees from north; null: not known."""
    up: Literal["north", "heading"] = "north"
    """What is up in the crops; with `heading` they are turned already, and headings count from
    there: they are 0.
    """
    split: Literal["place", "folder"] = "place"
    """`place`: places are split as `split` of the dataset says. `folder`: the folders train,
    validation (or val) and test say it, even where they share places.
    """

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for kind in ("satellite", "ground"):
            if self.layout.count(kind) != 1:
                raise ValueError(f"layout: exactly one panel must be {kind!r}")
        return self


class FetchConfig(ConfigModel):
    """Photos from a provider on the network."""

    provider: Literal["mediawiki", "mapillary"]
    """`mediawiki`: the search by coordinates of a MediaWiki, such as Wikimedia Commons.
    `mapillary`: version 4 of Mapillary's interface, which knows headings; it needs a key.
    """
    address: str = Field(pattern=r"^https?://[^\s]+$")
    """Address of the interface (of a MediaWiki: that of its api.php)."""
    box: Box
    """Where photos are asked for: west, south, east, north in degrees."""
    most: int = Field(default=1000, ge=1)
    """Most photos that are fetched."""
    width: int = Field(default=1024, ge=64, le=16384)
    """Width in pixels that is asked for, where the provider has several."""
    key_variable: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable that holds the key. The key itself is never written anywhere."""
    contact: str = ""
    """How the provider can reach you, sent with every request, as some ask for."""
    per_second: float = Field(default=2.0, gt=0, le=100)
    """Most requests a second."""
    attempts: int = Field(default=5, ge=1, le=20)
    """How often a request is tried before it is given up."""
    timeout_s: float = Field(default=30.0, gt=0, le=600)
    """How long an answer is waited for, in seconds."""


class CropsConfig(ConfigModel):
    """What is seen of a photo's place from above: a square around it, north up."""

    source: Literal["truth", "substrate", "cube", "template"] | None = None
    """`truth`: the crops that a simulated world gives with its photos. `substrate`: a
    georeferenced picture. `cube`: natural color of a scene's cube. `template`: pictures of a
    server of static maps. By default `truth` for simulated photos; panels have their own.
    """
    size_px: int = Field(default=128, ge=16, le=2048)
    """Side of a crop in pixels."""
    resolution: float = Field(default=1.0, gt=0, le=1000)
    """Size of its pixels on the ground in metres."""
    substrate: str | None = None
    """For `substrate`: the picture, an 8-bit raster with a CRS."""
    scene: Name | None = None
    """For `cube`: a scene of the section `scenes` whose cube is shown."""
    date: int = 0
    """For `cube`: which of its dates, from 0; negative numbers count from the last."""
    address: str | None = None
    """For `template`: an address with {lat}, {lon} and, where they are needed, {zoom}, {size}
    (pixels) and {key}.
    """
    zoom: int | None = Field(default=None, ge=0, le=24)
    """For `template`: level of detail; null: the one that shows the ground asked for, or less."""
    key_variable: str | None = Field(default=None, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """Environment variable that holds the key of the template."""
    per_second: float = Field(default=2.0, gt=0, le=100)
    """For `template`: most requests a second."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        needs = {"substrate": "substrate", "cube": "scene", "template": "address"}
        for source, key in needs.items():
            if (self.source == source) != (getattr(self, key) is not None):
                raise ValueError(f"source {source!r} and the key {key!r} go together")
        if self.address is not None:
            _check_template(self.address, self.key_variable)
        return self

    @property
    def side_m(self) -> float:
        """Side of a crop on the ground, in metres."""
        return self.size_px * self.resolution


def _check_template(address: str, key_variable: str | None) -> None:
    """Raise `ValueError` unless an address template names what it must and nothing unknown."""
    if not address.startswith(("http://", "https://")):
        raise ValueError("address: it must start with http:// or https://")
    try:
        fields = {name for _, name, _, _ in string.Formatter().parse(address) if name is not None}
    except ValueError as error:
        raise ValueError(f"address: its braces do not match ({error})") from error
    if strange := sorted(fields - {"lat", "lon", "zoom", "size", "key"}):
        raise ValueError(f"address: {{{strange[0]}}} is unknown; use lat, lon, zoom, size and key")
    if not {"lat", "lon"} <= fields:
        raise ValueError("address: it needs {lat} and {lon}")
    if ("key" in fields) != (key_variable is not None):
        raise ValueError("{key} in the address and key_variable go together")


class DuplicatesConfig(ConfigModel):
    """Photos that are another one again, by perceptual hashes of 64 bits."""

    bits: int = Field(default=8, ge=0, le=32)
    """Most bits in which the hashes of duplicates differ."""
    within_m: float | None = Field(default=50.0, gt=0)
    """Farthest distance between duplicates in metres; null: wherever they are."""


class NightConfig(ConfigModel):
    """Photos that are dark, or were taken when it was."""

    least_sun_deg: float = Field(default=-2.0, ge=-90, le=90)
    """Lowest elevation of the sun in degrees; only where the time is known."""
    least_brightness: float = Field(default=0.12, ge=0, le=1)
    """Lowest brightness: upper quartile of the luminance, from 0 to 1."""


class ScenesConfig(ConfigModel):
    """Scene classes by a classifier."""

    model: str | None = None
    """Folder of a classifier that `train-scenes` wrote, or an ONNX file (input 1 x 3 x h x w, RGB
    scaled as ImageNet's, output one number a class). Null: one is trained here, on the labels.
    """
    classes: tuple[str, ...] = ()
    """For an ONNX file: its classes, in order."""
    labels: str | None = None
    """A csv file with the columns photo (its name) and scene, to train on. For simulated photos
    null means their truth: outdoor, indoor and night.
    """
    keep: tuple[str, ...] = ("outdoor",)
    """Classes that are kept."""
    least: float = Field(default=0.5, ge=0, le=1)
    """Least probability of the kept classes together."""
    steps: int = Field(default=240, ge=1)
    """Steps of the training."""
    image_px: int = Field(default=64, ge=32, le=512)
    """Side of the pictures that the classifier sees."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        onnx = self.model is not None and self.model.lower().endswith(".onnx")
        if onnx != bool(self.classes):
            raise ValueError("an ONNX file and the key 'classes' go together")
        if onnx and (strange := sorted(set(self.keep) - set(self.classes))):
            raise ValueError(f"keep: {strange[0]!r} is none of the classes")
        if self.model and self.labels:
            raise ValueError("labels train a classifier, model names a trained one: give one")
        if not self.keep:
            raise ValueError("keep: name at least one class")
        return self


class PeopleConfig(ConfigModel):
    """Faces, by a detector that is given as a file (YuNet; Wu, Peng and Yu 2023)."""

    faces: str
    """The detector: YuNet as ONNX file."""
    score: float = Field(default=0.8, gt=0, lt=1)
    """Least score of a face."""
    most: int = Field(default=0, ge=0)
    """Most faces that a photo may show."""


class FiltersConfig(ConfigModel):
    """Which photos are kept. A filter that is null is not asked; unreadable photos always go."""

    near: tuple[tuple[float, float, float], ...] = ()
    """Circles (longitude, latitude, metres): photos outside of all are far; none: no photo is."""
    duplicates: DuplicatesConfig | None = DuplicatesConfig()
    """Whether all but the first of several equal photos are dropped."""
    sharpness: float | None = Field(default=0.5, ge=0, le=1)
    """Least sharpness at the size of `image_px`, from 0 (blurred) to 1; sharp photos have some 0.6
    to 0.8.
    """
    night: NightConfig | None = NightConfig()
    """Whether dark photos are dropped."""
    seasons: tuple[Season, ...] | None = None
    """Seasons that are kept; photos without a date stay."""
    scenes: ScenesConfig | None = None
    """Which scenes are kept."""
    people: PeopleConfig | None = None
    """Whether photos with faces are dropped; this needs a detector."""


class PlaceSplitConfig(ConfigModel):
    """How places are split; a place is all photos whose crops share ground, or that are near."""

    test: float = Field(default=0.25, gt=0, lt=1)
    """Share of the photos that are tested on."""
    validation: float = Field(default=0.1, ge=0, lt=1)
    """Share that training is watched on."""
    apart_m: float | None = Field(default=None, gt=0)
    """Photos nearer than this, along x and y, are of one place; null: the side of a crop."""
    block_m: float = Field(default=500.0, gt=0)
    """Places that spread over too many photos are cut into blocks of this side in metres; photos
    too near to one of another split are left out then.
    """

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.test + self.validation >= 1:
            raise ValueError("test and validation leave nothing to train on")
        return self


class PhotosDataset(ConfigModel):
    """Photos with the crop of each place: simulated, in a folder, as panels, or fetched."""

    world: Name | None = None
    """A simulated world of the section `worlds`, photographed as `simulate` says."""
    simulate: ViewsConfig = ViewsConfig()
    """The simulated photos; only with `world`."""
    folder: str | None = None
    """A folder of photos with coordinates: from EXIF, or from `photos.csv` in it with the columns
    file, longitude, latitude and, where known, heading and date.
    """
    panels: PanelsConfig | None = None
    """A folder of pictures that hold photo and crop side by side."""
    fetch: FetchConfig | None = None
    """A provider that photos are fetched from."""
    image_px: int = Field(default=128, ge=32, le=1024)
    """Side of a photo in pixels, as the models see it."""
    fit: Literal["crop", "squash"] = "crop"
    """How photos become squares: their middle, or squeezed."""
    crop: CropsConfig = CropsConfig()
    """The crops."""
    filters: FiltersConfig = FiltersConfig()
    """Which photos are kept."""
    review: str | None = None
    """A csv file with the columns photo and keep (1 or 0), as the review sheet saves it."""
    split: PlaceSplitConfig = PlaceSplitConfig()
    """How places are split."""
    seed: int = Field(default=0, ge=0)
    """Seed of the split, and of the classifier of scenes."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if sum(map(bool, (self.world, self.folder, self.panels, self.fetch))) != 1:
            raise ValueError("give exactly one of world, folder, panels and fetch")
        if self.crop.source == "truth" and not self.world:
            raise ValueError("crop.source 'truth' belongs to a simulated world")
        if self.panels and self.crop.source:
            raise ValueError("panels have their own crops: leave crop.source out")
        if (self.folder or self.fetch) and not self.crop.source:
            raise ValueError("crop.source: say where crops come from")
        scenes = self.filters.scenes
        if scenes and not (scenes.model or scenes.labels or self.world):
            raise ValueError("filters.scenes: give a model, or labels to train one")
        return self
