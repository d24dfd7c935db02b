"""Pydantic's validation errors as lines that a person can act on."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from nadir.errors import did_you_mean


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one line for each fault: dotted path, what is wrong, value, nearest valid name."""
    return [_line(item, model) for item in error.errors(include_url=False)]


def _line(item: Any, model: type[BaseModel]) -> str:
    location = [part for part in item["loc"] if part != "[key]"]
    path = ".".join(str(part) for part in _visible(location, model)) or "(top level)"
    kind, value = item["type"], item.get("input")
    if kind == "extra_forbidden":
        known = _fields_at(location[:-1], model)
        listed = f" (known keys: {', '.join(known)})" if known else ""
        return f"{path}: unknown key{did_you_mean(str(location[-1]), known)}{listed}"
    if kind == "missing":
        return f"{path}: this key is required"
    if kind == "literal_error":
        expected = item["ctx"]["expected"]
        return f"{path}: {value!r} is not known{_hint(value, expected)}; one of {expected}"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        expected = item["ctx"].get("expected_tags", "")
        tag = item["ctx"].get("tag", "")
        return f"{path}.name: {tag!r} is not known{_hint(tag, expected)}; one of {expected}"
    message = item["msg"].removeprefix("Value error, ")
    if isinstance(value, (dict, list, tuple, BaseModel)):
        return f"{path}: {message}"
    return f"{path}: {message[:1].lower() + message[1:]} (it is {value!r})"


def _hint(value: Any, expected: str) -> str:
    choices = [part.strip().strip("'") for part in expected.replace(" or ", ",").split(",")]
    return did_you_mean(str(value), choices)


def _visible(location: list[Any], model: type[BaseModel]) -> list[Any]:
    """Drop the parts of a location that name a union's member instead of a key."""
    shown: list[Any] = []
    members: list[Any] = [model]
    for part in location:
        inner = [found for member in members if (found := _inside(member, part)) is not None]
        if inner:
            shown.append(part)
            members = [option for found in inner for option in _options(found)]
        elif part is location[-1] and not _is_member(part, members):
            shown.append(part)
    return shown


def _is_member(part: Any, members: list[Any]) -> bool:
    return any(getattr(member, "__name__", None) == part for member in members) or part == "str"


def _options(annotation: Any) -> list[Any]:
    """Return the alternatives of an annotation: members of a union, the type inside Annotated."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _options(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        return [option for part in typing.get_args(annotation) for option in _options(part)]
    return [annotation]


def _inside(annotation: Any, part: Any) -> Any:
    """Return the annotation of a key or an index inside another annotation, or None."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(part) if isinstance(part, str) else None
        return field.annotation if field else None
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is dict:
        return arguments[1]
    if origin in (tuple, list) and isinstance(part, int):
        return (
            arguments[0]
            if len(arguments) < 3 and arguments[-1] is Ellipsis
            else arguments[min(part, len(arguments) - 1)]
        )
    return None


def _fields_at(location: list[Any], model: type[BaseModel]) -> list[str]:
    """Return the keys that may stand at a location."""
    members: list[Any] = [model]
    for part in location:
        inner = [found for member in members if (found := _inside(member, part)) is not None]
        if inner:
            members = [option for found in inner for option in _options(found)]
        else:  # a union's tag: keep the member it names
            members = [m for m in members if _tag(m) == part] or members
    names = [
        name
        for member in members
        if isinstance(member, type) and issubclass(member, BaseModel)
        for name in member.model_fields
    ]
    return list(dict.fromkeys(names))


def _tag(member: Any) -> Any:
    field = getattr(member, "model_fields", {}).get("name")
    return field.default if field else None
