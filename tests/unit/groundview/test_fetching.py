"""Photos from a provider, against a server on the loopback that fails in all the usual ways."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from photo_server import KEY, PhotoServer, serving

from nadir.config.groundview import CropsConfig, FetchConfig
from nadir.errors import InputError
from nadir.groundview.crops import TemplateCrops
from nadir.groundview.fetching import fetch_photos
from nadir.groundview.providers import cells
from nadir.groundview.transport import Client


@pytest.fixture
def server() -> Iterator[PhotoServer]:
    with serving() as known:
        yield known


def _cfg(server: PhotoServer, **more: object) -> FetchConfig:
    box = (1.0, 43.0, 1.09, 43.04)
    return FetchConfig(provider="mediawiki", address=f"{server.address}/api", box=box, **more)


def _client(waits: list[float] | None = None, **more: object) -> Client:
    waits = [] if waits is None else waits
    return Client(per_second=1000, sleep=waits.append, **more)  # type: ignore[arg-type]


def test_all_photos_come_with_what_is_known_of_them(server: PhotoServer, tmp_path: Path) -> None:
    fetch_photos(_cfg(server), tmp_path / "photos.csv", client=_client())
    table = pd.read_csv(tmp_path / "photos.csv")
    assert table["name"].tolist() == list(server.photos)
    for row, data in zip(table.itertuples(), server.photos.values(), strict=True):
        assert (tmp_path / row.file).read_bytes() == data
    assert table["longitude"].tolist() == pytest.approx([1.01 + 0.015 * k for k in range(5)])
    assert set(table["author"]) == {"Ann & Bob"} and set(table["license"]) == {"CC0"}
    assert table["date"][0].startswith("2023-07-01T11:5")  # solar time, a degree east


def test_failures_that_pass_are_waited_for(server: PhotoServer, tmp_path: Path) -> None:
    server.faults = {"/api": [503], "/file/1": [429, "cut"], "/file/2": [500, 502]}
    waits: list[float] = []
    fetch_photos(_cfg(server), tmp_path / "photos.csv", client=_client(waits))
    table = pd.read_csv(tmp_path / "photos.csv")
    assert len(table) == 5 and server.asked["/file/1"] == 3
    assert (tmp_path / table["file"][1]).read_bytes() == server.photos["Photo 1.jpg"]
    assert 7.0 in waits  # as long as the server said


def test_what_never_comes_is_left_out(server: PhotoServer, tmp_path: Path) -> None:
    server.faults = {"/file/3": ["cut"] * 9, "/file/4": [404]}
    server.wrong_digest = {"Photo 0.jpg"}
    fetch_photos(_cfg(server), tmp_path / "photos.csv", client=_client(attempts=3))
    assert pd.read_csv(tmp_path / "photos.csv")["name"].tolist() == ["Photo 1.jpg", "Photo 2.jpg"]
    assert server.asked["/file/3"] == 3 and server.asked["/file/4"] == 1


def test_a_killed_run_goes_on(server: PhotoServer, tmp_path: Path) -> None:
    class Killed(Client):
        def get(self, address: str, headers: object = None) -> bytes:
            if address.endswith("/file/3"):
                raise KeyboardInterrupt
            return super().get(address, headers)  # type: ignore[arg-type]

    with pytest.raises(KeyboardInterrupt):
        fetch_photos(_cfg(server), tmp_path / "photos.csv", client=Killed(per_second=1000))
    assert not (tmp_path / "photos.csv").exists()
    damaged = next((tmp_path / "photos").glob("Photo_1*"))
    damaged.write_bytes(damaged.read_bytes()[:-5])
    before = server.asked["/api"]
    fetch_photos(_cfg(server), tmp_path / "photos.csv", client=_client())
    assert server.asked["/api"] == before
    assert [server.asked[f"/file/{k}"] for k in range(5)] == [1, 2, 1, 1, 1]
    assert len(pd.read_csv(tmp_path / "photos.csv")) == 5


def test_another_question_is_asked_anew(server: PhotoServer, tmp_path: Path) -> None:
    fetch_photos(_cfg(server), tmp_path / "photos.csv", client=_client())
    fetch_photos(_cfg(server, most=2), tmp_path / "photos.csv", client=_client())
    assert len(list((tmp_path / "photos").glob("*.jpg"))) == 2
    assert len(pd.read_csv(tmp_path / "photos.csv")) == 2


def test_the_key_is_sent_but_nowhere_written(
    server: PhotoServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("PHOTO_KEY", KEY)
    server.faults = {"/file/1": [500, 500], "/file/2": [403]}
    cfg = _cfg(server, key_variable="PHOTO_KEY", attempts=2, per_second=100)
    monkeypatch.setattr("time.sleep", lambda _: None)
    fetch_photos(cfg, tmp_path / "photos.csv")
    assert any(KEY in header.get("Authorization", "") for header in server.headers)
    assert KEY not in caplog.text
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_a_lacking_key_is_told(
    server: PhotoServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PHOTO_KEY", raising=False)
    with pytest.raises(InputError, match="PHOTO_KEY"):
        fetch_photos(_cfg(server, key_variable="PHOTO_KEY"), tmp_path / "photos.csv")


def test_a_box_without_photos_is_told(server: PhotoServer, tmp_path: Path) -> None:
    cfg = _cfg(server).model_copy(update={"box": (5.0, 40.0, 5.01, 40.01)})
    with pytest.raises(InputError, match="no photos in the box"):
        fetch_photos(cfg, tmp_path / "photos.csv", client=_client())


def test_the_other_provider_knows_headings(
    server: PhotoServer, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("PHOTO_KEY", KEY)
    cfg = _cfg(server, key_variable="PHOTO_KEY").model_copy(
        update={"provider": "mapillary", "address": f"{server.address}/graph"}
    )
    fetch_photos(cfg, tmp_path / "photos.csv", client=_client(key=KEY))
    table = pd.read_csv(tmp_path / "photos.csv")
    assert table["heading"].tolist() == [350, 0, 10]
    assert set(table["date"]) == {"2023-07-22T04:26:40Z"}


def test_requests_keep_their_pace(server: PhotoServer) -> None:
    client = Client(per_second=20)
    start = time.monotonic()
    for _ in range(5):
        client.get(f"{server.address}/file/0")
    assert time.monotonic() - start >= 4 / 20


def test_a_key_in_an_address_is_not_shown(server: PhotoServer) -> None:
    server.faults = {"/file/0": [403]}
    with pytest.raises(InputError) as caught:
        _client(key=KEY).get(f"{server.address}/file/0?key={KEY}")
    assert KEY not in str(caught.value) and "KEY" in str(caught.value)


def test_cells_tile_the_box() -> None:
    found = np.array(list(cells((1.0, 2.0, 1.12, 2.05), 0.05)))
    areas = (found[:, 2] - found[:, 0]) * (found[:, 3] - found[:, 1])
    assert len(found) == 3 and areas.sum() == pytest.approx(0.12 * 0.05)
    assert (found[:, 2] - found[:, 0]).max() <= 0.05


def _template(server: PhotoServer, **more: object) -> CropsConfig:
    address = f"{server.address}/map?at={{lat}},{{lon}}&z={{zoom}}&size={{size}}"
    return CropsConfig(source="template", size_px=32, resolution=2.0, address=address, **more)


def test_crops_of_a_map_server_are_asked_for_once(server: PhotoServer, tmp_path: Path) -> None:
    photo = {"photo": "a", "longitude": 1.0, "latitude": 60.0}
    source = TemplateCrops(_template(server), tmp_path, _client())
    crop, again = source.crop(photo), source.crop(photo)
    assert crop is not None and again is not None and (crop == again).all()
    assert server.asked["/map"] == 1 and crop.shape == (3, 32, 32)
    assert crop[0, :15].min() == 200 and crop[0, 17:].max() == 0  # north is up
    assert crop[2, :, 17:].min() == 200 and crop[2, :, :15].max() == 0


def test_the_zoom_shows_the_ground_that_is_asked_for(server: PhotoServer, tmp_path: Path) -> None:
    asked: list[str] = []

    class Listening(Client):
        def get(self, address: str, headers: object = None) -> bytes:
            asked.append(address)
            return super().get(address, headers)  # type: ignore[arg-type]

    TemplateCrops(_template(server), None, Listening()).crop({"longitude": 1, "latitude": 60})
    # At 60 degrees north, zoom 16 has 1.19 m a pixel: 64 m are 53.6 of them.
    assert "z=16" in asked[0] and asked[0].endswith("size=54")


def test_too_little_of_a_map_is_told(server: PhotoServer) -> None:
    cfg = _template(server).model_copy(
        update={"address": f"{server.address}/map?z={{zoom}}&size=20&at={{lat}},{{lon}}"}
    )
    with pytest.raises(InputError, match="20 x 20 pixels"):
        TemplateCrops(cfg, None, _client()).crop({"longitude": 1, "latitude": 60})
