"""Pictures of localization: made, alike each time, of the right colors in the right places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
from matplotlib.image import imread
from PIL import Image

from nadir.localization.casefile import Case
from nadir.localization.conventions import Conventions
from nadir.localization.figures_confidence import draw_confidence
from nadir.localization.figures_curves import draw_error_curves
from nadir.localization.figures_errors import draw_error_map
from nadir.localization.figures_look import OUTCOME_COLORS, pale
from nadir.localization.figures_photos import chosen, draw_photo, draw_sheet, read_panel
from nadir.localization.outcomes import OUTCOMES, outcomes_of
from nadir.localization.plots import draw_experiment, shown_split
from nadir.localization.pose import Pose
from nadir.localization.poses import pose_table
from nadir.localization.substrate import View, open_substrate
from nadir.raster.style import ACCENTS, QUIET

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

SIDE = 240
PHOTO = (48, 36)


def share_of(path: Path, color: str) -> float:
    """Return the share of a picture's pixels that have exactly this color."""
    picture = np.rint(imread(path)[..., :3] * 255).astype(np.uint8)
    wanted = np.frombuffer(bytes.fromhex(color.removeprefix("#")), np.uint8)
    return float((picture == wanted).all(-1).mean())


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A substrate, photos cut from it, and answers: two of each outcome but for the unknown."""
    folder = tmp_path_factory.mktemp("figures")
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    bands = [np.sin(x / 9) * np.cos(y / 13), np.cos(x / 17 + y / 8), np.sin((x - y) / 10)]
    picture = np.rint(127.5 + 100 * np.stack(bands)).astype(np.uint8)
    profile = {"driver": "GTiff", "dtype": "uint8", "count": 3, "width": SIDE, "height": SIDE}
    with rasterio.open(folder / "s.tif", "w", **profile) as dataset:
        dataset.write(picture)
    photos, poses = [], []
    generator = np.random.default_rng(2)
    with open_substrate(folder / "s.tif") as substrate:
        for number in range(9):
            name, kind = f"p{number}", number % 4 if number < 8 else 4
            pose = Pose(*generator.uniform((40, 40, 0), (200, 200, 360)))
            path = folder / f"{name}.png"
            Image.fromarray(substrate.cut(pose, *PHOTO)).save(path)
            known = (pose.x, pose.y, pose.angle, 1.0) if kind < 4 else (np.nan,) * 4
            photos.append(
                {"photo": name, "path": str(path), "split": "test" if number % 2 else "validation"}
                | dict(zip(("x", "y", "angle", "scale"), known, strict=True))
                | {"width": PHOTO[0], "height": PHOTO[1]}
            )
            moved = 0.5 if kind < 2 else 60.0
            poses.append(
                {"photo": name, "x": pose.x + moved, "y": pose.y, "angle": pose.angle}
                | {"scale": 1.0, "resolved": kind in (0, 3), "stage": "search"}
                | {"probability": (0.999, 0.6, 0.2, 0.97, 0.5)[kind]}
            )
    return folder, pd.DataFrame(photos), pose_table(poses)


@pytest.fixture(scope="module")
def outcomes(case):
    return outcomes_of(case[1], case[2])


def panels_of(case, rows):
    with open_substrate(case[0] / "s.tif") as substrate:
        return [read_panel(row, substrate) for _, row in rows.iterrows()]


def test_the_sheet_shows_confident_mistakes_first_then_the_flagged_then_right_ones(outcomes):
    rows = chosen(outcomes, 6)
    assert rows["outcome"].tolist()[:3] == ["wrong", "wrong", "wrong, flagged"]
    assert "right" in set(rows["outcome"]) and len(rows) == 6
    assert set(chosen(outcomes, 20)["photo"]) == set(outcomes["photo"])
    few = outcomes[outcomes["outcome"] == "right"]
    assert len(chosen(few, 6)) == 2
    assert chosen(outcomes.iloc[:0], 6).empty


def test_the_sheet_has_the_colors_of_its_outcomes_only(case, outcomes, tmp_path):
    right = outcomes[outcomes["outcome"].isin(OUTCOMES[:2])]
    draw_sheet(panels_of(case, right), tmp_path / "right.png", "title")
    draw_sheet(panels_of(case, outcomes), tmp_path / "all.png")
    for name in OUTCOMES[:4]:
        assert share_of(tmp_path / "all.png", OUTCOME_COLORS[name]) > 1e-4, name
        there = share_of(tmp_path / "right.png", OUTCOME_COLORS[name]) > 0
        assert there == (name in OUTCOMES[:2]), name
    draw_sheet(panels_of(case, right), tmp_path / "again.png", "title")
    assert (tmp_path / "right.png").read_bytes() == (tmp_path / "again.png").read_bytes()


def test_an_empty_sheet_and_answers_off_the_substrate_can_be_drawn(case, outcomes, tmp_path):
    draw_sheet([], tmp_path / "none.png", "nothing")
    far = outcomes.iloc[[3]].assign(x=-500.0, y=5000.0)
    (panel,) = panels_of(case, far)
    assert panel.view.picture.shape[:2] == (panel.view.picture.shape[0],) * 2
    draw_photo(panel, tmp_path / "far.png")
    assert share_of(tmp_path / "far.png", OUTCOME_COLORS["wrong"]) > 0


def test_a_panel_says_what_is_known(case, outcomes):
    rows = outcomes.set_index("photo", drop=False)
    right, unknown = panels_of(case, rows.loc[["p0", "p8"]])
    assert right.caption == "0.5 px, 0.0°, p = 0.999" and right.truth is not None
    assert unknown.caption == "truth unknown, p = 0.500" and unknown.truth is None
    warped = right.view.picture  # the ground under the photo is what the photo shows
    assert warped.shape[2] == 3


def test_the_error_map_puts_footprints_where_answers_are(outcomes, tmp_path):
    view = View(np.full((120, 120, 3), 90, np.uint8), 0, 0, (2.0, 2.0))
    one = outcomes[outcomes["photo"] == "p0"].assign(x=60.0, y=180.0)
    draw_error_map(view, one, tmp_path / "map.png")
    picture = np.rint(imread(tmp_path / "map.png")[..., :3] * 255).astype(int)
    blue = np.array([int(OUTCOME_COLORS["right"][at : at + 2], 16) for at in (1, 3, 5)])
    ground = (picture == pale(view.picture)[0, 0].astype(int)).all(-1)
    rows, columns = np.nonzero(ground)
    top, left, bottom, right = rows.min(), columns.min(), rows.max(), columns.max()
    found_y, found_x = np.nonzero(np.abs(picture - blue).sum(-1) < 12)
    inside = found_y < bottom
    middle_x = (found_x[inside].mean() - left) / (right - left)
    middle_y = (found_y[inside].mean() - top) / (bottom - top)
    assert middle_x == pytest.approx(60 / SIDE, abs=0.02)
    assert middle_y == pytest.approx(180 / SIDE, abs=0.02)


def test_the_error_map_has_arrows_for_wrong_answers_only(outcomes, tmp_path):
    view = View(np.zeros((60, 60, 3), np.uint8), 0, 0, (4.0, 4.0))
    draw_error_map(view, outcomes, tmp_path / "all.png", "title")
    for name in OUTCOMES[:4]:
        assert share_of(tmp_path / "all.png", OUTCOME_COLORS[name]) > 0, name
    right = outcomes[outcomes["outcome"] == "right"]
    draw_error_map(view, right, tmp_path / "right.png", "title")
    assert share_of(tmp_path / "right.png", OUTCOME_COLORS["wrong"]) == 0


def test_confidence_shows_outcomes_and_promises(outcomes, tmp_path):
    draw_confidence(outcomes, tmp_path / "c.png", threshold=0.9, title="title")
    for name in OUTCOMES[:4]:
        assert share_of(tmp_path / "c.png", OUTCOME_COLORS[name]) > 1e-5, name
    assert share_of(tmp_path / "c.png", ACCENTS[1]) > 1e-5, "what was promised"
    silent = outcomes.assign(probability=np.nan)
    draw_confidence(silent, tmp_path / "silent.png")
    assert share_of(tmp_path / "silent.png", OUTCOME_COLORS["right"]) == 0


def test_curves_of_methods_and_floors(tmp_path):
    errors = {"good": np.full(10, 0.5), "bad": np.full(10, 300.0), "floor": np.full(10, 900.0)}
    draw_error_curves(errors, tmp_path / "c.png", floors=["floor"], title="title")
    picture = np.rint(imread(tmp_path / "c.png")[..., :3] * 255).astype(int)

    def lowest_column(color: str) -> int:
        wanted = [int(color[at : at + 2], 16) for at in (1, 3, 5)]
        hits = (picture == wanted).all(-1)[:, : int(0.65 * picture.shape[1])]
        tall = hits.sum(0) > 0.5 * hits.sum(0).max()  # the step itself
        return int(np.nonzero(tall)[0].min())

    assert lowest_column(ACCENTS[0]) < lowest_column(ACCENTS[1])
    assert share_of(tmp_path / "c.png", QUIET) > 0
    draw_error_curves({"none": np.empty(0)}, tmp_path / "none.png")


def test_all_pictures_of_an_experiment(case, tmp_path):
    ground = {"path": str(case[0] / "s.tif"), "width": SIDE, "height": SIDE, "grid": None}
    facts = {"substrate": ground, "conventions": Conventions().to_dict()}
    names = ("sheet", "errors", "confidence")
    draw_experiment(
        case[1],
        case[2],
        Case.from_dict(facts),
        **{name: tmp_path / f"{name}.png" for name in names},
        each=tmp_path / "each",
        most=3,
        threshold=0.9,
        right_px=10,
        right_deg=1,
        title="all",
    )
    assert {path.stem for path in tmp_path.glob("*.png")} == set(names)
    assert len(list((tmp_path / "each").glob("*.png"))) == 3
    assert share_of(tmp_path / "errors.png", OUTCOME_COLORS["wrong"]) > 0


def test_test_photos_are_shown_where_their_positions_are_known(outcomes):
    assert set(shown_split(outcomes)["split"]) == {"test"}
    blind = outcomes.copy()
    blind.loc[blind["split"] == "test", "center"] = np.nan
    assert set(shown_split(blind)["split"]) == {"validation"}
    assert len(shown_split(blind.assign(center=np.nan))) == len(blind)
