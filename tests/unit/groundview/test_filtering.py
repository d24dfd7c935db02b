"""Filters, review, funnel and pairs, on a folder of photos with known faults."""

from __future__ import annotations

import html
import re
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from photo_makers import exif_of, photo_bytes, scene
from PIL import Image

from nadir.config.groundview import FiltersConfig, PanelsConfig, PhotosDataset
from nadir.errors import InputError
from nadir.groundview.filtering import filter_photos, kept_photos, read_filters
from nadir.groundview.funnel import plot_funnel
from nadir.groundview.heading import turn_crops
from nadir.groundview.imagery import extent_of
from nadir.groundview.indexing import index_photos
from nadir.groundview.pairing import build_pairs
from nadir.groundview.pairs import open_pairs
from nadir.groundview.photos import read_photos
from nadir.groundview.review import write_sheet
from nadir.groundview.scene_training import train_scenes

_DAY, _NIGHT, _WINTER = "2023:07:01 12:00:00", "2023:07:01 23:30:00", "2023:01:10 12:00:00"
_EAST = np.linspace(3.0, 3.05, 8)


def _photo(path: Path, pixels: np.ndarray, longitude: float | None, date: str, **more) -> None:
    where = {} if longitude is None else {"longitude": longitude, "latitude": 45.0}
    exif = exif_of(**where, **more, DateTimeOriginal=date, OffsetTimeOriginal="+00:00")
    path.write_bytes(photo_bytes(pixels, exif))


@pytest.fixture
def dataset(tmp_path: Path) -> PhotosDataset:
    folder = tmp_path / "in"
    folder.mkdir()
    for number, longitude in enumerate(_EAST):
        _photo(folder / f"good{number}.jpg", scene(number), longitude, _DAY, heading=45.0 * number)
    _photo(folder / "copy.jpg", cv2.GaussianBlur(scene(0), (3, 3), 0.6), _EAST[0], _DAY)
    _photo(folder / "blur.jpg", cv2.GaussianBlur(scene(20), (0, 0), 5), 3.01, _DAY)
    _photo(folder / "dark.jpg", scene(21) // 12, 3.02, _DAY)
    _photo(folder / "late.jpg", scene(22), 3.03, _NIGHT)
    _photo(folder / "winter.jpg", scene(23), 3.04, _WINTER)
    _photo(folder / "nowhere.jpg", scene(24), None, _DAY)
    _photo(folder / "outside.jpg", scene(25), 5.0, _DAY)
    _photo(folder / "beside.jpg", scene(26), 3.095, _DAY)
    (folder / "torn.jpg").write_bytes(photo_bytes(scene())[:300])
    substrate = tmp_path / "map.tif"
    rng = np.random.default_rng([4, 4])
    colors = rng.integers(0, 256, (30, 60, 3), dtype=np.uint8)
    pixels = cv2.resize(colors, (1200, 300), interpolation=cv2.INTER_NEAREST).transpose(2, 0, 1)
    import rasterio
    from affine import Affine

    affine = Affine(0.0001, 0, 2.99, 0, -0.0001, 45.015)
    with rasterio.open(
        substrate, "w", driver="GTiff", width=1200, height=300, count=3, dtype="uint8",
        crs="EPSG:4326", transform=affine,
    ) as raster:  # fmt: skip
        raster.write(pixels)
    return PhotosDataset.model_validate(
        {
            "folder": str(folder),
            "image_px": 48,
            "crop": {
                "source": "substrate",
                "substrate": str(substrate),
                "size_px": 32,
                "resolution": 4.0,
            },
            "filters": {"near": [[3.03, 45.0, 4000]], "seasons": ["summer"]},
        }
    )


def _filtered(dataset: PhotosDataset, folder: Path, **more: object) -> pd.DataFrame:
    extent = extent_of(dataset)
    index_photos(dataset, folder / "photos.parquet", extent=extent, threads=1)
    filter_photos(
        folder / "photos.parquet", dataset, folder / "filters.parquet",
        extent=extent, threads=1, **more,
    )  # fmt: skip
    return read_filters(folder / "filters.parquet").set_index("photo")


def test_each_fault_is_found(dataset: PhotosDataset, tmp_path: Path, caplog) -> None:
    causes = _filtered(dataset, tmp_path)["cause"].to_dict()
    expected = {
        "copy": "duplicate",
        "blur": "blur",
        "dark": "night",
        "late": "night",
        "winter": "season",
        "nowhere": "no_coordinates",
        "outside": "outside",
        "beside": "far",
        "torn": "corrupt",
    }
    assert causes == {**expected, **{f"good{k}": "" for k in range(8)}}
    assert "no detector is given" in caplog.text
    table = read_filters(tmp_path / "filters.parquet")
    assert table.set_index("photo").loc["copy", "duplicate_of"] == "good0"


def test_filters_that_are_off_drop_nothing(dataset: PhotosDataset, tmp_path: Path) -> None:
    off = FiltersConfig(duplicates=None, sharpness=None, night=None)
    causes = _filtered(dataset.model_copy(update={"filters": off}), tmp_path)["cause"]
    assert set(causes) == {"", "corrupt", "no_coordinates", "outside"}


def test_a_review_goes_before_measures_but_not_before_faults(
    dataset: PhotosDataset, tmp_path: Path
) -> None:
    review = tmp_path / "review.csv"
    review.write_text("photo,keep\ngood1,0\nblur,1\ntorn,1\nwinter,0\ngone,1\n")
    table = _filtered(dataset, tmp_path, review=review)
    assert table.loc[["good1", "blur", "torn", "winter"], "cause"].tolist() == [
        "review", "", "corrupt", "season",
    ]  # fmt: skip
    assert table.loc["blur", "measured"] == "blur" and table.loc["good1", "measured"] == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name,keep\na,1\n", "columns"),
        ("photo,keep\ngood1,perhaps\n", "line 2"),
        ("photo,keep\ngood1,1\ngood1,0\n", "twice"),
        ("photo,keep\nx,1\n", "none of the photos"),
    ],
)
def test_wrong_reviews_are_told(
    dataset: PhotosDataset, tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "review.csv").write_text(text)
    with pytest.raises(InputError, match=told):
        _filtered(dataset, tmp_path, review=tmp_path / "review.csv")


