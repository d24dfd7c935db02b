"""The image table: what is in it, what is refused, what is warned of."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from picture_files import write_picture, write_university
from PIL import Image

from nadir.errors import InputError
from nadir.provenance.digest import sha
from nadir.raster.pictures import read_picture
from nadir.retrieval.layouts import flat_layout, university_layout
from nadir.retrieval.listing import Listed, hold_out, image_table
from nadir.retrieval.places import (
    SCHEMA,
    complete_places,
    coordinates,
    direction,
    in_weathers,
    read_images,
    show,
    write_images,
)
from nadir.retrieval.weather import WEATHERS, apply_weather


@pytest.fixture
def university(tmp_path: Path) -> Path:
    write_university(tmp_path / "data")
    return tmp_path / "data"


def test_table_of_a_folder(university: Path, tmp_path: Path) -> None:
    images = image_table(university_layout(university), university)
    assert list(images) == SCHEMA.names and images["image"].is_monotonic_increasing
    row = images[images["image"] == "test/gallery_satellite/0777/0777"].iloc[0]
    assert (row["width"], row["height"], row["place"], row["weather"]) == (16, 12, "0777", "normal")
    assert row["digest"] == sha(Path(row["path"]).read_bytes())
    for name in ("one", "other"):
        write_images(tmp_path / f"{name}.parquet", images.sample(frac=1, random_state=len(name)))
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "other.parquet").read_bytes()
    pd.testing.assert_frame_equal(read_images(tmp_path / "one.parquet"), images)


def test_directions(university: Path) -> None:
    images = image_table(university_layout(university), university)
    query, gallery = direction(images, "drone", "satellite")
    assert set(query["split"]) == {"query"} and set(gallery["place"]) == {"0001", "0002", "0777"}
    query, gallery = direction(images, "satellite", "drone")
    assert len(query) == 2 and len(gallery) == 4
    query, gallery = direction(images, "drone", "satellite", "train")
    assert len(query) == 6 and len(gallery) == 2
    with pytest.raises(InputError, match="no view 'dron'; did you mean 'drone'"):
        direction(images, "dron", "satellite")
    with pytest.raises(InputError, match="gallery of the view 'drone_4k' is empty"):
        direction(images, "satellite", "drone_4k")


def drop_satellite(images: pd.DataFrame) -> pd.DataFrame:
    return images[(images["view"] != "satellite") | (images["place"] != "0839")]


def test_a_place_without_a_view_is_left_out_and_told(university: Path, caplog) -> None:
    images = image_table(university_layout(university), university)
    assert complete_places(images, ["drone", "satellite"]) == ["0839", "0842"]
    with caplog.at_level(logging.WARNING):
        assert complete_places(drop_satellite(images), ["drone", "satellite"]) == ["0842"]
    assert (
        "1 of 2 places of the split 'train' lack one of the views drone, satellite" in caplog.text
    )
    assert "left out: 0839" in caplog.text
    with pytest.raises(InputError, match="no place of the split 'validation'"):
        complete_places(images, ["drone", "satellite"], "validation")


def same_size(root: Path) -> None:
    """Leave the folder as it is."""


def other_size(root: Path) -> None:
    write_picture(root / "train/drone/0839/9.jpg", 99, (20, 24))


def same_place(root: Path) -> None:
    write_picture(root / "train/drone/0001/1.jpg", 99)


def same_bytes(root: Path) -> None:
    data = (root / "test/query_drone/0001/image-00.jpg").read_bytes()
    (root / "train/drone/0839/copy.jpg").write_bytes(data)


def no_gallery_image(root: Path) -> None:
    write_picture(root / "test/query_drone/0555/1.jpg", 99)


@pytest.mark.parametrize(
    ("change", "warning"),
    [
        (same_size, None),
        (other_size, "images of the view 'drone' have 2 sizes, from 16 x 12 to 24 x 20"),
        (same_place, "1 places are both in training and in the test: 0001"),
        (same_bytes, "1 images of the test are also in training, byte for byte: test/query_drone"),
        (no_gallery_image, "1 of 3 places that are asked for are in no gallery: 0555"),
    ],
)
def test_warnings(university: Path, caplog, change, warning: str | None) -> None:
    change(university)
    with caplog.at_level(logging.WARNING):
        image_table(university_layout(university), university)
    assert (warning in caplog.text) if warning else not caplog.text


def torn(root: Path) -> None:
    path = root / "train/drone/0839/1.jpg"
    path.write_bytes(path.read_bytes()[:200])


def two_bad(root: Path) -> None:
    torn(root)
    (root / "test/gallery_satellite/0777/0777.jpg").write_bytes(b"")


def double(root: Path) -> None:
    write_picture(root / "train/drone/0839/1.png")


def no_gallery(root: Path) -> None:
    for path in root.glob("test/gallery_*/*/*"):
        path.unlink()


def no_pictures(root: Path) -> None:
    for path in root.glob("*/*/*/*"):
        path.unlink()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (torn, r"1\.jpg: .*(cannot be read|not a picture)"),
        (two_bad, r"2 pictures cannot be read \(.*0777\.jpg: the file is empty.*1\.jpg: "),
        (double, "two images are called 'train/drone/0839/1'"),
        (no_gallery, "there are queries, but the gallery is empty"),
        (no_pictures, "there are no pictures"),
    ],
)
def test_refuses(university: Path, change, problem: str) -> None:
    change(university)
    with pytest.raises(InputError, match=problem):
        image_table(university_layout(university), university)


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("split", "test", "it has the split 'test'"),
        ("weather", "hail", "it has the weather 'hail'"),
        ("image", "b", "names 'b' twice"),
    ],
)
def test_tables_that_are_no_image_tables(tmp_path: Path, column, value, problem: str) -> None:
    nan = float("nan")
    rows = [(name, "p", "drone", "train", "a.png", 4, 3, "00", nan, nan, "normal") for name in "ab"]
    images = pd.DataFrame(rows, columns=SCHEMA.names)
    images.loc[0, column] = value
    write_images(tmp_path / "images.parquet", images)
    with pytest.raises(InputError, match=problem):
        read_images(tmp_path / "images.parquet")


def test_weathers_multiply_the_queries(university: Path) -> None:
    images = image_table(university_layout(university), university)
    query, _ = direction(images, "drone", "satellite")
    shown = in_weathers(query, WEATHERS)
    assert len(shown) == 40 and shown["image"].is_unique
    assert shown.groupby("weather", sort=False).size().to_dict() == dict.fromkeys(WEATHERS, 4)
    row = shown[shown["weather"] == "fog+rain"].iloc[0]
    name = query["image"].iloc[0]
    assert row["image"] == f"{name}@fog+rain"
    np.testing.assert_array_equal(
        show(row["path"], row["image"], row["weather"], seed=4),
        apply_weather(read_picture(row["path"]), "fog+rain", seed=4, name=name),
    )
    with pytest.raises(ValueError, match="weathers already"):
        in_weathers(shown, WEATHERS)


def test_pictures_are_shown_as_stored_unless_asked(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (16, 12)).save(tmp_path / "a.jpg", exif=exif)
    assert show(tmp_path / "a.jpg", "a").shape == (12, 16, 3)
    assert show(tmp_path / "a.jpg", "a", upright=True).shape == (16, 12, 3)


def test_coordinates_by_place(university: Path, tmp_path: Path) -> None:
    images = image_table(university_layout(university), university)
    table = tmp_path / "places.csv"
    table.write_text("place,x,y\n0001,10.5,20\n0777,1,2\n")
    placed = coordinates(images, table)
    assert list(placed) == SCHEMA.names and len(placed) == len(images)
    assert set(placed.loc[placed["place"] == "0001", "x"]) == {10.5}
    assert placed.loc[placed["place"] == "0842", "y"].isna().all()
    for text, problem in (
        ("place,lon,lat\n0001,1,2\n", "its columns are place, lon, lat"),
        ("place,x,y\n9999,1,2\n", "knows none of the places"),
        ("place,x,y\n0001,1,2\n0001,1,2\n", "'0001' twice"),
    ):
        table.write_text(text)
        with pytest.raises(InputError, match=problem):
            coordinates(images, table)


def test_real_pairs_divide_into_five_folds(real_data: Path) -> None:
    root = real_data / "retrieval" / "university1652_pairs"
    if not root.is_dir():
        pytest.skip("the real pairs are not here")
    listed = flat_layout(root, test=0.2, seed=0, fold=3)
    images = image_table(hold_out(listed, 0.1, 0), root)
    assert images.groupby("split").size().to_dict() == {
        "gallery": 100,
        "query": 100,
        "train": 360,
        "validation": 40,
    }
    assert set(images["width"]) == set(images["height"]) == {128}


def test_places_of_tiles_keep_their_coordinates(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png")
    found = image_table([Listed("gallery/a", "a", "satellite", "gallery", path, 5.0, 6.0)], "x")
    assert found[["x", "y"]].iloc[0].tolist() == [5.0, 6.0]
