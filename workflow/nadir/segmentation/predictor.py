"""One interface to every trained model: raw windows in, class probabilities out."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

from nadir.config.classes import ClassTable
from nadir.config.experiments import ModelConfig, RandomForest
from nadir.errors import InputError
from nadir.learn.bundle import (
    DESCRIPTION,
    WEIGHTS,
    Bundle,
    check_tensors,
    load_bundle,
    load_description,
)
from nadir.segmentation.describe import TASKS
from nadir.segmentation.normalize import Statistics, gain_and_bias, normalize
from nadir.segmentation.tta import PLAIN, View
from nadir.segmentation.windows import filled
from nadir.tiles.augment import inverse

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

_FITTING = "Give an image like those that the model was trained on, or train a model for this one."
_GROUP, _GROUP_PIXELS = 16, 256 * 256  # at most, of windows that a CPU sees together
_FACTOR_HIGH, _FACTOR_LOW = 20.0, 1 / 200  # snow is some 5 times as bright as land, sea 1/25


class Predictor(ABC):
    """A trained model, ready to predict.

    Attributes:
        table: The classes; probabilities come in the order of their ids 1..K.
        bands: Names of the bands, in the order in which they must be given.
        dates: Number of dates.
        tile: Side in pixels of the largest training tiles: a sensible window.
        statistics: Of the training tiles, in reflectance.
        folder: Where the bundle lies.
        folders: Where the bundles of all models lie that answer: one, or an ensemble's.
    """

    def __init__(self, bundle: Bundle) -> None:
        description = bundle.description
        self.folder = bundle.folder
        self.folders: tuple[Path, ...] = (bundle.folder,)
        self.table = ClassTable.model_validate(description["classes"])
        self.bands: tuple[str, ...] = tuple(description["bands"])
        self.dates = int(description["dates"])
        self.tile = int(description["tile"])
        self.statistics = Statistics.of(**description["statistics"])

    @property
    def by_pixel(self) -> bool:
        """Whether what is said of a pixel depends on that pixel alone."""
        return False

    def group(self, height: int, width: int) -> int:
        """Return how many windows of a size are computed together; 0: as many as are asked for.

        Networks round differently for other numbers of windows: short groups are filled up with
        copies. Who asks for whole groups gets equal answers however many groups that are.
        """
        return 0

    def check(self, name: str | os.PathLike[str], bands: Sequence[str], dates: int) -> None:
        """See that an image has the bands and the number of dates that the model was trained on.

        Args:
            name: The image, for the message.
            bands: Its bands in their order.
            dates: Its number of dates.

        Raises:
            InputError: When it does not.
        """
        if dates != self.dates:
            problem = f"it has {dates} date(s), and the model {self.folder} needs {self.dates}"
            raise InputError(name, problem, _FITTING)
        if tuple(bands) != self.bands:
            same = sorted(bands) == sorted(self.bands)
            what = "the same bands in another order" if same else "other bands"
            problem = (
                f"it has {what} ({_listed(bands)}) "
                f"than the model {self.folder} ({_listed(self.bands)})"
            )
            raise InputError(name, problem, _FITTING)

    def check_scale(
        self,
        name: str | os.PathLike[str],
        raw: np.ndarray,
        valid: np.ndarray,
        scale: Sequence[float],
        offset: Sequence[float],
    ) -> None:
        """See that a sample's reflectance is of the order of the training tiles' reflectance.

        A wrong scale (raw integers taken for reflectance, say) is off by orders of magnitude in
        all bands at once; snow, sea and desert are not. Nothing is checked without a valid pixel.

        Args:
            name: The image, for the message.
            raw: (date, band, h, w) integers.
            valid: bool (date, h, w).
            scale: By date.
            offset: By date, in raw units.

        Raises:
            InputError: When the median over bands of (mean reflectance / training mean) is
                above 20 or below 1/200.
        """
        ratios = []
        for date in range(len(raw)):
            inside = raw[date][:, valid[date]]
            if inside.shape[1]:
                reflectance = scale[date] * (inside.mean(axis=1, dtype=np.float64) + offset[date])
                ratios.append(
                    np.abs(reflectance) / np.maximum(np.abs(self.statistics.mean[date]), 1e-6)
                )
        if not ratios:
            return
        ratio = float(np.median(np.concatenate(ratios)))
        if not _FACTOR_LOW <= ratio <= _FACTOR_HIGH:
            problem = (
                f"its reflectance is {ratio:.3g} times that of the tiles that the model "
                f"{self.folder} was trained on (scale {list(scale)}, offset {list(offset)})"
            )
            raise InputError(
                name, problem, "Set scale and offset of the image in the configuration."
            )

    def predict(
        self,
        raw: np.ndarray,
        valid: np.ndarray,
        scale: Sequence[float],
        offset: Sequence[float],
        views: Sequence[View] = PLAIN,
    ) -> np.ndarray:
        """Return the probability of each class at each pixel of some windows.

        Args:
            raw: uint16 (n, date, band, h, w); any h and w.
            valid: bool (n, date, h, w).
            scale: By date: reflectance = scale * (raw + offset).
            offset: By date, in raw units.
            views: What the answer is averaged over; a model of single pixels needs no views.

        Returns:
            float32 (n, K, h, w); sums to 1 over K. Also where nothing is valid (the caller masks).
        """
        gain, bias = gain_and_bias(self.statistics, scale, offset)
        return self._averaged(raw, valid, gain, bias, views)

    def _averaged(
        self,
        raw: np.ndarray,
        valid: np.ndarray,
        gain: np.ndarray,
        bias: np.ndarray,
        views: Sequence[View],
    ) -> np.ndarray:
        """Return the mean over views, float32 (n, K, h, w)."""
        return self._probabilities(raw, valid, gain, bias)

    @abstractmethod
    def _probabilities(
        self, raw: np.ndarray, valid: np.ndarray, gain: np.ndarray, bias: np.ndarray
    ) -> np.ndarray:
        """Return float32 (n, K, h, w)."""


class NetworkPredictor(Predictor):
    """A neural network on one device.

    Raises:
        InputError: When the weights do not fit the model that `model.yaml` names.
    """

    def __init__(self, bundle: Bundle, cfg: Any, device: torch.device, threads: int) -> None:
        import torch

        from nadir.learn.allocator import keep_freed_memory
        from nadir.learn.seeds import deterministic
        from nadir.segmentation.models.registry import build_model

        super().__init__(bundle)
        deterministic(device)
        self.device = device
        if device.type == "cpu":
            keep_freed_memory()
            torch.set_num_threads(threads)
        model = build_model(
            cfg,
            self.statistics.channels,
            self.table.count,
            pretrained=False,
            dates=self.dates,
            bands=self.bands,
        )
        expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        given = {name: array.shape for name, array in bundle.weights.items()}
        check_tensors(bundle.folder / WEIGHTS, expected, given)
        model.load_state_dict(
            {name: torch.from_numpy(array) for name, array in bundle.weights.items()}
        )
        self.model = model.to(device).eval()

    def group(self, height: int, width: int) -> int:
        """Return how many windows are computed together on a CPU, a power of two; 0 on others.

        Small windows keep neither threads nor vector units busy one by one; of large ones a CPU's
        caches hold one. A group has no more pixels than a window of 256.
        """
        if self.device.type != "cpu":
            return 0
        fitting = _GROUP_PIXELS // max(height * width, 1)
        return 1 << (min(max(fitting, 1), _GROUP).bit_length() - 1)

    def _probabilities(
        self, raw: np.ndarray, valid: np.ndarray, gain: np.ndarray, bias: np.ndarray
    ) -> np.ndarray:
        return self._averaged(raw, valid, gain, bias, PLAIN)

    def _averaged(
        self,
        raw: np.ndarray,
        valid: np.ndarray,
        gain: np.ndarray,
        bias: np.ndarray,
        views: Sequence[View],
    ) -> np.ndarray:
        size = self.group(*raw.shape[-2:]) or len(raw)
        parts = []
        for begin in range(0, len(raw), size):
            group, known = (filled(values[begin : begin + size], size) for values in (raw, valid))
            parts.append(self._answer(group, known, gain, bias, views))
        return parts[0] if len(raw) == size else np.concatenate(parts)[: len(raw)]

    def _answer(
        self,
        raw: np.ndarray,
        valid: np.ndarray,
        gain: np.ndarray,
        bias: np.ndarray,
        views: Sequence[View],
    ) -> np.ndarray:
        """Return the mean over views of windows that the network sees together."""
        import torch

        values = torch.from_numpy(normalize(raw, valid, gain, bias)).to(self.device)
        known = torch.from_numpy(np.ascontiguousarray(valid)).to(self.device)
        with torch.inference_mode():
            total = self._seen(values, known, views[0])
            for view in views[1:]:
                total += self._seen(values, known, view)
            if len(views) > 1:
                total /= len(views)
            return total.cpu().numpy()

    def _seen(self, values: torch.Tensor, known: torch.Tensor, view: View) -> torch.Tensor:
        """Return what one view of normalized windows gives, turned and scaled back."""
        from nadir.segmentation.turning import resize, resize_known, turn

        shown = turn(values, view.symmetry)
        if view.scale != 1:
            shown, _ = resize_known(shown, turn(known, view.symmetry), view.scale)
        answer = self.model(shown).float().softmax(dim=1)
        height, width = values.shape[-2:]
        sides = (width, height) if view.symmetry % 2 else (height, width)  # odd turns swap them
        if answer.shape[-2:] != sides:
            answer = resize(answer, sides)
        return turn(answer, inverse(view.symmetry))


class ForestPredictor(Predictor):
    """A random forest, evaluated pixel by pixel on the CPU."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        from nadir.segmentation.trees import Trees

        super().__init__(bundle)
        self.threads = threads
        self.trees = Trees.of(bundle.folder / WEIGHTS, bundle.weights)
        most = max(int(self.trees.feature.max()) + 1, 0)
        if most > self.statistics.channels or int(self.trees.classes[0]) != self.table.count:
            raise InputError(
                bundle.folder / WEIGHTS,
                f"these are the weights of another model: a forest of {most} or more channels and "
                f"{int(self.trees.classes[0])} classes instead of {self.statistics.channels} and "
                f"{self.table.count}",
                "Give the weights that this model.yaml was written for.",
            )

    @property
    def by_pixel(self) -> bool:
        """Whether what is said of a pixel depends on that pixel alone."""
        return True

    def _probabilities(
        self, raw: np.ndarray, valid: np.ndarray, gain: np.ndarray, bias: np.ndarray
    ) -> np.ndarray:
        values = normalize(raw, valid, gain, bias)
        n, channels, height, width = values.shape
        pixels = np.ascontiguousarray(np.moveaxis(values, 1, 3)).reshape(-1, channels)
        shares = self.trees.predict(pixels, self.threads)
        return np.ascontiguousarray(np.moveaxis(shares.reshape(n, height, width, -1), 3, 1))


