"""What EXIF tells, and what of it makes no sense."""

from __future__ import annotations

import math

import pytest
from photo_makers import exif_of, photo_bytes, scene

from nadir.groundview.exif import Facts, parse_date, read_facts


def _facts(**told: object) -> Facts:
    return read_facts(photo_bytes(scene(), exif_of(**told)))  # type: ignore[arg-type]


def test_all_four_quarters_of_the_earth() -> None:
    for longitude, latitude in ((1.5, 43.25), (-70.125, -33.5), (151.2, -33.9), (-0.01, 51.5)):
        facts = _facts(longitude=longitude, latitude=latitude)
        assert facts.longitude == pytest.approx(longitude, abs=1e-6)
        assert facts.latitude == pytest.approx(latitude, abs=1e-6)
        assert math.isnan(facts.heading) and facts.date == ""


def test_headings_are_within_a_turn() -> None:
    assert _facts(heading=370.5).heading == pytest.approx(10.5)


def test_no_fix_is_no_place() -> None:
    assert math.isnan(_facts(longitude=0.0, latitude=0.0).longitude)
    assert math.isnan(_facts(longitude=200.0, latitude=10.0).longitude)
    assert math.isnan(_facts().latitude)


def test_the_time_of_the_fix_is_in_utc() -> None:
    told = {"DateTimeOriginal": "2023:07:01 23:00:00"}
    facts = _facts(
        longitude=1.0, latitude=2.0, GPSDateStamp="2023:07:01", GPSTimeStamp="13:05:59", **told
    )
    assert facts.date == "2023-07-01T13:05:59Z"


def test_the_clock_of_the_camera() -> None:
    told = {"DateTimeOriginal": "2023:07:01 12:00:00"}
    assert _facts(OffsetTimeOriginal="+02:00", **told).date == "2023-07-01T10:00:00Z"
    # Without an offset it is the sun's time.
    assert _facts(longitude=-90.0, latitude=1.0, **told).date == "2023-07-01T18:00:00Z"
    assert _facts(**told).date == ""
    assert _facts(longitude=1.0, latitude=1.0, DateTimeOriginal="0000:00:00 00:00:00").date == ""


def test_what_is_no_picture_tells_nothing() -> None:
    assert read_facts(b"nothing").date == ""


def test_dates_that_are_none_are_refused() -> None:
    assert parse_date("") is None
    with pytest.raises(ValueError, match="Invalid"):
        parse_date("last summer")
