"""The configurations of real data: each loads alone, and its scenes pass."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nadir.config.document import Config, load_config
from nadir.errors import ConfigError
from nadir.raster.check import check_scene

ROOT = Path(__file__).parents[3]
OVERLAYS = ["opengeo", "ukis", "dsen2", "satclip"]


def load(name: str) -> Config:
    return load_config(yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()))


@pytest.mark.parametrize("name", OVERLAYS)
def test_overlay_loads_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # `--configfile` takes the place of the default configuration.
    monkeypatch.setenv("NADIR_REAL_DATA", "/data")
    job = load(name).landcover
    dataset = job.datasets[name]
    assert any(name in experiment.datasets for experiment in job.experiments.values())
    paths = [
        path
        for scene in dataset.scenes.values()
        for image in scene.dates.values()
        for path in image.paths()
    ]
    assert paths and all(path.startswith("/data/landcover/") for path in paths)
    if dataset.split.file:
        assert (ROOT / dataset.split.file).is_file()


@pytest.mark.parametrize("name", OVERLAYS)
def test_a_missing_variable_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NADIR_REAL_DATA", raising=False)
    with pytest.raises(ConfigError, match="environment variable NADIR_REAL_DATA is not set"):
        load(name)


@pytest.mark.parametrize("name", OVERLAYS)
def test_real_scenes_pass_without_a_warning(
    name: str, real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NADIR_REAL_DATA", str(real_data))
    dataset = load(name).landcover.datasets[name]
    for scene_name, scene in dataset.scenes.items():
        if scene.world is None:
            facts = check_scene(
                scene_name, scene, dataset.bands, dataset.table, dataset.tiles.sizes
            )
            assert facts["warnings"] == []
