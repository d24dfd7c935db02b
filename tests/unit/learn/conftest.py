"""A tiny network as a bundle, exported once for the tests that only read it."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from torch import nn

from nadir.learn.bundle import load_bundle, save_bundle
from nadir.learn.export import export_bundle
from nadir.learn.exportable import Exportable, Facts, Ground, Port


class TinyNetwork(nn.Module):
    """Two bands to two probabilities, at half the resolution; NaN counts as 0."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Conv2d(4, 2, 1),
        )

    def forward(self, values):
        return self.layers(torch.nan_to_num(values)).softmax(1)


def network_of(folder):
    """Build the network of a bundle."""
    bundle = load_bundle(folder)
    network = TinyNetwork()
    network.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in bundle.weights.items()})
    return network.eval()


def open_tiny(folder, network=True, ground=None):
    """Open a tiny bundle as a job would."""
    made = network_of(folder)

    def answer(values):
        with torch.inference_mode():
            return made(torch.from_numpy(values)).numpy()

    sample = np.random.default_rng(1).random((1, 2, 40, 40), np.float32)
    sample[:, :, :4, :4] = np.nan
    return Exportable(
        folder=folder,
        inputs=(
            Port("values", ("batch", "bands", "height", "width"), (-1, 2, -1, -1), "Numbers."),
        ),
        output=Port("share", ("batch", "classes", "rows", "columns"), (-1, 2, -1, -1), "Shares."),
        network=made if network else None,
        multiple=2,
        sample=(sample,),
        answer=answer,
        tolerance=1e-4,
        facts=Facts(
            name="tiny",
            architecture="two convolutions",
            tasks=("semantic-segmentation",),
            framework="PyTorch",
            framework_version="2.0.0",
            parameters=sum(p.numel() for p in made.parameters()),
            bands=(
                {"name": "red", "statistics": {"mean": 0.1, "stddev": 0.2}},
                {"name": "nir", "statistics": {"mean": 0.3, "stddev": 0.1}},
            ),
            classes=(("bare soil", "#aabbcc"), ("forest", "#00ff00")),
            pretrained=None,
            resize=None,
            hyperparameters={"width": 4},
            description="A test.",
        ),
        ground=ground or Ground(),
    )


def save_tiny(folder, seed=0):
    """Write weights and description of a tiny network."""
    torch.manual_seed(seed)
    weights = {name: value.numpy() for name, value in TinyNetwork().state_dict().items()}
    save_bundle(folder, {"task": "test"}, weights)


@pytest.fixture(autouse=True)
def _one_thread():
    """Compute with one thread: others change the last digit, and earlier tests may have set any."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Return the folder of an exported bundle; not to be changed."""
    folder = tmp_path_factory.mktemp("exported")
    torch.set_num_threads(1)  # as in every test of this folder
    save_tiny(folder)
    export_bundle(open_tiny(folder))
    return folder


@pytest.fixture
def bundle(exported, tmp_path):
    """Return a copy of an exported bundle."""
    return shutil.copytree(exported, tmp_path / "bundle")


@pytest.fixture
def tiny():
    """Return (write weights and description, open as a job would)."""
    return save_tiny, open_tiny
