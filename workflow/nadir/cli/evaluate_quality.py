"""Judge the maps of an experiment: reliability, sets, borders, purity, blocks, areas."""

from __future__ import annotations

import argparse
from pathlib import Path

from nadir.cli.held_out import (
    add_ground,
    held_out_scenes,
    held_out_tiles,
    judged_ground,
    models,
)
from nadir.cli.options import add_cfg, add_out, add_threads, by_scene, class_table, section
from nadir.config.experiments import EvaluateConfig, PredictConfig
from nadir.config.quality import QualityConfig
from nadir.provenance.atomic import atomic_path, write_json
from nadir.raster.labels import open_labels
from nadir.segmentation.calibrate import judge_calibration
from nadir.segmentation.calibration import read_calibration
from nadir.segmentation.held_out import sample_of
from nadir.segmentation.map_quality import JudgedScene
from nadir.segmentation.quality import judge_quality


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_ground(parser)
    parser.add_argument("--maps", required=True, nargs="+", type=Path, help="maps, one a scene")
    parser.add_argument("--calibration", required=True, type=Path, help="what calibration found")
    add_out(parser, "findings to write, JSON")
    parser.add_argument("--blocks", required=True, type=Path, help="table of blocks to write")
    add_cfg(parser)
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Run the command."""
    predict = section(options.cfg, "predict", PredictConfig)
    cfg = section(options.cfg, "evaluate", EvaluateConfig).quality or QualityConfig()
    ground, name = judged_ground(options)
    calibration = read_calibration(options.calibration)
    labels = by_scene(options.labels)
    judged = [
        JudgedScene(scene, str(path), open_labels(labels[scene]), tiles)
        for scene, path in by_scene(options.maps).items()
        if len(tiles := held_out_tiles(ground, scene, name))
    ]
    with models(options.model, options.threads) as predictor:
        side = cfg.block or section(options.cfg, "tile", int)
        sample = sample_of(
            held_out_scenes(options, ground, name),
            predictor,
            predict,
            pixels=predict.calibration.pixels,
            side=side,
            what=name,
        )
    facts, table = judge_quality(
        judged,
        class_table(options.cfg),
        cfg,
        side=side,
        split=name,
        fitted_here=name == "validation",
        probability=judge_calibration(
            sample, calibration, predict.calibration.model_copy(update={"bins": cfg.bins})
        ),
        seed=section(options.cfg, "seed", int),
    )
    with atomic_path(options.blocks, ".parquet") as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")
    write_json(options.out, facts)
