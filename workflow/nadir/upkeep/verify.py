"""A folder of results against all that is known of it.

What is compared, from the strongest to the weakest: stores with the digests of their manifests;
files with lists of digests that lie beside them, with what the job that made them has kept, with
what Snakemake kept of small files that a job has read, with the seal of the folder, with the kept
result that they were delivered from; and with their own formats. What Snakemake made and what is
no longer there is told as well.
"""

from __future__ import annotations

import logging
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from nadir.errors import InputError
from nadir.provenance.manifest import ENDING, store_path
from nadir.provenance.written_by import digests_below
from nadir.upkeep.kept_results import SLOTS, slot_of
from nadir.upkeep.listings import digest_by_blocks, listed_by
from nadir.upkeep.records import Records, read_records
from nadir.upkeep.seal import FILE as SEAL
from nadir.upkeep.seal import Sealed, read_seal, write_seal
from nadir.upkeep.stores import KINDS, check_store, parse_manifest
from nadir.upkeep.structures import Damaged, Unchecked, check_file
from nadir.upkeep.walking import Entry, entries_below, require_folder

log = logging.getLogger(__name__)

_STORE = ".zarr"
_PASSING = ("logs", "benchmarks")  # written by every run: neither sealed nor judged
_WEIGHTS = "model.safetensors"

Tick = Callable[[int], object]
"""Called with bytes that were seen."""


@dataclass(frozen=True, order=True)
class Finding:
    """Something that is not as it should be, or that could not be judged.

    Attributes:
        path: The file or the store.
        fault: Whether something is wrong; else it is a note.
        problem: What.
        rule: The rule that makes it again, as far as that is known.
        target: The file to ask Snakemake for; None where Snakemake does not make it.
    """

    path: Path
    fault: bool
    problem: str
    rule: str | None = None
    target: Path | None = None


@dataclass
class Verdict:
    """What was found.

    Attributes:
        findings: Sorted by path.
        stores: How many stores were compared with their manifests.
        files: How many files were looked at.
        proved: How many of those were compared with a digest.
        unchecked: Files of formats that tell nothing, and that no digest is known of.
        size: Bytes of all of them.
    """

    findings: list[Finding] = field(default_factory=list)
    stores: int = 0
    files: int = 0
    proved: int = 0
    unchecked: int = 0
    size: int = 0

    @property
    def faults(self) -> list[Finding]:
        """What is wrong."""
        return [one for one in self.findings if one.fault]


def verify(folder: Path, workdir: Path | None = None, *, seal: bool = False) -> Verdict:
    """Compare a folder of results with all that is known of it.

    Args:
        folder: The folder. Nothing outside it is read, but for Snakemake's records.
        workdir: The folder in which Snakemake ran; by default the one that holds `folder`.
        seal: Write the seal of the folder, provided that nothing is wrong.

    Raises:
        InputError: When there is no such folder, or its seal is damaged.
        OutputError: When the seal cannot be written.
    """
    require_folder(folder)
    return _Verification(folder, workdir or folder.absolute().parent).run(seal)


def repair_commands(faults: Iterable[Finding], workdir: Path) -> list[str]:
    """Return the shell commands that make again what is wrong, to be run in `workdir`."""
    faults = list(faults)
    slots = {slot for one in faults if (slot := slot_of(one.path)) is not None}
    names = {_name_in(one.target, workdir) for one in faults if one.target is not None}
    commands = []
    if slots:
        commands.append(
            shlex.join(["rm", "-r", "--", *sorted(_name_in(s, workdir) for s in slots)])
        )
    if names or slots:
        force = ["--forcerun", *sorted(names)] if names else []
        commands.append(shlex.join(["snakemake", "--cores", "all", *force]))
    return commands


def _name_in(path: Path, workdir: Path) -> str:
    """Return a path as seen from the folder where Snakemake runs."""
    whole, base = path.absolute(), workdir.absolute()
    return str(whole.relative_to(base) if whole.is_relative_to(base) else whole)