def test_the_sheet_shows_what_can_be_paired(dataset: PhotosDataset, tmp_path: Path) -> None:
    table = _filtered(dataset, tmp_path)
    photos = read_photos(tmp_path / "photos.parquet")
    write_sheet(photos, table.reset_index(), dataset, tmp_path / "review.html", title="a <b>")
    page = (tmp_path / "review.html").read_text()
    shown = re.findall(r'data-photo="([^"]*)"', page)
    assert len(shown) == 14 and shown[:8] == [f"good{k}" for k in range(8)]
    assert page.count(" checked") == 8 and page.count("data:image/jpeg;base64,") == 14
    assert html.escape("a <b>") in page and "<b>," not in page
    assert not re.search(r'(src|href)="(?!data:)', page)  # nothing is loaded from elsewhere
    assert "{{" not in page


def test_the_funnel_is_drawn(dataset: PhotosDataset, tmp_path: Path) -> None:
    table = _filtered(dataset, tmp_path).reset_index()
    plot_funnel(table, tmp_path / "a.png", unasked=("people",))
    plot_funnel(table, tmp_path / "b.png", unasked=("people",))
    assert Image.open(tmp_path / "a.png").width > 700
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_pairs_of_a_folder(dataset: PhotosDataset, tmp_path: Path) -> None:
    _filtered(dataset, tmp_path)
    manifest = tmp_path / "pairs.manifest.json"
    build_pairs(tmp_path / "photos.parquet", tmp_path / "filters.parquet", dataset, manifest)
    pairs = open_pairs(manifest)
    assert pairs.photos.shape == (8, 3, 48, 48) and pairs.crops.shape == (8, 3, 32, 32)
    assert (pairs.turned == turn_crops(pairs.crops, pairs.headings)).all()
    assert pairs.headings.tolist() == pytest.approx([45.0 * k for k in range(8)])
    assert pairs.table["place"].nunique() == 8 and len(pairs.rows("test")) == 2
    # 0.05 degrees in seven steps at 45 degrees north.
    assert pairs.facts["distance_m"] == pytest.approx(563, abs=2)
    assert pairs.facts["resolution"] == 4.0 and pairs.view_shares() is None
    first = manifest.read_bytes()
    build_pairs(tmp_path / "photos.parquet", tmp_path / "filters.parquet", dataset, manifest)
    assert manifest.read_bytes() == first


