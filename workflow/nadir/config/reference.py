"""The configuration's reference for people (Markdown) and for editors (JSON schema).

Both are made from the models and the docstrings of their fields, so they cannot tell anything
else than what `load_config` accepts.
"""

from __future__ import annotations

import json
import re
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from nadir.config.classes import CLASS_TABLES
from nadir.config.document import Config
from nadir.config.groundview_recipes import GROUNDVIEW_RECIPES
from nadir.config.recipes import RECIPES
from nadir.config.retrieval_recipes import RETRIEVAL_RECIPES
from nadir.provenance.atomic import write_text

_INTRODUCTION = """\
# Configuration

Every key that `config.yaml` may hold; `nadir schema` writes this page from the code. Unknown keys
are errors, and all errors are shown at once. A file of your own stands in the place of
`config.yaml`: `snakemake --cores all --configfile mine.yaml`; to change a few of its keys, give
both: `--configfile config.yaml mine.yaml`. `${NAME}` in a text is replaced from the environment. In
the headings below, `NAME` stands for a name that you choose (letters, digits, `_` and `-`, a letter
first).

For completion and checks while you type, put this on the first line of a file in this folder:

    # yaml-language-server: $schema=../workflow/schemas/config.schema.json
"""

_WORDS = {str: "text", int: "whole number", float: "number", bool: "`true` or `false`"}
_MANY = {
    "text": "texts",
    "whole number": "whole numbers",
    "number": "numbers",
    "section": "sections",
}
_SIGNS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclass
class _Section:
    """One model of the configuration, with the dotted paths at which it stands."""

    model: type[BaseModel]
    paths: list[str] = field(default_factory=list)
    tag: str = ""
    """Key and value that choose this model where several may stand, as `name: VALUE`."""

    @property
    def heading(self) -> str:
        """Title of the section."""
        title = f"`{self.paths[0]}`" if self.paths[0] else "Top level"
        return f"{title}, `{self.tag}`" if self.tag else title


def reference() -> str:
    """Return config/README.md."""
    sections = _sections(Config)
    parts = [_INTRODUCTION]
    parts += [_render(section, sections) for section in sections]
    parts += [_render_tables(), _render_recipes()]
    return "\n".join(parts)


