"""The files of a simulated case: complete or without a truth, and the same whatever the threads."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio

from nadir.cli.main import main
from nadir.config.cases import CaseConfig
from nadir.config.worlds import WorldConfig
from nadir.errors import InputError
from nadir.simulate import case
from nadir.simulate.case import CORNERS, simulate_case

CFG = CaseConfig(seed=2, substrate_px=600, photo_px=96, train=5, test=3)


@pytest.fixture(scope="module")
def folder(small_cfg: WorldConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("case")
    (path / "train" / "img").mkdir(parents=True)
    (path / "train" / "img" / "old.png").write_bytes(b"from another run")
    assert simulate_case(small_cfg, CFG, path, workers=2, block=256) == path / "truth.json"
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_layout(folder: Path) -> None:
    names = [f"img_{k:04d}" for k in range(1, 9)]
    expected = {"original.tiff", "truth.json"}
    for split, of in (("train", names[:5]), ("test", names[5:])):
        expected |= {f"{split}/img/{name}.png" for name in of}
        expected |= {f"{split}/json/{name}.json" for name in of}
    assert set(files(folder)) == expected


def test_blocks_and_threads_change_no_byte(
    small_cfg: WorldConfig, folder: Path, tmp_path: Path
) -> None:
    simulate_case(small_cfg, CFG, tmp_path, workers=1, block=512)
    one, other = files(folder), files(tmp_path)
    with (
        rasterio.open(folder / "original.tiff") as a,
        rasterio.open(tmp_path / "original.tiff") as b,
    ):
        assert np.array_equal(a.read(), b.read())
    for name in one.keys() - {"original.tiff"}:  # the order of its tiles follows the blocks
        assert one[name] == other[name], name


def test_json_is_the_truth_rounded(folder: Path) -> None:
    truth = json.loads((folder / "truth.json").read_text())["photos"]
    assert [photo["split"] for photo in truth.values()] == ["train"] * 5 + ["test"] * 3
    for name, photo in truth.items():
        assert set(photo) >= {"x", "y", "angle", "scale", "cloud", "date", "split"}
        given = json.loads((folder / photo["split"] / "json" / f"{name}.json").read_text())
        assert set(given) == {*CORNERS, "angle"}
        corners = np.array([given[key] for key in CORNERS])
        assert corners.dtype == np.int64
        assert np.abs(corners.mean(axis=0) - (photo["x"], photo["y"])).max() <= 0.5
        right = corners[1] - corners[0]
        turned = np.degrees(np.arctan2(right[1], right[0]))
        assert abs((turned - photo["angle"] + 180) % 360 - 180) < 1.0
        assert 0 <= given["angle"] < 360 and isinstance(given["angle"], int)
        assert abs((given["angle"] - photo["angle"] + 180) % 360 - 180) <= 0.5
        image = cv2.imread(str(folder / photo["split"] / "img" / f"{name}.png"))
        assert image.shape == (96, 96, 3) and image.std() > 2


def test_substrate_is_georeferenced(small_cfg: WorldConfig, folder: Path) -> None:
    with rasterio.open(folder / "original.tiff") as file:
        assert (file.width, file.height, file.count) == (600, 600, 3)
        assert file.crs.to_string() == small_cfg.crs
        assert file.res == (0.5, 0.5)
        left, top = small_cfg.origin
        assert file.transform.c == left + 1150 and file.transform.f == top - 1150
        assert file.block_shapes[0] == (256, 256) and file.compression.value == "DEFLATE"
        assert file.read().std() > 20


def test_a_killed_run_leaves_no_truth(
    small_cfg: WorldConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cfg = CFG.model_copy(update={"substrate_px": 256, "train": 2, "test": 0})
    (tmp_path / "truth.json").write_text("{}")
    real = case.take_photo

    def stop(*args):
        if args[-1] == 1:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(case, "take_photo", stop)
    with pytest.raises(KeyboardInterrupt):
        simulate_case(small_cfg, cfg, tmp_path, workers=1)
    assert not (tmp_path / "truth.json").exists()
    assert not list(tmp_path.rglob("*.partial*"))


@pytest.mark.parametrize(
    ("update", "where"),
    [({"substrate_px": 6000}, "substrate_px"), ({"photo_px": 700}, "photo_px")],
)
def test_what_does_not_fit_is_refused(
    small_cfg: WorldConfig, tmp_path: Path, update: dict, where: str
) -> None:
    with pytest.raises(InputError, match=where):
        simulate_case(small_cfg, CFG.model_copy(update=update), tmp_path)
    assert not any(tmp_path.iterdir())


def test_command(tmp_path: Path) -> None:
    cfg = {
        "world": {"width_km": 0.5, "height_km": 0.5},
        "case": {"substrate_px": 256, "photo_px": 64, "train": 1, "test": 1},
    }
    out = tmp_path / "truth.json"
    words = ["simulate-case", "--out", str(out), "--cfg", json.dumps(cfg), "--threads", "1"]
    assert main(words) == 0
    assert len(json.loads(out.read_text())["photos"]) == 2
