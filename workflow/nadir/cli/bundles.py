"""Which job a bundle is of, and how it is opened: what the commands about bundles share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from nadir.errors import InputError
from nadir.learn.bundle import DESCRIPTION, load_description
from nadir.learn.exportable import Exportable, Ground


def open_model(folder: Path, ground: Ground | None = None, threads: int = 1) -> Exportable:
    """Return the model of a bundle of any job.

    Args:
        folder: The bundle.
        ground: Where and when it was trained.
        threads: CPU threads.

    Raises:
        InputError: When it cannot be read, or is of a task that is not known here.
    """
    from nadir.localization import descriptor_fit, export, regression_fit
    from nadir.segmentation import describe
    from nadir.segmentation.export import segmentation_exportable

    openers: dict[str, Callable[[], Exportable]] = {
        **dict.fromkeys(
            describe.TASKS,
            lambda: segmentation_exportable(folder, ground=ground, threads=threads),
        ),
        descriptor_fit.TASK: lambda: export.descriptor_exportable(folder, ground, threads),
        regression_fit.TASK: lambda: export.regression_exportable(folder, ground, threads),
    }
    task = load_description(folder).get("task")
    if task not in openers:
        raise InputError(
            folder / DESCRIPTION,
            f"models for {task!r} are not known here",
            f"Give a bundle for one of: {', '.join(openers)}.",
        )
    return openers[task]()
