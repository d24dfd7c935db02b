"""Changed parameters in words: which setting, from what to what; which raw file; or the code."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from nadir.upkeep.walking import shown

_CODE = re.compile(r"[0-9a-f]{16}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_MOST = 4  # changes that a sentence tells
_LONG = 40  # characters of a value


def explain_params(before: Sequence[str], now: Sequence[str]) -> str:
    """Return what changed in a job's parameters.

    A rule has a `code` (16 hexadecimal digits), a `cfg` (settings as JSON) and perhaps a `raw`
    (files with their digests as JSON); Snakemake compares values without their names.

    Args:
        before: Values that are no longer there, as Snakemake writes them (`repr`).
        now: Values that are new.
    """
    old, new = [_value(text) for text in before], [_value(text) for text in now]
    parts = []
    if any(_is_code(value) for value in (*old, *new)):
        parts.append("the code that its command imports was edited")
    tables = [[item for item in part if isinstance(item, dict)] for part in (old, new)]
    parts += _of_tables(*tables)
    rest = [
        [item for item in part if not isinstance(item, dict) and not _is_code(item)]
        for part in (old, new)
    ]
    if rest[0] or rest[1]:
        words = [", ".join(map(_brief, part)) or "nothing" for part in rest]
        parts.append(f"{words[0]} became {words[1]}")
    return "; ".join(parts) or "its parameters changed"


def _value(text: str) -> Any:
    """Return the value behind what Snakemake wrote down."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
    if isinstance(value, str) and value[:1] in "{[":
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def _is_code(value: Any) -> bool:
    return isinstance(value, str) and bool(_CODE.fullmatch(value))


def _of_tables(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Iterator[str]:
    """Yield what changed in tables, each of which belongs to the one that resembles it most."""
    left = list(old)
    for table in new:
        other = max(left, key=lambda item: _likeness(item, table), default=None)
        if other is not None and _likeness(other, table) > 0:
            left.remove(other)
        else:
            other = {}
        yield _told(other, table)
    for table in left:
        yield _told(table, {})


def _likeness(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Return how alike two tables are, 0 where nothing speaks for it."""
    if _is_raw(one) and _is_raw(other):
        return 1.0
    return len(one.keys() & other.keys()) / max(len(one.keys() | other.keys()), 1)


def _is_raw(table: dict[str, Any]) -> bool:
    """Whether a table lists raw files by digest."""
    digests = [isinstance(value, str) and _DIGEST.fullmatch(value) for value in table.values()]
    return bool(digests) and all(digests)


def _told(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Return the difference of two tables in words."""
    before, now = dict(_flat(old)), dict(_flat(new))
    if all(_is_raw(table) or not table for table in (old, new)):
        before, now = dict(old), dict(new)  # names of files have points of their own
        verbs = ("raw file {} changed", "raw file {} is new", "raw file {} is no longer asked for")
    else:
        verbs = ("{} was {}, is {}", "{} is new: {}", "{} is gone (it was {})")
    found = []
    for name in sorted(before.keys() | now.keys()):
        if name in before and name in now:
            if before[name] != now[name]:
                values = (_brief(before[name]), _brief(now[name]))
                found.append(verbs[0].format(shown(name), *values))
        elif name in now:
            found.append(verbs[1].format(shown(name), _brief(now[name])))
        else:
            found.append(verbs[2].format(shown(name), _brief(before[name])))
    more = len(found) - _MOST
    return "; ".join([*found[:_MOST], *([f"{more} more changes"] if more > 0 else [])])


def _flat(value: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted name, value) of the leaves of nested tables."""
    for key, item in value.items():
        if isinstance(item, dict) and item:
            yield from _flat(item, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", item


def _brief(value: Any) -> str:
    """Return a value as JSON, cut where it is long."""
    text = shown(json.dumps(value, ensure_ascii=False, default=str))
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