def schema() -> str:
    """Return workflow/schemas/config.schema.json.

    It checks a file as it is written, before recipes fill it in: a model section without `name`
    is fine there, so several alternatives may fit at once.
    """
    document = _any_of(Config.model_json_schema())
    document["title"] = "Configuration of nadir"
    document["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def write_reference(readme_path: str | PathLike[str], schema_path: str | PathLike[str]) -> None:
    """Write the reference page and the JSON schema.

    Args:
        readme_path: The Markdown file, `config/README.md`.
        schema_path: The JSON file, `workflow/schemas/config.schema.json`.

    Raises:
        OutputError: When one of them cannot be written.
    """
    write_text(readme_path, reference())
    write_text(schema_path, schema())


def _any_of(value: Any) -> Any:
    """Turn alternatives chosen by a tag into plain alternatives."""
    if isinstance(value, list):
        return [_any_of(item) for item in value]
    if not isinstance(value, dict):
        return value
    tagged = "discriminator" in value and "oneOf" in value
    return {
        ("anyOf" if tagged and key == "oneOf" else key): _any_of(item)
        for key, item in value.items()
        if not (tagged and key == "discriminator")
    }


def _sections(model: type[BaseModel]) -> list[_Section]:
    """Return the models below `model` in reading order, each once."""
    found: dict[type[BaseModel], _Section] = {}

    def visit(model: type[BaseModel], path: str, tag: str) -> None:
        if model in found:
            found[model].paths.append(path)
            return
        found[model] = _Section(model, [path], tag)
        for key, info in model.model_fields.items():
            inner = list(_models(info.annotation, f"{path}.{key}".lstrip(".")))
            for below, below_path in inner:
                visit(below, below_path, _tag(below) if len(inner) > 1 else "")

    visit(model, "", "")
    return list(found.values())


def _models(annotation: Any, path: str) -> Iterator[tuple[type[BaseModel], str]]:
    """Yield the models that an annotation holds, with the path at which each stands."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, path
        return
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is dict:
        yield from _models(arguments[1], f"{path}.NAME")
    elif origin in (tuple, list):
        yield from _models(arguments[0], f"{path}[]")
    elif origin is typing.Annotated:
        yield from _models(arguments[0], path)
    elif origin in (typing.Union, types.UnionType):
        for part in arguments:
            yield from _models(part, path)


def _tag(model: type[BaseModel]) -> str:
    for key in ("kind", "name"):
        info = model.model_fields.get(key)
        if info and not info.is_required():
            return f"{key}: {info.default}"
    return ""


def _render(section: _Section, sections: list[_Section]) -> str:
    """Return one section as Markdown: what it is, and a table of its keys."""
    lines = [f"## {section.heading}", "", _one_line(section.model.__doc__ or "")]
    others = [path for path in section.paths[1:] if path]
    if others:
        lines += ["", "Also: " + ", ".join(f"`{path}`" for path in others) + "."]
    lines += ["", "| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, info in section.model.model_fields.items():
        inner = {model for model, _ in _models(info.annotation, "")}
        below = [other for other in sections if other.model in inner]
        text = _one_line(info.description or ("Which one." if key in ("name", "kind") else ""))
        if below:
            text += " See " + ", ".join(f"[{_link_text(s)}](#{_anchor(s)})" for s in below) + "."
        kind = _cell(_kind(info.annotation, info.metadata))
        lines.append(f"| `{key}` | {kind} | {_cell(_default(info))} | {_cell(text)} |")
    return "\n".join([*lines, ""])


def _link_text(section: _Section) -> str:
    return section.tag.partition(": ")[2] or section.paths[0]


def _anchor(section: _Section) -> str:
    """Return the anchor that GitHub gives to the section's heading."""
    kept = re.sub(r"[^\w\- ]", "", section.heading.lower())
    return kept.replace(" ", "-")


def _one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _kind(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """Return an annotation in plain words, with its bounds."""
    bounds = ", ".join(
        f"{sign} {getattr(item, name)}"
        for given in metadata
        for item in (given.metadata if isinstance(given, FieldInfo) else [given])
        for name, sign in _SIGNS.items()
        if getattr(item, name, None) is not None
    )
    words = _plain_kind(annotation)
    null = " or `null`" if words.endswith(" or `null`") else ""
    return f"{words.removesuffix(null)} {bounds}".strip() + null


def _plain_kind(annotation: Any) -> str:
    if annotation is type(None):
        return "`null`"
    if annotation in _WORDS:
        return _WORDS[annotation]
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _kind(arguments[0], arguments[1:])
    if origin is typing.Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(_plain_kind(part) for part in arguments))
    if origin is dict:
        inner = _plain_kind(arguments[1])
        return f"name: {inner}, ..."
    if origin in (tuple, list):
        count = "" if arguments[-1] is Ellipsis or origin is list else f"{len(arguments)} "
        inner = _plain_kind(arguments[0])
        return f"list of {count}{_MANY.get(inner, inner)}"
    return str(annotation)


def _default(info: FieldInfo) -> str:
    """Return the default as it would be written in YAML, or what stands for it."""
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "the section's own" if not _tag(type(value)) else f"`{_tag(type(value))}`"
    if isinstance(value, str):
        return f"`{value}`" if value else "empty"
    return f"`{json.dumps(value)}`"


def _render_tables() -> str:
    """Return the class tables that have names."""
    lines = ["## Class tables by name", ""]
    for name, table in CLASS_TABLES.items():
        classes = ", ".join(f"{item.value} {item.name}" for item in table.classes)
        nodata = ", ".join(map(str, table.nodata))
        lines.append(f"- `{name}`: {classes}; no data: {nodata or 'none'}.")
    return "\n".join([*lines, ""])


def _render_recipes() -> str:
    """Return what each recipe sets."""
    lines = ["## Recipes", "", "What an experiment with `recipe: NAME` starts from.", ""]
    for name, values in (RECIPES | RETRIEVAL_RECIPES | GROUNDVIEW_RECIPES).items():
        plain = json.loads(json.dumps(values))  # no YAML anchors for shared parts
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=96)
        lines += [f"### `{name}`", "", "```yaml", text.rstrip(), "```", ""]
    return "\n".join(lines)
