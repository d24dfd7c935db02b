"""`item.json`: a bundle as a STAC item of the Machine Learning Model extension.

The item describes the exported programs: their input is what `sample.npz` holds, and scaling by the
training data's statistics happens inside them. So the item asks for no value scaling, and tells the
statistics with the bands. It has the digest of its own content, so that a damaged one is seen.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pystac
from pystac.extensions.classification import Classification
from pystac.extensions.file import FileExtension
from pystac.extensions.mlm import (
    AcceleratorType,
    AssetGeneralMLMExtension,
    InputStructure,
    MLMExtension,
    ModelInput,
    ModelOutput,
    ResizeType,
    ResultStructure,
    TaskType,
)
from pystac.extensions.raster import DataType

from nadir.learn.bundle import DESCRIPTION, WEIGHTS
from nadir.learn.exportable import ONNX, PROGRAM, SAMPLE, Exportable, Facts, Ground
from nadir.provenance.digest import json_digest

log = logging.getLogger(__name__)

DIGEST = "nadir:sha256"
"""Property that holds the digest of the item without this property."""

_MULTIHASH = "1220"  # sha256, 32 bytes
_ALWAYS = ("1900-01-01", "9999-12-31")  # the extension's words for "not known"
_FILES: dict[str, tuple[str, str, list[str], str | None, str]] = {
    WEIGHTS: (
        "weights",
        "application/octet-stream; framework=safetensors",
        ["mlm:weights", "weights"],
        "safetensors",
        "Weights alone; the architecture is nadir's, named in the description.",
    ),
    DESCRIPTION: (
        "description",
        "application/yaml",
        ["metadata"],
        None,
        "What nadir needs to build the model and to prepare its input.",
    ),
    PROGRAM: (
        "exported",
        "application/octet-stream; framework=pytorch; profile=export",
        ["mlm:model", "mlm:compiled", "model"],
        "torch.export",
        "Network with weights and scaling as a graph, for torch.export.load. Loading such files "
        "can run what they hold: `nadir bundle check` first.",
    ),
    ONNX: (
        "onnx",
        "application/octet-stream; framework=onnx",
        ["mlm:model", "mlm:compiled", "model"],
        "onnx",
        "Network with weights and scaling, for ONNX runtimes.",
    ),
    SAMPLE: (
        "sample",
        "application/octet-stream; application=numpy",
        ["data", "sample"],
        None,
        "One batch of inputs, its output and the tolerance: NumPy arrays, nothing pickled.",
    ),
}


def checksum(path: str | os.PathLike[str]) -> str:
    """Return the multihash (sha256) of a file, as STAC's file extension writes it."""
    with open(path, "rb") as file:
        return _MULTIHASH + hashlib.file_digest(file, "sha256").hexdigest()


def make_item(
    model: Exportable, shapes: Sequence[Sequence[int]], names: Sequence[str]
) -> dict[str, Any]:
    """Return the item of a bundle whose files are written.

    Args:
        model: The model.
        shapes: Shapes of the inputs that the exported programs take, -1 where any.
        names: The bundle's files, relative to its folder.
    """
    facts, ground = model.facts, model.ground
    first, last = _period(ground)
    weights = checksum(model.folder / WEIGHTS)
    item = pystac.Item(
        id=f"{facts.name}-{weights[len(_MULTIHASH) :][:12]}",
        geometry=ground.geometry,
        bbox=list(ground.bounds) if ground.bounds else None,
        datetime=None,
        properties={"description": facts.description},
        start_datetime=first,
        end_datetime=last,
    )
    _describe(MLMExtension.ext(item, add_if_missing=True), model, shapes)
    item.properties["bands"] = [dict(band) for band in facts.bands]
    for name in names:
        _add_file(item, model.folder, name, only=PROGRAM not in names)
    for asset in item.assets.values():
        if "mlm:model" in (asset.roles or []):  # STAC: bands of an item are bands of its assets
            asset.extra_fields["bands"] = [{"name": band["name"]} for band in facts.bands]
    content = item.to_dict(include_self_link=False, transform_hrefs=False)
    content["stac_extensions"] = sorted(content["stac_extensions"])
    content["properties"][DIGEST] = json_digest(content)
    return content


