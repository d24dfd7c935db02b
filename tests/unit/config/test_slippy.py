"""Which tile of the web map a file is, by its path."""

from pathlib import Path

import pytest

from nadir.config.slippy import SlippyTile, TileFolder, list_tiles, tile_of

CASES = [
    ("19/386693/220243.png", SlippyTile(19, 386693, 220243)),
    ("deep/er/19/386693/220243@2x.jpg", SlippyTile(19, 386693, 220243)),
    ("OAM-386693-220243-19.tif", SlippyTile(19, 386693, 220243)),
    ("19_386693_220243.png", SlippyTile(19, 386693, 220243)),
    ("scene2-386693-220243-19.png", SlippyTile(19, 386693, 220243)),
    ("austin1.tif", None),
    ("2020-05-13.tif", None),  # no zoom has such numbers
    ("40/1/1.png", None),  # no zoom is so deep
    ("3/9/1.png", None),  # zoom 3 has eight columns
]


@pytest.mark.parametrize(("path", "tile"), CASES)
def test_tile_of_a_path(path, tile):
    assert tile_of(Path(path)) == tile


def test_rows_from_the_south_are_turned_over():
    assert tile_of(Path("3/2/0.png"), "tms") == SlippyTile(3, 2, 7)
    assert tile_of(Path("a-2-1-3.png"), "tms") == SlippyTile(3, 2, 6)


def test_a_folder_gives_its_tiles_of_one_zoom(tmp_path):
    names = ["18/5/6.png", "19/10/12.png", "19/10/13.jpg", "19/11/12.TIF", "19/10/notes.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert len(list_tiles(str(tmp_path))) == 4
    folder = TileFolder(folder=str(tmp_path), zoom=19)
    assert folder.paths() == [str(tmp_path / name) for name in names[1:4]]
    assert list(folder.located().values()) == [
        SlippyTile(19, 10, 12),
        SlippyTile(19, 10, 13),
        SlippyTile(19, 11, 12),
    ]
    assert TileFolder(folder=str(tmp_path), zoom=None).paths() == []
