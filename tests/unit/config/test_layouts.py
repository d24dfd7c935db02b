"""Layouts: folders expand to scenes; what is missing or misnamed is one clear line each."""

from pathlib import Path

import pytest

from nadir.config.document import load_config
from nadir.config.listing import city_of, scene_name
from nadir.errors import ConfigError


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def raw(source, **dataset):
    return {
        "worlds": {"w": {}},
        "buildings": {"datasets": {"d": {"sources": {"s": source}, **dataset}}},
    }


def scenes_of(source, **dataset):
    return load_config(raw(source, **dataset)).buildings.datasets["d"].scenes


def problems_of(given):
    with pytest.raises(ConfigError) as caught:
        load_config(given)
    return caught.value.problems


@pytest.fixture
def inria(tmp_path):
    touch(tmp_path, *(f"train/images/{name}.tif" for name in ("austin1", "austin2", "kitsap3")))
    touch(tmp_path, *(f"train/gt/{name}.tif" for name in ("austin1", "austin2", "kitsap3")))
    touch(tmp_path, "test/images/vienna1.tif", "train/images/README.txt")
    return tmp_path


def test_inria_has_cities_masks_and_scenes_to_predict(inria):
    found = scenes_of({"kind": "inria", "folder": str(inria)})
    assert {name: (scene.role, scene.group) for name, scene in found.items()} == {
        "austin1": ("learn", "austin"),
        "austin2": ("learn", "austin"),
        "kitsap3": ("learn", "kitsap"),
        "vienna1": ("predict", "vienna"),
    }
    assert found["austin2"].mask.file == str(inria / "train/gt/austin2.tif")
    image = found["vienna1"].dates["image"]
    assert image.file == str(inria / "test/images/vienna1.tif")
    assert (image.depth, image.baseline, image.offset) == (8, "none", 0)
    assert image.scale == 1 / 255 and found["vienna1"].mask is None


def test_inria_without_the_outer_folders(tmp_path):
    touch(tmp_path, "images/austin1.tif", "gt/austin1.tif", "images/austin2.tif")
    found = scenes_of({"kind": "inria", "folder": str(tmp_path)})
    assert {name: scene.role for name, scene in found.items()} == {
        "austin1": "learn",
        "austin2": "predict",
    }


def test_only_and_test_take_scenes_and_cities(inria):
    source = {"kind": "inria", "folder": str(inria), "only": ["austin", "vienna1"]}
    found = scenes_of({**source, "test": ["austin2", "vienna"]})
    assert {name: scene.role for name, scene in found.items()} == {
        "austin1": "learn",
        "austin2": "test",
        "vienna1": "predict",  # nothing to score it against
    }


def test_pairs_by_folder_and_by_pattern(tmp_path):
    touch(tmp_path, "i/a.tif", "i/b.png", "m/a.png", "m/b.png", "p/7_rgb.tif", "p/7_mask.tif")
    touch(tmp_path, "p/8_rgb.tif")
    found = scenes_of({"kind": "pairs", "images": f"{tmp_path}/i", "masks": f"{tmp_path}/m"})
    assert {name: scene.mask.file for name, scene in found.items()} == {
        "a": f"{tmp_path}/m/a.png",
        "b": f"{tmp_path}/m/b.png",
    }
    grid = {"crs": "local", "resolution": 0.5}
    found = scenes_of(
        {
            "kind": "pairs",
            "images": f"{tmp_path}/p/*_rgb.tif",
            "masks": f"{tmp_path}/p/*_mask.tif",
            "grid": grid,
        }
    )
    assert {name: scene.role for name, scene in found.items()} == {"s7": "learn", "s8": "predict"}
    assert found["s7"].mask.grid.resolution == 0.5
    assert found["s7"].dates["image"].grid.resolution == 0.5


def test_footprints_of_one_file_and_of_files_of_the_same_names(tmp_path):
    touch(tmp_path, "i/a.tif", "i/b.tif", "all.gpkg", "v/a.geojson", "looked.geojson")
    source = {"kind": "vector", "images": f"{tmp_path}/i"}
    found = scenes_of({**source, "footprints": f"{tmp_path}/all.gpkg"})
    assert {scene.mask.vector for scene in found.values()} == {f"{tmp_path}/all.gpkg"}
    mask = found["a"].mask
    assert (mask.field, mask.polygons, mask.background) == (None, "building", "background")
    assert mask.resolution is None and mask.extent is None
    extent = f"{tmp_path}/looked.geojson"
    found = scenes_of({**source, "footprints": f"{tmp_path}/v", "extent": extent})
    assert found["a"].mask.paths() == [f"{tmp_path}/v/a.geojson", extent]
    assert found["b"].role == "predict"
    found = scenes_of({**source, "footprints": f"{tmp_path}/all.gpkg", "field": "kind"})
    assert (found["a"].mask.field, found["a"].mask.polygons) == ("kind", None)


