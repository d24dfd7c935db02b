"""`exported.pt2`: a network as a graph of tensor operations, with its weights (torch.export).

The graph names no file of the machine that made it, holds no example input and no pickle: all that
torch's loader would unpickle or evaluate is absent, and a file in which it is not is refused (see
`nadir.learn.export_vet`).
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import Dim, ExportedProgram

from nadir.errors import InputError
from nadir.learn.export_vet import vetted_archive
from nadir.learn.exportable import Port

log = logging.getLogger(__name__)

_KEPT = {"val", "tensor_meta"}  # what a node's shape and type are known by
_LEAST = 32  # pixels of a side: below, pooling leaves a single cell, which is a case of its own
_BATCH = 2  # a dimension of size 1 would be taken for a constant


def trace(
    network: nn.Module,
    ports: Sequence[Port],
    multiple: int | None,
    samples: Sequence[NDArray[np.float32]],
) -> tuple[ExportedProgram, list[tuple[int, ...]]]:
    """Export a network; whatever of batch, height and width may vary stays free.

    Args:
        network: On the CPU, in evaluation mode; takes a tensor for each port.
        ports: Those tensors.
        multiple: Height and width (the last two dimensions) of the only tensor may be multiples of
            this, from twice and from 32 pixels on; None: fixed.
        samples: One of each input, for the sizes of fixed dimensions.

    Returns:
        The program, and the shapes of the inputs that it takes, -1 where any.
    """
    network = network.eval()
    free: list[tuple[int, ...]] = [(0,), ()]
    if multiple is not None:
        if len(ports) > 1:
            raise ValueError("height and width may vary of a single input only")
        free.insert(0, (0, len(ports[0].dims) - 2, len(ports[0].dims) - 1))
    for axes in free:
        try:
            program = _trace(network, ports, axes, multiple or 1, [one.shape for one in samples])
        except Exception as error:  # torch raises a dozen kinds for what it cannot keep free
            if not axes:
                raise
            log.warning("the program keeps more sizes fixed: %s", str(error).partition("\n")[0])
            continue
        shapes = [
            tuple(-1 if axis in axes else size for axis, size in enumerate(one.shape))
            for one in samples
        ]
        return _bare(program), shapes
    raise AssertionError("the last attempt returns or raises")


def _trace(
    network: nn.Module,
    ports: Sequence[Port],
    axes: tuple[int, ...],
    multiple: int,
    shapes: list[tuple[int, ...]],
) -> ExportedProgram:
    """Export with the dimensions `axes` of every input free."""
    batch = Dim("batch")  # one for all inputs
    examples, free = [], []
    for port, shape in zip(ports, shapes, strict=True):
        sizes = list(shape)
        dynamic: dict[int, Any] = {}
        for axis in axes:
            if axis == 0:
                sizes[0], dynamic[0] = _BATCH, batch
            else:
                least = max(2, -(-_LEAST // multiple))
                # Different numbers of steps along both axes, or they would be taken for one.
                sizes[axis] = multiple * (2 * least + axis)
                steps = Dim(f"{port.dims[axis]}_steps", min=least)
                dynamic[axis] = multiple * steps if multiple > 1 else steps
        examples.append(torch.zeros(sizes))
        free.append(dynamic)
    with torch.no_grad():
        return torch.export.export(
            network, tuple(examples), dynamic_shapes=tuple(free), strict=False
        )


def _bare(program: ExportedProgram) -> ExportedProgram:
    """Drop from a program what would name files of this machine, be unpickled, or be evaluated."""
    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta = {key: value for key, value in node.meta.items() if key in _KEPT}
    ranges = sorted(program.range_constraints.items(), key=lambda item: str(item[0]))
    program.range_constraints.clear()  # their order depends on what the process did before
    program.range_constraints.update(ranges)
    program.example_inputs = None
    program._guards_code = []  # ranges of the free dimensions are checked without them
    return program


def program_bytes(program: ExportedProgram) -> bytes:
    """Return `exported.pt2`; equal programs give equal bytes with one version of torch."""
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Of weights laid out channels last: they are whole, on the CPU, and stored with strides.
        warnings.filterwarnings("ignore", "No complete tensor found")
        torch.export.save(program, buffer)
    return buffer.getvalue()


def run_program(program: ExportedProgram, *values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what a program gives for its inputs."""
    module = program.module(check_guards=False)
    with torch.inference_mode():
        output: torch.Tensor = module(*map(torch.from_numpy, values))
    return output.numpy()


def load_program(path: str | os.PathLike[str]) -> ExportedProgram:
    """Read `exported.pt2` without running anything in it.

    torch's own loader unpickles parts of such files and evaluates texts in them as Python. Here
    the file is looked through first, and what torch then gets is a fresh copy of the parts that
    passed.

    Raises:
        InputError: When it is absent, damaged, or holds anything that could run.
    """
    path = Path(path)
    archive = vetted_archive(path)
    try:
        return torch.export.load(archive)
    except Exception as error:  # the loader of a damaged graph may raise anything
        raise InputError(
            path,
            f"this torch ({torch.__version__}) cannot load it ({error})",
            "Export the bundle again (`nadir export-bundle`).",
        ) from error
