"""Fingerprint of the code that a command really runs, blind to comments and docstrings.

Imports are followed through the package, also those inside functions, so that a command module
which imports lazily is still known by all that it calls. Light on purpose: the Snakefile asks for
one fingerprint a rule each time it is parsed, and nothing is imported for it.
"""

from __future__ import annotations

import ast
import functools
from pathlib import Path

from nadir.provenance.digest import sha

PACKAGE = "nadir"
ROOT = Path(__file__).resolve().parents[2]


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


def _source(module: str, root: Path) -> Path | None:
    """Return the file of a module of the package, or None when the name is no module."""
    base = root.joinpath(*module.split("."))
    for candidate in (base.with_suffix(".py"), base / "__init__.py"):
        if candidate.is_file():
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


@functools.cache
def _parsed(path: Path, module: str, stamp: tuple[int, int]) -> tuple[str, frozenset[str]]:
    """Return stripped syntax tree as text, and imports, of one file (cached by its stamp)."""
    tree = _stripped(ast.parse(path.read_text(encoding="utf-8")))
    imports = _imports(tree, module, path.name == "__init__.py")
    return ast.dump(tree, annotate_fields=False), frozenset(imports)


def code_modules(module: str, root: Path = ROOT) -> dict[str, str]:
    """Return the module and all that it imports from the package: name -> stripped syntax tree.

    Args:
        module: Dotted name, such as `nadir.cli.train_model`.
        root: The folder that holds the package.
    """
    seen: dict[str, str] = {}
    todo = [module]
    while todo:
        name = todo.pop()
        path = _source(name, root)
        if name in seen or path is None:
            continue
        stat = path.stat()
        seen[name], imports = _parsed(path, name, (stat.st_mtime_ns, stat.st_size))
        todo.extend(imports)
        if "." in name:
            todo.append(name.rpartition(".")[0])  # importing a.b runs a/__init__.py too
    return seen


def code_fingerprint(module: str, root: Path = ROOT) -> str:
    """Return 16 hexadecimal digits that change when the behaviour of a command's code can change.

    Args:
        module: Dotted name of the command's module.
        root: The folder that holds the package.

    Raises:
        ModuleNotFoundError: When the package has no such module.
    """
    if _source(module, root) is None:
        raise ModuleNotFoundError(f"no module {module} under {root}")
    return sha(repr(sorted(code_modules(module, root).items())).encode())[:16]
