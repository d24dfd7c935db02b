"""Bundles of generators: every file gives the views that the job itself gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gen_pairs import bundle_of

from nadir.cli.bundles import open_model
from nadir.config.groundview_experiments import ConditionalGan, DcganEncoder, Flow
from nadir.groundview.conditions import Frame, pictures_of
from nadir.groundview.generator import load_generator
from nadir.learn.export import export_bundle
from nadir.learn.export_check import check_bundle
from nadir.learn.export_program import run_program, trace

FRAME = Frame(32, 24, 48.0)
CASES = {
    "flow": (Flow(widths=(8, 8), crop_px=16, embedding=4, steps=2), 4),
    "flow of no direction": (
        Flow(widths=(8, 8), crop_px=16, embedding=4, steps=1, heading=False),
        2,
    ),
    "gan": (ConditionalGan(widths=(8, 8), crop_px=16, embedding=4, latent=6), 4),
    "dcgan": (DcganEncoder(width=4, crop_px=24), 2),
}


@pytest.mark.parametrize("name", CASES)
def test_the_program_gives_the_views_of_the_generator(tmp_path, name):
    cfg, inputs = CASES[name]
    model = open_model(bundle_of(tmp_path, cfg, FRAME))
    assert len(model.inputs) == len(model.sample) == inputs
    generator = load_generator(tmp_path)
    crops = np.random.default_rng(0).integers(0, 255, (3, 3, 24, 24), dtype=np.uint8)
    headings = np.array([20.0, np.nan, 200.0])
    told, latents = generator.condition(crops, headings), generator.latent(range(3), [1], 4)[:, 0]
    given = [told.crops.numpy(), latents, told.known.numpy(), told.layers.numpy()][:inputs]
    expected = generator.paint(told, torch.from_numpy(latents))
    views = model.answer(*given)
    assert np.abs(pictures_of(torch.from_numpy(views) * 2 - 1).astype(int) - expected).max() <= 1
    assert views.std() > 0.001
    if name == "flow of no direction":  # one of each kind is traced, which takes seconds
        return
    program, shapes = trace(model.network, model.inputs, model.multiple, model.sample)
    assert {shape[0] for shape in shapes} == {-1}
    assert np.abs(run_program(program, *given) - views).max() < model.tolerance


def test_an_exported_bundle_is_sound_and_one_with_other_noise_is_not(tmp_path):
    bundle_of(tmp_path, CASES["dcgan"][0], FRAME)
    export_bundle(open_model(tmp_path))
    assert {finding.state for finding in check_bundle(tmp_path, open_model)} == {"ok"}
    with np.load(tmp_path / "sample.npz") as arrays:
        kept = dict(arrays)
    assert list(kept) == ["input", "latents", "output", "tolerance"]
    np.savez_compressed(tmp_path / "sample.npz", **{**kept, "latents": kept["latents"] + 1})
    found = {finding.file: finding.state for finding in check_bundle(tmp_path, open_model)}
    assert found["sample.npz"] == "fault"
