"""Fingerprint of the code that a command really runs, blind to comments and docstrings.

Imports are followed through the package, also those inside functions, so that a command module
which imports lazily is still known by all that it calls. Light on purpose: the Snakefile asks for
one fingerprint a rule each time it is parsed, and nothing is imported for it.
"""

from __future__ import annotations

import ast
import json
import logging
import os
import sys
from pathlib import Path
from typing import NamedTuple

from nadir.errors import OutputError
from nadir.provenance.atomic import write_json
from nadir.provenance.digest import sha

log = logging.getLogger(__name__)

PACKAGE = "nadir"
ROOT = Path(__file__).resolve().parents[2]
KEPT = Path(".snakemake") / "nadir-code.json"
"""Where a workflow keeps what it parsed, from one start to the next."""


class _Strip(ast.NodeTransformer):
    """Drops what cannot change behaviour: texts that stand alone, and imports for types only.

    Texts that stand alone are docstrings, also those of attributes; comments are not in a syntax
    tree to begin with. `pass` goes as well, since it stands where a docstring may.
    """

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        is_text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if is_text else node

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        self.generic_visit(node)
        test = node.test
        name = test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")
        return node.orelse if name == "TYPE_CHECKING" else node


def _stripped(tree: ast.Module) -> ast.Module:
    """Return the tree without what cannot change behaviour (changed in place)."""
    return _Strip().visit(tree)


def _source(module: str, root: str) -> str | None:
    """Return the file of a module of the package, or None when the name is no module."""
    base = os.path.join(root, *module.split("."))
    for candidate in (f"{base}.py", os.path.join(base, "__init__.py")):
        if os.path.isfile(candidate):
            return candidate
    return None


def _imports(tree: ast.AST, module: str, is_package: bool) -> set[str]:
    """Return the names of package modules (or of things in them) that a syntax tree imports."""
    names: set[str] = set()
    parents = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                anchor = parents[: len(parents) - (node.level - 1)]
                base = ".".join([*anchor, base] if base else anchor)
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return {name for name in names if name == PACKAGE or name.startswith(f"{PACKAGE}.")}


class Parsed(NamedTuple):
    """What is known of a file of code.

    Attributes:
        code: Digest of its stripped syntax tree.
        imports: Names of the package that it imports.
    """

    code: str
    imports: tuple[str, ...]


class ParsedFiles:
    """Files of code, each parsed once: in this process, and wherever it was kept before.

    Parsing the whole package takes seconds, and every start of Snakemake asks for it. What is kept
    counts for a file of the same bytes under the same version of Python (whose syntax trees those
    of another need not equal).

    Args:
        kept: File to read from and to write to; None keeps nothing.
    """

    def __init__(self, kept: str | os.PathLike[str] | None = None) -> None:
        self._kept = None if kept is None else Path(kept)
        self._now: dict[str, tuple[tuple[int, int], Parsed]] = {}
        self._known: dict[str, Parsed] | None = None
        self._new = False

    def of(self, path: str, module: str) -> Parsed:
        """Return what is known of a file, parsed now unless it is known."""
        stat = os.stat(path)
        stamp = (stat.st_mtime_ns, stat.st_size)
        seen = self._now.get(path)
        if seen is not None and seen[0] == stamp:
            return seen[1]
        source = Path(path).read_bytes()
        known = self._read()
        key = sha(f"{module} {os.path.basename(path)} ".encode() + source)
        if key not in known:
            known[key] = _parse(source, module, path)
            self._new = True
        self._now[path] = stamp, known[key]
        return known[key]

    def keep(self) -> None:
        """Write what was parsed anew for the next start, if anything was; a convenience only."""
        if self._kept is None or not self._new:
            return
        # Only what this process met: what edits left behind does not pile up.
        met = {parsed for _, parsed in self._now.values()}
        files = {key: parsed for key, parsed in self._read().items() if parsed in met}
        try:
            write_json(self._kept, {"python": sys.version, "files": files})
        except (OutputError, OSError) as error:
            log.debug("parsed code is not kept: %s", error)
        self._new = False

    def _read(self) -> dict[str, Parsed]:
        if self._known is None:
            self._known = {}
            try:
                told = json.loads(self._kept.read_text()) if self._kept else {}
                if told.get("python") == sys.version:
                    self._known = {
                        key: Parsed(str(code), tuple(imports))
                        for key, (code, imports) in told["files"].items()
                    }
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                pass  # absent or torn: parse again
        return self._known


def _parse(source: bytes, module: str, path: str) -> Parsed:
    """Return digest of the stripped syntax tree, and imports, of one file."""
    tree = _stripped(ast.parse(source))
    imports = _imports(tree, module, os.path.basename(path) == "__init__.py")
    return Parsed(sha(ast.dump(tree, annotate_fields=False).encode()), tuple(sorted(imports)))


_PARSED = ParsedFiles()


def code_modules(
    module: str, root: str | os.PathLike[str] = ROOT, parsed: ParsedFiles = _PARSED
) -> dict[str, str]:
    """Return the module and all that it imports from the package: name -> digest of its code.

    Args:
        module: Dotted name, such as `nadir.cli.train_model`.
        root: The folder that holds the package.
        parsed: What is known of its files.
    """
    seen: dict[str, str] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        if name in seen or (path := _source(name, os.fspath(root))) is None:
            continue
        seen[name], imports = parsed.of(path, name)
        todo.extend(imports)
        if "." in name:
            todo.append(name.rpartition(".")[0])  # importing a.b runs a/__init__.py too
    return seen


def code_fingerprint(
    module: str, root: str | os.PathLike[str] = ROOT, parsed: ParsedFiles = _PARSED
) -> str:
    """Return 16 hexadecimal digits that change when the behaviour of a command's code can change.

    Args:
        module: Dotted name of the command's module.
        root: The folder that holds the package.
        parsed: What is known of its files.

    Raises:
        ModuleNotFoundError: When the package has no such module.
    """
    if _source(module, os.fspath(root)) is None:
        raise ModuleNotFoundError(f"no module {module} under {root}")
    return sha(repr(sorted(code_modules(module, root, parsed).items())).encode())[:16]
