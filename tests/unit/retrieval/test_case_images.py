"""Images of a case: tiles of its substrate, cuts around located photos, and proposals from them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import rasterio
from picture_files import write_picture, write_university
from rasterio.transform import from_origin

from nadir.config.retrieval import PlacesDataset, TilesConfig
from nadir.errors import InputError
from nadir.raster.grid import Grid
from nadir.raster.pictures import read_picture
from nadir.retrieval.case_images import case_images, tile_side
from nadir.retrieval.indexing import index_places, raw_files_of
from nadir.retrieval.places import read_images
from nadir.retrieval.proposals import propose_places

LEFT, TOP, PIXEL = 5000.0, 9000.0, 2.0
VIEWS = ("drone", "satellite")


@pytest.fixture
def substrate(tmp_path):
    """A substrate of 160 x 96 pixels that tells its columns and rows by color."""
    y, x = np.mgrid[0:96, 0:160]
    path = tmp_path / "ground.tif"
    place = {"crs": "EPSG:32631", "transform": from_origin(LEFT, TOP, PIXEL, PIXEL)}
    shape = {"count": 3, "height": 96, "width": 160, "dtype": "uint8"}
    with rasterio.open(path, "w", driver="GTiff", **shape, **place) as file:
        file.write(np.stack([x, y, 0 * x]).astype(np.uint8))
    return path


@pytest.fixture
def photos(tmp_path):
    """A table of three photos of training (one of unknown place), and three to look for."""
    names = ["a", "b", "c", "d", "e", "f"]
    table = pd.DataFrame(
        {
            "photo": names,
            "path": [str(write_picture(tmp_path / f"{k}.png", 5, (32, 32))) for k in names],
            "split": ["train"] * 3 + ["validation", "validation", "test"],
            "date": "",
            "width": 32,
            "height": 32,
            "x": [80.0, 3.0, np.nan, 18.0, 141.0, np.nan],
            "y": [40.0, 90.0, np.nan, 14.0, 79.0, np.nan],
            "angle": 0.0,
            "scale": [1.0, 1.0, np.nan, 1.0, 1.0, np.nan],
            "digest": "",
        }
    )
    table.to_parquet(tmp_path / "photos.parquet")
    return tmp_path / "photos.parquet"


def test_located_photos_train_with_the_ground_around_them(tmp_path, substrate, photos):
    listed = case_images(photos, substrate, tmp_path / "tiles", TilesConfig(), VIEWS)
    train = {one.image: one for one in listed if one.split == "train"}
    assert set(train) == {f"train/{view}/{name}" for view in VIEWS for name in "ab"}
    for name, corner in (("a", (64, 24)), ("b", (0, 64))):  # `b` is moved into the substrate
        cut = read_picture(train[f"train/satellite/{name}"].path)
        assert cut.shape == (32, 32, 3) and tuple(cut[0, 0, :2]) == corner
    assert (train["train/drone/a"].x, train["train/drone/a"].y) == (LEFT + 160, TOP - 80)


def test_photos_show_the_tile_that_is_nearest(tmp_path, substrate, photos):
    listed = case_images(photos, substrate, tmp_path / "tiles", TilesConfig(overlap=0.5), VIEWS)
    tiles = [one for one in listed if one.split == "gallery"]
    assert len(tiles) == 9 * 5
    place = {one.image: one.place for one in listed if one.split == "query"}
    assert place == {
        "query/drone/d": "r000000_c000000",
        "query/drone/e": "r000064_c000128",
        "query/drone/f": "",
    }


def test_the_side_of_a_tile_is_that_of_a_photo_on_the_ground(photos):
    table = pd.read_parquet(photos)
    assert tile_side(table) == 32
    assert tile_side(table.assign(scale=[2.0, 2.0, 3.0, np.nan, 2.5, np.nan])) == 72


def test_proposals_are_centers_of_tiles_in_pixels(tmp_path, substrate, photos):
    out = tmp_path / "out/images.parquet"
    dataset = PlacesDataset(case="case", validation=0)
    index_places(dataset, out, photos=photos, substrate=substrate, threads=1)
    images = read_images(out)
    assert images["split"].value_counts().to_dict() == {"gallery": 45, "train": 4, "query": 3}
    rankings = pd.DataFrame(
        {
            "direction": "drone to satellite",
            "query": ["query/drone/d"] * 2 + ["query/drone/d@fog"],
            "rank": [1, 2, 1],
            "gallery": ["gallery/r000016_c000032", "gallery/r000000_c000000"] * 1
            + ["gallery/r000064_c000000"],
            "score": [0.9, 0.8, 0.7],
            "right": False,
        }
    )
    with rasterio.open(substrate) as dataset:
        grid = Grid.of(dataset)
    found = propose_places(rankings, images, VIEWS, grid)
    assert found["photo"].tolist() == ["d", "d"] and found["rank"].tolist() == [1, 2]
    assert found[["x", "y"]].to_numpy() == pytest.approx(np.array([[48, 32], [16, 16]]))
    assert set(found["reach"]) == {16.0}
    with pytest.raises(InputError, match="there are none of photos"):
        propose_places(rankings, images, VIEWS[::-1], grid)
    with pytest.raises(InputError, match="'nowhere' is no tile"):
        propose_places(rankings.assign(gallery="nowhere"), images, VIEWS, grid)


def test_a_case_without_its_files_or_photos_is_refused(tmp_path, substrate, photos):
    with pytest.raises(InputError, match="photo table and a substrate"):
        index_places(PlacesDataset(case="c"), tmp_path / "i.parquet", photos=photos)
    table = pd.read_parquet(photos)
    table[table["split"] == "train"].to_parquet(photos)
    with pytest.raises(InputError, match="no photo to look for"):
        case_images(photos, substrate, tmp_path / "tiles", TilesConfig())


def test_of_a_folder_the_views_of_the_dataset_are_taken(tmp_path):
    write_university(tmp_path / "raw")
    (tmp_path / "places.csv").write_text("place,x,y\n0001,1.5,2.5\n")
    dataset = PlacesDataset(folder=str(tmp_path / "raw"), validation=0.5)
    files = raw_files_of(dataset)
    assert files == sorted(files) and not [name for name in files if "street" in name]
    index_places(dataset, tmp_path / "i.parquet", known=tmp_path / "places.csv", threads=1)
    images = read_images(tmp_path / "i.parquet")
    assert set(images["view"]) == set(VIEWS) and len(images) == len(files)
    assert images.loc[images["split"] == "validation", "place"].nunique() == 1
    assert set(images.loc[images["place"] == "0001", "x"]) == {1.5}
