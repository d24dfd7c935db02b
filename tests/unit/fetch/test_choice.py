"""Which images are taken."""

from __future__ import annotations

from datetime import date

import pytest

from nadir.config.fetch import DateConfig
from nadir.errors import InputError
from nadir.fetch.choice import choose, tile_of

AREA = (1.0, 41.0, 2.0, 42.0)


def item(name, day, cloud, bounds=AREA, baseline="05.00", tile="MGRS-31TDF"):
    west, south, east, north = bounds
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    properties = {"datetime": f"{day}T10:50:31Z", "s2:processing_baseline": baseline}
    if cloud is not None:
        properties["eo:cloud_cover"] = cloud
    if tile:
        properties["grid:code"] = tile
    return {
        "id": name,
        "bbox": list(bounds),
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": properties,
        "assets": {},
    }


def taken(items, **given):
    wanted = DateConfig(start="2018-04-01", end="2018-04-30", **given)
    return [item["id"] for item in choose(items, wanted, AREA, "catalogue")]


def test_the_least_cloudy_come_first():
    items = [item("a", "2018-04-09", 20), item("b", "2018-04-12", 5), item("c", "2018-04-15", 31)]
    assert taken(items) == ["b", "a"]
    assert taken(items, cloud=100) == ["b", "a", "c"]


def test_of_two_processings_the_newer_stays():
    items = [
        item("new", "2018-04-09", 9, baseline="05.00"),
        item("old", "2018-04-09", 5, baseline="02.07"),
        item("other", "2018-04-12", 8, baseline="02.07"),
    ]
    assert taken(items) == ["other", "new"]


def test_two_strips_of_one_passage_both_stay():
    west, east = (1.0, 41.0, 1.5, 42.0), (1.5, 41.0, 2.0, 42.0)
    items = [item("w", "2018-04-09", 5, west), item("e", "2018-04-09", 6, east)]
    assert taken(items) == ["w", "e"]


def test_a_composite_looks_at_so_many_of_each_tile():
    items = [item(f"d{day}", f"2018-04-{day:02d}", day) for day in range(1, 7)]
    items += [item("other", "2018-04-20", 20, tile="MGRS-31TCF")]
    assert taken(items, at_most=2) == ["d1", "d2", "other"]


def test_the_best_day_covers_most_then_is_least_cloudy():
    half = (1.0, 41.0, 1.5, 42.0)
    items = [
        item("clear-half", "2018-04-05", 0, half),
        item("w", "2018-04-09", 10, half),
        item("e", "2018-04-09", 12, (1.5, 41.0, 2.0, 42.0)),
        item("cloudy", "2018-04-19", 25),
    ]
    assert taken(items, choose="day") == ["w", "e"]


def test_chosen_days():
    items = [item("a", "2018-04-09", 20), item("b", "2018-04-12", 5)]
    assert taken(items, days=["2018-04-09"]) == ["a"]
    with pytest.raises(InputError, match=r"chosen days.*2018-04-09, 2018-04-12"):
        taken(items, days=["2018-04-10"])


def test_nothing_there_is_told_with_what_there_is():
    with pytest.raises(InputError, match="no image of this area from 2018-04-01 to 2018-04-30"):
        taken([])
    with pytest.raises(InputError, match=r"all 2 images have more cloud than 10 % \(the least: 20"):
        taken([item("a", "2018-04-09", 20), item("b", "2018-04-12", None)], cloud=10)


def test_tiles_by_any_name():
    plain = item("S2A_31TDF_20180409_0_L2A", "2018-04-09", 1, tile="")
    assert tile_of(plain) == "31TDF"
    assert tile_of({**plain, "id": "S2B_MSIL2A_20180409T105031_R051_T31TDF_2020"}) == "31TDF"
    assert tile_of({**plain, "properties": {"s2:mgrs_tile": "31TCG"}}) == "31TCG"
    assert tile_of({**plain, "id": "x"}) == ""


@pytest.mark.parametrize(
    "given",
    [
        {"start": date(2018, 5, 1), "end": date(2018, 4, 1)},
        {"start": date(2018, 4, 1), "end": date(2018, 4, 2), "days": [date(2018, 5, 1)]},
    ],
)
def test_ranges_that_contradict_themselves(given):
    with pytest.raises(ValueError, match="range"):
        DateConfig(**given)
