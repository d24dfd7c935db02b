"""`model.onnx`: the exported program for ONNX runtimes, checked as it is made."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError
from nadir.learn.exportable import Port

if TYPE_CHECKING:
    import onnx
    from torch.export import ExportedProgram

log = logging.getLogger(__name__)

_AGAIN = "Export the bundle again (`nadir export-bundle`)."


def onnx_bytes(program: ExportedProgram, sources: Sequence[Port], result: Port) -> bytes:
    """Return a program as ONNX, by torch's exporter.

    Notes of the exporter (where in the source a node comes from, shapes in between) are left out:
    they name files of this machine, and differ from run to run.

    Args:
        program: As `nadir.learn.export_program.trace` gives it.
        sources: Its inputs.
        result: Its output.

    Raises:
        onnx.checker.ValidationError: When the exporter made something invalid.
    """
    import onnx
    import torch

    for noisy in ("torch.onnx", "onnxscript", "onnx_ir"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    made = torch.onnx.export(
        program,
        dynamo=True,
        external_data=False,
        verbose=False,
        input_names=[source.name for source in sources],
        output_names=[result.name],
    )
    assert made is not None
    model = made.model_proto
    _clean(model, sources, result)
    data = model.SerializeToString(deterministic=True)
    onnx.checker.check_model(data, full_check=True)
    return data


def _clean(model: onnx.ModelProto, sources: Sequence[Port], result: Port) -> None:
    """Drop the exporter's notes, and call free dimensions by their names."""
    graph = model.graph
    del model.metadata_props[:]
    del graph.metadata_props[:]
    del graph.value_info[:]
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in model.functions:
        del function.metadata_props[:]
        function.doc_string = ""
        for node in function.node:
            del node.metadata_props[:]
            node.doc_string = ""
    names: dict[str, str] = {}
    known = {port.name: port for port in (*sources, result)}
    for value in (*graph.input, *graph.output):
        port, dims = known[value.name], value.type.tensor_type.shape.dim
        for name, dim in zip(port.dims, dims, strict=True):
            if dim.HasField("dim_param"):
                dim.dim_param = names.setdefault(dim.dim_param, name)


def load_onnx(path: str | os.PathLike[str]) -> bytes:
    """Read `model.onnx`; weights outside the file, and operators that are not ONNX's, are refused.

    Raises:
        InputError: When it is absent, damaged, invalid, or refers to other files or libraries.
    """
    import onnx

    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(path, f"it cannot be read ({error.strerror})", _AGAIN) from error
    try:
        model = onnx.load_model_from_string(data)
        if any(one.data_location == onnx.TensorProto.EXTERNAL for one in model.graph.initializer):
            raise InputError(path, "its weights lie in another file", _AGAIN)
        foreign = {one.domain for one in model.opset_import} - {"", "ai.onnx"}
        if foreign:
            raise InputError(path, f"it needs operators of {', '.join(sorted(foreign))}", _AGAIN)
        onnx.checker.check_model(data)
    except InputError:
        raise
    except Exception as error:  # parser and checker have exceptions of their own
        text = " ".join(str(error).split())[:200]
        raise InputError(path, f"this is no valid ONNX model ({text})", _AGAIN) from error
    return data


def run_onnx(data: bytes, *values: NDArray[np.float32], threads: int = 1) -> NDArray[np.float32]:
    """Return what a model of one output gives, on the CPU.

    Args:
        data: The model.
        *values: Its inputs, in their order.
        threads: CPU threads.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    output = session.run(None, dict(zip(names, values, strict=True)))[0]
    return np.asarray(output)
