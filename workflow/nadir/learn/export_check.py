"""Checking a bundle: is it whole, unchanged, and does every file of it give the same answer?"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nadir.errors import InputError, sentences
from nadir.learn.bundle import DESCRIPTION, WEIGHTS, load_description
from nadir.learn.export_item import checksum, item_faults, listed_files
from nadir.learn.export_onnx import load_onnx, run_onnx
from nadir.learn.export_pickles import pickled
from nadir.learn.export_program import load_program, run_program
from nadir.learn.export_sample import Sample, read_sample
from nadir.learn.exportable import ITEM, ONNX, PROGRAM, SAMPLE, Exportable

log = logging.getLogger(__name__)

ORDER = (DESCRIPTION, WEIGHTS, SAMPLE, PROGRAM, ONNX, ITEM)
"""Files of a bundle, in the order in which they are reported."""

_REST = "other files"
_EXPORT = "Export the bundle again (`nadir export-bundle`)."

State = Literal["ok", "fault", "none", "unchecked"]


@dataclass(frozen=True)
class Finding:
    """What is known of one file.

    Attributes:
        file: Its name in the bundle.
        state: `none` for a file that this kind of model has not, `unchecked` where a fault
            elsewhere stands in the way.
        text: For people.
    """

    file: str
    state: State
    text: str


def check_bundle(
    folder: str | os.PathLike[str], open_model: Callable[[Path], Exportable]
) -> list[Finding]:
    """Check a bundle; nothing in it is executed or unpickled.

    Args:
        folder: The bundle's folder.
        open_model: Reads the model from weights and description; raises `InputError`.

    Returns:
        One finding a file, and one for all other files. A fault is told once, where it lies.

    Raises:
        InputError: When there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", "Name the folder of a model's bundle.")
    check = _Check(folder)
    check.item()
    check.presence()
    check.model(open_model)
    check.sample()
    check.program()
    check.onnx()
    check.others()
    return [check.findings[name] for name in (*ORDER, _REST)]


