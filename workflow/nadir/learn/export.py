"""Exporting a trained model: what a bundle holds beside weights and description.

A job says what its model is (`Exportable`); this writes `sample.npz`, `exported.pt2`, `model.onnx`
and, last, the STAC item `item.json` that lists every file with its checksum. Nothing here depends
on the training: a bundle is exported again without training anything.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError, NadirError
from nadir.learn.bundle import DESCRIPTION, WEIGHTS
from nadir.learn.export_item import make_item
from nadir.learn.export_sample import Sample, sample_bytes
from nadir.learn.exportable import ITEM, ONNX, PROGRAM, SAMPLE, Exportable
from nadir.provenance.atomic import write_bytes, write_json

log = logging.getLogger(__name__)


def export_bundle(model: Exportable) -> list[str]:
    """Write what a bundle lacks beside `model.safetensors` and `model.yaml`.

    `item.json` is removed first and written last: a bundle that has one is whole. Equal models,
    samples and library versions give equal bytes.

    Args:
        model: The model.

    Returns:
        Names of the files written.

    Raises:
        NadirError: When an exported program does not give what the model gives.
        OutputError: When the disk is full or not writable.
    """
    folder = model.folder
    (folder / ITEM).unlink(missing_ok=True)
    answer = model.answer(*model.sample)
    sample = Sample.of(model.inputs, model.sample, answer, model.tolerance)
    written = [SAMPLE]
    write_bytes(folder / SAMPLE, sample_bytes(sample))
    shapes = [port.shape for port in model.inputs]
    if model.network is not None:
        shapes = _export_programs(model, sample)
        written += [PROGRAM, ONNX]
    else:
        for stale in (PROGRAM, ONNX):  # of another model that was exported here before
            (folder / stale).unlink(missing_ok=True)
    write_json(folder / ITEM, make_item(model, shapes, [WEIGHTS, DESCRIPTION, *written]))
    return [*written, ITEM]


def _export_programs(model: Exportable, sample: Sample) -> list[tuple[int, ...]]:
    """Write both programs, and return the shapes of the inputs that they take."""
    from nadir.learn.export_onnx import onnx_bytes, run_onnx
    from nadir.learn.export_program import program_bytes, run_program, trace

    assert model.network is not None
    program, shapes = trace(model.network, model.inputs, model.multiple, sample.values)
    data = program_bytes(program)
    _compare(PROGRAM, run_program(program, *sample.values), sample)
    write_bytes(model.folder / PROGRAM, data)
    data = onnx_bytes(program, model.inputs, model.output)
    _compare(ONNX, run_onnx(data, *sample.values), sample)
    write_bytes(model.folder / ONNX, data)
    return shapes


def _compare(name: str, output: NDArray[np.float32], sample: Sample) -> None:
    """See that an exported program gives the sample's output."""
    off = sample.deviation(output)
    log.info("%s: deviates by at most %.2g from the model", name, off)
    if not off <= sample.tolerance:
        raise NadirError(
            f"{name}: the exported program deviates by {off:.3g} from the model itself "
            f"({sample.tolerance:.3g} are allowed). Report the architecture; the model is sound."
        )


def check_item_path(out: str | os.PathLike[str], weights: str | os.PathLike[str]) -> Path:
    """Return the bundle's folder, after seeing that the item is to lie in it.

    Raises:
        InputError: When `out` is not `item.json` beside the weights.
    """
    folder = Path(weights).parent
    if Path(out).absolute() != (folder / ITEM).absolute():
        raise InputError(
            out,
            f"the item of a bundle lies beside its weights and is called {ITEM}",
            f"Give {folder / ITEM}.",
        )
    return folder