def test_tiles_of_one_zoom_are_one_scene(tmp_path):
    touch(tmp_path, "t/19/4/5.png", "t/19/4/6.png", "t/18/2/2.png", "f.geojson")
    source = {"kind": "tiles", "folder": f"{tmp_path}/t", "footprints": f"{tmp_path}/f.geojson"}
    found = scenes_of(source)
    assert {name: len(scene.dates["image"].paths()) for name, scene in found.items()} == {
        "s_z18": 1,
        "s_z19": 2,
    }
    assert {scene.group for scene in found.values()} == {"s"}  # one ground, one group
    assert list(scenes_of({**source, "zooms": [19]})) == ["s"]


def test_mask_tiles_go_with_their_zoom(tmp_path):
    touch(tmp_path, "t/19/4/5.png", "t/18/2/2.png", "m/19/4/5.png")
    found = scenes_of({"kind": "tiles", "folder": f"{tmp_path}/t", "masks": f"{tmp_path}/m"})
    assert found["s_z19"].mask.paths() == [f"{tmp_path}/m/19/4/5.png"]
    assert found["s_z18"].role == "predict"


def test_named_rasters_without_numbers_lie_side_by_side(tmp_path):
    touch(tmp_path, "t/east.tif", "t/west.tif")
    found = scenes_of({"kind": "tiles", "folder": f"{tmp_path}/t"})
    assert found["s"].dates["image"].tiles.zoom is None and found["s"].role == "predict"


def test_a_world_gives_scenes_by_city_and_scores_against_the_truth():
    found = scenes_of({"kind": "world", "world": "w"})
    one, *rest = found
    assert rest and found[one].aerial == "s" and found[one].group == city_of(one)
    city = found[one].group
    found = scenes_of({"kind": "world", "world": "w", "test": [city]})
    assert {scene.truth for scene in found.values() if scene.group == city} == {True}
    assert {scene.truth for scene in found.values() if scene.group != city} == {False}


def test_scenes_written_out_are_pictures_and_stand_beside_those_of_layouts(inria):
    own = {
        "dates": {"image": {"file": "x.tif"}},
        "mask": {"vector": "x.gpkg"},
    }
    found = scenes_of({"kind": "inria", "folder": str(inria)}, scenes={"mine": own})
    assert found["mine"].dates["image"].depth == 8 and len(found) == 5
    assert found["mine"].mask.polygons == "building"


def test_images_are_made_where_tiles_or_pixels_ask_for_it(inria):
    source = {"kind": "inria", "folder": str(inria)}
    plain = load_config(raw(source)).buildings.datasets["d"]
    assert not plain.is_made("austin1")
    assert load_config(raw(source, resolution=0.5)).buildings.datasets["d"].is_made("austin1")
    deep = {**source, "range": [0, 2047]}
    assert load_config(raw(deep)).buildings.datasets["d"].is_made("austin1")


def test_defaults_are_those_of_pictures(inria):
    dataset = load_config(raw({"kind": "inria", "folder": str(inria)})).buildings.datasets["d"]
    assert dataset.bands == ("red", "green", "blue") and dataset.tiles.sizes == (256,)
    assert dataset.table.names == ["no data", "background", "building"]
    assert dataset.table.lookup()[[0, 255]].tolist() == [1, 2]
    assert not dataset.tiles.drop_water_only and dataset.table.unlabelled == 254


WRONG = [
    ({"kind": "inri"}, "s.kind: 'inri' is not known; did you mean 'inria'? (there are: 'inria',"),
    ({}, "s.kind: this key is required (there are: 'inria', 'pairs', 'vector', 'tiles', 'world')"),
    ({"kind": "inria"}, "s.folder: this key is required"),
    ({"kind": "inria", "folder": "{}", "onyl": []}, "s.onyl: unknown key; did you mean 'only'?"),
    ({"kind": "inria", "folder": "{}/trian"}, "s.folder: there is no folder {}/trian; did you"),
    ({"kind": "inria", "folder": "{}/train/images"}, "s.folder: no folder images or train/images"),
    ({"kind": "inria", "folder": "{}", "test": ["autsin"]}, "s.test: no scene or group 'autsin';"),
    ({"kind": "inria", "folder": "{}", "range": [9, 3]}, "s.range: give the value of black first"),
    (
        {"kind": "pairs", "images": "{}/train/images", "masks": "{}/odd"},
        "s.masks: masks without an image in {}/odd: 'austni1'; did you mean 'austin1'?",
    ),
    ({"kind": "pairs", "images": "{}/*.jpg", "masks": "{}/odd"}, "s.images: no files (.png,"),
    ({"kind": "vector", "images": "{}/train/images", "footprints": "{}/x"}, "s.footprints: there"),
    (
        {"kind": "tiles", "folder": "{}/mixed"},
        "s.folder: 1 of 2 files have names that tell no tile",
    ),
    (
        {"kind": "tiles", "folder": "{}/zoomed", "zooms": [17]},
        "s.zooms: no tiles of zoom 17 (there",
    ),
    ({"kind": "tiles", "folder": "{}/zoomed", "footprints": "{}/f"}, "s.footprints: there is no"),
    (
        {"kind": "tiles", "folder": "{}/zoomed", "footprints": "a", "masks": "b"},
        "s.masks: give footprints or masks, not both",
    ),
    ({"kind": "world", "world": "v"}, "s.world: no world 'v'"),
    (
        {"kind": "world", "world": "w", "simulate": {"size_px": 128}},
        "s.simulate.size_px: the pictures have 128 pixels a side, a tile 256",
    ),
]


