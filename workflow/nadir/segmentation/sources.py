"""Patches of several scenes: cut, normalized and turned on the device that computes.

Two sources, one interface, equal samples: `ResidentSource` holds the ground that the tiles cover
as raw integers in memory (of the GPU, or of the host), `StoredSource` reads each patch from the
stores in threads, some batches ahead.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch

from nadir.config.training import Extra
from nadir.learn.allocator import keep_freed_memory
from nadir.segmentation.disturbing import disturb, mix_samples
from nadir.segmentation.loss_terms import at_edges
from nadir.segmentation.normalize import Statistics, gain_and_bias
from nadir.segmentation.outlines import LabelOutlines
from nadir.segmentation.patches import OutlinesLike, Scene, Shot, Window, affine_of
from nadir.segmentation.turning import (
    nearest,
    resize,
    resize_known,
    turn,
    turned_inside,
    turned_known,
)
from nadir.tiles.crops import spread_of

_STRIP = 512
_AHEAD = 3


Raw = tuple[torch.Tensor, ...]
"""uint16 (date, band, h, w), bool (date, h, w), uint8 (h, w), then int8 (h, w) where outlines are
asked for, and uint8 (K + 1, h, w) where shares are.
"""

Prepared = tuple[torch.Tensor, ...]
"""Input, target, and the extras that are asked for, in their order; see `Source.prepare`."""


class Source(ABC):
    """Where patches come from.

    Args:
        scenes: The scenes, in the order of the windows' numbers.
        windows: Every tile that will be asked for.
        statistics: Of the training tiles.
        device: Where batches are computed.
        outlines: Id of the class whose outlines are asked for; None for no outlines.
        extras: What else batches hold: `shares`, `seen`, `edges`; `distance` goes with `outlines`.
    """

    name: str

    def __init__(
        self,
        scenes: Sequence[Scene],
        windows: Sequence[Window],
        statistics: Statistics,
        device: torch.device,
        outlines: int | None = None,
        extras: Sequence[Extra] = (),
    ) -> None:
        self.outlines = outlines
        self.extras = frozenset(extras)
        self.scenes = scenes
        self.windows = windows
        self.device = device
        tables = [affine_of(scene.cube, statistics) for scene in scenes]
        self.gain = torch.from_numpy(np.stack([gain for gain, _ in tables])).to(device)
        self.bias = torch.from_numpy(np.stack([bias for _, bias in tables])).to(device)
        dates = len(statistics.mean)
        of_reflectance = gain_and_bias(statistics, [1.0] * dates, [0.0] * dates)
        self._of_reflectance = [torch.from_numpy(part).to(device) for part in of_reflectance]
        scales = [scene.labels.fraction_scale for scene in scenes] if self.shares else [1]
        self._whole = torch.tensor(scales, dtype=torch.float32, device=device)

    @property
    def shares(self) -> bool:
        """Whether the shares of classes are asked for."""
        return "shares" in self.extras

    @abstractmethod
    def raw(self, windows: Sequence[Window]) -> Iterator[Raw]:
        """Yield the raw patches of windows, in their order."""

    @abstractmethod
    def batches(self, groups: Sequence[Sequence[Shot]]) -> Iterator[Prepared]:
        """Yield what `prepare` gives for each group of shots, in order."""

    @abstractmethod
    def close(self) -> None:
        """Free what the source holds."""

    def prepare(self, patches: Sequence[Raw], group: Sequence[Shot]) -> Prepared:
        """Return what a network is shown, on the device.

        Args:
            patches: Raw patches.
            group: How each is shown; all to the same size in the end.

        Returns:
            Input float32 (B, date * band, h, w), 0 where a date is invalid; target int64 (B, h, w),
            id - 1, and -1 (ignored) where there is no label or the ground is seen on no date. Then,
            where they are asked for: float32 (B, h, w) distance in pixels of the ground; float32
            (B, K, h, w) share of each class, 0 where the ground is not seen; float32 (B, h, w)
            share of the dates on which it is; bool (B, h, w) whether a neighbor is of another
            class, on the ground itself: seams of mixed samples are no borders.
        """
        alike = len({(shot.window.size, shot.side, shot.angle) for shot in group}) == 1
        if alike and not group[0].angle:
            shown = self._develop(patches, group)
        else:
            singles = [
                self._develop([patch], [shot]) for patch, shot in zip(patches, group, strict=True)
            ]
            shown = tuple(torch.cat(parts) for parts in zip(*singles, strict=True))
        if "edges" in self.extras:
            shown = (*shown, at_edges(shown[1]))
        return tuple(mix_samples(shown, [shot.mix for shot in group]))

    def _develop(self, patches: Sequence[Raw], group: Sequence[Shot]) -> Prepared:
        """Return what `prepare` returns, for patches of one size."""
        images, *rest = zip(*patches, strict=True)
        values = _floats(images, self.device)
        valid, labels, *others = (
            stacked(parts).to(self.device, non_blocking=True) for parts in rest
        )
        scene = torch.tensor([shot.window.scene for shot in group], device=self.device)
        values *= self.gain[scene][..., None, None]
        values += self.bias[scene][..., None, None]
        self._jitter(values, group)
        visible = self._disturb(values, valid, group)
        values *= valid[:, :, None]
        target = torch.where(visible.any(dim=1), labels.to(torch.int64), 0) - 1
        shown = [values.flatten(1, 2), target]
        if self.outlines is not None:
            shown.append(others[0].to(torch.float32))
        if self.shares:
            shares = others[-1][:, 1:].to(torch.float32) / self._whole[scene][:, None, None, None]
            shown.append(shares * visible.any(dim=1, keepdim=True))
        if "seen" in self.extras:
            shown.append(visible.to(torch.float32).mean(dim=1))
        shown = _resampled(shown, valid, group[0])
        for row, shot in enumerate(group):
            if shot.symmetry:
                for part in shown:
                    part[row] = turn(part[row], shot.symmetry)
        return tuple(shown)

    def _jitter(self, values: torch.Tensor, group: Sequence[Shot]) -> None:
        """Give each sample its look, in place."""
        for row, shot in enumerate(group):
            if shot.look is not None:
                shift = torch.from_numpy(shot.look.shift).to(self.device)
                values[row] *= shot.look.gain
                values[row] += shift.reshape(*values.shape[1:3], 1, 1)

    def _disturb(
        self, values: torch.Tensor, valid: torch.Tensor, group: Sequence[Shot]
    ) -> torch.Tensor:
        """Let what befalls each sample befall it, in place; return where ground is seen."""
        if all(shot.disturbance is None for shot in group):
            return valid
        hidden = torch.zeros_like(valid)
        for row, shot in enumerate(group):
            if shot.disturbance is not None:
                hidden[row] = disturb(
                    values[row], valid[row], shot.disturbance, *self._of_reflectance
                )
        return valid & ~hidden

    def outlines_of(self, scene: Scene) -> OutlinesLike | None:
        """Return the outlines of a scene: stored, or of its labels; None where none are asked."""
        if self.outlines is None:
            return None
        return scene.outlines or LabelOutlines(scene.labels, self.outlines)


class ResidentSource(Source):
    """Holds the bounding box of each scene's tiles in memory, as raw integers.

    Args:
        storage: The device that holds it; patches move to `device` from there.
        threads: Threads that fill it.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        windows: Sequence[Window],
        statistics: Statistics,
        device: torch.device,
        storage: torch.device,
        threads: int = 1,
        outlines: int | None = None,
        extras: Sequence[Extra] = (),
    ) -> None:
        super().__init__(scenes, windows, statistics, device, outlines, extras)
        self.name = f"resident on {storage.type}"
        self._corner: dict[int, tuple[int, int]] = {}
        self._held: dict[int, Raw] = {}
        for number, (y, x, height, width) in bounding_boxes(windows).items():
            self._corner[number] = (y, x)
            found = self.outlines_of(scenes[number])
            loaded = _load(scenes[number], found, self.shares, y, x, height, width, threads)
            self._held[number] = tuple(torch.from_numpy(part).to(storage) for part in loaded)

    def raw(self, windows: Sequence[Window]) -> Iterator[Raw]:
        """Yield views into the held scenes."""
        for window in windows:
            y0, x0 = self._corner[window.scene]
            rows = slice(window.y - y0, window.y - y0 + window.size)
            columns = slice(window.x - x0, window.x - x0 + window.size)
            yield tuple(part[..., rows, columns] for part in self._held[window.scene])

    def batches(self, groups: Sequence[Sequence[Shot]]) -> Iterator[Prepared]:
        """Yield each group as it is asked for: cutting is cheaper than handing over."""
        for group in groups:
            yield self.prepare(list(self.raw([shot.window for shot in group])), group)

    def close(self) -> None:
        """Free the memory."""
        self._held.clear()


