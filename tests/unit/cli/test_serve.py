import argparse
import sys
from pathlib import Path
from types import ModuleType

import pytest

from nadir.cli import serve
from nadir.errors import InputError


def options(*words):
    parser = argparse.ArgumentParser()
    serve.add_arguments(parser)
    return parser.parse_args(list(words))


def test_only_this_machine_by_default():
    assert options().host == "127.0.0.1"


def test_nothing_to_serve_is_told():
    with pytest.raises(InputError, match="nothing to serve"):
        serve.run(options())


def test_the_environment_says_what_options_leave_open():
    given = {
        "NADIR_BUNDLES": "roofs=/models/roofs  s3://b/cover",
        "NADIR_RETRIEVE": "/models/gallery",
        "NADIR_EXAMPLES": " ",
        "NADIR_SEGMENT_EXAMPLES": "/models/a.tif /models/more",
    }
    alone = options()
    serve.fill_in(alone, given)
    assert alone.bundles == ["roofs=/models/roofs", "s3://b/cover"]
    assert alone.retrieve == [Path("/models/gallery")] and not alone.localize
    assert alone.segment_examples == [Path("/models/a.tif"), Path("/models/more")]
    assert alone.examples == []
    told = options("other", "--segment-examples", "mine")
    serve.fill_in(told, given)
    assert (told.bundles, told.retrieve) == (["other"], [])
    assert told.segment_examples == [Path("mine")]


def test_examples_are_photos_by_name(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt"):
        (tmp_path / name).touch()
    found = serve.find_photos([tmp_path, tmp_path / "b.JPG"])
    assert [path.name for path in found] == ["a.png", "b.JPG", "b.JPG"]
    with pytest.raises(InputError, match="no such file"):
        serve.find_photos([tmp_path / "none"])


def test_options_and_environment_reach_the_service(tmp_path, monkeypatch, capsys):
    import numpy as np
    import rasterio

    path = tmp_path / "map.tif"
    with rasterio.open(
        path, "w", width=20, height=20, count=3, dtype="uint8", crs="EPSG:32631",
        transform=rasterio.Affine(2, 0, 0, 0, -2, 0),
    ) as dataset:  # fmt: skip
        dataset.write(np.zeros((3, 20, 20), np.uint8))

    class Loaded:
        name, substrate, grid, size = "map", path, None, (20, 20)

    module = ModuleType("nadir.localization.deployment")
    module.load_localizer = lambda folder: Loaded()
    monkeypatch.setitem(sys.modules, "nadir.localization.deployment", module)
    monkeypatch.setenv("NADIR_API_KEY", "a-long-enough-key")
    served = []
    monkeypatch.setattr(serve, "serve", lambda app, place, grace: served.append((app, place)))
    words = ["--localize", str(tmp_path), "--port", "0", "--max-megabytes", "3", "--queue", "2"]
    serve.run(options(*words))
    ((app, place),) = served
    place.close()
    settings = app.state.context.settings
    assert settings.api_key == "a-long-enough-key"
    assert settings.max_bytes == 3 * 2**20 and settings.queue == 2
    assert "http://127.0.0.1:" in capsys.readouterr().out
    app.state.context.close()


def test_a_map_that_is_none_is_told_before_anything_listens(tmp_path, monkeypatch):
    monkeypatch.setenv("NADIR_DEVICE", "cpu")
    with pytest.raises(InputError, match="export-ground"):
        serve.run(options("--groundview", str(tmp_path), "--port", "0"))
