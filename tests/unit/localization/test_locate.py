"""From a case and a method to the table of poses."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from ground_fakes import Waves, away, indexed, photo_table

from nadir.config.localization import Localiser, SearchConfig, SiftRansac, SiftVoting
from nadir.errors import InputError
from nadir.learn.bundle import save_bundle
from nadir.localization.descriptor import Descriptor
from nadir.localization.locate import locate_photos
from nadir.localization.photos import write_photos
from nadir.localization.pose import Pose
from nadir.localization.poses import read_poses

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

WAVES = Waves(0)
SIDE = 160
POSES = {
    "a": ("train", Pose(120.0, 120.0, 10.0)),
    "b": ("validation", Pose(150.3, 141.8, 222.2)),
    "c": ("test", Pose(160.6, 133.1, 75.0)),
}
SEARCH = SearchConfig(rotation_step=20.0, candidates=2, precision=0.9, joint=False)
METHODS = {
    "localiser": Localiser(search=SEARCH),
    "sift_voting": SiftVoting(),
    "sift_ransac": SiftRansac(),
}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("case")
    indexed(folder, "substrate", WAVES.substrate(300, 280))
    shots = [
        (name, split, WAVES.shoot(pose, SIDE, SIDE), pose if split != "test" else None)
        for name, (split, pose) in POSES.items()
    ]
    photo_table(folder, [*shots, ("white", "test", np.full((SIDE, SIDE, 3), 255, np.uint8), None)])
    return folder


def locate(case, out, method, threads=1, **options) -> pd.DataFrame:
    photos = options.pop("photos", case / "photos.parquet")
    references = [case / "substrate.manifest.json"]
    locate_photos(photos, references, method, out, device="cpu", threads=threads, **options)
    return read_poses(out)


@pytest.mark.parametrize("name", METHODS)
def test_photos_to_answer_are_answered(case, tmp_path, name):
    poses = locate(case, tmp_path / "poses.parquet", METHODS[name])
    assert poses["photo"].tolist() == ["b", "c", "white"]
    for row in poses.to_dict("records"):
        if row["photo"] == "white":
            assert not row["resolved"]
            assert np.isfinite([row["x"], row["y"], row["angle"], row["scale"]]).all()
            continue
        found = Pose(row["x"], row["y"], row["angle"])
        off, turned = away(found, POSES[row["photo"]][1])
        exact = name == "localiser"
        assert off < (0.1 if exact else 1.0) and turned < (0.02 if exact else 0.5)
        assert row["resolved"] and row["reference"] == "substrate"
        assert 0 < row["sd_x"] < 3 and 0 < row["sd_angle"] < 3 and abs(row["scale"] - 1) < 0.01
    assert (tmp_path / "poses.parquet").is_file() and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", METHODS)
def test_answers_repeat_with_any_number_of_threads(case, tmp_path, name):
    one = locate(case, tmp_path / "one.parquet", METHODS[name])
    two = locate(case, tmp_path / "two.parquet", METHODS[name], threads=2)
    assert one.equals(two)
    files = (tmp_path / "one.parquet", tmp_path / "two.parquet")
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_trained_descriptor_is_used(case, tmp_path, monkeypatch):
    torch.manual_seed(0)
    network = Descriptor(4, 8)
    weights = {name: value.numpy() for name, value in network.state_dict().items()}
    description = {
        "task": "localization descriptor",
        "network": {"channels": 4, "width": 8},
        "cell_px": 4,
    }
    save_bundle(tmp_path / "model", description, weights)
    asked = []
    real = Descriptor.forward
    monkeypatch.setattr(
        Descriptor, "forward", lambda self, x: asked.append(len(x)) or real(self, x)
    )
    poses = locate(
        case, tmp_path / "poses.parquet", METHODS["localiser"], descriptor=tmp_path / "model"
    )
    assert asked and len(poses) == 3
    with pytest.raises(InputError, match="cannot be read"):
        locate(case, tmp_path / "x.parquet", METHODS["localiser"], descriptor=tmp_path / "no")
    assert not (tmp_path / "x.parquet").exists()


def test_nothing_to_answer_and_nothing_to_read(case, tmp_path):
    table = pd.read_parquet(case / "photos.parquet")
    write_photos(tmp_path / "train.parquet", table[table["split"] == "train"])
    with pytest.raises(InputError, match="no photo to locate"):
        locate(case, tmp_path / "o", METHODS["localiser"], photos=tmp_path / "train.parquet")
    table.loc[table["photo"] == "c", "path"] = str(tmp_path / "gone.png")
    write_photos(tmp_path / "gone.parquet", table)
    for method in METHODS.values():
        with pytest.raises(InputError, match=r"gone\.png"):
            locate(case, tmp_path / "o", method, photos=tmp_path / "gone.parquet")
    assert not (tmp_path / "o").exists()


def test_the_scale_is_known_from_photos_to_learn_from(tmp_path):
    """Without a validation split, the scale of the located photos is that of the others."""
    indexed(tmp_path, "substrate", WAVES.substrate(200, 180))
    shots = [
        (f"p{k}", split, WAVES.shoot(Pose(95.0 + 7 * k, 90.0, 30.0 * k, 0.5), SIDE, SIDE), None)
        for k, split in enumerate(("train", "test"))
    ]
    shots[0] = (*shots[0][:3], Pose(95.0, 90.0, 0.0, 0.5))
    photo_table(tmp_path, shots)
    poses = locate(tmp_path, tmp_path / "poses.parquet", METHODS["localiser"])
    assert poses["resolved"].all() and poses["scale"].tolist() == [0.5]