class StoredSource(Source):
    """Reads patches from the stores, `_AHEAD` batches before they are needed.

    Args:
        threads: Reading threads.
    """

    def __init__(
        self,
        scenes: Sequence[Scene],
        windows: Sequence[Window],
        statistics: Statistics,
        device: torch.device,
        threads: int = 2,
        outlines: int | None = None,
        extras: Sequence[Extra] = (),
    ) -> None:
        super().__init__(scenes, windows, statistics, device, outlines, extras)
        self.name = "read from the stores"
        keep_freed_memory()  # each patch is megabytes, soon freed
        self._outlines = [self.outlines_of(scene) for scene in scenes]
        self._pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="patches")

    def _read(self, window: Window) -> Raw:
        scene = self.scenes[window.scene]
        box = (window.y, window.x, window.size, window.size)
        image, valid = scene.cube.read(*box)
        found = self._outlines[window.scene]
        distance = () if found is None else (found.distance(*box),)
        shares = (scene.labels.fraction(*box),) if self.shares else ()
        parts_ = (image, valid, scene.labels.hard(*box), *distance, *shares)
        return tuple(torch.from_numpy(np.ascontiguousarray(part)) for part in parts_)

    def raw(self, windows: Sequence[Window]) -> Iterator[Raw]:
        """Yield what the threads read."""
        yield from self._pool.map(self._read, windows)

    def batches(self, groups: Sequence[Sequence[Shot]]) -> Iterator[Prepared]:
        """Yield the groups while the threads read the next ones."""
        waiting: deque[list[Future[Raw]]] = deque()
        ahead = iter(groups)

        def ask() -> None:
            group = next(ahead, None)
            if group is not None:
                waiting.append([self._pool.submit(self._read, shot.window) for shot in group])

        for _ in range(_AHEAD):
            ask()
        try:
            for group in groups:
                patches = [future.result() for future in waiting.popleft()]
                ask()
                yield self.prepare(patches, group)
        finally:
            for futures in waiting:
                for future in futures:
                    future.cancel()

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)


