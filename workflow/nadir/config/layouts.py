"""Layouts of data sets with buildings: folders that expand to scenes when they are listed.

A layout looks at names of files alone; no raster is opened before the first job. Every picture
becomes a scene called like its file, of one date called `image`.
"""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from nadir.config.aerial import AerialConfig
from nadir.config.base import ConfigModel, Name
from nadir.config.pictures import DATE, FOOTPRINTS, PICTURE
from nadir.config.scenes import DeclaredGrid
from nadir.config.slippy import ENDINGS, TileFolder, list_tiles
from nadir.errors import did_you_mean, nearest

VECTORS = (".geojson", ".json", ".gpkg", ".shp")
"""Endings of files of footprints, in lower case."""

Scenes = dict[str, dict[str, Any]]
"""Name -> section of a scene, as it would be written in the configuration."""


class LayoutFault(Exception):
    """What is wrong with a layout: the key and one line about it."""

    def __init__(self, key: str, problem: str) -> None:
        self.key, self.problem = key, problem
        super().__init__(f"{key}: {problem}")


class Layout(ConfigModel):
    """What all layouts have."""

    only: tuple[str, ...] = ()
    """Scenes or groups (cities) to take; empty: all of them."""
    test: tuple[str, ...] = ()
    """Scenes or groups (cities) that are test as a whole."""
    nodata: float | Literal["nan"] | None = None
    """Raw value without meaning; a pixel is empty where all its bands have it. By default the
    file's own, else 0.
    """

    def scenes(self, name: str) -> Scenes:
        """Return the scenes of the layout, by name.

        Args:
            name: Name of the source.

        Raises:
            LayoutFault: When folders or files are not there, or names lead nowhere.
        """
        return self._chosen(self._all(name))

    def _all(self, name: str) -> Scenes:
        """Return all scenes, before `only` and `test`."""
        raise NotImplementedError

    def _chosen(self, found: Scenes) -> Scenes:
        """Return the scenes that are taken, with those for the test marked."""
        groups = {name: scene.get("group") or name for name, scene in found.items()}
        known = [*found, *groups.values()]
        for key in ("only", "test"):
            for given in getattr(self, key):
                if given not in known:
                    hint = did_you_mean(given, known)
                    raise LayoutFault(key, f"no scene or group {given!r}{hint}")
        taken = {
            name: scene
            for name, scene in found.items()
            if not self.only or {name, groups[name]} & set(self.only)
        }
        for name, scene in taken.items():
            if {name, groups[name]} & set(self.test) and scene.get("role") != "predict":
                scene["role"] = "test"
        return taken


class PictureLayout(Layout):
    """What layouts of picture files have."""

    file_bands: tuple[str, ...] = ()
    """Names of the files' bands in their order, where they are not just red, green and blue."""
    range: tuple[float, float] | Literal["metadata"] | None = None
    """Values of black and white where pictures have more than 8 bits, or `metadata` if the files
    say so themselves (NBITS); by default such pictures are refused.
    """
    grid: DeclaredGrid | None = None
    """Georeference of pictures and masks that carry none."""

    def _image(self, path: str | None = None, tiles: TileFolder | None = None) -> dict[str, Any]:
        """Return the section of the one date of a picture."""
        source = {
            "file": path,
            "tiles": tiles.model_dump() if tiles else None,
            "file_bands": self.file_bands,
            "grid": self.grid.model_dump() if self.grid else None,
            "range": self.range,
            "nodata": self.nodata,
            **PICTURE,
        }
        return {DATE: source}

    def _mask(self, path: str) -> dict[str, Any]:
        """Return the section of a raster mask."""
        return {"file": path, "grid": self.grid.model_dump() if self.grid else None}


class InriaLayout(PictureLayout):
    """The INRIA benchmark: `images/` and `gt/` (also `train/images`, `train/gt`, `test/images`).

    A tile is a scene (`austin1`), its city the name without the number (`austin`).
    """

    kind: Literal["inria"] = "inria"
    folder: str
    """The folder that holds them."""

    def _all(self, name: str) -> Scenes:
        root = _folder("folder", self.folder)
        pairs = [(root / "images", root / "gt"), (root / "train/images", root / "train/gt")]
        pairs += [(root / "test/images", root / "test/gt")]
        there = [pair for pair in pairs if pair[0].is_dir()]
        if not there:
            hint = did_you_mean("images", [path.name for path in root.iterdir() if path.is_dir()])
            raise LayoutFault("folder", f"no folder images or train/images in {root}{hint}")
        found: list[tuple[str, dict[str, Any]]] = []
        for images, gt in there:
            masks = {path.stem: str(path) for path in _files(gt)} if gt.is_dir() else {}
            pictures = {path.stem: str(path) for path in _files(images)}
            _no_strays("folder", masks, pictures, "masks without an image", str(gt))
            for stem, path in pictures.items():
                scene: dict[str, Any] = {"dates": self._image(path), "group": city_of(stem)}
                found.append((stem, _labelled(scene, masks.get(stem), self._mask)))
        return _named("folder", found)


