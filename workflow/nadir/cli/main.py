"""The entry of the command line: finds the verb, runs its module, and turns errors into one line.

A verb is a module of this package, `nadir VERB-NAME` being `nadir.cli.verb_name`; only the module
of the given verb is imported, so a command pays for what it uses and nothing else.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import logging
import os
import shlex
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nadir import __version__
from nadir.errors import NadirError, did_you_mean, without_secrets
from nadir.provenance.atomic import fault_of_writing, remove_leftovers, write_faults
from nadir.provenance.compiled import separate_compiled_code
from nadir.provenance.lease import is_follower, lease_path, sole_writer
from nadir.provenance.unneeded import unneeded
from nadir.provenance.written_by import kept_digests

_NOT_VERBS = {
    "__init__",
    "main",
    "options",
    "fitting",
    "training",
    "bundles",
    "fetching",
    "held_out",
}
_CHECK = "Check the path, its permissions and the room on the disk."


def verbs() -> dict[str, str]:
    """Return every verb with the first line of its module's docstring; nothing is imported."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem not in _NOT_VERBS:
            text = ast.get_docstring(ast.parse(path.read_text())) or ""
            found[path.stem.replace("_", "-")] = text.splitlines()[0] if text else ""
    return found


def _is_verb(name: str) -> bool:
    """Tell whether there is a command of a name, without reading them all."""
    module = name.replace("-", "_")
    if "_" in name or not module.isidentifier() or module in _NOT_VERBS:
        return False
    return Path(__file__).with_name(f"{module}.py").is_file()


def main(arguments: list[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: Words of the command line; by default the process's own.

    Returns:
        The exit code: 0, 2 for an error that the user can mend, 130 when interrupted.
    """
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] in ("-h", "--help"):
        print(_help())
        return 0
    if words[0] in ("-V", "--version"):
        print(f"nadir {__version__}")
        return 0
    verb = words[0]
    if not _is_verb(verb):
        print(
            f"nadir: no command {verb!r}{did_you_mean(verb, verbs())}\n\n{_help()}",
            file=sys.stderr,
        )
        return 2
    separate_compiled_code()
    with unneeded("boto3"):
        module = importlib.import_module(f"nadir.cli.{verb.replace('-', '_')}")
    parser = argparse.ArgumentParser(prog=f"nadir {verb}", description=module.__doc__)
    module.add_arguments(parser)
    options = parser.parse_args(words[1:])
    options.words = words
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_hide_secrets)
    # A log begins with what a person can run again.
    if stat.S_ISREG(os.fstat(2).st_mode) and not is_follower():
        said = without_secrets(shlex.join(words))
        print(f"$ python -m nadir {said}", file=sys.stderr)
    try:
        with _sole_writer(options):
            module.run(options)
    except NadirError as error:
        return _fail(str(error))
    except OSError as error:
        # Faults that no floor below has put into words; without a file at fault it is a bug.
        if error.filename is None or error.strerror is None:
            raise
        problem, remedy = fault_of_writing(error) or (error.strerror.lower(), _CHECK)
        return _fail(f"{os.fsdecode(error.filename)}: {problem}. {remedy}")
    except KeyboardInterrupt:
        print("nadir: interrupted", file=sys.stderr)
        return 130
    return 0


@contextmanager
def _sole_writer(options: argparse.Namespace) -> Iterator[None]:
    """Keep every other process from writing the output of a command that has one.

    What a writer that was killed has left half-written beside it, is removed. Digests of what is
    written are kept.
    """
    out = getattr(options, "out", None)
    if not isinstance(out, Path):
        yield
        return
    with sole_writer(out):
        if lease_path(out) and not is_follower():
            with write_faults(out):
                remove_leftovers(out)
        with kept_digests(out):
            yield


def _hide_secrets(record: logging.LogRecord) -> bool:
    """Replace what is secret in the addresses of a message before it is written."""
    text = record.getMessage()
    hidden = without_secrets(text)
    if hidden != text:
        record.msg, record.args = hidden, None
    return True


def _fail(text: str) -> int:
    """Print the one line (of a configuration: one a fault) that says what is wrong."""
    print(f"nadir: error: {without_secrets(text)}", file=sys.stderr)
    return 2


def _help() -> str:
    """Return the list of commands."""
    known = verbs()
    width = max(map(len, known))
    lines = [f"  {name:<{width}}  {text}" for name, text in known.items()]
    head = "usage: nadir COMMAND [options]     nadir COMMAND --help tells a command's options"
    return "\n".join([head, "", "commands:", *lines])