def stacked(parts: Sequence[torch.Tensor]) -> torch.Tensor:
    """Return patches of one shape and type as one tensor, where they lie.

    On a CPU NumPy copies integers of 16 bits several times as fast as torch does.
    """
    if parts[0].device.type != "cpu":
        return torch.stack(list(parts))
    arrays = [part.numpy() for part in parts]
    return _in_rows(arrays, arrays[0].dtype)


def _floats(parts: Sequence[torch.Tensor], device: torch.device) -> torch.Tensor:
    """Return patches as one float32 tensor on a device; on a CPU in a single pass, by NumPy."""
    if device.type == "cpu" and parts[0].device.type == "cpu":
        return _in_rows([part.numpy() for part in parts], np.float32)
    return stacked(parts).to(device, non_blocking=True).to(torch.float32)


def _in_rows(arrays: Sequence[np.ndarray], dtype: npt.DTypeLike) -> torch.Tensor:
    """Return arrays as one tensor, row after row.

    By itself NumPy keeps the order of turned arrays in memory: networks would then run, and round,
    by how the patches of a batch happen to be turned.
    """
    out = np.empty((len(arrays), *arrays[0].shape), dtype)
    return torch.from_numpy(np.stack(arrays, out=out, casting="unsafe"))


def _resampled(shown: list[torch.Tensor], valid: torch.Tensor, shot: Shot) -> list[torch.Tensor]:
    """Return what is shown at the size that is asked for, turned by the angle that is.

    Args:
        shown: The input, then what goes with it.
        valid: bool (n, date, h, w), where the input is known.
        shot: How it is shown.
    """
    side = shot.side
    if side is None or (side == shot.window.size and not shot.angle):
        return shown
    image, *rest = shown
    around = round(side * spread_of(shot.angle)) if shot.angle else side
    image, valid = resize_known(image, valid, (around, around))
    rest = [_scaled(part, around) for part in rest]
    if shot.angle:
        image, _ = turned_known(image, valid, shot.angle, side)
        rest = [_turned(part, shot.angle, side) for part in rest]
    return [image, *rest]


