import os
import time

from nadir.provenance.times import end_the_future, is_of_the_future


def test_products_of_the_future_become_those_of_one_moment(tmp_path):
    results = tmp_path / "results"
    tomorrow, yesterday = time.time() + 86400, time.time() - 86400
    names = ("d/a.json", "d/b.tif", "d/old.json", "d/cube.zarr/c/0", ".cache/k", "logs/x.log")
    for name in names:
        path = results / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (tomorrow, yesterday if "old" in name else tomorrow))
    assert is_of_the_future(results / "d/a.json") and not is_of_the_future(results / "d/old.json")
    before = time.time_ns()
    assert end_the_future(results) == 2
    now = (results / "d/a.json").stat().st_mtime_ns
    assert now == (results / "d/b.tif").stat().st_mtime_ns
    assert before <= now <= time.time_ns()
    assert (results / "d/old.json").stat().st_mtime == yesterday
    assert (results / "d/cube.zarr/c/0").stat().st_mtime == tomorrow
    assert end_the_future(results) == 0


def test_what_is_not_there_has_no_time(tmp_path):
    assert end_the_future(tmp_path / "absent") == 0
    assert not is_of_the_future(tmp_path / "absent")