class PairsLayout(PictureLayout):
    """Image rasters and mask rasters of the same names."""

    kind: Literal["pairs"] = "pairs"
    images: str
    """Folder of the images, or a pattern such as `data/*_rgb.tif`."""
    masks: str
    """Folder of the masks, or a pattern; images without a mask are only mapped."""
    cities: bool = False
    """Whether scenes whose names differ in their number alone are one group."""

    def _all(self, name: str) -> Scenes:
        pictures = _stems("images", self.images, ENDINGS)
        masks = _stems("masks", self.masks, ENDINGS)
        _no_strays("masks", masks, pictures, "masks without an image", self.masks)
        return _named(
            "images",
            [
                (stem, _labelled(self._scene(stem, path), masks.get(stem), self._mask))
                for stem, path in pictures.items()
            ],
        )

    def _scene(self, stem: str, path: str) -> dict[str, Any]:
        group = {"group": city_of(stem)} if self.cities else {}
        return {"dates": self._image(path), **group}


class FootprintLabels(ConfigModel):
    """Footprints as labels: polygons of buildings, and what was looked at."""

    extent: str | None = None
    """Polygons (any CRS) within which footprints were drawn: outside of them nothing is known.
    By default the whole image.
    """
    field: str | None = None
    """Attribute that tells the class of a polygon; by default every polygon is a building."""

    def _vector(self, path: str) -> dict[str, Any]:
        """Return the section of a mask that is burnt from footprints."""
        return {
            "vector": path,
            "extent": self.extent,
            **FOOTPRINTS,
            **({"field": self.field, "polygons": None} if self.field else {}),
        }


class VectorLayout(PictureLayout, FootprintLabels):
    """Images and footprints as polygons (GeoJSON, GeoPackage, Shapefile; any CRS)."""

    kind: Literal["vector"] = "vector"
    images: str
    """An image, a folder of images, or a pattern."""
    footprints: str
    """One file of footprints for all images, or a folder or a pattern of files of the same names;
    images without one are only mapped.
    """

    def _all(self, name: str) -> Scenes:
        pictures = _stems("images", self.images, ENDINGS)
        if Path(self.footprints).is_file():
            drawn = dict.fromkeys(pictures, self.footprints)
        else:
            drawn = _stems("footprints", self.footprints, VECTORS)
            _no_strays("footprints", drawn, pictures, "files without an image", self.footprints)
        scenes = [
            (stem, _labelled({"dates": self._image(path)}, drawn.get(stem), self._vector))
            for stem, path in pictures.items()
        ]
        return _named("images", scenes)


class TilesLayout(PictureLayout, FootprintLabels):
    """A folder of map tiles (z/x/y, or named so) with footprints or mask tiles.

    All tiles of one zoom are put together into one scene; several zooms give several scenes over
    the same ground (`NAME_z18`, `NAME_z19`), which never end up in different splits.
    """

    kind: Literal["tiles"] = "tiles"
    folder: str
    """Folder of the tiles: `z/x/y.png` (jpg, tif, webp), names that end in `x-y-z` or `z-x-y`, or
    georeferenced rasters of any names.
    """
    zooms: tuple[int, ...] = ()
    """Zooms to take; empty: all that are there."""
    scheme: Literal["xyz", "tms"] = "xyz"
    """Whether rows are counted from the north (xyz) or from the south (tms)."""
    footprints: str | None = None
    """A file of footprints."""
    masks: str | None = None
    """A folder of mask tiles of the same places."""

    def _all(self, name: str) -> Scenes:
        if self.footprints and self.masks:
            raise LayoutFault("masks", "give footprints or masks, not both")
        root = _folder("folder", self.folder)
        zooms = self._zooms(str(root), "folder")
        masks = self._zooms(self.masks, "masks") if self.masks else []
        if self.footprints and not Path(self.footprints).is_file():
            raise LayoutFault("footprints", f"there is no file {self.footprints}")
        found = []
        for zoom in zooms:
            tiles = TileFolder(folder=str(root), zoom=zoom, scheme=self.scheme)
            scene: dict[str, Any] = {"dates": self._image(tiles=tiles), "group": name}
            if self.masks and zoom in masks:
                inside = TileFolder(folder=self.masks, zoom=zoom, scheme=self.scheme)
                scene["mask"] = {"tiles": inside.model_dump()}
            else:
                scene = _labelled(scene, self.footprints, self._vector)
            found.append((name if len(zooms) == 1 else f"{name}_z{zoom}", scene))
        return _named("folder", found)

    def _zooms(self, folder: str, key: str) -> list[int | None]:
        """Return the zooms to take from a folder; None for georeferenced rasters."""
        _folder(key, folder)
        tiles = list_tiles(folder, self.scheme)
        there = Counter(tile.zoom if tile else None for tile in tiles.values())
        if not there:
            raise LayoutFault(key, f"no tiles ({', '.join(ENDINGS)}) below {folder}")
        if None in there and len(there) > 1:
            stray = next(path for path, tile in tiles.items() if tile is None)
            raise LayoutFault(
                key,
                f"{there[None]} of {len(tiles)} files have names that tell no tile, such as "
                f"{stray.name}; name all of them z/x/y or x-y-z, or none",
            )
        absent = [zoom for zoom in self.zooms if zoom not in there]
        if absent:
            known = ", ".join(str(zoom) for zoom in sorted(filter(None, there)))
            raise LayoutFault("zooms", f"no tiles of zoom {absent[0]} (there are: {known})")
        return sorted(
            (zoom for zoom in there if not self.zooms or zoom in self.zooms), key=lambda z: z or 0
        )


