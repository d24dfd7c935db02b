"""Looking at folders for layouts: which files are there, what they are called, what is missing."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from nadir.config.slippy import ENDINGS
from nadir.errors import did_you_mean, nearest

Scenes = dict[str, dict[str, Any]]
"""Name -> section of a scene, as it would be written in the configuration."""


class LayoutFault(Exception):
    """What is wrong with a layout: the key and one line about it."""

    def __init__(self, key: str, problem: str) -> None:
        self.key, self.problem = key, problem
        super().__init__(f"{key}: {problem}")


def city_of(name: str) -> str:
    """Return a name without the number at its end: `austin12` -> `austin`."""
    return re.sub(r"[-_]?\d+$", "", name) or name


def scene_name(stem: str) -> str:
    """Return a scene's name for the name of a file: what a name may not hold becomes `_`."""
    name = re.sub(r"[^A-Za-z0-9_-]", "_", stem)
    return name if name[:1].isalpha() else f"s{name}"


def store_fault(folder: str | None) -> str | None:
    """Return why a folder cannot be one of a store, and what to do; None where it is none."""
    if folder is None or "://" not in folder:
        return None
    return f"folders of a store are not listed: `nadir download {folder} FOLDER` copies it"


def folder_of(key: str, folder: str) -> Path:
    """Return a folder that is there."""
    problem = store_fault(folder)
    if problem:
        raise LayoutFault(key, problem)
    path = Path(folder)
    if path.is_dir():
        return path
    if path.exists():
        raise LayoutFault(key, f"{folder} is a file, not a folder")
    beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    close = nearest(path.name, beside)
    hint = f"; did you mean {str(path.with_name(close))!r}?" if close else ""
    raise LayoutFault(key, f"there is no folder {folder}{hint}")


def files_of(folder: Path, endings: Iterable[str] = ENDINGS) -> list[Path]:
    """Return the files of a folder with one of these endings, sorted."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in tuple(endings))


def matching(pattern: str) -> set[str]:
    """Return the paths that a pattern stands for; `**` is any number of folders.

    Links to folders are followed, but each folder is looked into once: links that lead back to
    where they lie would otherwise multiply every file, two of them without an end.
    """
    parts = Path(pattern).parts
    if "**" not in parts:
        return set(glob.glob(pattern))
    cut = parts.index("**")
    head, tail = os.path.join("", *parts[:cut]), parts[cut + 1 :] or ("*",)
    return {
        path
        for start in (sorted(glob.glob(head)) if head else [""])
        for folder in _folders_below(start)
        for path in matching(os.path.join(glob.escape(folder), *tail))
    }


def _folders_below(start: str) -> Iterator[str]:
    """Yield a folder and all below it but hidden ones, each once whatever links lead to it."""
    seen = set()
    for here, folders, _ in os.walk(start or ".", followlinks=True):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield here if start else os.path.relpath(here).removeprefix(".")


def by_stem(key: str, where: str, endings: tuple[str, ...]) -> dict[str, str]:
    """Return stem -> file of a folder, a pattern or one file."""
    if any(mark in where for mark in "*?["):
        paths = sorted(Path(path) for path in matching(where))
        paths = [path for path in paths if path.suffix.lower() in endings]
        stems = _varying(where, paths)
    elif Path(where).is_file():
        paths = [Path(where)]
        stems = [paths[0].stem]
    else:
        paths = files_of(folder_of(key, where), endings)
        stems = [path.stem for path in paths]
    if not paths:
        raise LayoutFault(key, f"no files ({', '.join(endings)}) in {where}")
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise LayoutFault(key, f"several files in {where} are called {twice[0]!r}")
    return {stem: str(path) for stem, path in zip(stems, paths, strict=True)}


def _varying(pattern: str, paths: list[Path]) -> list[str]:
    """Return what tells files of a pattern apart: for `*_rgb.tif` the part before `_rgb`."""
    name = Path(pattern).name
    if name.count("*") != 1 or any(mark in name for mark in "?["):
        return [path.stem for path in paths]
    head, tail = name.split("*")
    return [
        (path.name.removeprefix(head).removesuffix(tail)) or path.stem
        if Path(tail).suffix or "." in tail
        else path.stem.removeprefix(head)
        for path in paths
    ]


def refuse_strays(
    key: str, files: Iterable[str], pictures: Iterable[str], what: str, where: str
) -> None:
    """Raise when labels have no image: their names are wrong, or the images are elsewhere."""
    known = list(pictures)
    strays = [stem for stem in files if stem not in known]
    if strays:
        shown = ", ".join(repr(stem) for stem in strays[:3])
        more = f" and {len(strays) - 3} more" if len(strays) > 3 else ""
        hint = did_you_mean(strays[0], known)
        raise LayoutFault(key, f"{what} in {where}: {shown}{more}{hint}")


def labelled(
    scene: dict[str, Any], path: str | None, mask: Callable[[str], dict[str, Any]]
) -> dict[str, Any]:
    """Return a scene with its labels; one without is only mapped."""
    return {**scene, "mask": mask(path)} if path else {**scene, "role": "predict"}


def named_scenes(key: str, found: list[tuple[str, dict[str, Any]]]) -> Scenes:
    """Return scenes by name, each of its own."""
    scenes: Scenes = {}
    for stem, scene in found:
        name = scene_name(stem)
        if name in scenes:
            raise LayoutFault(key, f"two images give a scene called {name!r}; rename one")
        scenes[name] = scene
    if not scenes:
        raise LayoutFault(key, "there are no images")
    return scenes
