"""The regression baseline: targets, turns, crops, training resumed to the bit, answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
from PIL import Image
from safetensors.torch import save_file

from nadir.config.localization import Regression
from nadir.errors import InputError
from nadir.learn import keeper
from nadir.learn.bundle import load_bundle, save_bundle
from nadir.learn.history import read_history
from nadir.learn.kept import TrainingRun
from nadir.learn.seeds import derived_seed, seed_all
from nadir.localization.photos import write_photos
from nadir.localization.pose import Pose
from nadir.localization.regression import (
    average_answers,
    build_regression,
    decode_poses,
    encode_pose,
)
from nadir.localization.regression_data import (
    CropSource,
    PhotoBatches,
    Samples,
    batch_borders,
    color_jitter,
    resize_photo,
)
from nadir.localization.regression_fit import RegressionLearner, fit_regression
from nadir.localization.regression_predict import Regressor, load_regressor, regress_poses
from nadir.localization.regression_train import train_regression
from nadir.localization.substrate import open_substrate

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SIDES = (160, 120)
CFG = Regression(
    encoder="resnet18", head_only=False, size=32, epochs=2, batch_size=4, crops=3, members=2
)


def test_targets_are_shares_of_substrate_and_turn():
    upright = encode_pose(Pose(80, 60, 0.0), (40, 20), SIDES)
    assert upright.tolist() == pytest.approx([60 / 160, 50 / 120, 100 / 160, 70 / 120, 0.0])
    turned = encode_pose(Pose(80, 60, 90.0, 2.0), (40, 20), SIDES)
    assert turned.tolist() == pytest.approx([100 / 160, 20 / 120, 60 / 160, 100 / 120, 0.25])


def test_answers_come_back_from_targets():
    for angle in (0.0, 12.5, 359.0):
        outputs = encode_pose(Pose(33.25, 71.5, angle), (40, 30), SIDES)
        assert decode_poses(outputs, SIDES) == pytest.approx([33.25, 71.5, angle], abs=1e-3)


def test_directions_are_averaged_around_the_circle():
    answers = np.array([[[1.0, 2.0, 350.0]], [[3.0, 2.0, 20.0]]])
    mean, spread = average_answers(answers)
    assert mean[0] == pytest.approx([2.0, 2.0, 5.0])
    assert spread[0] == pytest.approx([np.sqrt(2), 0.0, 15 * np.sqrt(2)])
    assert np.isnan(average_answers(answers[:1])[1]).all()


def ground() -> np.ndarray:
    rough = np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)
    return cv2.resize(rough, SIDES, interpolation=cv2.INTER_CUBIC)


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A folder with a substrate, photos of it, their table, and what `case.json` says."""
    folder = tmp_path_factory.mktemp("case")
    picture = ground()
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "width": 160, "height": 120}
    with rasterio.open(folder / "s.tif", "w", **profile) as dataset:
        dataset.write(np.moveaxis(picture, -1, 0))
    rows = []
    generator = np.random.default_rng(0)
    with open_substrate(folder / "s.tif") as substrate:
        for number, split in enumerate(["train"] * 9 + ["validation"] * 3 + ["test"] * 2):
            x, y, angle = generator.uniform((30, 30, 0), (130, 90, 360))
            path = folder / f"{number:02}.png"
            Image.fromarray(substrate.cut(Pose(x, y, angle), 40, 30)).save(path)
            known = (x, y, angle, 1.0) if split != "test" else (np.nan,) * 4
            row = dict(zip(("x", "y", "angle", "scale"), known, strict=True))
            row |= {"photo": path.stem, "path": str(path), "split": split, "date": "a"}
            rows.append(row | {"width": 40, "height": 30, "digest": f"{number}"})
    write_photos(folder / "photos.parquet", pd.DataFrame(rows))
    said = {"path": str(folder / "s.tif"), "width": 160, "height": 120, "digest": "abc"}
    return folder, {"substrate": said}


def train(case, folder: Path, cfg=CFG, **options):
    given = {"code": "c", "seed": 4, "device": "cpu", "threads": 1} | options
    return train_regression(
        fit_regression,
        case[0] / "photos.parquet",
        case[1],
        method=cfg,
        model=folder / "model",
        history=folder / "history.parquet",
        run=TrainingRun(folder / "cache", **given),
    )


