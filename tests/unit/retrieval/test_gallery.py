"""A gallery is whole or refused: every file counts, and features belong to their model."""

import json
import shutil

import numpy as np
import pytest
from gallery_fakes import (
    PLACES,
    VIEWS,
    digest_of,
    make_gallery,
    make_products,
    read_back,
    rewrite_features,
    save_encoder,
)

from nadir.errors import InputError
from nadir.retrieval.feature_store import Stored
from nadir.retrieval.gallery import FILE, LISTED, Facts, read_gallery
from nadir.retrieval.gallery_export import export_gallery
from nadir.retrieval.gallery_search import load_retriever


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    return make_products(tmp_path_factory.mktemp("products"))


@pytest.fixture(scope="module")
def whole(products, tmp_path_factory):
    return make_gallery(products, tmp_path_factory.mktemp("galleries") / "whole")


@pytest.fixture
def folder(whole, tmp_path):
    """A copy of a gallery, to be damaged."""
    return shutil.copytree(whole, tmp_path / "copy")


def seal(folder, **changes):
    """Write a gallery's list anew, with its digest."""
    facts = Facts.model_validate({**json.loads((folder / FILE).read_text()), **changes})
    (folder / FILE).write_text(json.dumps(facts.sealed().model_dump(mode="json")))


def test_it_holds_what_is_searched(whole, products):
    gallery = read_gallery(whole)
    table = products.stored.table
    kept = table[(table["split"] == "gallery") & (table["place"] != "-1")]
    assert gallery.table["image"].tolist() == kept["image"].tolist()
    np.testing.assert_array_equal(gallery.features, products.stored.feature[kept.index])
    assert gallery.facts.name == "town-tiny" and gallery.facts.images == 3 * PLACES
    assert {view for _, view in gallery.examples()} == set(VIEWS)


def test_equal_products_give_equal_bytes(whole, products, tmp_path):
    again = make_gallery(products, tmp_path / "again")
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    assert len(files) == len(LISTED) + 1 + 3 * PLACES + 6
    assert files == sorted(p.relative_to(again) for p in again.rglob("*") if p.is_file())
    for name in files:
        assert (again / name).read_bytes() == (whole / name).read_bytes()


def test_it_needs_nothing_else_and_is_not_written_to(whole, tmp_path):
    moved = shutil.copytree(whole, tmp_path / "elsewhere")
    before = {path: digest_of(path) for path in moved.rglob("*") if path.is_file()}
    retriever = load_retriever(moved)
    feature = retriever.gallery.features[retriever.gallery.rows("satellite")[4]]
    (row, score), *_ = retriever.search(feature, "drone", 3)
    assert row == retriever.gallery.rows("satellite")[4] and score == pytest.approx(1, abs=1e-6)
    after = {path: digest_of(path) for path in moved.rglob("*") if path.is_file()}
    assert after == before


def test_of_equal_scores_the_first_comes_first(products, tmp_path):
    stored = read_back(products)
    stored.feature[:] = stored.feature[0]
    path = rewrite_features(products, tmp_path, stored)
    export_gallery(path, products.weights, tmp_path / "g" / FILE)
    retriever = load_retriever(tmp_path / "g")
    found = retriever.search(stored.feature[0], "satellite", 5)
    assert [row for row, _ in found] == retriever.gallery.rows("drone")[:5].tolist()


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_approximate_indices_find_the_first(whole, kind):
    retriever = load_retriever(whole, kind=kind)
    row = retriever.gallery.rows("drone")[7]
    found = retriever.search(retriever.gallery.features[row], "satellite", 100)
    assert found[0][0] == row and len(found) <= 2 * PLACES
    assert all(0 <= one < 3 * PLACES for one, _ in found)


@pytest.mark.parametrize("name", [*LISTED, "pictures/000007.jpg"])
@pytest.mark.parametrize("damage", ["gone", "torn", "changed"])
def test_every_file_counts(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        changed = content[:-3] if damage == "torn" else bytes([content[0] ^ 1]) + content[1:]
        path.write_bytes(changed)
    with pytest.raises(InputError) as caught:
        load_retriever(folder)
    assert path.name in str(caught.value)


def test_a_damaged_example_is_found(folder):
    next((folder / "examples").iterdir()).write_bytes(b"")
    with pytest.raises(InputError, match="1 of its pictures"):
        read_gallery(folder)


def test_features_of_another_model(folder, tmp_path):
    other = save_encoder(tmp_path / "other", seed=9)
    files = json.loads((folder / FILE).read_text())["files"]
    for name in ("model.safetensors", "model.yaml"):
        shutil.copy(other / name, folder / "model" / name)
        files[f"model/{name}"] = digest_of(other / name)
    seal(folder, files=files)
    with pytest.raises(InputError, match="another model"):
        load_retriever(folder)


def test_features_of_other_dimensions(folder):
    features = np.load(folder / "features.npy")[:, :5]
    np.save(folder / "features.npy", features)
    files = json.loads((folder / FILE).read_text())["files"]
    files["features.npy"] = digest_of(folder / "features.npy")
    seal(folder, files=files, dimensions=5)
    with pytest.raises(InputError, match="have 5 numbers"):
        load_retriever(folder)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON"),
        ("[]", "lists no gallery"),
        ('{"format": 2}', "lists no gallery"),
    ],
)
def test_a_list_that_is_none(folder, text, words):
    (folder / FILE).write_text(text)
    with pytest.raises(InputError, match=words):
        read_gallery(folder)


def test_a_changed_list(folder):
    content = json.loads((folder / FILE).read_text())
    (folder / FILE).write_text(json.dumps({**content, "flip": False}))
    with pytest.raises(InputError, match="changed"):
        read_gallery(folder)
    (folder / FILE).write_text(json.dumps({**content, "images": 0}))
    with pytest.raises(InputError, match="lists no gallery"):
        read_gallery(folder)


def test_names_of_examples_are_no_paths(folder):
    content = json.loads((folder / FILE).read_text())
    content["examples"][0]["file"] = "../model/model.yaml"
    (folder / FILE).write_text(json.dumps(content))
    with pytest.raises(InputError, match="lists no gallery"):
        read_gallery(folder)


def test_a_folder_that_is_none(tmp_path):
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="export-gallery"):
            read_gallery(place)


def test_export_refuses_features_of_another_model(products, tmp_path):
    other = save_encoder(tmp_path / "other", seed=9)
    with pytest.raises(InputError, match="not made with"):
        export_gallery(products.features, other / "model.safetensors", tmp_path / "g" / FILE)
    assert not (tmp_path / "g").exists()


def test_export_refuses_an_empty_gallery(products, tmp_path):
    stored = read_back(products)
    queries = (stored.table["split"] == "query").to_numpy()
    few = Stored(stored.table[queries].reset_index(drop=True), stored.feature[queries])
    path = rewrite_features(products, tmp_path, few)
    with pytest.raises(InputError, match="empty"):
        export_gallery(path, products.weights, tmp_path / "g" / FILE)


def test_export_replaces_only_galleries(products, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"notes\.txt"):
        export_gallery(products.features, products.weights, tmp_path / FILE)
    with pytest.raises(InputError, match="called"):
        export_gallery(products.features, products.weights, tmp_path / "g" / "other.json")
    with pytest.raises(InputError, match="system of coordinates"):
        make_gallery(products, tmp_path / "g", crs="nowhere")
    make_gallery(products, tmp_path / "g")
    make_gallery(products, tmp_path / "g", crs="EPSG:4326")
    assert read_gallery(tmp_path / "g").facts.crs == "EPSG:4326"
    assert (tmp_path / "notes.txt").read_text() == "mine"
