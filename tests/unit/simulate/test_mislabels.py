"""Labels are as wrong as asked, and wrong in the same way whatever the window."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely

from nadir.config.aerial import AerialConfig
from nadir.simulate.aerial import standing
from nadir.simulate.epochs import PAST, PRESENT, Epoch
from nadir.simulate.footprints import true_footprints, window_of
from nadir.simulate.mislabels import DEMOLISHED, MERGED, SHIFTED, Labels, label_window
from nadir.simulate.surface import owner_keys
from nadir.simulate.world import World

FLIGHT = Epoch("april", PRESENT, 1.0)
RIGHT = AerialConfig(misregistration_m=0, offset_m=0, omission=0, merge=0, demolished=0)


def labels_of(world: World, **errors: float) -> Labels:
    return label_window(world, FLIGHT, RIGHT.model_copy(update=errors), world.bounds)


@pytest.fixture(scope="module")
def truth(world: World) -> gpd.GeoDataFrame:
    return true_footprints(world, FLIGHT, world.bounds)


def test_without_errors_labels_are_the_truth(world: World, truth: gpd.GeoDataFrame) -> None:
    labels = labels_of(world)
    assert len(labels.omitted) == 0 and set(labels.table["fault"]) == {SHIFTED}
    whole = truth.assign(area=truth.geometry.area).sort_values("area", ascending=False)
    whole = whole.drop_duplicates("building").set_index("building").geometry
    drawn = labels.table.set_index("building").geometry
    assert set(drawn.index) == set(whole.index) and len(drawn) > 300
    assert drawn.geom_equals_exact(whole.loc[drawn.index], 1e-6).all()


def test_displacements_are_as_long_as_asked(world: World, truth: gpd.GeoDataFrame) -> None:
    for errors, expected in [
        ({"misregistration_m": 1.0}, 1.0),
        ({"offset_m": 0.8}, 0.8),
        ({"misregistration_m": 2.0, "offset_m": 1.0}, 5.0**0.5),
    ]:
        table = labels_of(world, **errors).table
        assert np.hypot(table["east"], table["north"]).pow(2).mean() ** 0.5 == pytest.approx(
            expected, rel=0.25
        )
        still = labels_of(world).table.set_index("building").geometry.centroid
        moved = table.set_index("building")
        both = moved.index.intersection(still.index)
        off = moved.loc[both].geometry.centroid
        assert np.allclose(off.x - still.loc[both].x, moved.loc[both, "east"], atol=1e-6)
        assert np.allclose(off.y - still.loc[both].y, moved.loc[both, "north"], atol=1e-6)


def test_the_field_is_smooth_and_offsets_are_not(world: World) -> None:
    def difference(**errors: float) -> float:
        """Return how much neighbors differ, relative to any two labels."""
        table = labels_of(world, **errors).table
        off = table[["east", "north"]].to_numpy()
        centers = shapely.centroid(table.geometry.to_numpy())
        first, second = shapely.STRtree(centers).query(centers, predicate="dwithin", distance=20.0)
        near = first < second
        apart = off[first[near]] - off[second[near]]
        return float((apart**2).sum(axis=1).mean() / (2 * (off**2).sum(axis=1).mean()))

    assert difference(misregistration_m=1.0) < 0.1
    assert difference(offset_m=1.0) == pytest.approx(1.0, abs=0.15)


def test_shares_of_omitted_and_demolished(world: World, truth: gpd.GeoDataFrame) -> None:
    labels = labels_of(world, omission=0.2)
    count = truth["building"].nunique()
    assert len(labels.omitted) / count == pytest.approx(0.2, abs=0.05)
    assert not set(labels.omitted) & set(labels.table["building"])
    assert len(labels.omitted) + len(labels.table) == count
    table = labels_of(world, demolished=1.0).table
    gone = table[table["fault"] == DEMOLISHED]
    assert 0.01 < len(gone) / count < 0.12
    before = standing(world, Epoch("april", PAST, 1.0), *window_of(world, world.bounds))
    assert set(gone["building"]) <= set(owner_keys(before).astype(np.int64))
    assert not set(gone["building"]) & set(truth["building"])
    half = labels_of(world, demolished=0.5).table
    assert len(gone) > (half["fault"] == DEMOLISHED).sum() > 0


def test_merged_labels_cover_two_neighbors_and_the_gap(
    world: World, truth: gpd.GeoDataFrame
) -> None:
    table = labels_of(world, merge=1.0).table
    merged = table[table["fault"] == MERGED]
    assert len(merged) > 20
    assert set(merged.geometry.geom_type) == {"Polygon"}
    shapes = truth.geometry.to_numpy()
    inside, _ = shapely.STRtree(shapely.centroid(shapes)).query(
        merged.geometry.to_numpy(), predicate="contains"
    )
    assert np.median(np.bincount(inside)) == 2
    assert table.geometry.area.sum() >= shapely.area(shapes).sum() - 5.0
    rare = labels_of(world, merge=0.1).table
    assert 0 < (rare["fault"] == MERGED).sum() < 0.3 * len(merged)


def test_labels_do_not_depend_on_the_window_but_on_the_seed(world: World) -> None:
    cfg = AerialConfig(omission=0.1, merge=0.5, demolished=0.7)
    left, bottom, right, top = world.bounds
    whole = label_window(world, FLIGHT, cfg, world.bounds)
    centers = shapely.get_coordinates(whole.table.geometry.centroid)
    inner = centers[np.abs(centers - np.mean([(left, bottom), (right, top)], 0)).max(axis=1) < 900]
    near = np.hypot(*(inner[:, None] - inner[None]).T) < 150
    x, y = inner[np.argmax(near.sum(axis=0))]  # where houses are densest
    part = (x - 100, y - 120, x + 90, y + 110)
    small = label_window(world, FLIGHT, cfg, part)
    assert len(small.table) > 5
    near = whole.table[whole.table.intersects(shapely.box(*part))].reset_index(drop=True)
    assert near.drop(columns="geometry").equals(small.table.drop(columns="geometry"))
    assert near.geometry.geom_equals_exact(small.table.geometry, 1e-9).all()
    assert set(small.omitted) <= set(whole.omitted)
    other = label_window(world, FLIGHT, cfg.model_copy(update={"seed": 1}), part)
    assert not other.table["east"].equals(small.table["east"])
