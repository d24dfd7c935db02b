"""Maps to stand on as a service offers them: loaded, and painted in shared calls."""

from __future__ import annotations

import base64
import io
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nadir.service.batching import Batcher
from nadir.service.looked import (
    CropPicture,
    Example,
    Gaze,
    LookAnswer,
    MapAnswer,
    Place,
    ViewPicture,
)
from nadir.service.problems import Problem
from nadir.service.sheets import Sheet

if TYPE_CHECKING:
    import torch

    from nadir.groundview.conditions import Condition
    from nadir.groundview.generator import Generator
    from nadir.groundview.ground_map import Cut, GroundMap

_SHARED = 8  # views of a call on an accelerator
_WRONG_PLACE = "Give x and y in the map's system, or longitude and latitude."


class Painter:
    """The generator in the form of a model that `Batcher` shares among requests.

    Args:
        generator: The generator.
    """

    def __init__(self, generator: Generator) -> None:
        self.generator = generator
        # As for segmentation: on the CPU more at a time gain nothing, and wait longer.
        self.size = 1 if generator.device.type == "cpu" else _SHARED
        blank = np.zeros((1, 3, generator.crop_px, generator.crop_px), np.uint8)
        told = _parts(generator.condition(blank, [math.nan]))
        self._shapes = [part.shape[1:] for part in told] + [(generator.network.latent_size,)]

    def paint(
        self,
        raw: NDArray[np.float32],
        valid: NDArray[np.bool_],
        scale: Sequence[float],
        offset: Sequence[float],
    ) -> NDArray[Any]:
        """Return the views of rows as `ask` makes them, uint8; the rest is not needed."""
        import torch

        from nadir.groundview.conditions import Condition

        ends = np.cumsum([math.prod(shape) for shape in self._shapes])[:-1]
        parts = [
            torch.from_numpy(np.ascontiguousarray(part)).reshape(len(raw), *shape)
            for part, shape in zip(np.split(raw, ends, axis=1), self._shapes, strict=True)
        ]
        return self.generator.paint(Condition(*parts[:3]), parts[3])

    def ask(
        self,
        batcher: Batcher,
        crop: NDArray[np.uint8],
        heading: float | None,
        samples: Sequence[int],
        seed: int,
    ) -> NDArray[np.uint8]:
        """Return views as `Generator.generate` makes them of one place.

        Args:
            batcher: Where to paint.
            crop: uint8 (3, c, c).
            heading: Direction of view in degrees; None where unknown.
            samples: Which samples.
            seed: The seed.

        Returns:
            uint8 (samples, 3, image_px, image_px).
        """
        condition = self.generator.condition(crop[None], [math.nan if heading is None else heading])
        latents = self.generator.latent([0], samples, seed)[0]
        told = [np.repeat(part.reshape(1, -1), len(samples), 0) for part in _parts(condition)]
        raw: Any = np.concatenate([*told, latents], axis=1)
        one = np.ones((len(samples), 1), bool)
        return batcher.predict(self.paint, self.size, raw, one, (), ())  # type: ignore[return-value]


def _parts(condition: Condition) -> list[NDArray[np.float32]]:
    """Return what a condition tells: crops, layers, whether the heading is known."""
    return [part.numpy() for part in (condition.crops, condition.layers, condition.known)]


@dataclass(frozen=True)
class Standing:
    """Where an observer stands.

    Attributes:
        cut: The crop there.
        degrees: Longitude and latitude of its middle.
    """

    cut: Cut
    degrees: tuple[float, float]