def _scaled(part: torch.Tensor, side: int) -> torch.Tensor:
    """Return (n, c, h, h) resampled smoothly, (n, h, h) by the nearest neighbor."""
    return resize(part, (side, side)) if part.ndim == 4 else nearest(part, side)


def _turned(part: torch.Tensor, angle: float, side: int) -> torch.Tensor:
    """Return the middle of (n, c, h, h) turned smoothly, of (n, h, h) by the nearest neighbor."""
    if part.ndim == 4:
        return turned_inside(part, angle, side)
    # Class ids and distances in pixels are small enough to be exact as float32.
    return turned_inside(part[:, None].float(), angle, side, smooth=False)[:, 0].to(part.dtype)


def bounding_boxes(windows: Sequence[Window]) -> dict[int, tuple[int, int, int, int]]:
    """Return (y, x, height, width) of the ground that the tiles of each scene cover."""
    boxes: dict[int, tuple[int, int, int, int]] = {}
    for number in sorted({window.scene for window in windows}):
        mine = [window for window in windows if window.scene == number]
        y, x = min(w.y for w in mine), min(w.x for w in mine)
        boxes[number] = (
            y,
            x,
            max(w.y + w.size for w in mine) - y,
            max(w.x + w.size for w in mine) - x,
        )
    return boxes


def _load(
    scene: Scene,
    outlines: OutlinesLike | None,
    shares: bool,
    y: int,
    x: int,
    height: int,
    width: int,
    threads: int,
) -> tuple[np.ndarray, ...]:
    """Read a large window strip by strip, in threads."""
    image, valid = scene.cube.read(y, x, 1, 1)
    held = [
        np.empty((*image.shape[:2], height, width), image.dtype),
        np.empty((len(valid), height, width), bool),
        np.empty((height, width), np.uint8),
    ]
    if outlines is not None:
        held.append(np.empty((height, width), np.int8))
    if shares:
        count = len(scene.labels.fraction(y, x, 1, 1))
        held.append(np.empty((count, height, width), np.uint8))

    def strip(top: int) -> None:
        rows = min(_STRIP, height - top)
        box = (y + top, x, rows, width)
        held[0][..., top : top + rows, :], held[1][:, top : top + rows] = scene.cube.read(*box)
        held[2][top : top + rows] = scene.labels.hard(*box)
        if outlines is not None:
            held[3][top : top + rows] = outlines.distance(*box)
        if shares:
            held[-1][:, top : top + rows] = scene.labels.fraction(*box)

    with ThreadPoolExecutor(max(1, threads)) as pool:
        list(pool.map(strip, range(0, height, _STRIP)))
    return tuple(held)
