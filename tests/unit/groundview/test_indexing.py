"""The table of photos: names, positions, faults; and csv files that are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from photo_makers import photo_bytes, scene, write_photo

from nadir.config.groundview import CropsConfig, PanelsConfig, PhotosDataset
from nadir.errors import InputError
from nadir.groundview.imagery import Extent
from nadir.groundview.indexing import index_photos, raw_files_of
from nadir.groundview.photos import read_photos

_CROP = CropsConfig(source="template", address="http://localhost/{lat},{lon}")


def _index(folder: Path, tmp_path: Path, extent: Extent | None = None) -> pd.DataFrame:
    dataset = PhotosDataset(folder=str(folder), crop=_CROP)
    index_photos(dataset, tmp_path / "photos.parquet", extent=extent, threads=1)
    return read_photos(tmp_path / "photos.parquet").set_index("photo")


def test_photos_with_exif(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_photo(folder / "photos" / "a.v1.jpg", longitude=3.0, latitude=45.0, heading=90.0)
    write_photo(folder / "b.jpg")
    (folder / "c.jpg").write_bytes(photo_bytes(scene())[:500])
    write_photo(folder / ".hidden" / "d.jpg")
    photos = _index(folder, tmp_path, Extent("EPSG:32631", (0, 0, 1, 1)))
    assert photos.index.tolist() == ["a.v1", "b", "c"]
    assert photos["fault"].tolist() == ["", "no_coordinates", "corrupt"]
    # On the central meridian of the zone.
    assert photos.loc["a.v1", "x"] == pytest.approx(500_000, abs=0.5)
    assert photos.loc["a.v1", "heading"] == 90 and np.isnan(photos.loc["b", "x"])
    assert photos.loc["b", "width"] == 96 and photos.loc["c", "width"] == 0


def test_a_csv_file_goes_before_exif(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    write_photo(folder / "a.jpg", longitude=3.0, latitude=45.0, heading=90.0)
    write_photo(folder / "b.jpg", longitude=4.0, latitude=45.0)
    write_photo(folder / "unlisted.jpg", longitude=4.0, latitude=45.0)
    text = "file;longitude;latitude;date\na.jpg;5.5;44;2024-01-01T10:00:00Z\nb.jpg;;;\n"
    (folder / "photos.csv").write_text(text)
    photos = _index(folder, tmp_path)
    assert photos["longitude"].tolist() == pytest.approx([5.5, 4.0])
    assert photos["heading"].tolist()[0] == 90
    assert photos["date"].tolist() == ["2024-01-01T10:00:00Z", ""]
    files = raw_files_of(PhotosDataset(folder=str(folder), crop=_CROP))
    assert [Path(file).name for file in files] == ["a.jpg", "b.jpg", "photos.csv"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("file,lon,lat\na.jpg,1,2\n", "columns"),
        ("file,longitude,latitude\na.jpg,east,2\n", "line 2.*'east'"),
        ("file,longitude,latitude\na.jpg,45,120\n", "swapped"),
        ("file,longitude,latitude\nz.jpg,1,2\n", "not there"),
        ("file,longitude,latitude\na.jpg,1,2\na.jpg,1,2\n", "twice"),
        ("file,longitude,latitude,date\na.jpg,1,2,yesterday\n", "no date"),
    ],
)
def test_wrong_csv_files_are_told(tmp_path: Path, text: str, told: str) -> None:
    folder = tmp_path / "in"
    write_photo(folder / "a.jpg")
    (folder / "photos.csv").write_text(text)
    with pytest.raises(InputError, match=told):
        _index(folder, tmp_path)


def test_no_photos_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        _index(tmp_path / "none", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no photos"):
        _index(tmp_path / "empty", tmp_path)


def test_panels_say_place_heading_and_split(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for name in ("train/p1.x10.a-90.png", "test/p2.x5.a30.png"):
        write_photo(folder / name)
    panels = PanelsConfig(folder=str(folder), place=r"^(p\d+)", heading=r"\.a(-?\d+)\.")
    index_photos(PhotosDataset(panels=panels), tmp_path / "photos.parquet", threads=1)
    photos = read_photos(tmp_path / "photos.parquet")
    assert photos["photo"].tolist() == ["test/p2.x5.a30", "train/p1.x10.a-90"]
    assert photos["place"].tolist() == ["p2", "p1"] and photos["heading"].tolist() == [30, 270]
    assert photos["folder"].tolist() == ["test", "train"] and set(photos["fault"]) == {""}
    assert photos["width"].tolist() == [48, 48]
    wrong = panels.model_copy(update={"place": r"^(q)"})
    with pytest.raises(InputError, match=r"panels\.place"):
        index_photos(PhotosDataset(panels=wrong), tmp_path / "photos.parquet")
