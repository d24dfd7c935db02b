"""Raw data: what a scene is made of, how a cube is encoded, how labels are aligned."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from nadir.config.base import ConfigModel, Name
from nadir.config.fetch import FetchConfig
from nadir.config.slippy import TileFolder

SENTINEL2_BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
"""The ten bands of 10 m and 20 m, in the order of the wavelength table."""


class DeclaredGrid(ConfigModel):
    """Georeference for a file that carries none (arrays, plain images)."""

    crs: str = "local"
    """Coordinate reference system, such as `EPSG:32631`; `local` for plane metres of unknown place.
    """
    origin: tuple[float, float] = (0.0, 0.0)
    """Upper-left corner (x, y) in units of the CRS."""
    resolution: float = Field(default=10.0, gt=0)
    """Size of a pixel in units of the CRS."""


class ArraySource(ConfigModel):
    """A band stack in an array file: NumPy `.npz`/`.npy`, or MATLAB v7.3 / HDF5 `.mat`/`.h5`."""

    file: str
    """Path of the file."""
    key: str = ""
    """Name of the array inside the file; empty for `.npy`."""
    axes: Literal["yxb", "byx", "bxy", "xyb", "yx", "xy"] = "yxb"
    """Order of the axes of the array: y rows, x columns, b bands."""
    bands: tuple[str, ...] = ()
    """Names of the bands in the array's order; for `yx` a single one."""
    resolution: float | None = Field(default=None, gt=0)
    """Size of a pixel where it differs from the declared grid's (20 m bands beside 10 m ones)."""


Levels = tuple[float, float] | Literal["metadata"] | None
"""Values of black and white, or where they are said."""


def rising(levels: Levels) -> Levels:
    """Return values of black and white; raise `ValueError` where black is not the lower one."""
    if isinstance(levels, tuple) and levels[0] >= levels[1]:
        raise ValueError("give the value of black first, then a greater one for white")
    return levels


class ImageSource(ConfigModel):
    """The imagery of one date: exactly one of `file`, `files`, `arrays` and `tiles`."""

    file: str | None = None
    """One raster that holds all bands."""
    file_bands: tuple[str, ...] = ()
    """Band names of `file` in its order; by default read from band descriptions, else the dataset's
    bands.
    """
    files: dict[str, str] = Field(default_factory=dict)
    """Band name -> single-band raster; coarser ones are resampled onto the finest grid."""
    arrays: tuple[ArraySource, ...] = ()
    """Array files; several when resolutions differ."""
    tiles: TileFolder | None = None
    """A folder of map tiles, which are put together into one image (buildings only)."""
    grid: DeclaredGrid | None = None
    """Georeference of `arrays`, or of a raster that carries none."""
    baseline: str = "auto"
    """Sentinel-2 processing baseline, such as `05.10`; `auto` reads it from tags or the file name;
    `none` if not Sentinel-2 digital numbers.
    """
    scale: float | None = Field(default=None, gt=0)
    """Reflectance = scale * (raw + offset); by default 1/10000 (from the baseline)."""
    offset: float | None = None
    """Added to raw values before scaling; by default -1000 from baseline 04.00 on, else 0."""
    nodata: float | Literal["nan"] | None = None
    """Raw value without meaning; by default the file's own, else 0."""
    resampling: Literal["nearest", "bilinear", "cubic"] = "bilinear"
    """How coarser bands are brought onto the finest grid."""
    depth: Literal[8] | None = None
    """8: a picture of 8 bits a band, in which only pixels whose bands are all no data are empty;
    other values are refused. null: measured values of any type.
    """
    range: Levels = None
    """Values that stand for black and white where a picture has more than 8 bits, or `metadata` if
    the file says so itself (NBITS); the picture is brought to 8 bits (buildings only).
    """

    _rising = field_validator("range")(rising)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in ("file", "files", "arrays", "tiles") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                f"give exactly one of file, files, arrays and tiles (given: {given or 'none'})"
            )
        return self

    def paths(self) -> list[str]:
        """Return every file that this source reads."""
        if self.tiles:
            return self.tiles.paths()
        if self.file:
            return [self.file]
        return list(dict.fromkeys([*self.files.values(), *(item.file for item in self.arrays)]))


