"""Layouts: what lies where, for what."""

from __future__ import annotations

from pathlib import Path

import pytest
from picture_files import write_picture, write_university

from nadir.errors import InputError
from nadir.retrieval.layouts import flat_layout, pair_layout, read_pairs, university_layout
from nadir.retrieval.listing import hold_out


def test_university_folders(tmp_path: Path) -> None:
    write_university(tmp_path)
    (tmp_path / "train/drone/0839/.hidden.jpg").write_bytes(b"")
    (tmp_path / "train/drone/0839/notes.txt").write_text("")
    found = university_layout(tmp_path)
    counts: dict[tuple[str, str], int] = {}
    for one in found:
        counts[one.split, one.view] = counts.get((one.split, one.view), 0) + 1
        assert one.path.parent.name == one.place
        assert one.image == str(one.path.relative_to(tmp_path).with_suffix(""))
    assert counts == {
        ("train", "drone"): 6,
        ("train", "satellite"): 2,
        ("train", "street"): 4,
        ("train", "google"): 1,
        ("query", "drone"): 4,
        ("gallery", "drone"): 4,
        ("query", "satellite"): 2,
        ("gallery", "satellite"): 3,
        ("query", "street"): 1,
        ("gallery", "street"): 1,
        ("query", "drone_4k"): 1,
    }


def test_challenge_pictures_have_no_place(tmp_path: Path) -> None:
    write_picture(tmp_path / "test/query_drone_160k/abc.jpeg")
    write_picture(tmp_path / "test/gallery_satellite_160k/def.jpg")
    found = {one.view: one for one in university_layout(tmp_path)}
    assert [found[view].place for view in ("drone", "satellite")] == ["", ""]
    assert found["satellite"].split == "gallery"


def test_validation_holds_out_whole_places(tmp_path: Path) -> None:
    write_university(tmp_path)
    found = hold_out(university_layout(tmp_path), 0.5, seed=0)
    held = {one.place for one in found if one.split == "validation"}
    assert len(held) == 1 and not held & {one.place for one in found if one.split == "train"}
    assert sum(one.split in ("query", "gallery") for one in found) == 16


def test_flat_pairs_and_their_folds(tmp_path: Path) -> None:
    for k in range(20):
        write_picture(tmp_path / f"drone/{k:03d}.png", k)
        write_picture(tmp_path / f"satellite/{k:03d}.png", 100 + k)
    ranked = []
    for fold in range(5):
        found = flat_layout(tmp_path, test=0.2, seed=1, fold=fold)
        places = {one.place for one in found if one.split == "query"}
        assert places == {one.place for one in found if one.split == "gallery"}
        assert not places & {one.place for one in found if one.split == "train"}
        assert len(found) == 2 * 16 + 4 * 4 and len({one.image for one in found}) == len(found)
        ranked.append(places)
    assert [len(places) for places in ranked] == [4] * 5
    assert len(set.union(*ranked)) == 20
    assert ranked[0] != {one.place for one in flat_layout(tmp_path, seed=2) if one.split == "query"}


LISTS = {
    "cvusa.csv": "bing/1.jpg,pano/1.jpg,note/1.png\nbing/2.jpg,pano/2.jpg,note/2.png\n",
    "header.csv": "satellite,ground\nbing/1.jpg,pano/1.jpg\nbing/2.jpg,pano/2.jpg\n",
    "spaces.txt": "\ufeffbing/1.jpg pano/1.jpg 0.1 -3\n\nbing/2.jpg\tpano/2.jpg\n",
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_pairs(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(LISTS[name], encoding="utf-8")
    assert read_pairs(tmp_path / name) == [
        ("bing/1.jpg", "pano/1.jpg"),
        ("bing/2.jpg", "pano/2.jpg"),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "names no pairs"),
        ("a,b\n", "names no pairs"),
        ("a.jpg b.jpg\nc.jpg\n", "line 2 names no pair: 'c.jpg'"),
        ("a.jpg,\n", "line 1 names no pair"),
    ],
)
def test_lists_without_pairs(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_pairs(tmp_path / "list.txt")


def test_one_satellite_image_of_many_panoramas_is_one_place(tmp_path: Path) -> None:
    """As VIGOR has it: bare names, folders of the views, offsets behind."""
    lines = ["p1.jpg s1.png 3 4 s2.png 1 1", "p2.jpg s1.png 0 0", "p3.jpg s2.png 1 2"]
    for k, name in enumerate(["p1.jpg", "p2.jpg", "p3.jpg"]):
        write_picture(tmp_path / "City/panorama" / name, k)
    for k in (1, 2):
        write_picture(tmp_path / f"City/satellite/s{k}.png", 10 + k)
    (tmp_path / "train.txt").write_text("\n".join(lines[:2]))
    (tmp_path / "test.txt").write_text(lines[2])
    found = pair_layout(
        tmp_path,
        {"train": "train.txt", "test": "test.txt"},
        ("street", "satellite"),
        ("City/panorama", "City/satellite"),
    )
    told = {(one.split, one.view, one.path.stem): one.place for one in found}
    s1, s2 = "City/satellite/s1", "City/satellite/s2"
    assert told == {
        ("train", "street", "p1"): s1,
        ("train", "street", "p2"): s1,
        ("train", "satellite", "s1"): s1,
        ("query", "street", "p3"): s2,
        ("gallery", "street", "p3"): s2,
        ("query", "satellite", "s2"): s2,
        ("gallery", "satellite", "s2"): s2,
    }


def test_lists_that_name_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x.jpg y.jpg")
    with pytest.raises(InputError, match=r"it names x\.jpg and 1 more, which is not in"):
        pair_layout(tmp_path, {"train": "a.txt"})


def test_folders_that_are_no_such_layout(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="neither train nor test"):
        university_layout(tmp_path)
    write_picture(tmp_path / "drone/a.png")
    with pytest.raises(InputError, match="no folder 'satellite'"):
        flat_layout(tmp_path)
    (tmp_path / "satellite").mkdir()
    with pytest.raises(InputError, match="no pictures"):
        flat_layout(tmp_path)