class _Check:
    """The check of one bundle: each step notes a finding, or leaves a file to a later step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.findings: dict[str, Finding] = {}
        self._listed: dict[str, tuple[str, int]] | None = None
        self._model: Exportable | None = None
        self._sample: Sample | None = None

    def note(self, name: str, state: State, text: str) -> None:
        """Note a finding; the first fault of a file stands."""
        if name not in self.findings:
            self.findings[name] = Finding(name, state, text)

    def fault(self, name: str, error: InputError) -> None:
        """Note an error at the file that it names, or else at `name`."""
        at = Path(error.file).name
        self.note(at if at in ORDER else name, "fault", sentences(error.problem, error.remedy))

    def item(self) -> None:
        """Read the item: what it lists is needed by the other steps."""
        try:
            content = json.loads((self.folder / ITEM).read_bytes())
            faults = item_faults(content)
        except FileNotFoundError:
            self.note(ITEM, "fault", sentences("it is missing", _EXPORT))
            return
        except (OSError, ValueError) as error:
            self.note(ITEM, "fault", sentences(f"it is no readable JSON ({error})", _EXPORT))
            return
        if faults:
            self.note(ITEM, "fault", sentences(faults[0], _EXPORT))
            return
        self._listed = listed_files(content)
        lacking = [name for name in (WEIGHTS, DESCRIPTION, SAMPLE) if name not in self._listed]
        if lacking:
            text = f"it does not list {', '.join(lacking)}"
            self.note(ITEM, "fault", sentences(text, _EXPORT))
            return
        files = len(self._listed)
        self.note(ITEM, "ok", f"valid, lists {files} files: {content['properties']['mlm:name']}")

    def presence(self) -> None:
        """See that every listed file is there, and is the one that was listed."""
        for name in ORDER[:-1]:
            path = self.folder / name
            listed = None if self._listed is None else self._listed.get(name)
            if not path.is_file():
                if listed is not None or name in (WEIGHTS, DESCRIPTION, SAMPLE):
                    self.note(name, "fault", sentences("it is missing", _EXPORT))
            elif self._listed is not None and listed is None:
                self.note(name, "fault", sentences(f"{ITEM} does not list it", _EXPORT))
            elif listed is not None and (checksum(path), path.stat().st_size) != listed:
                text = f"its content is not what {ITEM} lists (another sha256)"
                self.note(name, "fault", sentences(text, "Restore it, or export again."))

    def model(self, open_model: Callable[[Path], Exportable]) -> None:
        """See that the description is complete and the weights fit it."""
        if self._faulty(DESCRIPTION, WEIGHTS):
            return self._leave(DESCRIPTION, WEIGHTS)
        try:
            task = load_description(self.folder).get("task")
            self._model = model = open_model(self.folder)
        except InputError as error:
            self.fault(WEIGHTS, error)
            return self._leave(DESCRIPTION, WEIGHTS)
        self.note(DESCRIPTION, "ok", f"complete: {task}")
        count = f"{model.facts.parameters:,} parameters"
        self.note(WEIGHTS, "ok", f"as described, fit {model.facts.architecture}: {count}")

    def sample(self) -> None:
        """See that the weights give the sample's output."""
        if self._faulty(SAMPLE):
            return
        try:
            self._sample = read_sample(self.folder / SAMPLE)
        except InputError as error:
            return self.fault(SAMPLE, error)
        if self._model is None:
            return self._leave(SAMPLE)
        self._compare(SAMPLE, self._model.answer, "the weights give its output")

    def program(self) -> None:
        """See that the exported program gives the sample's output."""
        if self._ready(PROGRAM):
            self._compare(PROGRAM, self._run_program, "gives the sample's output")

    def onnx(self) -> None:
        """See that the ONNX model gives the sample's output."""
        if self._ready(ONNX):
            self._compare(ONNX, self._run_onnx, "gives the sample's output")

    def others(self) -> None:
        """See that no file of the folder is a pickle; those of the bundle have their own steps."""
        found = [
            path.relative_to(self.folder).as_posix()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and path.relative_to(self.folder).as_posix() not in ORDER
            if pickled(path)
        ]
        if found:
            text = f"unpickled when loaded, and may run anything: {', '.join(found)}"
            self.note(_REST, "fault", sentences(text, "Remove them."))
        self.note(_REST, "ok", "nothing is pickled")

    def _ready(self, name: str) -> bool:
        """Tell whether a program is to be run; note why not."""
        if self._faulty(name):
            return False
        there = (self.folder / name).is_file()
        if not there and self._model is not None and self._model.network is None:
            self.note(name, "none", f"{self._model.facts.architecture} has none")
        elif not there and self._model is not None:
            self.note(name, "fault", sentences("it is missing", _EXPORT))
        elif not there or self._sample is None or self._faulty(SAMPLE):
            self._leave(name)
        else:
            return True
        return False

    def _run_program(self, *values: NDArray[np.float32]) -> NDArray[np.float32]:
        return run_program(load_program(self.folder / PROGRAM), *values)

    def _run_onnx(self, *values: NDArray[np.float32]) -> NDArray[np.float32]:
        return run_onnx(load_onnx(self.folder / ONNX), *values)

    def _compare(self, name: str, answer: Callable[..., Any], text: str) -> None:
        """Note whether something gives the sample's output."""
        assert self._sample is not None
        try:
            off = self._sample.deviation(answer(*self._sample.values))
        except InputError as error:
            return self.fault(name, error)
        except Exception as error:  # whatever a damaged network or graph raises when it runs
            said = " ".join(str(error).split())[:160]
            return self.note(name, "fault", sentences(f"it does not run ({said})", _EXPORT))
        if off <= self._sample.tolerance:
            self.note(name, "ok", f"{text} to {off:.1g}")
        else:
            what = f"deviates from the sample's output by {off:.3g}"
            if name == SAMPLE:
                what = f"the weights give another output, off by {off:.3g}"
            allowed = f"{self._sample.tolerance:.3g} are allowed"
            self.note(name, "fault", sentences(f"{what} ({allowed})", _EXPORT))

    def _faulty(self, *names: str) -> bool:
        """Tell whether any of some files has a fault."""
        known = (self.findings.get(name) for name in names)
        return any(one is not None and one.state == "fault" for one in known)

    def _leave(self, *names: str) -> None:
        """Note that files were not looked into."""
        for name in names:
            self.note(name, "unchecked", "not looked into, for the faults of other files")
