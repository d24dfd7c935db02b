"""Fitting the descriptor: what it is shown, and bundles read back or refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from ground_fakes import Waves, indexed, photo_table

from nadir.config.localization import DescriptorConfig
from nadir.errors import InputError
from nadir.learn.bundle import save_bundle
from nadir.learn.session import Session
from nadir.localization import descriptor_fit
from nadir.localization.descriptor import Descriptor
from nadir.localization.descriptor_fit import fit_descriptor, load_descriptor
from nadir.localization.pose import Pose

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

DESCRIPTION = {"task": "localization descriptor", "network": {"channels": 4, "width": 8}}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return Descriptor(4, 8)


def weights_of(network: Descriptor) -> dict[str, np.ndarray]:
    return {name: value.numpy() for name, value in network.state_dict().items()}


def test_a_bundle_gives_the_network_back_ready_to_use(network, tmp_path):
    save_bundle(tmp_path, DESCRIPTION, weights_of(network))
    loaded = load_descriptor(tmp_path)
    assert not loaded.training
    picture = torch.rand((1, 3, 64, 48))
    with torch.inference_mode():
        assert torch.equal(loaded(picture), network.eval()(picture))


def test_bundles_of_others_are_refused(network, tmp_path):
    weights = weights_of(network)
    save_bundle(tmp_path / "task", DESCRIPTION | {"task": "localization"}, weights)
    with pytest.raises(InputError, match="no descriptor"):
        load_descriptor(tmp_path / "task")
    save_bundle(tmp_path / "few", DESCRIPTION, dict(list(weights.items())[:5]))
    wide = DESCRIPTION | {"network": {"channels": 8, "width": 8}}
    save_bundle(tmp_path / "wide", wide, weights)
    for name in ("few", "wide"):
        with pytest.raises(InputError, match="weights of another model"):
            load_descriptor(tmp_path / name)
    with pytest.raises(InputError, match="cannot be read"):
        load_descriptor(tmp_path / "absent")


@pytest.mark.parametrize(
    ("sides", "steps", "level", "side", "counts"),
    [
        ([256.0, 1.0], 60, 1, 256, (25, 3)),
        ([520.0, 1.0], 25, 2, 256, (25, 1)),
        ([520.0, 0.5], 7, 1, 256, (7, 1)),
        ([40.0, 1.0], 26, 1, 64, (25, 2)),
    ],
)
def test_training_sees_what_the_search_will_see(
    tmp_path, monkeypatch, sides, steps, level, side, counts
):
    """Level and side of the templates, and about as many steps as were asked for."""
    indexed(tmp_path, "substrate", Waves(0, count=20).substrate(100, 90))
    photo = Waves(0, count=20).shoot(Pose(50, 45, 0), 48, 40)
    photo_table(tmp_path, [("a", "train", photo, Pose(50.0, 45.0, 0.0))])
    seen = {}

    class Stop(Exception):
        pass

    def stop(learner, train, held, **_):
        seen.update(train=train, held=held, epochs=learner.cfg.epochs)
        raise Stop

    monkeypatch.setattr(descriptor_fit, "fit", stop)
    located = pd.read_parquet(tmp_path / "photos.parquet")
    cfg = DescriptorConfig(steps=steps, batch_size=2, channels=4, width=8)
    with pytest.raises(Stop):
        fit_descriptor(
            [tmp_path / "substrate.manifest.json"],
            located,
            sides,
            cfg,
            Session(tmp_path, tmp_path, device="cpu"),
        )
    train, held = seen["train"], seen["held"]
    assert (train.level, train.side) == (held.level, held.side) == (level, side)
    assert (len(train), seen["epochs"]) == counts
    assert held.fixed and not train.fixed
    assert train.located[0].picture.shape == (40 // level, 48 // level, 3)