class _Verification:
    """One run over one folder."""

    def __init__(self, folder: Path, workdir: Path) -> None:
        self.folder, self.workdir = folder, workdir
        self.records: Records = read_records(workdir)
        self.sealed: Sealed = read_seal(folder) or {}
        self.verdict = Verdict()
        self.known: dict[str, set[str]] = defaultdict(set)  # name -> digests that it should have
        self.written = digests_below(folder)
        self.sums: Sealed = {}
        self.weights: list[str] = []

    def run(self, seal: bool) -> Verdict:
        """Look at everything once."""
        entries = [entry for entry in entries_below(self.folder) if entry.path.name != SEAL]
        manifests = [e.path for e in entries if e.path.name.endswith(ENDING) and e.kind == "file"]
        stores = {store_path(path) for path in manifests}
        plain = [entry for entry in entries if not self._in_store(entry, stores)]
        for entry in plain:
            if entry.kind == "file":
                self._collect(entry.path)
        self.verdict.size = sum(entry.size for entry in entries)
        with tqdm(total=None, unit="B", unit_scale=True, desc="verify", disable=None) as bar:
            for path in manifests:
                self._manifest(path, bar.update)
            for entry in plain:
                self._entry(entry, bar.update)
        self._missing({self._name(entry.path) for entry in plain})
        self._compare_kept()
        self.verdict.findings = sorted(set(self.verdict.findings), key=lambda one: str(one.path))
        if seal and not self.verdict.faults:
            write_seal(self.folder, self.sums)
        return self.verdict

    def _name(self, path: Path) -> str:
        return path.relative_to(self.folder).as_posix()

    def _recorded(self, name: str) -> str:
        """Return the name of a file as Snakemake's records have it."""
        return _name_in(self.folder / name, self.workdir)

    def _in_store(self, entry: Entry, stores: set[Path]) -> bool:
        """Whether an entry belongs to a store; a store without a manifest is told, once."""
        for parent in entry.path.parents:
            if parent == self.folder:
                return False
            if parent.name.endswith(_STORE) and not parent.name.startswith("."):
                if parent not in stores:
                    manifest = parent.with_name(parent.name.removesuffix(_STORE) + ENDING)
                    problem = "a store without its manifest: it was never finished, or half copied"
                    self._add(parent, problem, manifest)
                    stores.add(parent)
                return True
        return False

    def _add(self, path: Path, problem: str, target: Path | None = None, rule: str = "") -> None:
        """Note a fault, with the rule that the records name."""
        record = self.records.products.get(_name_in(target or path, self.workdir))
        found = record.rule if record else rule or None
        wanted = target or (path if record else None)
        self.verdict.findings.append(Finding(path, True, problem, found, wanted))

    def _note(self, path: Path, problem: str) -> None:
        self.verdict.findings.append(Finding(path, False, problem))

    def _collect(self, path: Path) -> None:
        """Take in the digests that a list beside files knows."""
        try:
            for file, digest in listed_by(path).items():
                self.known[self._name(file)].add(digest)
                if not file.is_file() or file.is_symlink():
                    self._add(file, f"{path.name} lists it, and it is gone", file)
        except OSError as error:
            self._add(path, f"it cannot be read ({error.strerror})", path)

    def _manifest(self, path: Path, tick: Tick) -> None:
        """Compare a store with its manifest."""
        try:
            manifest = parse_manifest(path)
        except InputError as error:
            self._add(path, error.problem, path)
            return
        kind = KINDS.get(manifest.kind)
        if kind is None:
            self._note(path, f"a store of kind {manifest.kind!r} is not looked into")
            return
        if manifest.kind == "pairs" and "table" in manifest.sources:
            table = path.with_name(path.name.removesuffix(ENDING) + ".parquet")
            self.known[self._name(table)].add(manifest.sources["table"])
            if not table.is_file():
                self._add(table, "the table beside the store is gone", path, kind.rule)
        self.verdict.stores += 1
        try:
            check_store(path, manifest, tick)
        except InputError as error:
            sent = manifest.store is not None  # a `Path` would change the address
            problem = f"{error.file}: {error.problem}" if sent else error.problem
            self._add(path if sent else Path(error.file), problem, path, kind.rule)

    def _entry(self, entry: Entry, tick: Tick) -> None:
        """Judge one thing that is in no store."""
        path, name = entry.path, self._name(entry.path)
        if entry.kind == "link":
            self._note(path, _leads(path, self.folder))
        elif entry.kind != "file":
            what = "a folder that may not be read" if entry.kind == "closed" else "no plain file"
            self._add(path, what)
        elif leftover := _leftover(name):
            self._note(self.folder / leftover, "left by a run that was killed, or is at work")
        elif not self._passing(name):
            self._file(path, name, tick)

    def _passing(self, name: str) -> bool:
        """Whether a file is of a run, not of its results: logs, work of an unfinished training."""
        parts = name.split("/")
        if parts[0] == SLOTS:
            return "result" not in parts
        return parts[0] in _PASSING

    def _file(self, path: Path, name: str, tick: Tick) -> None:
        """Compare a file with its digests, then with its format."""
        self.verdict.files += 1
        try:
            found = digest_by_blocks(path, tick)
        except OSError as error:
            self._add(path, f"it cannot be read ({(error.strerror or str(error)).lower()})", path)
            return
        record = self.records.products.get(self._recorded(name))
        ended = record.ended if record else 0.0
        self.sums[name] = (found, ended)
        if path.name == _WEIGHTS:
            self.weights.append(name)
        problem, proved = self._compare(name, found, ended)
        try:
            check_file(path)
        except Damaged as error:
            problem = str(error)
        except Unchecked:
            self.verdict.unchecked += not proved
        self.verdict.proved += proved
        if problem:
            self._add(path, problem)

    def _compare(self, name: str, found: str, ended: float) -> tuple[str, bool]:
        """Return what is wrong with a file's digest, and whether there was one to compare with."""
        known = self.known.get(name, set())
        if known - {found}:
            return "it is not what the list beside it was written for", True
        seen = self.records.inputs.get(self._recorded(name))
        # A file that was made again after it was read has every right to be another one.
        if seen is not None and 0 < ended <= seen.ended and seen.sha256 != found:
            return "it was changed after the job that read it", True
        if name in self.written:
            return ("" if found in self.written[name] else "it was changed after it was made"), True
        entry = self.sealed.get(name)
        if entry is not None and entry[1] >= ended:
            return ("" if entry[0] == found else "it was changed after it was sealed"), True
        return "", bool(known or (seen is not None and 0 < ended <= seen.ended))

    def _missing(self, there: set[str]) -> None:
        """Tell what Snakemake made, or the seal lists, and what is gone."""
        prefix = _name_in(self.folder, self.workdir) + "/"
        for path, record in self.records.products.items():
            name = path.removeprefix(prefix)
            if path.startswith(prefix) and name not in there and ".." not in name.split("/"):
                if record.incomplete:
                    self._note(self.folder / name, f"rule {record.rule} was making it")
                else:
                    self._add(self.folder / name, "it was made, and is gone", self.folder / name)
        if not self.records.products:  # lost as well: nobody knows which products were temporary
            for name in sorted(self.written.keys() - there):
                self._note(self.folder / name, "a job wrote it, and it is gone")
        for name in sorted(self.sealed.keys() - there):
            if self._recorded(name) not in self.records.products:
                target = None if name.split("/")[0] == SLOTS else self.folder / name
                self._add(self.folder / name, "it was sealed, and is gone", target)

    def _compare_kept(self) -> None:
        """Compare kept weights with those that were delivered from them."""
        bad = {self._name(one.path) for one in self.verdict.faults}
        good = [name for name in self.weights if name not in bad]  # of two, one is known as bad
        kept = {name.split("/")[-3]: name for name in good if name.startswith(f"{SLOTS}/")}
        for name in good:
            key = _key_of((self.folder / name).with_name("model.yaml"))
            other = kept.get(key or "")
            if (
                other
                and not name.startswith(f"{SLOTS}/")
                and self.sums[other][0] != self.sums[name][0]
            ):
                self._add(self.folder / name, f"it differs from the kept result {other}")


def _leads(link: Path, folder: Path) -> str:
    """Return where a link leads, in words."""
    try:
        target = link.resolve(strict=True)
    except (OSError, RuntimeError):  # nothing there, or a loop
        return "a link that leads nowhere"
    inside = target.is_relative_to(folder.resolve())
    return "a link: not followed" if inside else "a link that leads out of the folder"


def _leftover(name: str) -> str | None:
    """Return the part of a name up to what an unfinished write goes by, if it has such a part."""
    parts = name.split("/")
    for number, part in enumerate(parts):
        if part.startswith(".") and ".partial" in part:
            return "/".join(parts[: number + 1])
    return None


def _key_of(description: Path) -> str | None:
    """Return the key of the training that a bundle's description names."""
    try:
        if description.is_symlink() or description.stat().st_size > 1 << 20:
            return None
        lines = description.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    keys = [line.split(":", 1)[1].strip() for line in lines if line.startswith("  training:")]
    return keys[0] if keys and keys[0].isalnum() else None
