"""The training loop, where nothing is trained."""

from types import SimpleNamespace

import pytest
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from nadir.config.experiments import TrainConfig
from nadir.learn import loop


def test_a_training_that_is_asked_to_end_does_not_claim_success(tmp_path, monkeypatch):
    class Stopped:
        fit_loop = SimpleNamespace(epoch_progress=SimpleNamespace(current=SimpleNamespace()))

        def fit(self, *_):
            raise SIGTERMException

    monkeypatch.setattr(loop, "build_trainer", lambda *_: Stopped())
    learner = SimpleNamespace(cfg=TrainConfig(), network=torch.nn.Identity)
    with pytest.raises(SystemExit) as ended:
        loop.fit(learner, [], [], work=tmp_path, seed=0, device=torch.device("cpu"))
    assert ended.value.code == 143
