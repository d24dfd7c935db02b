"""The maps of a data set on one page: read what was found, make the pictures, write the page."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import rasterio
from numpy.typing import NDArray

from nadir.config.classes import ClassTable
from nadir.errors import InputError
from nadir.raster.composite import natural_picture
from nadir.raster.cube import Cube
from nadir.raster.labels import Labels
from nadir.raster.style import paint
from nadir.segmentation.split_ground import paint_tiles
from nadir.segmentation.view import WHOLE, View, band_reader, commonest, every

IMAGE, TRUTH = "image", "truth"
"""Names of the layers that are no experiment's."""


@dataclass(frozen=True)
class Judged:
    """What is known of one experiment.

    Attributes:
        name: Of the experiment.
        facts: Content of `quality.json`.
        figures: Caption -> PNG as a data address.
    """

    name: str
    facts: dict[str, Any]
    figures: dict[str, str]


@dataclass(frozen=True)
class SceneLayers:
    """The pictures of one scene.

    Attributes:
        name: Of the scene.
        view: What part of the scene they show.
        layers: Layer (`image`, `truth`, experiments) -> picture as a data address.
        held_out: Outline of the held-out ground in picture pixels, as an SVG path; maybe empty.
        parts: Parts of a large scene, pixel by pixel.
    """

    name: str
    view: View
    layers: dict[str, str]
    held_out: str
    parts: tuple[SceneLayers, ...] = ()


def read_judged(
    paths: Sequence[str | os.PathLike[str]],
    captions: Mapping[str, str],
    figures: Sequence[str | os.PathLike[str]] = (),
) -> list[Judged]:
    """Read `.../<experiment>/quality.json` files with pictures that lie beside them.

    Args:
        paths: The files.
        captions: Name of a picture -> its caption, in the order of the page.
        figures: The pictures, `.../<experiment>/<name>`; others are left out, there or not.

    Returns:
        From the best mean IoU to the worst.

    Raises:
        InputError: When a file is absent or is no such file.
    """
    given = {Path(path) for path in figures}
    found = []
    for path in map(Path, paths):
        remedy = "Delete it, if it is there, and run snakemake again."
        try:
            facts = json.loads(path.read_text())
            facts["scores"]["miou"], facts["probability"]["after"]["ece"], facts["fitted_here"]
        except OSError as error:
            raise InputError(path, "there is no such file", remedy) from error
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(path, f"this is no quality of maps ({error!r})", remedy) from error
        beside = {
            caption: _address((path.parent / name).read_bytes(), "png")
            for name, caption in captions.items()
            if path.parent / name in given
        }
        found.append(Judged(path.parent.name, facts, beside))
    return sorted(found, key=lambda one: (-(one.facts["scores"]["miou"] or 0), one.name))


def scene_layers(
    name: str,
    cube: Cube,
    labels: Labels,
    maps: Mapping[str, str | os.PathLike[str]],
    tiles: pd.DataFrame,
    classes: ClassTable,
    parts: Sequence[View] = (),
) -> SceneLayers:
    """Make the pictures of a scene: all of it, thinned out, and parts of it.

    Of a scene too large to be thinned to every so manyth pixel, classes are the commonest ones of
    as many pixels, and maps are read through the overviews inside them. Memory is bounded by the
    pictures, not by the scene.

    Args:
        name: Of the scene.
        cube: Its imagery; the last date is shown.
        labels: The truth.
        maps: Experiment -> map.
        tiles: Held-out tiles (y, x, size).
        classes: The class table.
        parts: What to show of it besides.

    Raises:
        InputError: When a map differs in size.
    """
    shape = cube.grid.shape
    with ExitStack() as stack:
        opened = {key: stack.enter_context(rasterio.open(path)) for key, path in maps.items()}
        for key, dataset in opened.items():
            if dataset.shape != shape:
                raise InputError(
                    maps[key], "it has another size than its image", "Predict it again."
                )
        found = [
            _pictures(name, view, cube, labels, opened, tiles, classes)
            for view in (View.entire(shape), *parts)
        ]
    return replace(found[0], parts=tuple(found[1:]))


def _pictures(
    name: str,
    view: View,
    cube: Cube,
    labels: Labels,
    maps: Mapping[str, rasterio.DatasetReader],
    tiles: pd.DataFrame,
    classes: ClassTable,
) -> SceneLayers:
    """Make the pictures of a view of a scene."""
    thin = view.whole and max(view.height, view.width) > WHOLE
    truth = view.read(labels.hard, commonest if thin else every)
    layers = {
        IMAGE: _jpeg(natural_picture(cube, view.read)),
        TRUTH: _png(paint(truth, classes)),
    }
    for experiment, dataset in maps.items():
        ids = view.read_overview(dataset) if thin else view.read(band_reader(dataset))
        layers[experiment] = _png(paint(ids, classes))
    held = view.read(lambda y, x, height, width: paint_tiles(tiles, y, x, height, width))
    return SceneLayers(name, view, layers, _outline(held) if held.any() else "")


def _outline(mask: NDArray[np.bool_]) -> str:
    """Return the outlines of a mask along pixel sides, as an SVG path."""
    padded = np.pad(mask.astype(np.int8), 1)
    sides = []
    for down in (False, True):
        rows, columns = np.nonzero(np.diff(padded, axis=int(down)))
        for y, x in zip(rows.tolist(), columns.tolist(), strict=True):
            sides.append((x, y - 1, True) if down else (x - 1, y, False))
    return "".join(f"M{x} {y}{'v' if down else 'h'}{n}" for x, y, down, n in _runs(sides))


def _runs(sides: list[tuple[int, int, bool]]) -> list[tuple[int, int, bool, int]]:
    """Join pixel sides that follow each other into longer ones."""
    runs: list[list[Any]] = []
    order = sorted(sides, key=lambda s: (s[2], s[0] if s[2] else s[1], s[1] if s[2] else s[0]))
    for x, y, down in order:
        last = runs[-1] if runs else None
        if (
            last
            and last[2] == down
            and (
                (down and last[0] == x and last[1] + last[3] == y)
                or (not down and last[1] == y and last[0] + last[3] == x)
            )
        ):
            last[3] += 1
        else:
            runs.append([x, y, down, 1])
    return [(x, y, down, n) for x, y, down, n in runs]


def _png(picture: NDArray[np.uint8]) -> str:
    return _address(cv2.imencode(".png", picture[..., ::-1])[1].tobytes(), "png")


def _jpeg(picture: NDArray[np.uint8]) -> str:
    quality = [cv2.IMWRITE_JPEG_QUALITY, 88]
    return _address(cv2.imencode(".jpg", picture[..., ::-1], quality)[1].tobytes(), "jpeg")


def _address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