def _describe(item: Any, model: Exportable, shapes: Sequence[Sequence[int]]) -> None:
    """Fill in the extension's properties."""
    facts = model.facts
    tasks = [TaskType(task) for task in facts.tasks]
    network = model.network is not None
    item.apply(
        name=facts.name,
        architecture=facts.architecture,
        tasks=tasks,
        input=[
            ModelInput.create(
                name=port.name,
                # The bands are those of what the model is about.
                bands=[] if number else [str(band["name"]) for band in facts.bands],
                input=InputStructure.create(list(shape), list(port.dims), DataType.FLOAT32),
                description=port.description,
                resize_type=ResizeType(facts.resize) if facts.resize and not number else None,
            )
            for number, (port, shape) in enumerate(zip(model.inputs, shapes, strict=True))
        ],
        output=[
            ModelOutput.create(
                name=model.output.name,
                tasks=tasks,
                result=ResultStructure.create(
                    _output_shape(model, shapes[0]), list(model.output.dims), DataType.FLOAT32
                ),
                description=model.output.description,
                classes=_classes(facts) or None,
            )
        ],
        framework=facts.framework,
        framework_version=facts.framework_version,
        total_parameters=facts.parameters,
        pretrained=facts.pretrained is not None,
        pretrained_source=facts.pretrained,
        # No accelerator: any may be used. A forest runs on the CPU alone.
        accelerator=None if network else AcceleratorType.AMD64,
        accelerator_constrained=not network,
    )
    item.properties["mlm:hyperparameters"] = dict(facts.hyperparameters)


def _output_shape(model: Exportable, shape: Sequence[int]) -> list[int]:
    """Return the output's shape: sizes that the first input has too are free where its are."""
    sizes = dict(zip(model.inputs[0].dims, shape, strict=True))
    return [
        sizes.get(name, size) if size == -1 else size
        for name, size in zip(model.output.dims, model.output.shape, strict=True)
    ]


def _classes(facts: Facts) -> list[Classification]:
    """Return the classes by id, counted from 1; channel 0 of the output is class 1."""
    return [
        Classification.create(
            value=number,
            name=re.sub(r"[^0-9A-Za-z_-]+", "-", title).strip("-") or f"class-{number}",
            title=title,
            color_hint=color.lstrip("#").upper(),
        )
        for number, (title, color) in enumerate(facts.classes, start=1)
    ]


def _period(ground: Ground) -> tuple[datetime, datetime]:
    """Return first and last moment of the training imagery; all times when it is unknown."""
    first, last = ground.first or _ALWAYS[0], ground.last or _ALWAYS[1]
    return (
        datetime.combine(datetime.fromisoformat(first), time(0, 0, 0), UTC),
        datetime.combine(datetime.fromisoformat(last), time(23, 59, 59), UTC),
    )


def _add_file(item: pystac.Item, folder: Path, name: str, only: bool) -> None:
    """List a file with its role, size and checksum.

    Args:
        item: The item.
        folder: The bundle.
        name: The file.
        only: Whether the weights are all that the bundle has of a model.
    """
    key, media, roles, artifact, title = _FILES[name]
    model = name == WEIGHTS and only
    asset = pystac.Asset(
        href=f"./{name}",
        title=title,
        media_type=media,
        roles=["mlm:model", *roles] if model else roles,
    )
    item.add_asset(key, asset)
    if artifact is not None:
        AssetGeneralMLMExtension.ext(asset).apply(artifact_type=artifact)
    FileExtension.ext(asset, add_if_missing=True).apply(
        checksum=checksum(folder / name), size=(folder / name).stat().st_size
    )


def item_faults(content: Any) -> list[str]:
    """Return what is wrong with an item: by STAC's schema, the extension's needs, its own digest.

    Nothing is fetched: the extension's schema is not, its required fields are looked at instead.

    Args:
        content: What `item.json` holds.
    """
    from pystac.errors import STACValidationError
    from pystac.validation.stac_validator import JsonSchemaSTACValidator

    if not isinstance(content, dict) or not isinstance(content.get("properties"), dict):
        return ["it is no STAC item"]
    properties = dict(content["properties"])
    if properties.pop(DIGEST, None) != json_digest({**content, "properties": properties}):
        return [f"it was changed after it was written (another {DIGEST})"]
    try:
        JsonSchemaSTACValidator().validate_core(content, pystac.STACObjectType.ITEM, "1.1.0")
        item = MLMExtension.ext(pystac.Item.from_dict(content, preserve_dict=True))
        for read in ("mlm_name", "architecture", "tasks", "framework", "input", "output"):
            getattr(item, read)
        for source in item.input:
            _ = source.name, source.bands, source.input.shape
        for result in item.output:
            _ = result.name, result.tasks, result.result.shape
    except STACValidationError as error:
        cause = error.__cause__
        where, what = getattr(cause, "json_path", "$"), getattr(cause, "message", str(error))
        return [f"it is no valid STAC item ({where}: {what[:160]})"]
    except Exception as error:  # pystac reads what is malformed in many ways
        return [f"it is no valid item of a model ({' '.join(str(error).split())[:160]})"]
    roles = [role for asset in content["assets"].values() for role in asset.get("roles", [])]
    return [] if "mlm:model" in roles else ["none of its assets has the role mlm:model"]


def listed_files(content: dict[str, Any]) -> dict[str, tuple[str, int]]:
    """Return file name -> (checksum, size) of the assets that lie beside the item."""
    found = {}
    for asset in content["assets"].values():
        name = str(asset.get("href", "")).removeprefix("./")
        if name and "/" not in name:
            found[name] = (str(asset.get("file:checksum")), int(asset.get("file:size", -1)))
    return found
