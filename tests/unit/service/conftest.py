"""A substrate, photos of it, a locator that finds them, and clients of a service with them."""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
import rasterio
from fastapi.testclient import TestClient
from gallery_fakes import make_gallery, make_products
from page_browser import running_browser
from PIL import Image
from segment_fakes import COVER, save_network
from segment_service import segment_client
from standing_maps import make_ground

from nadir.localization.pose import Pose
from nadir.raster.grid import Grid
from nadir.service.app import create_app
from nadir.service.localize import Localize
from nadir.service.settings import Settings

WIDTH, HEIGHT = 620, 410


@dataclass
class Found:
    """An answer of the locator below."""

    pose: Pose
    probability: float
    margin: float
    covariance: np.ndarray | None = None
    reference: str = "substrate"
    stage: str = "template"

    @property
    def resolved(self):
        return self.probability > 0.9


class TemplateLocator:
    """Finds photos at quarter turns by normalized correlation."""

    def __init__(self, name, path):
        self.name, self.substrate = name, path
        with rasterio.open(path) as dataset:
            self.grid = Grid.of(dataset) if dataset.crs else None
            self.size = (dataset.width, dataset.height)
            self.picture = np.moveaxis(dataset.read(), 0, 2)

    def locate(self, photo):
        found = []
        for quarter in range(4):
            turned = np.rot90(photo, -quarter)
            score = cv2.matchTemplate(
                self.picture, np.ascontiguousarray(turned), cv2.TM_CCOEFF_NORMED
            )
            _, best, _, (x, y) = cv2.minMaxLoc(score)
            height, width = turned.shape[:2]
            found.append((best, Pose(x + width / 2, y + height / 2, 90.0 * quarter)))
        found.sort(key=lambda item: -item[0])
        (best, pose), (second, _) = found[:2]
        return Found(pose, float(np.clip(best, 0, 1)), float(best - second), np.diag([0.1, 0.1, 0]))


@pytest.fixture(scope="session")
def picture():
    """Smooth random colors (410, 620, 3), uint8."""
    noise = np.random.default_rng([7, 1]).normal(size=(HEIGHT, WIDTH, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return np.clip(128 + 60 * smooth / smooth.std(), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def substrate(picture, tmp_path_factory):
    path = tmp_path_factory.mktemp("substrate") / "plain.tif"
    transform = rasterio.Affine(2.0, 0, 500_000, 0, -2.0, 4_500_000)
    with rasterio.open(
        path, "w", width=WIDTH, height=HEIGHT, count=3, dtype="uint8", crs="EPSG:32631",
        transform=transform, tiled=True, blockxsize=128, blockysize=128,
    ) as dataset:  # fmt: skip
        dataset.write(np.moveaxis(picture, 2, 0))
    return path


@pytest.fixture(scope="session")
def locator(substrate):
    return TemplateLocator("plain", substrate)


@pytest.fixture(scope="session")
def photo(picture):
    """A photo (60, 80, 3) turned clockwise by 90 degrees, and its pose."""
    x, y = 300, 170
    return np.rot90(picture[y : y + 80, x : x + 60]), Pose(x + 30, y + 40, 90.0)


@pytest.fixture
def make_client():
    """A function from capabilities and settings to a client of a running service."""
    running = []

    def make(capabilities, **settings):
        app = create_app(Settings(**settings), capabilities)
        client = TestClient(app, raise_server_exceptions=False)
        client.__enter__()
        running.append(client)
        return client

    yield make
    for client in running:
        client.__exit__(None, None, None)


@pytest.fixture
def client(make_client, locator):
    return make_client([Localize([locator])], max_bytes=300_000, max_pixels=100_000)


@pytest.fixture(scope="session")
def encode():
    """A function from pixels to the bytes of a file."""

    def encode_as(pixels, kind="PNG", **options):
        buffer = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, kind, **options)
        return buffer.getvalue()

    return encode_as


@pytest.fixture(scope="session")
def roof_bundle(tmp_path_factory):
    """The bundle of a tiny model of buildings, as an experiment lays it."""
    return save_network(tmp_path_factory.mktemp("roofs") / "tiny" / "model")


@pytest.fixture(scope="session")
def cover_bundle(tmp_path_factory):
    """The bundle of a tiny model of three classes and four bands."""
    bands = ("B02", "B03", "B04", "B08")
    folder = tmp_path_factory.mktemp("cover") / "cover" / "model"
    return save_network(folder, seed=3, table=COVER, bands=bands)


@pytest.fixture
def roof_client(make_client, roof_bundle, tmp_path):
    """A client of a service with the model of buildings."""
    client, _ = segment_client(make_client, {"roofs": roof_bundle}, tmp_path / "state")
    return client


@pytest.fixture(scope="session")
def products(tmp_path_factory):
    """What a tiny retrieval experiment leaves."""
    return make_products(tmp_path_factory.mktemp("places"))


@pytest.fixture(scope="session")
def gallery_folder(products, tmp_path_factory):
    """A gallery of it."""
    return make_gallery(products, tmp_path_factory.mktemp("gallery") / "town", crs="EPSG:32631")


@pytest.fixture(scope="session")
def ground_folder(tmp_path_factory):
    """A map to stand on, of a tiny generator."""
    return make_ground(tmp_path_factory.mktemp("ground") / "town")


@pytest.fixture(scope="module")
def browser():
    """A headless browser for the pages of a module."""
    with running_browser() as browser:
        yield browser


@pytest.fixture
def tab(browser):
    """A tab of it, closed after the test."""
    tab = browser.tab()
    yield tab
    tab.close()
