"""The reference page, the schema, the overlays and the pages' examples agree with the models."""

import json
import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel

from nadir.config import reference
from nadir.config.document import Config, load_config
from nadir.config.recipes import RECIPES, merge
from nadir.errors import ConfigError

ROOT = Path(__file__).parents[3]
README = ROOT / "config" / "README.md"
SCHEMA = ROOT / "workflow" / "schemas" / "config.schema.json"
OVERLAYS = sorted((ROOT / "config").glob("*.yaml"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
REMEDY = "run `make schema`"


def examples():
    """Yield (page, number, text) of every YAML block that is a configuration."""
    for page in PAGES:
        for number, text in enumerate(re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S)):
            if not text.startswith("# profile"):
                yield pytest.param(text, id=f"{page.name}-{number}")


def models():
    return [section.model for section in reference._sections(Config)]


def test_page_is_up_to_date():
    assert README.read_text() == reference.reference(), REMEDY


def test_schema_is_up_to_date():
    assert SCHEMA.read_text() == reference.schema(), REMEDY


def test_written_files_equal_the_texts(tmp_path):
    reference.write_reference(tmp_path / "a" / "README.md", tmp_path / "b" / "schema.json")
    assert (tmp_path / "a" / "README.md").read_text() == reference.reference()
    assert (tmp_path / "b" / "schema.json").read_text() == reference.schema()


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_key_is_described(model):
    assert issubclass(model, BaseModel) and model.__doc__
    bare = [key for key, info in model.model_fields.items() if not info.description]
    assert set(bare) <= {"name", "kind"}


def test_page_has_every_key_and_recipe():
    text = reference.reference()
    for model in models():
        for key in model.model_fields:
            assert f"| `{key}` |" in text
    for recipe in RECIPES:
        assert f"### `{recipe}`" in text
    assert "`landcover.datasets.NAME.scenes.NAME.dates.NAME`" in text
    assert "| `chunk` | whole number ≥ 16 | `128` |" in text
    assert "| `max_depth` | whole number ≥ 1 or `null` | `20` |" in text


def test_links_inside_the_page_lead_somewhere():
    text = reference.reference()
    headings = re.findall(r"^#+ (.*)$", text, re.M)
    anchors = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}
    links = re.findall(r"\]\(#([^)]*)\)", text)
    assert links and set(links) <= anchors


@pytest.mark.parametrize("path", [ROOT / "config.yaml", *OVERLAYS], ids=lambda path: path.name)
def test_committed_configurations_fit_the_schema(path):
    validator = Draft202012Validator(json.loads(SCHEMA.read_text()))
    errors = [f"{e.json_path}: {e.message}" for e in validator.iter_errors(load(path))]
    assert errors == []


@pytest.mark.parametrize("path", OVERLAYS, ids=lambda path: path.name)
def test_overlays_load_over_the_default(path, monkeypatch):
    monkeypatch.setenv("NADIR_REAL_DATA", "/real")
    for name in re.findall(r"\$\{(\w+)\}", path.read_text()):
        monkeypatch.setenv(name, "/somewhere")
    load_config(overlaid(load(ROOT / "config.yaml"), load(path)), look=False)


@pytest.mark.parametrize("text", list(examples()))
def test_examples_of_the_pages_are_valid(text, monkeypatch):
    for name in re.findall(r"\$\{(\w+)\}", text):
        monkeypatch.setenv(name, "/somewhere")
    given = yaml.safe_load(text)
    try:
        load_config(given, look=False)
    except ConfigError:  # a fragment: it goes over the default configuration
        load_config(overlaid(load(ROOT / "config.yaml"), given), look=False)


def test_there_are_examples():
    assert len(list(examples())) >= 3


@pytest.mark.parametrize(
    "raw", [{"sed": 1}, {"seed": "x"}, {"landcover": {"datasets": {"d": {"scenes": {}}}}}]
)
def test_schema_refuses_what_loading_refuses(raw):
    assert not Draft202012Validator(json.loads(reference.schema())).is_valid(raw)
    with pytest.raises(ConfigError):
        load_config(raw)


def load(path):
    return yaml.safe_load(path.read_text())


def overlaid(base, over):
    """Merge as Snakemake does with several configuration files."""
    return merge({k: v for k, v in base.items() if k != "name"}, over)