@pytest.fixture(scope="module")
def trained(case, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    return folder, train(case, folder)


def test_a_killed_training_ends_with_the_weights_of_one_that_was_not(
    case, trained, tmp_path, monkeypatch
):
    saves = []
    save = keeper.Keeper._save

    def dying(self, *args):
        save(self, *args)
        saves.append(self.work)
        if len(saves) == 3:  # the second member, after its first epoch
            raise KeyboardInterrupt

    monkeypatch.setattr(keeper.Keeper, "_save", dying)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(case, tmp_path)
    assert not (tmp_path / "model").exists()
    key = train(case, tmp_path)
    assert len(saves) == 4, "one epoch was left"
    assert key == trained[1]
    for name in ("model.safetensors", "model.yaml"):
        one, other = trained[0] / "model" / name, tmp_path / "model" / name
        assert one.read_bytes() == other.read_bytes(), name
    times = ["seconds", "images_per_second"]
    straight, resumed = (
        read_history(f / "history.parquet").drop(columns=times) for f in (trained[0], tmp_path)
    )
    assert straight.equals(resumed)
    assert straight["member"].tolist() == [1, 1, 2, 2]
    assert (straight["validation_center"] > 0).all()


def test_an_equal_training_is_delivered(case, trained, tmp_path, monkeypatch):
    shutil.copytree(trained[0] / "cache", tmp_path / "cache")
    monkeypatch.setattr(RegressionLearner, "training_step", None)
    assert train(case, tmp_path) == trained[1]
    one, other = (f / "model/model.safetensors" for f in (trained[0], tmp_path))
    assert one.read_bytes() == other.read_bytes()


def test_members_differ_and_only_the_head_learns_when_told_so(case, trained, tmp_path):
    weights = load_bundle(trained[0] / "model").weights
    assert not np.array_equal(weights["member0.head.weight"], weights["member1.head.weight"])
    cfg = CFG.model_copy(update={"head_only": True, "members": 1, "crops": 0})
    train(case, tmp_path, cfg)
    seed_all(derived_seed(4, 0, 0), 2**32)
    start = build_regression(cfg).state_dict()
    end = load_bundle(tmp_path / "model").weights
    for name, value in start.items():
        same = np.array_equal(value.numpy(), end[f"member0.{name}"])
        follows = name.startswith("head.") or "running" in name or "num_batches" in name
        assert same != follows, name


def test_the_default_is_a_resnet50_of_which_the_last_layer_learns():
    network = build_regression(Regression())
    learnt = {name: p.numel() for name, p in network.named_parameters() if p.requires_grad}
    assert learnt == {"head.weight": 5 * 2048, "head.bias": 5}
    assert network(torch.zeros(2, 3, 64, 64)).shape == (2, 5)


def test_encoder_weights_come_from_a_file_and_count_by_content(case, tmp_path):
    source = build_regression(CFG).encoder
    first, second = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file(source.state_dict(), first)
    cfg = CFG.model_copy(
        update={"weights": str(first), "head_only": True, "members": 1, "crops": 0, "epochs": 1}
    )
    key = train(case, tmp_path, cfg)
    bundle = load_bundle(tmp_path / "model")
    loaded = bundle.weights["member0.encoder.conv1.weight"]
    assert np.array_equal(loaded, source.state_dict()["conv1.weight"].numpy())
    assert bundle.description["pretrained"] == "a.safetensors"
    with torch.no_grad():
        source.conv1.weight += 1
    save_file(source.state_dict(), second)
    second.replace(first)
    assert train(case, tmp_path, cfg) != key


def test_poses_of_photos_to_locate(case, trained):
    photos = pd.read_parquet(case[0] / "photos.parquet").query("split != 'train'")
    regressor = load_regressor(trained[0] / "model", case[1], torch.device("cpu"))
    poses = regress_poses(regressor, photos)
    assert poses["photo"].tolist() == ["09", "10", "11", "12", "13"]
    assert np.isfinite(poses[["x", "y", "angle", "scale", "sd_x"]].to_numpy()).all()
    assert poses["probability"].isna().all() and not poses["resolved"].any()
    assert regress_poses(regressor, photos).equals(poses)
    few = regress_poses(regressor, photos.iloc[:2])
    assert np.allclose(few[["x", "y"]], poses[["x", "y"]].iloc[:2], atol=1e-3)


class Oracle(torch.nn.Module):
    """Tells one photo in any of its four quarter turns, and answers for the turned photo."""

    def __init__(self, photo: np.ndarray, pose: Pose) -> None:
        super().__init__()
        self.forms = [np.rot90(photo, quarter) for quarter in range(4)]
        self.pose = pose

    def forward(self, photos: torch.Tensor) -> torch.Tensor:
        from nadir.localization.regression_data import normalized

        answers = []
        for photo in photos:
            away = [float((normalized(form[None])[0] - photo).abs().max()) for form in self.forms]
            quarter = int(np.argmin(away))
            height, width = self.forms[quarter].shape[:2]
            # Where the turned photo lies, from where two of its points are in the upright one.
            v, u = np.mgrid[0:40, 0:40]
            places = np.stack([u, v], -1) + 0.5
            turned = np.rot90(places, quarter)
            points = np.stack([turned[0, 0], turned[0, -1]])
            ground = points @ self.pose.matrix(40, 40)[:, :2].T
            right = ground[1] - ground[0]
            angle = np.rad2deg(np.arctan2(right[1], right[0]))
            answers.append(
                encode_pose(Pose(self.pose.x, self.pose.y, angle % 360), (width, height), SIDES)
            )
        return torch.from_numpy(np.stack(answers))


def test_turned_photos_are_answered_alike():
    photo = np.random.default_rng(1).integers(0, 256, (40, 40, 3), np.uint8)
    pose = Pose(70.0, 50.0, 350.0)
    cfg = CFG.model_copy(update={"size": 40, "test_time_augmentation": True, "members": 1})
    regressor = Regressor([Oracle(photo, pose)], cfg, SIDES, 1.0, torch.device("cpu"))
    mean, spread = regressor.answer([photo])
    assert mean[0] == pytest.approx([70.0, 50.0, 350.0], abs=1e-3)
    assert spread[0] == pytest.approx([0, 0, 0], abs=1e-3)


def test_crops_are_a_function_of_seed_epoch_and_index(case):
    with open_substrate(case[0] / "s.tif") as substrate:
        source = CropSource(substrate, (40, 30), 1.0)
        photo, target = source.sample(1, 2, 3, 32)
        again, _ = source.sample(1, 2, 3, 32)
        assert np.array_equal(photo, again)
        for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
            assert not np.array_equal(source.sample(*other, 32)[1], target)
        x, y, angle = decode_poses(target, SIDES)
        cut = substrate.cut(Pose(x, y, angle), 40, 30)
        assert np.abs(resize_photo(cut, 32).astype(int) - photo).max() <= 2
        for index in range(50):
            corners = source.pose(0, 0, index).corners(40, 30)
            assert (corners >= -1e-9).all() and (corners <= np.array(SIDES) + 1e-9).all()


def test_epochs_show_every_photo_once_in_their_own_order():
    photos = np.zeros((9, 4, 4, 3), np.uint8)
    samples = Samples(photos, np.arange(45, dtype=np.float32).reshape(9, 5))
    batches = PhotoBatches(samples, 4, seed=0)

    def order(epoch: int) -> list[float]:
        batches.set_epoch(epoch)
        shown = list(batches)
        assert [len(targets) for _, targets in shown] == [4, 5] and len(batches) == 2
        return torch.cat([targets[:, 0] for _, targets in shown]).tolist()

    assert sorted(order(0)) == samples.targets[:, 0].tolist()
    assert order(0) == order(0) != order(1)
    still = torch.cat([targets for _, targets in PhotoBatches(samples, 4)])
    assert np.array_equal(still.numpy(), samples.targets)


@pytest.mark.parametrize(("samples", "borders"), [(1, [0, 1]), (8, [0, 4, 8]), (9, [0, 4, 9])])
def test_no_batch_of_one_unless_there_is_only_one(samples, borders):
    assert batch_borders(samples, 4) == borders


def test_colors_change_a_little_and_nothing_moves():
    photo = resize_photo(ground(), 48)
    changed = color_jitter(photo, np.random.default_rng(5))
    assert 0 < np.abs(changed - photo).mean() < 30
    for band in range(3):
        assert np.corrcoef(changed[..., band].ravel(), photo[..., band].ravel())[0, 1] > 0.99


def test_another_substrate_is_refused(case, trained):
    other = {"substrate": case[1]["substrate"] | {"digest": "xyz"}}
    with pytest.raises(InputError, match="another substrate"):
        load_regressor(trained[0] / "model", other, torch.device("cpu"))


def test_bundles_of_others_are_refused(case, trained, tmp_path):
    bundle = load_bundle(trained[0] / "model")
    plain = {k: v for k, v in bundle.description.items() if k not in ("weights_sha256", "format")}
    save_bundle(tmp_path / "task", plain | {"task": "retrieval"}, bundle.weights)
    with pytest.raises(InputError, match="a model for 'retrieval'"):
        load_regressor(tmp_path / "task", case[1], torch.device("cpu"))
    save_bundle(tmp_path / "few", plain, dict(list(bundle.weights.items())[:5]))
    with pytest.raises(InputError, match="weights of another model"):
        load_regressor(tmp_path / "few", case[1], torch.device("cpu"))


def test_unusable_inputs_are_told_before_any_work(case, tmp_path):
    with pytest.raises(InputError, match=r"method.encoder.*did you mean 'resnet18'"):
        train(case, tmp_path, CFG.model_copy(update={"encoder": "resnet81"}))
    with pytest.raises(InputError, match="cannot be read"):
        train(case, tmp_path, CFG.model_copy(update={"weights": "absent.safetensors"}))
    photos = pd.read_parquet(case[0] / "photos.parquet").query("split != 'validation'")
    write_photos(tmp_path / "photos.parquet", photos)
    with pytest.raises(InputError, match="'validation', and there are none"):
        train((tmp_path, case[1]), tmp_path)
