"""Conventions of a case's files: against OpenCV's own crops, inference, round trips."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nadir.localization.conventions import Conventions, infer_conventions
from nadir.localization.pose import CORNERS, Pose, angle_difference, index_matrix
from nadir.localization.records import Record, parse_record

SIZE = (64, 48)
poses = st.builds(
    Pose,
    st.floats(0, 10000),
    st.floats(0, 10000),
    st.floats(0, 360, exclude_max=True),
    st.floats(0.5, 2),
)


def located(conventions: Conventions, count: int = 40, *, cut: bool = False, size=SIZE, scale=1.0):
    """Return records of random photos, written as `conventions` says."""
    rng = np.random.default_rng(3)
    records = {}
    for index in range(count):
        pose = Pose(*rng.uniform(200, 900, 2), rng.uniform(0, 360), scale)
        value = conventions.to_record(pose, *size)
        if cut:
            value["angle"] = int(conventions.sign * (pose.angle - conventions.offset) % 360)
        records[f"p{index:03}"] = parse_record(value, "made")
    return records, dict.fromkeys(records, size)


def test_default_is_what_opencv_crops_have() -> None:
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.uniform(0, 255, (240, 260)).astype(np.float32), (0, 0), 3)
    center, angle, width, height = (120, 110), 33, 60, 50
    turned = cv2.warpAffine(
        picture, cv2.getRotationMatrix2D(center, angle, 1.0), (260, 240), flags=cv2.INTER_CUBIC
    )
    left, top = center[0] - width // 2, center[1] - height // 2
    photo = turned[top : top + height, left : left + width]
    pose = Pose(*center, Conventions().direction(angle))
    matrix = index_matrix(pose.matrix(width, height))
    # The pixel of rotation is an index, the crop counts from edges: half a pixel, turned.
    radians = np.deg2rad(angle)
    turn = np.array([[np.cos(radians), -np.sin(radians)], [np.sin(radians), np.cos(radians)]])
    matrix[:, 2] += np.array([0.5, 0.5]) - turn @ (0.5, 0.5)
    again = cv2.warpAffine(
        picture, matrix, (width, height), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    )
    assert np.abs(again - photo).max() < 2
    wrong = Pose(*center, -angle).matrix(width, height)
    other = cv2.warpAffine(
        picture, index_matrix(wrong), (width, height), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    )
    assert np.abs(other - photo).max() > 20


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("offset", [0.0, 90.0, 180.0, 37.3])
def test_sign_and_offset_are_found(sign: int, offset: float) -> None:
    records, sizes = located(Conventions(sign=sign, offset=offset))
    found = infer_conventions(records, sizes)
    assert (found.corners, found.sign, found.sign_known) == ("rotated", sign, True)
    assert angle_difference(found.offset, offset) < 0.25
    assert found.offset in (0.0, 90.0, 180.0) or offset == 37.3
    assert found.residual is not None and found.residual < 0.6
    assert found.scale == pytest.approx(1, abs=0.01)
    assert found.photos == 40


def test_angles_cut_off_to_whole_degrees_leave_half_a_degree() -> None:
    records, sizes = located(Conventions(), count=300, cut=True, size=(512, 512))
    assert infer_conventions(records, sizes).offset == 0.5


@pytest.mark.parametrize("by", [20, 120, 180, 240])
def test_strays_do_not_spoil_the_fit_and_are_named(by: int) -> None:
    told = Conventions(sign=-1, offset=90)
    records, sizes = located(told, count=12)
    strays = ["p001", "p004", "p007"]
    for name in strays:
        record = records[name]
        records[name] = Record(record.corners, (record.angle + by) % 360)
    found = infer_conventions(records, sizes)
    assert (found.sign, found.offset) == (-1, 90.0)
    faults = {name: found.fault(records[name], *SIZE, f"{name}.json") for name in records}
    assert [name for name, fault in faults.items() if fault] == strays
    assert "p007.json" in str(faults["p007"]) and "but its angle" in str(faults["p007"])


def test_two_photos_tell_the_sense_unless_they_are_opposite() -> None:
    for angles, known in (((10.0, 50.0), True), ((0.0, 180.0), False)):
        records = {
            str(angle): parse_record(
                Conventions(sign=-1).to_record(Pose(500, 500, angle), *SIZE), "f"
            )
            for angle in angles
        }
        found = infer_conventions(records, dict.fromkeys(records, SIZE))
        assert found.sign_known == known
        assert found.sign == (-1 if known else 1)


def test_upright_corners_are_told_from_turned_ones() -> None:
    told = Conventions("upright", sign=-1)
    records, sizes = located(told)
    found = infer_conventions(records, sizes)
    assert (found.corners, found.sign, found.sign_known) == ("upright", 1, False)
    assert "assumption" in " ".join(found.text())
    found = infer_conventions(records, sizes, sign=-1)
    assert found.sign == -1
    record = parse_record(told.to_record(Pose(300.0, 400.0, 77.0), *SIZE), "f")
    assert found.to_pose(record, *SIZE) == Pose(300.0, 400.0, 77.0, pytest.approx(1))
    stray = parse_record(Conventions().to_record(Pose(300, 400, 40), *SIZE), "f")
    assert "turned by 39.9" in str(found.fault(stray, *SIZE, "f"))


def test_corners_of_pixels_and_of_edges_are_told_apart() -> None:
    for inset in (0.0, 0.5):
        records, sizes = located(Conventions(inset=inset), size=(512, 512))
        found = infer_conventions(records, sizes)
        assert found.inset == inset
        assert found.scale == pytest.approx(1, abs=2e-4)


def test_scale_is_measured() -> None:
    records, sizes = located(Conventions(), scale=1.25)
    found = infer_conventions(records, sizes)
    assert found.scale == pytest.approx(1.25, abs=0.01)
    assert "1.25" in found.text()[-1] or "1.24" in found.text()[-1]


@pytest.mark.parametrize("angles", [[0.0], [0.0, 180.0], [90.0] * 5])
def test_without_evidence_the_sense_is_opencvs(angles: list[float]) -> None:
    records = {
        str(index): parse_record(Conventions().to_record(Pose(500, 500, angle), *SIZE), "f")
        for index, angle in enumerate(angles)
    }
    found = infer_conventions(records, dict.fromkeys(records, SIZE))
    assert (found.sign, found.sign_known, found.offset) == (1, False, 0.0)


def test_no_photos_give_the_default() -> None:
    assert infer_conventions({}, {}) == Conventions()
    assert "No photo is located" in Conventions().text()[0]


def test_they_survive_json() -> None:
    records, sizes = located(Conventions(sign=-1, offset=90))
    found = infer_conventions(records, sizes)
    assert Conventions.from_dict(found.to_dict()) == found


@settings(max_examples=200, deadline=None)
@given(
    pose=poses,
    conventions=st.builds(
        Conventions,
        st.sampled_from(["rotated", "upright"]),
        st.sampled_from([1, -1]),
        st.floats(0, 359),
        st.sampled_from([0.0, 0.5]),
    ),
)
def test_pose_and_file_agree_within_rounding(pose: Pose, conventions: Conventions) -> None:
    value = conventions.to_record(pose, 300, 200)
    assert set(value) == {*CORNERS, "angle"}
    assert isinstance(value["angle"], int) and 0 <= value["angle"] < 360
    assert all(isinstance(number, int) for key in CORNERS for number in value[key])
    again = conventions.to_pose(parse_record(value, "f"), 300, 200)
    assert abs(again.x - pose.x) <= 0.5001 and abs(again.y - pose.y) <= 0.5001
    assert again.scale == pytest.approx(pose.scale, abs=0.012)
    # Whole degrees where the angle tells; turned corners tell it finer.
    allowed = 0.51 if conventions.corners == "upright" else 0.6
    assert angle_difference(again.angle, pose.angle) <= allowed
    assert conventions.fault(parse_record(value, "f"), 300, 200, "f") is None
