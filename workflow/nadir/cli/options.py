"""Options and conversions that several commands share."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError, create_model

from nadir.config.base import ConfigModel
from nadir.config.classes import ClassTable
from nadir.config.explain import explain
from nadir.config.scenes import SceneConfig
from nadir.errors import ConfigError, InputError


def add_cfg(parser: argparse.ArgumentParser) -> None:
    """Add `--cfg`: the command's section of the configuration, as JSON text."""
    parser.add_argument("--cfg", required=True, type=_json_object, help="JSON text of the settings")


def _json_object(text: str) -> dict[str, Any]:
    """Return the object that a JSON text holds."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"this is no JSON text ({error})") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("this is no JSON object of keys and values")
    return value


def add_out(parser: argparse.ArgumentParser, help_text: str) -> None:
    """Add `--out`: the path to make."""
    parser.add_argument("--out", required=True, type=Path, help=help_text)


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Add `--threads`."""
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="threads to use")


def add_scheduler(parser: argparse.ArgumentParser) -> None:
    """Add `--scheduler`; by default what the configuration says."""
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        default=os.environ.get("NADIR_SCHEDULER") or None,
        help="Dask scheduler to work on (tcp://host:8786), or local[:N] for processes of this "
        "machine; by default NADIR_SCHEDULER, else threads",
    )


def add_code(parser: argparse.ArgumentParser) -> None:
    """Add `--code`: the fingerprint under which an expensive result is kept."""
    parser.add_argument(
        "--code", default="", help="fingerprint of the code, part of the result's key"
    )


def add_image(parser: argparse.ArgumentParser) -> None:
    """Add `--image`: a picture that the graph made, in the place of the scene's files."""
    parser.add_argument("--image", help="picture that was made of the scene's files, or simulated")


def add_footprints(parser: argparse.ArgumentParser) -> None:
    """Add `--footprints`: simulated footprints, in the place of the scene's labels."""
    parser.add_argument("--footprints", help="polygons of buildings that were simulated")


def add_raw(parser: argparse.ArgumentParser) -> None:
    """Add `--raw`: digests of the raw files, recorded in the manifest."""
    parser.add_argument(
        "--raw", type=_json_object, default={}, help="JSON text: raw file -> digest"
    )


def section(cfg: dict[str, Any], key: str, kind: Any) -> Any:
    """Return one section of a command's settings, validated.

    Args:
        cfg: The settings.
        key: Name of the section.
        kind: What it must be: a model of the configuration, or any annotation.

    Raises:
        ConfigError: With every fault of the section, its key the head of each path.
    """
    holder = create_model("Settings", __base__=ConfigModel, **{key: (kind, ...)})  # type: ignore[call-overload]
    try:
        return getattr(holder.model_validate({key: cfg[key]} if key in cfg else {}), key)
    except ValidationError as error:
        raise ConfigError(explain(error, holder)) from error


def class_table(cfg: dict[str, Any]) -> ClassTable:
    """Return the class table of a command's settings."""
    return section(cfg, "classes", ClassTable)


def images_of(cfg: dict[str, Any]) -> SceneConfig:
    """Return the imagery of a scene: its section `dates`, without labels.

    `order` in it names the dates as the cube stacks them; without it they stand as written.
    """
    given = cfg.get("dates")
    if not isinstance(given, dict):
        return section({"dates": given}, "dates", SceneConfig)
    order = given.get("order")
    given = {key: value for key, value in given.items() if key != "order"}
    scene = section({"dates": {**given, "role": "predict"}}, "dates", SceneConfig)
    dates = {date: scene.dates[date] for date in order or scene.dates}
    return scene.model_copy(update={"dates": dates})


def device() -> str:
    """Return the device that the configuration asks for (`auto` when run alone)."""
    return os.environ.get("NADIR_DEVICE", "auto")


def read_json(path: Path) -> Any:
    """Return what a JSON file holds.

    Raises:
        InputError: When there is no such file, or it holds no JSON.
    """
    remedy = "Delete it, if it is there, and run snakemake again."
    try:
        return json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(path, "there is no such file", remedy) from error
    except ValueError as error:
        raise InputError(path, f"this is no JSON ({error})", remedy) from error


def by_scene(paths: list[Path]) -> dict[str, Path]:
    """Return scene name -> path, the name being the folder of the file.

    Raises:
        InputError: When two paths are of the same scene.
    """
    named = {path.parent.name: path for path in paths}
    if len(named) != len(paths):
        raise InputError(paths[0], "a scene is given twice", "Give each scene's file once.")
    return named


def cache_root(output: Path, verb: str) -> Path:
    """Return where results of a verb are kept: `.cache/VERB` in the results folder of an output.

    The results folder is the one above the job's: `results/<job>/<dataset>/...`, so that
    experiments which share a training share it whatever they are called.
    """
    for folder in output.absolute().parents:
        if folder.name == "results":
            return folder / ".cache" / verb
    return output.absolute().parent / ".cache" / verb
