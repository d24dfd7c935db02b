"""Checking a case: what is found in good ones, and everything that can be wrong."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from localization_cases import PHOTO, SIDE, picture, write_case, write_ground
from PIL import Image

from nadir.config.localization import CaseDataset
from nadir.errors import InputError
from nadir.localization.case import check_case
from nadir.localization.casefile import Case, read_case
from nadir.localization.conventions import Conventions
from nadir.localization.faults import CaseError
from nadir.localization.photos import read_photos, write_photos
from nadir.localization.pose import angle_difference
from nadir.localization.validation import draw_validation
from nadir.provenance.atomic import write_json
from nadir.provenance.digest import file_digest


def config(folder: Path, **options: object) -> CaseDataset:
    return CaseDataset(folder=str(folder), **options)


@pytest.fixture(autouse=True)
def _own_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the cache of digests lies in the working folder


def test_a_whole_case(tmp_path: Path) -> None:
    train, test = write_case(tmp_path / "case")
    facts, photos = check_case(config(tmp_path / "case", validation=0.25), workers=2)
    assert photos["photo"].tolist() == sorted([*train, *test])
    counts = facts["photos"]
    assert (counts["train"], counts["validation"], counts["test"]) == (6, 2, 3)
    assert counts["test_with_truth"] == 3
    assert counts["sizes"] == {f"{PHOTO[0]} x {PHOTO[1]}": 11}
    assert (counts["blank"], counts["overcast"], facts["remarks"]) == ([], [], [])
    assert facts["substrate"]["grid"]["crs"] == "EPSG:32631"
    assert facts["substrate"]["nodata_share"] == 0
    found = facts["conventions"]
    assert (found["corners"], found["sign"], found["offset"]) == ("rotated", 1, 0.0)
    for row in photos.itertuples():
        pose = (train | test)[row.photo]
        assert np.hypot(row.x - pose.x, row.y - pose.y) < 0.75
        assert angle_difference(row.angle, pose.angle) < 1.5
        assert (row.width, row.height, row.date) == (*PHOTO, "all")
        assert row.digest == file_digest(row.path)


def test_products_are_byte_stable_and_read_back(tmp_path: Path) -> None:
    write_case(tmp_path / "case")
    for name in ("one", "two"):
        facts, photos = check_case(config(tmp_path / "case"))
        write_json(tmp_path / f"{name}.json", facts)
        write_photos(tmp_path / f"{name}.parquet", photos)
    for ending in ("json", "parquet"):
        one, two = (tmp_path / f"{name}.{ending}" for name in ("one", "two"))
        assert one.read_bytes() == two.read_bytes()
    case = read_case(tmp_path / "one.json")
    assert (case.width, case.height) == SIDE
    assert case.grid is not None and case.grid.resolution == (0.5, 0.5)
    assert case.conventions == Conventions.from_dict(facts["conventions"])
    assert Case.from_dict(facts).conventions == case.conventions
    assert read_photos(tmp_path / "one.parquet").equals(photos)


def test_exact_poses_serve_scores_alone(tmp_path: Path) -> None:
    train, test = write_case(tmp_path / "case", exact=True)
    facts, photos = check_case(config(tmp_path / "case"))
    assert facts["exact_truth"] and facts["photos"]["dates"] == {"2021": 11}
    for row in photos.itertuples():
        pose = (train | test)[row.photo]
        same = (row.x, row.y, row.angle) == (pose.x, pose.y, pose.angle)
        assert same == (row.split != "train"), row.photo
    moved = tmp_path / "elsewhere.json"
    shutil.move(tmp_path / "case" / "truth.json", moved)
    again, _ = check_case(config(tmp_path / "case"), truth=moved)
    assert again["exact_truth"]


def test_truth_of_the_test_photos_may_lie_elsewhere_or_nowhere(tmp_path: Path) -> None:
    write_case(tmp_path / "case")
    shutil.move(tmp_path / "case" / "test" / "json", tmp_path / "truth")
    facts, photos = check_case(config(tmp_path / "case"))
    assert facts["photos"]["test_with_truth"] == 0
    assert photos[photos["split"] == "test"]["x"].isna().all()
    facts, _ = check_case(config(tmp_path / "case", truth=str(tmp_path / "truth")))
    assert facts["photos"]["test_with_truth"] == 3
    (tmp_path / "truth" / "t00.json").unlink()
    facts, _ = check_case(config(tmp_path / "case", truth=str(tmp_path / "truth")))
    assert any("2 of 3 test photos" in text for text in facts["remarks"])


def test_photos_in_the_test_folder_itself(tmp_path: Path) -> None:
    write_case(tmp_path / "case")
    for path in (tmp_path / "case" / "test" / "img").iterdir():
        shutil.move(path, tmp_path / "case" / "test" / path.name)
    (tmp_path / "case" / "test" / "img").rmdir()
    (tmp_path / "case" / "test" / "list.txt").write_text("t00")
    (tmp_path / "case" / "test" / ".hidden.png").write_text("no photo")
    facts, _ = check_case(config(tmp_path / "case"))
    assert facts["photos"]["test"] == 3
    assert any("list.txt" in text for text in facts["remarks"])


def test_dates_come_from_a_csv(tmp_path: Path) -> None:
    train, _ = write_case(tmp_path / "case")
    lines = [f"{name}.png,2020-0{1 + index % 2}" for index, name in enumerate(train)]
    (tmp_path / "dates.csv").write_text("\n".join(["photo,date", *lines]))
    dates = str(tmp_path / "dates.csv")
    facts, photos = check_case(config(tmp_path / "case", dates=dates))
    assert facts["photos"]["dates"] == {"2020-01": 4, "2020-02": 4, "": 3}
    assert photos.set_index("photo")["date"]["a01"] == "2020-02"


def test_unlocated_and_ungeoreferenced_cases_are_fine(tmp_path: Path) -> None:
    write_case(tmp_path / "case", train=0, crs=None)
    facts, photos = check_case(config(tmp_path / "case"))
    assert facts["substrate"]["grid"] is None
    assert facts["conventions"]["photos"] == 0
    assert set(photos["split"]) == {"test"}


def test_holes_sizes_and_empty_photos_are_stated(tmp_path: Path) -> None:
    folder = tmp_path / "case"
    write_case(folder)
    ground = picture()
    ground[:26] = 0
    ground[100, :, 1] = 0  # dark in one band alone is no hole
    write_ground(folder / "original.tiff", ground, nodata=0)
    Image.new("RGB", (64, 48), (90, 120, 60)).save(folder / "test" / "img" / "t00.png")
    noise = np.random.default_rng(0).integers(200, 230, (48, 64, 1), np.uint8).repeat(3, 2)
    Image.fromarray(noise).save(folder / "test" / "img" / "t01.png")
    (folder / "test" / "json" / "t02.json").unlink()
    Image.fromarray(ground[30:70, 30:70]).save(folder / "test" / "img" / "t02.png")
    facts, _ = check_case(config(folder))
    assert facts["substrate"]["nodata_share"] == pytest.approx(0.1)
    assert facts["photos"]["blank"] == ["t00"]
    assert facts["photos"]["overcast"] == ["t01"]
    assert facts["photos"]["sizes"] == {"40 x 40": 1, "64 x 48": 10}
    assert any("2 sizes" in text for text in facts["remarks"])
    write_ground(folder / "original.tiff", ground)
    facts, _ = check_case(config(folder))
    assert facts["substrate"]["black_share"] == pytest.approx(0.1)
    assert any("declare it" in text for text in facts["remarks"])


@pytest.mark.parametrize("shape", [(4,), ()])
def test_other_kinds_of_substrate(tmp_path: Path, shape: tuple[int, ...]) -> None:
    write_case(tmp_path / "case")
    ground = picture()
    other = np.dstack([ground, ground[..., :1]]) if shape else ground[..., 0]
    path = write_ground(tmp_path / "other.tif", other, photometric="MINISBLACK")
    facts, _ = check_case(config(tmp_path / "case", substrate=str(path)))
    assert facts["substrate"]["bands"] == (4 if shape else 1)


def overwrite(path: Path, **change: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))


def moved(path: Path, by: int) -> None:
    value = json.loads(path.read_text())
    angle = value.pop("angle")
    points = {key: [number + by for number in point] for key, point in value.items()}
    path.write_text(json.dumps({**points, "angle": angle}))


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


FAULTS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "no substrate": (lambda f: (f / "original.tiff").unlink(), "original.tiff", "no such file"),
    "substrate cut": (lambda f: cut(f / "original.tiff", 90_000), "original.tiff", "truncated"),
    "substrate text": (
        lambda f: (f / "original.tiff").write_text("x"),
        "original.tiff",
        "not a raster",
    ),
    "substrate 16 bit": (
        lambda f: write_ground(f / "original.tiff", picture().astype(np.uint16)),
        "original.tiff",
        "uint16",
    ),
    "substrate 2 bands": (
        lambda f: write_ground(f / "original.tiff", picture()[..., :2]),
        "original.tiff",
        "2 bands",
    ),
    "substrate empty": (
        lambda f: write_ground(f / "original.tiff", 0 * picture(), nodata=0),
        "original.tiff",
        "no data at all",
    ),
    "photo empty": (lambda f: cut(f / "test/img/t00.png", 0), "t00.png", "empty"),
    "photo truncated": (lambda f: cut(f / "train/img/a00.png", 2000), "a00.png", "pixels cannot"),
    "photo cmyk": (
        lambda f: Image.new("CMYK", PHOTO).save(f / "test/img/t09.jpg"),
        "t09.jpg",
        "CMYK",
    ),
    "photo twice": (
        lambda f: shutil.copy(f / "test/img/t00.png", f / "test/img/t00.jpg"),
        "t00.png",
        "twice",
    ),
    "train and test": (
        lambda f: shutil.copy(f / "train/img/a00.png", f / "test/img/a00.png"),
        "test/img/a00.png",
        "also a training photo",
    ),
    "photo large": (
        lambda f: Image.new("RGB", (301, 60)).save(f / "test/img/big.png"),
        "big.png",
        "more than the substrate",
    ),
    "no json": (lambda f: (f / "train/json/a03.json").unlink(), "a03.png", "not known"),
    "no photo": (lambda f: (f / "train/img/a03.png").unlink(), "a03.json", "no photo"),
    "json torn": (lambda f: cut(f / "train/json/a03.json", 30), "a03.json", "no JSON"),
    "no numbers": (
        lambda f: overwrite(f / "train/json/a03.json", left_top=["a", 1]),
        "a03.json",
        "left_top",
    ),
    "no rectangle": (
        lambda f: overwrite(f / "train/json/a03.json", left_top=[0, 0]),
        "a03.json",
        "no rectangle",
    ),
    "angle off": (
        lambda f: overwrite(
            f / "train/json/a03.json",
            angle=(json.loads((f / "train/json/a03.json").read_text())["angle"] + 20) % 360,
        ),
        "a03.json",
        "but its angle",
    ),
    "off the ground": (lambda f: moved(f / "train/json/a03.json", 999), "a03.json", "lies off"),
    "truth torn": (lambda f: (f / "truth.json").write_text("{}"), "truth.json", "exact poses"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_names_file_and_remedy(tmp_path: Path, name: str) -> None:
    write_case(tmp_path / "case")
    break_it, file, problem = FAULTS[name]
    break_it(tmp_path / "case")
    with pytest.raises(InputError, match=problem) as caught:
        check_case(config(tmp_path / "case"))
    assert caught.value.file.endswith(file)
    assert caught.value.remedy.endswith(".")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name,date\n", "lacks the column photo"),
        ("photo,date\nzzz,2020\n", "no photo 'zzz'"),
        ("photo,date\na00,2020/01\n", "no date"),
        ("photo,date\na00,2020\na00,2021\n", "two dates"),
        ("photo,date\na00,2020\n", "7 located photos have no date"),
    ],
)
def test_dates_are_checked(tmp_path: Path, text: str, problem: str) -> None:
    write_case(tmp_path / "case", train=8)
    (tmp_path / "dates.csv").write_text(text)
    with pytest.raises((InputError, CaseError), match=problem):
        check_case(config(tmp_path / "case", dates=str(tmp_path / "dates.csv")))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    write_case(tmp_path / "case")
    for name in ("substrate cut", "photo empty", "no json", "no rectangle"):
        if name == "no json":
            (tmp_path / "case" / "train" / "json" / "a05.json").unlink()
        else:
            FAULTS[name][0](tmp_path / "case")
    with pytest.raises(CaseError) as caught:
        check_case(config(tmp_path / "case"))
    text = str(caught.value)
    assert "4 problems" in text
    assert all(file in text for file in ("original.tiff", "t00.png", "a05.png", "a03.json"))


def test_folders_that_are_no_case(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        check_case(config(tmp_path / "nothing"))
    (tmp_path / "bare").mkdir()
    with pytest.raises(CaseError, match="no photos"):
        check_case(config(tmp_path / "bare"))


def test_validation_is_a_share_and_a_function_of_names() -> None:
    names = {f"p{index}" for index in range(100)}
    held = draw_validation(names, 0.2, 0)
    assert len(held) == 20 and held == draw_validation(set(sorted(names)[::-1]), 0.2, 0)
    assert held != draw_validation(names, 0.2, 1)
    assert draw_validation(names, 0.0, 0) == set()
    assert len(draw_validation({"a", "b"}, 0.01, 0)) == 1
    assert draw_validation(set(), 0.5, 0) == set()


@pytest.mark.parametrize("text", ["", "{}", '{"substrate": 3}'])
def test_case_file_is_checked(tmp_path: Path, text: str) -> None:
    (tmp_path / "case.json").write_text(text)
    with pytest.raises(InputError, match="does not describe a case"):
        read_case(tmp_path / "case.json")