def needs_device(folder: str | os.PathLike[str]) -> bool:
    """Tell whether the model of a bundle computes on a torch device: a forest does not.

    Raises:
        InputError: When the bundle's description is absent or unreadable.
    """
    model = load_description(folder).get("model")
    return not isinstance(model, dict) or model.get("name") != RandomForest().name


def load_predictor(
    folder: str | os.PathLike[str], device: torch.device | str = "cpu", threads: int = 1
) -> Predictor:
    """Load a bundle for prediction.

    Args:
        folder: With `model.safetensors` and `model.yaml`.
        device: A torch device, as `nadir.learn.devices.lease` gives; of no use to a forest.
        threads: CPU threads.

    Raises:
        InputError: When the bundle is absent, corrupt, of another task, or of weights that do not
            fit its model.
    """
    bundle = load_bundle(folder)
    path = bundle.folder / DESCRIPTION
    if bundle.description.get("task") not in TASKS:
        raise InputError(
            path,
            f"a model for {bundle.description.get('task')!r}, not for {TASKS[0]!r}",
            "Give another model.",
        )
    try:
        cfg = TypeAdapter(ModelConfig).validate_python(bundle.description["model"])
        if isinstance(cfg, RandomForest):
            return ForestPredictor(bundle, threads)
        import torch

        return NetworkPredictor(bundle, cfg, torch.device(device), threads)
    except (KeyError, TypeError, ValidationError) as error:
        raise InputError(
            path, f"it lacks something or says something unknown ({error})", "Train it again."
        ) from error


def _listed(names: Sequence[str]) -> str:
    return f"{len(names)}: {', '.join(names)}"
