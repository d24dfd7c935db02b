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
    from nadir.groundview import training as views
    from nadir.retrieval import training
    from nadir.segmentation import describe

    task = load_description(folder).get("task")
    if task in describe.TASKS:
        from nadir.segmentation.export import segmentation_exportable

        return segmentation_exportable(folder, ground=ground, threads=threads)
    if task == training.TASK:
        from nadir.retrieval.export import retrieval_exportable

        return retrieval_exportable(folder, ground, threads)
    if task == views.TASK:
        from nadir.groundview.export import generator_exportable

        return generator_exportable(folder, ground, threads)
    # Imported for its own models alone: these libraries take ten seconds to start.
    from nadir.localization import descriptor_fit, export, regression_fit

    openers: dict[str, Callable[[Path, Ground | None, int], Exportable]] = {
        descriptor_fit.TASK: export.descriptor_exportable,
        regression_fit.TASK: export.regression_exportable,
    }
    known = (describe.TASK, training.TASK, views.TASK)
    if task not in openers:
        raise InputError(
            folder / DESCRIPTION,
            f"models for {task!r} are not known here",
            f"Give a bundle for one of: {', '.join([*known, *openers])}.",
        )
    return openers[task](folder, ground, threads)
