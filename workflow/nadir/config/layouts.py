"""Layouts of data sets with buildings: folders that expand to scenes when they are listed.

A layout looks at names of files alone; no raster is opened before the first job. Every picture
becomes a scene called like its file, of one date called `image`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from nadir.config.aerial import AerialConfig
from nadir.config.base import ConfigModel, Name
from nadir.config.listing import (
    LayoutFault,
    Scenes,
    by_stem,
    city_of,
    files_of,
    folder_of,
    labelled,
    named_scenes,
    refuse_strays,
)
from nadir.config.pictures import DATE, FOOTPRINTS, PICTURE
from nadir.config.scenes import DeclaredGrid, Levels, rising
from nadir.config.slippy import ENDINGS, TileFolder, list_tiles
from nadir.errors import did_you_mean

VECTORS = (".geojson", ".json", ".gpkg", ".shp")
"""Endings of files of footprints, in lower case."""


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

    @abstractmethod
    def _all(self, name: str) -> Scenes:
        """Return all scenes, before `only` and `test`."""

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
    range: Levels = None
    """Values of black and white where pictures have more than 8 bits, or `metadata` if the files
    say so themselves (NBITS); by default such pictures are refused.
    """
    grid: DeclaredGrid | None = None
    """Georeference of pictures and masks that carry none."""

    _rising = field_validator("range")(rising)

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
        root = folder_of("folder", self.folder)
        pairs = [(root / "images", root / "gt"), (root / "train/images", root / "train/gt")]
        pairs += [(root / "test/images", root / "test/gt")]
        there = [pair for pair in pairs if pair[0].is_dir()]
        if not there:
            hint = did_you_mean("images", [path.name for path in root.iterdir() if path.is_dir()])
            raise LayoutFault("folder", f"no folder images or train/images in {root}{hint}")
        found: list[tuple[str, dict[str, Any]]] = []
        for images, gt in there:
            masks = {path.stem: str(path) for path in files_of(gt)} if gt.is_dir() else {}
            pictures = {path.stem: str(path) for path in files_of(images)}
            refuse_strays("folder", masks, pictures, "masks without an image", str(gt))
            for stem, path in pictures.items():
                scene: dict[str, Any] = {"dates": self._image(path), "group": city_of(stem)}
                found.append((stem, labelled(scene, masks.get(stem), self._mask)))
        return named_scenes("folder", found)


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
        pictures = by_stem("images", self.images, ENDINGS)
        masks = by_stem("masks", self.masks, ENDINGS)
        refuse_strays("masks", masks, pictures, "masks without an image", self.masks)
        return named_scenes(
            "images",
            [
                (stem, labelled(self._scene(stem, path), masks.get(stem), self._mask))
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
        pictures = by_stem("images", self.images, ENDINGS)
        if Path(self.footprints).is_file():
            drawn = dict.fromkeys(pictures, self.footprints)
        else:
            drawn = by_stem("footprints", self.footprints, VECTORS)
            refuse_strays("footprints", drawn, pictures, "files without an image", self.footprints)
        scenes = [
            (stem, labelled({"dates": self._image(path)}, drawn.get(stem), self._vector))
            for stem, path in pictures.items()
        ]
        return named_scenes("images", scenes)


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
        root = folder_of("folder", self.folder)
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
                scene = labelled(scene, self.footprints, self._vector)
            found.append((name if len(zooms) == 1 else f"{name}_z{zoom}", scene))
        return named_scenes("folder", found)

    def _zooms(self, folder: str, key: str) -> list[int | None]:
        """Return the zooms to take from a folder; None for georeferenced rasters."""
        folder_of(key, folder)
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