def test_nothing_kept_is_told(dataset: PhotosDataset, tmp_path: Path) -> None:
    strict = dataset.model_copy(update={"filters": FiltersConfig(sharpness=1.0)})
    _filtered(strict, tmp_path)
    with pytest.raises(InputError, match="no photo of 17 is kept"):
        kept_photos(tmp_path / "photos.parquet", tmp_path / "filters.parquet")


def test_one_place_alone_is_told(dataset: PhotosDataset, tmp_path: Path) -> None:
    _filtered(dataset, tmp_path)
    one = dataset.model_copy(
        update={"split": dataset.split.model_copy(update={"apart_m": 9e5, "block_m": 9e6})}
    )
    with pytest.raises(InputError, match="more places"):
        build_pairs(
            tmp_path / "photos.parquet", tmp_path / "filters.parquet", one,
            tmp_path / "pairs.manifest.json",
        )  # fmt: skip


def test_pairs_of_panels_are_split_by_place(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for number in range(9):
        path = folder / ("train" if number % 2 else "test") / f"p{number // 3}.a{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene(number, (128, 64))).save(path)
    panels = PanelsConfig(folder=str(folder), place=r"^(p\d)", up="heading")
    dataset = PhotosDataset(panels=panels, image_px=32)
    table = _filtered(dataset, tmp_path)
    assert table["kept"].all()
    build_pairs(
        tmp_path / "photos.parquet", tmp_path / "filters.parquet", dataset,
        tmp_path / "pairs.manifest.json",
    )  # fmt: skip
    pairs = open_pairs(tmp_path / "pairs.manifest.json")
    assert (pairs.table.groupby("place")["split"].nunique() == 1).all()
    assert pairs.facts["counts"] == {"train": 3, "validation": 3, "test": 3}
    assert pairs.facts["up"] == "heading" and set(pairs.headings) == {0.0}
    assert pairs.facts["distance_m"] is None


def test_scenes_are_learnt_and_filtered(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    lines = ["photo,scene"]
    for number in range(24):
        pixels = scene(number, (64, 64))
        if number % 3 == 0:  # a room: no sky, warm walls
            pixels[..., 2] //= 3
            pixels[: len(pixels) // 2] = (190, 150, 60)
        _photo(folder / f"p{number:02d}.jpg", pixels, 3.0 + 0.01 * number, _DAY)
        lines.append(f"p{number:02d},{'outdoor' if number % 3 else 'indoor'}")
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    dataset = PhotosDataset.model_validate(
        {
            "folder": str(folder),
            "crop": {"source": "template", "address": "http://localhost/{lat}/{lon}"},
            "filters": {
                "scenes": {"labels": str(tmp_path / "labels.csv"), "steps": 40, "image_px": 32}
            },
        }
    )
    cfg = dataset.filters.scenes
    assert cfg is not None
    index_photos(dataset, tmp_path / "photos.parquet", threads=1)
    report = train_scenes(
        tmp_path / "photos.parquet", tmp_path / "labels.csv", cfg, tmp_path / "scenes", threads=1
    )
    assert report["photos"] == 4 and report["accuracy"] >= 0.75
    table = _filtered(dataset, tmp_path, scenes=tmp_path / "scenes")
    assert (table["cause"] == "scene").sum() == 8
    assert (table.loc[table["cause"] == "scene", "scene"] == "indoor").all()
    lines = [line.replace("outdoor", "indoor") for line in lines]
    (tmp_path / "labels.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="one class"):
        train_scenes(tmp_path / "photos.parquet", tmp_path / "labels.csv", cfg, tmp_path / "scenes")


def test_a_detector_that_is_none_is_told(dataset: PhotosDataset, tmp_path: Path) -> None:
    (tmp_path / "faces.onnx").write_bytes(b"no network")
    for name, told in (("none.onnx", "no such detector"), ("faces.onnx", "no detector")):
        filters = FiltersConfig.model_validate({"people": {"faces": str(tmp_path / name)}})
        with pytest.raises(InputError, match=told):
            _filtered(dataset.model_copy(update={"filters": filters}), tmp_path)