class OpenGround:
    """A map that a service offers.

    Args:
        ground: The map.
        generator: Its generator.
    """

    def __init__(self, ground: GroundMap, generator: Generator) -> None:
        self.ground, self.facts = ground, ground.facts
        self.name = ground.facts.name
        self.painter = Painter(generator)
        self.sheet = Sheet("map", self.name, ground.path, ground.grid)

    def describe(self) -> MapAnswer:
        """Return what is known of it."""
        facts = self.facts
        return MapAnswer(
            **self.sheet.describe(),
            generator=facts.generator,
            headings=facts.headings,
            image_px=facts.image_px,
            crop_px=facts.crop_px,
            crop_m=facts.crop_m,
            crs=facts.crs,
            bounds=facts.bounds,
            examples=[Example(**one.model_dump()) for one in facts.examples],
            digest=facts.digest[:16],
        )

    def stand(self, place: Place) -> Standing:
        """Return the crop of a place (in a thread).

        Raises:
            Problem: 422 when it is no place, or lies too near to the edge of the map or beyond.
        """
        x, y = self._position(place)
        cut = self.ground.cut(x, y)
        if cut is None:
            raise self._outside(x, y)
        return Standing(cut, self.ground.degrees(cut.x, cut.y))

    def view(self, gaze: Gaze, sample: int, batcher: Batcher) -> bytes:
        """Return one view as PNG (in a thread). Raises as `stand` does."""
        crop = self.stand(gaze).cut.crop
        return png(self.painter.ask(batcher, crop, self._heading(gaze), [sample], gaze.seed)[0])

    def crop(self, place: Place) -> bytes:
        """Return the crop of a place as PNG (in a thread). Raises as `stand` does."""
        return png(self.stand(place).cut.crop)

    def look(self, gaze: Gaze, samples: int, batcher: Batcher) -> LookAnswer:
        """Return what an observer sees (in a thread). Raises as `stand` does."""
        start = time.perf_counter()
        there, heading, seed = self.stand(gaze), self._heading(gaze), gaze.seed
        cut = there.cut
        views = self.painter.ask(batcher, cut.crop, heading, range(samples), seed)
        here: dict[str, Any] = {"map": self.name, "x": cut.x, "y": cut.y}
        turned = {} if heading is None else {"heading": heading}
        return LookAnswer(
            map=self.name,
            crs=self.facts.crs,
            position=(cut.x, cut.y),
            degrees=there.degrees,
            heading=heading,
            seed=seed,
            image_px=self.facts.image_px,
            views=[
                ViewPicture(
                    sample=sample,
                    png=_text(png(view)),
                    address=_address("view", {**here, **turned, "seed": seed, "sample": sample}),
                )
                for sample, view in enumerate(views)
            ],
            crop=CropPicture(
                png=_text(png(cut.crop)),
                address=_address("crop", here),
                meters=self.facts.crop_m,
                north=self.facts.north,
            ),
            seconds=round(time.perf_counter() - start, 4),
        )

    def _heading(self, gaze: Gaze) -> float | None:
        """Return the direction that is heeded, from 0 to 360."""
        if gaze.heading is None or not self.facts.headings:
            return None
        return gaze.heading % 360

    def _position(self, place: Place) -> tuple[float, float]:
        """Return x and y of a place."""
        plane, globe = (place.x, place.y), (place.longitude, place.latitude)
        given = [pair for pair in (plane, globe) if pair != (None, None)]
        if len(given) != 1 or None in given[0]:
            what = "there is no place" if not given else "the place is given by halves, or twice"
            raise Problem(422, "no-place", what, _WRONG_PLACE)
        one, other = given[0]
        assert one is not None and other is not None
        return self.ground.place(one, other) if given[0] is globe else (one, other)

    def _outside(self, x: float, y: float) -> Problem:
        """Return the problem of a place whose crop the map does not cover."""
        left, bottom, right, top = self.facts.bounds
        inside = left <= x <= right and bottom <= y <= top
        reach = f"{self.facts.crop_m:g} m around it"
        where = f"{x:.6g}, {y:.7g}" if math.isfinite(x + y) else "this place"
        return Problem(
            422,
            "outside",
            f"map {self.name!r} does not show all of the {reach}"
            if inside
            else f"{where} lies beyond map {self.name!r}",
            f"Stay half of {self.facts.crop_m:g} m inside of x {left:.2f} to {right:.2f}, "
            f"y {bottom:.2f} to {top:.2f} ({self.facts.crs}), where the map has data.",
        )


def png(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture (3, h, w) as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture.transpose(1, 2, 0))).save(buffer, "PNG")
    return buffer.getvalue()


def _text(data: bytes) -> str:
    """Return bytes in base64."""
    return base64.b64encode(data).decode()


def _address(kind: str, question: dict[str, Any]) -> str:
    """Return where a picture is."""
    return f"/groundview/{kind}.png?{urlencode(question)}"


def load_grounds(
    folders: Sequence[Path], device: torch.device | str = "cpu", threads: int = 1
) -> list[OpenGround]:
    """Open the maps that a command line names.

    Args:
        folders: Their folders.
        device: Where their generators compute.
        threads: CPU threads.

    Raises:
        InputError: When one is absent or damaged, or is not the map of its generator.
    """
    import torch

    from nadir.groundview.generator import load_generator
    from nadir.groundview.ground_map import read_ground_map

    torch.set_num_threads(threads)
    grounds = [read_ground_map(folder) for folder in folders]
    return [OpenGround(ground, load_generator(ground.model, device)) for ground in grounds]
