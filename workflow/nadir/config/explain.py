"""Pydantic's validation errors as lines that a person can act on."""

from __future__ import annotations

import types
import typing
from typing import Any

from pydantic import BaseModel, ValidationError

from nadir.errors import did_you_mean

_PHRASES = {
    "string_type": "must be text",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must look like {pattern}",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} or fewer entries",
    "dict_type": "must be a section of keys and values",
    "model_type": "must be a section of keys and values",
    "model_attributes_type": "must be a section of keys and values",
}
"""Kind of a pydantic error -> what to say, with the parts of its context."""


def explain(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return one line for each fault: dotted path, what is wrong, value, nearest valid name."""
    items = error.errors(include_url=False)
    places = [tuple(_visible(_location(item), model)) for item in items]
    lines = []
    for item, place in zip(items, places, strict=True):
        # A fault inside a value also makes its container seem too short, or of another kind.
        inside = any(len(other) > len(place) and other[: len(place)] == place for other in places)
        beside = places.count(place) > 1 and isinstance(item["input"], dict)
        hidden = {"too_short": inside, "string_type": inside or beside}
        if hidden.get(item["type"]):
            continue
        lines.append(_line(item, place, model))
    return list(dict.fromkeys(lines))


def _location(item: Any) -> list[Any]:
    return [part for part in item["loc"] if part != "[key]"]


def _line(item: Any, place: tuple[Any, ...], model: type[BaseModel]) -> str:
    path = ".".join(str(part) for part in place) or "(top level)"
    kind, value, context = item["type"], item.get("input"), item.get("ctx", {})
    if kind == "extra_forbidden":
        known = _fields_at(_location(item)[:-1], model)
        listed = f" (known keys: {', '.join(known)})" if known else ""
        return f"{path}: unknown key{did_you_mean(str(place[-1]), known)}{listed}"
    if kind == "missing":
        missing = "entry" if isinstance(place[-1], int) else "key"
        return f"{path}: this {missing} is required"
    if kind == "literal_error":
        expected = context["expected"]
        return f"{path}: {value!r} is not known{_hint(value, expected)} (there are: {expected})"
    if kind == "union_tag_invalid":
        expected, tag = context["expected_tags"], context["tag"]
        key = context["discriminator"].strip("'")
        return f"{path}.{key}: {tag!r} is not known{_hint(tag, expected)} (there are: {expected})"
    if kind == "union_tag_not_found":
        tags = [_tag(member) for member in _members_at(_location(item), model)]
        key = context["discriminator"].strip("'")
        return f"{path}.{key}: this key is required (there are: {', '.join(map(repr, tags))})"
    phrase = _PHRASES.get(kind)
    message = phrase.format(**context) if phrase else item["msg"].removeprefix("Value error, ")
    if value is None:
        return f"{path}: {message} (it is empty)"
    if isinstance(value, (dict, list, tuple, BaseModel)):
        return f"{path}: {message}"
    return f"{path}: {message} (it is {value!r})"


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
    """Tell whether part of a location names a union's member (a class, a type, a validator)."""
    text = str(part)
    names = {getattr(member, "__name__", None) for member in members}
    return text in names | {"str", "float", "int", "literal['nan']"} or text.startswith("function-")


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


def _members_at(location: list[Any], model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the models that may stand at a location."""
    members: list[Any] = [model]
    for part in location:
        inner = [found for member in members if (found := _inside(member, part)) is not None]
        if inner:
            members = [option for found in inner for option in _options(found)]
        else:  # a union's tag: keep the member it names
            members = [m for m in members if _tag(m) == part] or members
    return [m for m in members if isinstance(m, type) and issubclass(m, BaseModel)]


def _fields_at(location: list[Any], model: type[BaseModel]) -> list[str]:
    """Return the keys that may stand at a location."""
    names = [name for member in _members_at(location, model) for name in member.model_fields]
    return list(dict.fromkeys(names))


def _tag(member: Any) -> Any:
    fields = getattr(member, "model_fields", {})
    field = fields.get("kind") or fields.get("name")
    return field.default if field else None
