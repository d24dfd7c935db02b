"""Films as GIF: how views change while training, and along a line over the map."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from nadir.errors import InputError
from nadir.groundview.figures_views import evenly
from nadir.groundview.imagery import local_metres
from nadir.provenance.atomic import write_bytes
from nadir.provenance.numpy_files import load_arrays
from nadir.raster.style import ACCENTS, INK, QUIET

Frame = NDArray[np.uint8]
"""uint8 (height, width, 3)."""

FRAMES = 60
"""Most frames of a film."""
LAST_MS = 2500
"""How long the last frame stays, in milliseconds."""

_LEAST_WIDE = 480  # pixels of a film
_AGAIN = "Delete it, if it is there, and run snakemake again."


def write_film(
    path: str | PathLike[str], frames: Sequence[Frame], milliseconds: int, last: int = LAST_MS
) -> None:
    """Write frames of equal size as an endless GIF; equal frames give equal bytes.

    All frames have one palette, so that colors stand still.

    Args:
        path: The file.
        frames: At least one.
        milliseconds: How long a frame stays.
        last: How long the last one stays.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    images = [Image.fromarray(frame) for frame in frames]
    some = np.concatenate([frames[k][::2, ::2].reshape(-1, 3) for k in evenly(len(frames), 12)])
    palette = Image.fromarray(some[:, None]).quantize(255, Image.Quantize.MEDIANCUT)
    flat = [image.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG) for image in images]
    buffer = io.BytesIO()
    flat[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=flat[1:],
        duration=[milliseconds] * (len(flat) - 1) + [last],
        loop=0,
        optimize=False,
    )
    write_bytes(path, buffer.getvalue())