class MaskSource(ConfigModel):
    """Fine labels of one scene: exactly one of `file`, `vector`, `array` and `tiles`."""

    file: str | None = None
    """A raster of class values, of any finer or equal resolution, any CRS."""
    vector: str | None = None
    """Polygons (Shapefile, GeoPackage, GeoJSON; any CRS), burnt at `resolution` before alignment.
    """
    field: str | None = "class"
    """Attribute of `vector` that holds the class value, or the class name; null: polygons have no
    class of their own (see `polygons`).
    """
    polygons: str | None = None
    """Class of every polygon, by name, where `field` is null."""
    background: str | None = None
    """Class of the ground outside the polygons, by name; null: no label there."""
    extent: str | None = None
    """Polygons within which the ground was looked at; outside of them there is no label. Null: the
    whole image.
    """
    resolution: float | None = Field(default=1.0, gt=0)
    """Pixel of the burnt mask, in metres; null: that of the image."""
    array: ArraySource | None = None
    """A label array on the grid of the image (`grid` of the image's first date)."""
    tiles: TileFolder | None = None
    """A folder of map tiles that hold class values."""
    grid: DeclaredGrid | None = None
    """Georeference of `file` where it carries none."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        given = [name for name in ("file", "vector", "array", "tiles") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                f"give exactly one of file, vector, array and tiles (given: {given or 'none'})"
            )
        if self.vector and (self.field is None) != (self.polygons is not None):
            raise ValueError("give `polygons` (a class) where `field` is null, and only there")
        return self

    def names(self) -> list[str]:
        """Return the class names that are mentioned."""
        return [name for name in (self.polygons, self.background) if name]

    def paths(self) -> list[str]:
        """Return every file that this source reads (a Shapefile's parts included)."""
        if self.tiles:
            return self.tiles.paths()
        extent = shapefile_parts(self.extent) if self.extent else []
        if self.vector:
            return [*shapefile_parts(self.vector), *extent]
        only = self.file or (self.array.file if self.array else None)
        return [*([only] if only else []), *extent]


def shapefile_parts(path: str) -> list[str]:
    """Return a vector file with the parts that it needs, if it is a Shapefile."""
    if not path.lower().endswith(".shp"):
        return [path]
    endings = (".shp", ".dbf", ".shx", ".prj")
    upper = path.endswith(".SHP")
    return [path[:-4] + (item.upper() if upper else item) for item in endings]


class SceneConfig(ConfigModel):
    """One scene: imagery of one place at one or more dates, with fine labels or without."""

    world: Name | None = None
    """A simulated world of the section `worlds`; nothing else is given then."""
    aerial: Name | None = None
    """Aerial pictures of that world, by the name of their source; the scene is one of them."""
    truth: bool = False
    """Whether a simulated aerial scene is learnt from its true footprints, not from those that a
    hurried surveyor drew.
    """
    fetch: FetchConfig | None = None
    """Where imagery (and labels) are fetched from; `dates` is not given then."""
    dates: dict[Name, ImageSource | None] = Field(default_factory=dict)
    """Date name -> imagery, in the order in which the cube stacks them; null for a date that this
    scene lacks and others have: none of its pixels is valid then.
    """
    mask: MaskSource | None = None
    """Fine labels; a scene without is only mapped."""
    role: Literal["learn", "test", "predict"] = "learn"
    """`learn`: its tiles are split; `test`: all of it is test; `predict`: only mapped."""
    group: str = ""
    """City or site that it belongs to: the split `groups` keeps a group whole. By default each
    scene is a group of its own.
    """

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.world and (self.dates or self.mask):
            raise ValueError("a scene is either a simulated world or given by dates and mask")
        if self.aerial and not self.world:
            raise ValueError("aerial pictures are simulated of a world: give `world`")
        if not self.world and not self.images:
            raise ValueError("give a world, or at least one date with imagery")
        if self.role != "predict" and not self.world and self.mask is None:
            raise ValueError(f"a scene with role {self.role!r} needs a mask (or set role: predict)")
        return self

    @property
    def images(self) -> dict[str, ImageSource]:
        """Date name -> imagery, of the dates that the scene has."""
        return {date: image for date, image in self.dates.items() if image is not None}


class CubeConfig(ConfigModel):
    """How imagery is stored."""

    codec: Literal["lz4", "zstd"] = "lz4"
    """Compressor inside blosc with bit shuffling: lz4 reads faster, zstd is about 9 % smaller."""
    chunk: int = Field(default=128, ge=16)
    """Side of an inner chunk, in pixels; all bands of a date share it."""
    shard: int = Field(default=2048, ge=16)
    """Side of a shard (one file), in pixels: a multiple of `chunk`."""

    @model_validator(mode="after")
    def _multiple(self) -> Self:
        if self.chunk & (self.chunk - 1):
            raise ValueError(f"chunk {self.chunk} is no power of two")
        if self.shard % self.chunk:
            raise ValueError(f"shard {self.shard} is no multiple of chunk {self.chunk}")
        return self


class LabelConfig(ConfigModel):
    """How fine labels become one label a pixel."""

    rule: Literal["nearest", "mode", "weighted"] = "mode"
    """`nearest` takes the mask at the pixel's center, `mode` the most frequent class, `weighted`
    the mode with class weights. Exact shares of every class are stored in any case.
    """
    weights: dict[str, float] = Field(default_factory=dict)
    """Class name -> weight for `weighted` (1 where not given)."""
    smoothing: int = Field(default=0, ge=0)
    """Radius in pixels over which `weighted` also counts the neighbours' shares, which smooths
    borders.
    """
    min_share: float = Field(default=0.5, ge=0, le=1)
    """Least share of labelled ground in a pixel; below it the pixel has no label."""