@pytest.mark.parametrize(("source", "line"), WRONG)
def test_a_wrong_layout_is_one_clear_line(inria, source, line):
    touch(inria, "odd/austni1.tif", "mixed/19/4/5.png", "mixed/cover.png", "zoomed/18/4/5.png")
    filled = {
        key: value.replace("{}", str(inria)) if isinstance(value, str) else value
        for key, value in source.items()
    }
    problems = problems_of(raw(filled))
    assert len(problems) == 1 and problems[0].startswith("buildings.datasets.d.sources.s.")
    assert line.replace("{}", str(inria)) in problems[0]


def test_faults_of_several_sources_are_told_at_once(inria):
    given = raw({"kind": "inria", "folder": f"{inria}x"})
    sources = given["buildings"]["datasets"]["d"]["sources"]
    sources["t"] = {"kind": "tiles", "folder": f"{inria}y"}
    given["buildings"]["datasets"]["e"] = {}
    given["buildings"]["experiments"] = {"u": {"datasets": ["dd"]}}
    problems = problems_of(given)
    assert [problem.split(":")[0] for problem in problems] == [
        "buildings.datasets.d.sources.s.folder",
        "buildings.datasets.d.sources.t.folder",
        "buildings.experiments.u.datasets",
        "buildings.datasets.e",
    ]


def test_one_name_for_two_simulations_is_refused():
    given = raw({"kind": "world", "world": "w"})
    other = {"kind": "world", "world": "w", "simulate": {"seed": 4}}
    given["buildings"]["datasets"]["e"] = {"sources": {"s": other}}
    (problem,) = problems_of(given)
    assert "e.sources.s.simulate: differs from buildings.datasets.d.sources.s.simulate" in problem


def test_two_sources_with_a_scene_of_one_name(inria):
    given = raw({"kind": "inria", "folder": str(inria)})
    given["buildings"]["datasets"]["d"]["sources"]["t"] = {"kind": "inria", "folder": str(inria)}
    (problem,) = problems_of(given)
    assert problem == "buildings.datasets.d.sources.t: there is another scene 'austin1'; rename one"


def test_footprints_need_their_classes(tmp_path):
    touch(tmp_path, "i/a.tif", "f.gpkg")
    classes = {
        "classes": [{"value": 1, "name": "ground"}, {"value": 2, "name": "buildings"}],
        "nodata": [],
    }
    source = {"kind": "vector", "images": f"{tmp_path}/i", "footprints": f"{tmp_path}/f.gpkg"}
    problems = problems_of(raw(source, classes=classes))
    assert any("need a class 'building'; did you mean 'buildings'?" in line for line in problems)
    assert any("need a class 'background'" in line for line in problems)


@pytest.mark.parametrize(
    ("scene", "line"),
    [
        ({"world": "w"}, "scenes.x.world: a world is seen by satellite here"),
        (
            {"dates": {"a": {"file": "a"}, "b": {"file": "b"}}, "role": "predict"},
            "scenes.x.dates: a picture has one date, not 2",
        ),
    ],
)
def test_scenes_that_are_no_pictures(scene, line):
    problems = problems_of(
        {"worlds": {"w": {}}, **{"buildings": {"datasets": {"d": {"scenes": {"x": scene}}}}}}
    )
    assert any(line in problem for problem in problems)


def test_land_cover_knows_no_tiles():
    image = {"tiles": {"folder": "t", "zoom": 3}}
    scene = {"dates": {"a": image}, "role": "predict"}
    (problem,) = problems_of({"landcover": {"datasets": {"d": {"scenes": {"x": scene}}}}})
    assert "scenes.x.dates.a.tiles: this is for buildings" in problem


def test_without_looking_no_folder_is_needed():
    given = raw({"kind": "inria", "folder": "/nowhere"})
    assert load_config(given, look=False).buildings.datasets["d"].scenes == {}


@pytest.mark.parametrize(
    ("stem", "name"), [("a b", "a_b"), ("7", "s7"), ("austin-1", "austin-1"), ("é", "s_")]
)
def test_names_of_files_become_names_of_scenes(stem, name):
    assert scene_name(stem) == name


def test_a_forest_and_a_network_of_one_name_are_refused():
    forest = {"datasets": ["l"], "model": {"name": "random_forest"}}
    given = raw({"kind": "world", "world": "w"})
    given["landcover"] = {
        "datasets": {"l": {"scenes": {"x": {"world": "w"}}}},
        "experiments": {"u": forest},
    }
    given["buildings"]["experiments"] = {"u": {"datasets": ["d"], "model": {"name": "unet"}}}
    (problem,) = problems_of(given)
    assert problem.startswith("buildings.experiments.u: there is a random forest and a network")
