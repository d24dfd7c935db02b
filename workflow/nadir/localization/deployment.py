"""A localiser that is ready for single photos: what `locate-photos` leaves, read back.

`localizer.json` names the references, the descriptor and the settings, and holds what was
calibrated on the case; nothing in it is executed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from nadir.config.localization import SearchConfig
from nadir.errors import InputError
from nadir.learn.devices import resolve
from nadir.localization.calibration import Calibration
from nadir.localization.coarse import Describe, gradient_description
from nadir.localization.localizer import Answer, Localizer
from nadir.localization.references import Reference
from nadir.provenance.atomic import write_json
from nadir.raster.grid import Grid

FILE = "localizer.json"
"""Name of the file, in the folder of an experiment."""

_FORMAT = 2


def write_deployment(
    path: str | os.PathLike[str],
    references: Sequence[str | os.PathLike[str]],
    descriptor: str | os.PathLike[str] | None,
    search: SearchConfig,
    calibration: Calibration,
    photo_side: int,
    scale: float,
) -> None:
    """Write `localizer.json`; paths in it are relative to its folder.

    Raises:
        OutputError: When the disk is full or not writable.
    """
    folder = Path(path).absolute().parent

    def beside(other: str | os.PathLike[str]) -> str:
        return Path(os.path.relpath(Path(other).absolute(), folder)).as_posix()

    write_json(
        path,
        {
            "format": _FORMAT,
            "references": [beside(one) for one in references],
            "descriptor": None if descriptor is None else beside(descriptor),
            "search": search.model_dump(mode="json"),
            **calibration.to_dict(),
            "photo_side": photo_side,
            "scale": scale,
        },
    )


class DeployedLocalizer:
    """Locates single photos on a substrate, as the graph does.

    Args:
        folder: An experiment's folder with `localizer.json`.
        device: `auto`, `cpu` or `cuda`.

    Attributes:
        name: Name of the case and of the experiment.
        grid: Grid of the substrate, or None without georeference.
        size: Its (width, height) in pixels.
        substrate: Its file.

    Raises:
        InputError: When the file is absent or damaged, or what it names is gone.
    """

    def __init__(self, folder: str | os.PathLike[str], device: str = "auto") -> None:
        path = Path(folder) / FILE
        said = _read(path)
        place = resolve(device)
        references = [Reference(path.parent / name) for name in said["references"]]
        first = references[0]
        self.name = "-".join(path.absolute().parent.parts[-2:])
        self.grid: Grid | None = first.grid
        self.size = (first.width, first.height)
        self.substrate: str | os.PathLike[str] = first.source
        self._calibration = Calibration.from_dict(said)
        search = SearchConfig.model_validate(said["search"])
        self._precision = search.precision
        self._localizer = Localizer(
            references,
            search,
            int(said["photo_side"]),
            descriptions(path.parent / said["descriptor"] if said["descriptor"] else None, place),
            self._calibration.confidence,
            place,
            float(said["scale"]),
        )

    def locate(self, photo: NDArray[np.uint8]) -> Answer:
        """Return where a photo (height, width, 3) uint8 was taken."""
        return self._calibration.apply(self._localizer.locate(photo), self._precision)


def load_localizer(folder: str | os.PathLike[str], device: str = "auto") -> DeployedLocalizer:
    """Return the localiser of an experiment; raises as `DeployedLocalizer` does."""
    return DeployedLocalizer(folder, device)


def descriptions(folder: Path | None, device: torch.device) -> list[Describe]:
    """Return how cells are described: by gradients, and by the descriptor of a folder, if any."""
    if folder is None:
        return [gradient_description]
    from nadir.localization.descriptor_fit import load_descriptor

    return [gradient_description, load_descriptor(folder).to(device)]


def _read(path: Path) -> dict[str, Any]:
    remedy = "Name the folder of a localiser's experiment; run snakemake to make it."
    try:
        said = json.loads(path.read_text())
        SearchConfig.model_validate(said["search"])
        known = said["format"] == _FORMAT and bool(said["references"])
        if known:
            Calibration.from_dict(said)
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", remedy) from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise InputError(path, "this does not describe a localiser", remedy) from error
    if not known:
        raise InputError(path, "this describes a localiser of another version", remedy)
    return said
