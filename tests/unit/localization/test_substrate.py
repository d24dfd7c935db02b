"""Reading a substrate: windows, overviews and cuts lie where they should."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from scipy.ndimage import map_coordinates

from nadir.errors import InputError
from nadir.localization.pose import Pose
from nadir.localization.substrate import open_substrate, warp_onto

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

WIDTH, HEIGHT = 150, 110


def smooth(height: int, width: int) -> np.ndarray:
    """Return a picture that bilinear interpolation renders well."""
    y, x = np.mgrid[0:height, 0:width] + 0.5
    bands = [np.sin(x / 9) * np.cos(y / 7), np.cos(x / 11 + y / 8), np.sin((x - y) / 10)]
    return np.rint(127.5 + 120 * np.stack(bands, -1)).astype(np.uint8)


def write_raster(path, picture) -> None:
    bands = np.moveaxis(picture, -1, 0)
    profile = {"driver": "GTiff", "dtype": bands.dtype, "count": len(bands)}
    with rasterio.open(
        path, "w", height=bands.shape[1], width=bands.shape[2], **profile
    ) as dataset:
        dataset.write(bands)


@pytest.fixture
def picture(tmp_path):
    """The pixels of a substrate, written as `s.tif` beside."""
    made = smooth(HEIGHT, WIDTH)
    write_raster(tmp_path / "s.tif", made)
    return made


@pytest.mark.parametrize("pose", [Pose(70, 50, 33.0), Pose(64.3, 57.9, 200.0, 1.2)])
def test_a_cut_shows_the_ground_under_the_pose(picture, tmp_path, pose):
    with open_substrate(tmp_path / "s.tif") as substrate:
        photo = substrate.cut(pose, 40, 30)
    v, u = np.mgrid[0:30, 0:40] + 0.5
    x, y = np.einsum("ij,jvu->ivu", pose.matrix(40, 30), np.stack([u, v, np.ones_like(u)]))
    for band in range(3):
        truth = map_coordinates(picture[..., band].astype(float), [y - 0.5, x - 0.5], order=1)
        assert np.abs(photo[..., band] - truth).max() < 4


def test_a_photo_laid_back_onto_its_ground_agrees_with_it(picture, tmp_path):
    pose = Pose(75, 55, 140.0)
    with open_substrate(tmp_path / "s.tif") as substrate:
        photo = substrate.cut(pose, 48, 48)
        for longest in (None, 60):
            view = substrate.view(20, 5, 110, 100, longest)
            warped, covered = warp_onto(photo, pose, view)
            away = np.abs(warped.astype(int) - view.picture)[covered]
            assert np.median(away) <= 3
            share = 48 * 48 / np.prod(view.factor) / covered.sum()
            assert share == pytest.approx(1, abs=0.05)


def test_windows_at_the_border_are_cut_off_and_place_points(picture, tmp_path):
    with open_substrate(tmp_path / "s.tif") as substrate:
        view = substrate.view(-10, 90, 40, 50)
        assert np.array_equal(view.picture, picture[90:110, :30])
        assert view.place(np.array([[3.0, 95.0]])).tolist() == [[3.0, 5.0]]
        small = substrate.overview(75)
        assert small.picture.shape == (55, 75, 3)
        mean = picture[40:42, 60:62].astype(float).mean((0, 1))
        assert np.abs(small.picture[20, 30] - mean).max() <= 1
        with pytest.raises(InputError, match="outside"):
            substrate.view(400, 0, 10, 10)


def test_outside_of_the_substrate_is_black(picture, tmp_path):
    with open_substrate(tmp_path / "s.tif") as substrate:
        photo = substrate.cut(Pose(0, 55, 0.0), 40, 40)
    assert (photo[:, :19] == 0).all() and photo[:, 21:].any()


def test_what_is_no_picture_is_refused(tmp_path):
    write_raster(tmp_path / "s.tif", np.zeros((8, 8, 3), np.uint16))
    with (
        pytest.raises(InputError, match=r"3 bands of uint16"),
        open_substrate(tmp_path / "s.tif"),
    ):
        pass