def training_film(source: str | PathLike[str], path: str | PathLike[str], title: str) -> None:
    """Write the film of a training: fixed places and noise, generated anew after each epoch.

    Args:
        source: `frames.npz` of a training: `frames` uint8 (k, height, width, 3) and `steps` (k,).
        path: The GIF to write.
        title: What is trained.

    Raises:
        InputError: When the file is absent or holds no frames.
        OutputError: When the disk is full or not writable.
    """
    stored = read_arrays(source, ("frames", "steps"))
    frames, steps = stored["frames"], stored["steps"]
    if frames.ndim != 4 or frames.shape[-1] != 3 or not len(frames) or len(steps) != len(frames):
        problem = f"it holds frames {frames.shape} and steps {steps.shape}"
        raise InputError(source, problem, "Train the generator again.")
    factor = max(1, -(-_LEAST_WIDE // frames.shape[2]))
    chosen = evenly(len(frames), FRAMES)
    most = int(steps.max())
    shown = [
        _titled(
            _enlarged(frames[k], factor),
            f"{title}: after {int(steps[k]):,} of {most:,} epochs".replace(",", "\u2009"),
            int(steps[k]) / max(1, most),
        )
        for k in chosen
    ]
    write_film(path, shown, 250)


@dataclass(frozen=True, eq=False)
class Walked:
    """Views along a line.

    Attributes:
        views: uint8 (n, 3, image_px, image_px).
        crops: uint8 (n, 3, crop_px, crop_px), north up.
        x: float64 (n,): metres east of the middle of the line.
        y: float64 (n,): metres north of it.
        crop_m: Side of a crop on the ground in metres; None where not known.
    """

    views: NDArray[np.uint8]
    crops: NDArray[np.uint8]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    crop_m: float | None = None


def read_path(source: str | PathLike[str]) -> Walked:
    """Read `path.npz`, whose `x` and `y` are longitude and latitude in degrees.

    Raises:
        InputError: When the file is absent, or its arrays do not fit together.
    """
    stored = read_arrays(source, ("views", "crops", "x", "y"))
    count = len(stored["x"])
    if not count or any(len(stored[name]) != count for name in ("views", "crops", "y")):
        raise InputError(source, "its arrays are of different lengths, or empty", _AGAIN)
    side = stored.get("crop_m")
    x, y = local_metres(stored["x"], stored["y"]).T
    return Walked(stored["views"], stored["crops"], x, y, None if side is None else float(side))


def path_film(walked: Walked, path: str | PathLike[str], title: str) -> None:
    """Write the film along a line: the map with line and observer, and what the observer sees.

    The map is made of the crops along the line.

    Args:
        walked: The views along the line.
        path: The GIF to write.
        title: What generated them.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    side = _LEAST_WIDE
    ground, places = map_of_crops(walked, side)
    frames = []
    for k in evenly(len(walked.x), FRAMES):
        view = walked.views[k].transpose(1, 2, 0)
        large = cv2.resize(np.ascontiguousarray(view), (side, side), interpolation=cv2.INTER_CUBIC)
        gap = np.full((side, 8, 3), 255, np.uint8)
        whole = np.concatenate([_with_line(ground, places, int(k)), gap, large], axis=1)
        text = f"{title}: {_travelled(walked, int(k)):.0f} m along the line"
        frames.append(_titled(whole, text, k / max(1, len(walked.x) - 1)))
    write_film(path, frames, 350, 1200)


def map_of_crops(walked: Walked, side: int) -> tuple[Frame, NDArray[np.float64]]:
    """Return a map put together from crops, and where the observer stands on it.

    Args:
        walked: The views along a line.
        side: Side of the map in pixels.

    Returns:
        The map, uint8 (side, side, 3), north up, light gray where no crop lies; and the places of
        the observers in pixels, float64 (n, 2) as column and row.
    """
    pixels = walked.crops.shape[-1]
    crop_m = walked.crop_m or float(pixels)
    middle = [(values.min() + values.max()) / 2 for values in (walked.x, walked.y)]
    reach = max(np.ptp(walked.x), np.ptp(walked.y)) + crop_m
    scale = side / reach
    places = np.stack(
        [(walked.x - middle[0]) * scale + side / 2, side / 2 - (walked.y - middle[1]) * scale], 1
    )
    ground = np.full((side, side, 3), 238, np.uint8)
    extent = max(1, round(crop_m * scale))
    nearest = np.full((side, side), np.inf, np.float32)
    rows, columns = np.mgrid[:side, :side]
    for crop, (column, row) in zip(walked.crops, places, strict=True):
        how = cv2.INTER_AREA if extent < pixels else cv2.INTER_LINEAR
        picture = np.ascontiguousarray(crop.transpose(1, 2, 0))
        small = cv2.resize(picture, (extent, extent), interpolation=how)
        at_row = rows - round(row - extent / 2)
        at_column = columns - round(column - extent / 2)
        inside = (at_row >= 0) & (at_row < extent) & (at_column >= 0) & (at_column < extent)
        # Each pixel comes from the crop in whose middle it lies most.
        off = np.maximum(abs(rows + 0.5 - row), abs(columns + 0.5 - column)).astype(np.float32)
        inside &= off < nearest
        ground[inside] = small[at_row[inside], at_column[inside]]
        nearest[inside] = off[inside]
    return ground, places


def _with_line(ground: Frame, places: NDArray[np.float64], at: int) -> Frame:
    """Return the map with the line, and the observer at one of its places."""
    image = Image.fromarray(ground)
    pen = ImageDraw.Draw(image)
    line = [tuple(place) for place in places.tolist()]
    if len(line) > 1:
        pen.line(line, fill="#ffffff", width=5)
        pen.line(line, fill=ACCENTS[0], width=3)
    column, row = line[at]
    ahead = places[min(at + 1, len(places) - 1)] - places[max(0, at - 1)]
    length = float(np.hypot(*ahead))
    if length > 0:
        x, y = (ahead / length * 20).tolist()
        head = [(column + x, row + y), (column - y / 2, row + x / 2), (column + y / 2, row - x / 2)]
        pen.polygon(head, fill=ACCENTS[1], outline="#ffffff")
    pen.ellipse((column - 6, row - 6, column + 6, row + 6), fill=ACCENTS[1], outline="#ffffff")
    return np.asarray(image)


def _travelled(walked: Walked, at: int) -> float:
    """Return metres from the start of the line to one of its places."""
    steps = np.hypot(np.diff(walked.x), np.diff(walked.y))
    return float(steps[:at].sum())


def _enlarged(frame: Frame, factor: int) -> Frame:
    return np.repeat(np.repeat(frame, factor, axis=0), factor, axis=1)


def _titled(frame: Frame, text: str, done: float) -> Frame:
    """Return a frame under a line of text, with a bar that tells how far the film is."""
    height, width = frame.shape[:2]
    bar = 30
    image = Image.new("RGB", (width, height + bar), "#ffffff")
    image.paste(Image.fromarray(frame), (0, bar))
    pen = ImageDraw.Draw(image)
    pen.text((8, 5), text, fill=INK, font=_font(15))
    pen.rectangle((0, bar - 3, width, bar - 1), fill="#e4e7eb")
    pen.rectangle((0, bar - 3, round(width * done), bar - 1), fill=QUIET)
    return np.asarray(image)


def _font(size: int) -> Any:
    """Return the font that comes with Matplotlib, so that films look alike everywhere."""
    folder = Path(matplotlib.get_data_path()) / "fonts/ttf"
    return ImageFont.truetype(str(folder / "DejaVuSans.ttf"), size)


def read_arrays(source: str | PathLike[str], names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Return the arrays of an `.npz` file; nothing is unpickled.

    Raises:
        InputError: When it is absent, no such file, or lacks one of the names.
    """
    try:
        found = load_arrays(source)
    except FileNotFoundError as error:
        raise InputError(source, "there is no such file", _AGAIN) from error
    except (OSError, ValueError) as error:
        raise InputError(source, f"these are no arrays ({error})", _AGAIN) from error
    lacking = [name for name in names if name not in found]
    if lacking:
        raise InputError(source, f"it lacks {', '.join(lacking)}", _AGAIN)
    return found
