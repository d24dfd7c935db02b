"""Commands killed at the very moments that matter, run again: the same bytes, nothing left over."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from commands import Commands, files
from struck import Blow, kill_at

from nadir.cli.main import main
from nadir.raster.cube import open_cube

pytestmark = pytest.mark.slow

_RENAME, _REPLACE = "os.rename", "os.replace"
_STORE = {
    "half a store": Blow("nadir.raster.store.StoredArray.write", number=1, when="after"),
    "before the old store goes": Blow(_RENAME, "cube.zarr"),
    "between two renames": Blow(_RENAME, "cube.zarr", when="after"),
    "before the new store comes": Blow(_RENAME, "cube.zarr", 2),
    "after the new store came": Blow(_RENAME, "cube.zarr", 2, "after"),
    "while the old store is removed": Blow("shutil.rmtree", "cube.zarr"),
    "half a manifest": Blow("pathlib.Path.write_bytes", "cube.manifest.json", when="within"),
    "before the manifest is synced": Blow("os.fsync", number=3),
    "before the manifest comes": Blow(_REPLACE, "cube.manifest.json"),
    "after the manifest came": Blow(_REPLACE, "cube.manifest.json", when="after"),
}
_CHECKPOINT = {
    "half a state": Blow("torch.save", number=2, when="within"),
    "before a state is synced": Blow("os.fsync", number=5),
    "before a state comes": Blow(_REPLACE, "state.pt", 2),
    "after a state came": Blow(_REPLACE, "state.pt", 2, "after"),
    "half of the best weights": Blow("nadir.learn.keeper.save_file", number=1, when="within"),
    "between weights and state": Blow(_REPLACE, "best-", when="after"),
    "before the model comes": Blow(_REPLACE, "model.safetensors"),
    "after the model came": Blow(_REPLACE, "model.safetensors", when="after"),
}
_MAP = {
    "half of the pixels": Blow("os.pwrite", number=1, when="after"),
    "before it is made a COG": Blow("rasterio.shutil.copy"),
    "half a COG": Blow("rasterio.shutil.copy", when="within"),
    "before a map comes": Blow(_REPLACE, "map.tif"),
    "after a map came": Blow(_REPLACE, "map.tif", when="after"),
    "before another layer comes": Blow(_REPLACE, "confidence.tif"),
}
_ARCHIVE = {
    "half an archive": Blow("nadir.segmentation.submission.add_file", when="after"),
    "before an archive comes": Blow(_REPLACE, "submission.zip"),
    "after an archive came": Blow(_REPLACE, "submission.zip", when="after"),
}


def tree(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files of a folder that say nothing about times."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in files(folder)
        if path.is_file() and path.name not in ("card.json", "history.parquet")
    }


def killed_and_run_again(
    made: Commands, out: Path, verb: str, name: str, blow: Blow
) -> tuple[Path, dict[str, bytes]]:
    """Kill a command, look at what it left, run it again, and return what it then made."""
    words, product = made.words(verb, out), Commands(made.raw, out).path(name)
    code = kill_at(blow, words, out.with_suffix(".log"))
    assert code == -signal.SIGKILL, out.with_suffix(".log").read_text()[-2000:]
    if product.exists():  # then it is whole
        assert product.read_bytes() == made.path(name).read_bytes()
    assert main(words) == 0
    assert product.read_bytes() == made.path(name).read_bytes()
    after = tree(out)
    assert not [path for path in after if ".partial" in path], "half-written files stay behind"
    return product, after


def same_as(made: Commands, after: dict[str, bytes]) -> None:
    """See that all that was made is what an undisturbed run makes, to the byte."""
    expected = tree(made.out)
    assert after and {name for name in after if after[name] != expected[name]} == set()


@pytest.mark.parametrize("moment", _STORE)
def test_a_store(made: Commands, tmp_path: Path, moment: str) -> None:
    out = tmp_path / "results"
    # What stands there is an older cube of other pixels, which must not be taken for the new one.
    older = Commands(tmp_path / "raw", out, image={"offset": -900, "scale": 1e-4}).write()
    assert main(older.words("build-cube")) == 0
    before = older.path("cube.manifest.json").read_bytes()
    words = made.words("build-cube", out)
    code = kill_at(_STORE[moment], words, tmp_path / "log")
    assert code == -signal.SIGKILL, (tmp_path / "log").read_text()[-2000:]
    manifest = older.path("cube.manifest.json")
    if manifest.exists():
        assert manifest.read_bytes() in (before, made.path("cube.manifest.json").read_bytes())
        open_cube(manifest)
    assert main(words) == 0
    after = tree(out)
    assert not [path for path in after if ".partial" in path]
    assert len(after) > 4
    same_as(made, after)


@pytest.mark.parametrize("moment", _CHECKPOINT)
def test_a_checkpoint(made: Commands, tmp_path: Path, moment: str) -> None:
    name, out = "model/model.safetensors", tmp_path / "results"
    _, after = killed_and_run_again(made, out, "train-model", name, _CHECKPOINT[moment])
    same_as(made, after)


@pytest.mark.parametrize("moment", _MAP)
def test_a_map(made: Commands, tmp_path: Path, moment: str) -> None:
    out = tmp_path / "results"
    _, after = killed_and_run_again(made, out, "predict-map", "map.tif", _MAP[moment])
    same_as(made, after)


@pytest.mark.parametrize("moment", _ARCHIVE)
def test_an_archive(made: Commands, tmp_path: Path, moment: str) -> None:
    out = tmp_path / "results"
    blow = _ARCHIVE[moment]
    _, after = killed_and_run_again(made, out, "pack-submission", "submission.zip", blow)
    same_as(made, after)