class WorldLayout(Layout):
    """Aerial pictures of a simulated world, by cities, with footprints as a surveyor drew them."""

    kind: Literal["world"] = "world"
    world: Name
    """A simulated world of the section `worlds`."""
    simulate: AerialConfig = AerialConfig()
    """What is flown over, and how well its footprints are drawn."""

    def _all(self, name: str) -> Scenes:
        return {
            tile: {"world": self.world, "aerial": name, "group": city_of(tile)}
            for tile in self.simulate.tile_names
        }

    def _chosen(self, found: Scenes) -> Scenes:
        taken = super()._chosen(found)
        for scene in taken.values():
            # What is scored as a whole is scored against what really stands there.
            scene["truth"] = scene.get("role") == "test"
        return taken


SourceConfig = Annotated[
    InriaLayout | PairsLayout | VectorLayout | TilesLayout | WorldLayout,
    Field(discriminator="kind"),
]


def city_of(name: str) -> str:
    """Return a name without the number at its end: `austin12` -> `austin`."""
    return re.sub(r"[-_]?\d+$", "", name) or name


def scene_name(stem: str) -> str:
    """Return a scene's name for the name of a file: what a name may not hold becomes `_`."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", stem)
    return name if name[:1].isalpha() else f"s{name}"


def _folder(key: str, folder: str) -> Path:
    """Return a folder that is there."""
    path = Path(folder)
    if path.is_dir():
        return path
    if path.exists():
        raise LayoutFault(key, f"{folder} is a file, not a folder")
    beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(path.name, beside)
    hint = f"; did you mean {str(path.with_name(close))!r}?" if close else ""
    raise LayoutFault(key, f"there is no folder {folder}{hint}")


def _files(folder: Path, endings: Iterable[str] = ENDINGS) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in tuple(endings))


def _stems(key: str, where: str, endings: tuple[str, ...]) -> dict[str, str]:
    """Return stem -> file of a folder, a pattern or one file."""
    if any(mark in where for mark in "*?["):
        paths = sorted(Path(path) for path in glob.glob(where, recursive=True))
        paths = [path for path in paths if path.suffix.lower() in endings]
        stems = _varying(where, paths)
    elif Path(where).is_file():
        paths = [Path(where)]
        stems = [paths[0].stem]
    else:
        paths = _files(_folder(key, where), endings)
        stems = [path.stem for path in paths]
    if not paths:
        raise LayoutFault(key, f"no files ({', '.join(endings)}) in {where}")
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise LayoutFault(key, f"several files in {where} are called {twice[0]!r}")
    return {stem: str(path) for stem, path in zip(stems, paths, strict=True)}


def _varying(pattern: str, paths: list[Path]) -> list[str]:
    """Return what tells files of a pattern apart: for `*_rgb.tif` the part before `_rgb`."""
    name = Path(pattern).name
    if name.count("*") != 1 or any(mark in name for mark in "?["):
        return [path.stem for path in paths]
    head, tail = name.split("*")
    return [
        (path.name.removeprefix(head).removesuffix(tail)) or path.stem
        if Path(tail).suffix or "." in tail
        else path.stem.removeprefix(head)
        for path in paths
    ]


def _no_strays(
    key: str, files: Iterable[str], pictures: Iterable[str], what: str, where: str
) -> None:
    """Raise when labels have no image: their names are wrong, or the images are elsewhere."""
    known = list(pictures)
    strays = [stem for stem in files if stem not in known]
    if strays:
        shown = ", ".join(repr(stem) for stem in strays[:3])
        more = f" and {len(strays) - 3} more" if len(strays) > 3 else ""
        hint = did_you_mean(strays[0], known)
        raise LayoutFault(key, f"{what} in {where}: {shown}{more}{hint}")


def _labelled(scene: dict[str, Any], path: str | None, mask: Any) -> dict[str, Any]:
    """Return a scene with its labels; one without is only mapped."""
    return {**scene, "mask": mask(path)} if path else {**scene, "role": "predict"}


def _named(key: str, found: list[tuple[str, dict[str, Any]]]) -> Scenes:
    """Return scenes by name, each of its own."""
    scenes: Scenes = {}
    for stem, scene in found:
        name = scene_name(stem)
        if name in scenes:
            raise LayoutFault(key, f"two images give a scene called {name!r}; rename one")
        scenes[name] = scene
    if not scenes:
        raise LayoutFault(key, "there are no images")
    return scenes
