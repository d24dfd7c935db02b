"""How long Snakemake takes to see that there is nothing to do, or what there is."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from speed.contest import Case, Claim, Contestant, Row, Task

_FEW, _MANY = 10, 1000
_NO_OP, _CHANGED, _LARGE = (
    f"nothing to do, {_FEW} scenes",
    f"one of {_FEW} scenes changed",
    f"nothing to do, {_MANY} scenes",
)


def row(device: str) -> Row:
    """Return the row."""
    return Row(
        "graph",
        "graph: Snakemake until it knows what to do",
        [
            Contestant(_NO_OP, partial(_no_op, _FEW), ours=True, times=1, warm=False),
            Contestant(_CHANGED, _changed, ours=True, times=1, warm=False),
            Contestant(_LARGE, partial(_no_op, _MANY), ours=True, times=1, warm=False),
        ],
        [
            Claim(_NO_OP, "", "seconds", 6),
            Claim(_CHANGED, "", "seconds", 8),
            Claim(_LARGE, "", "seconds", 30),
        ],
        prepare,
    )


def prepare(case: Case) -> None:
    """Write raw files and products of few and of many scenes, as if jobs had made them."""
    import graph_scale

    for scenes, experiments in ((_FEW, 2), (_MANY, 5)):
        graph = _graph(case, scenes)
        done = graph.folder / "filled"
        if done.is_file():
            continue
        raw, count = graph.folder / "raw", _count(case, scenes)
        if not raw.is_dir():
            graph.folder.mkdir(parents=True, exist_ok=True)
            graph_scale.write_raw(raw, count)
        import yaml

        config = graph_scale.configuration(raw, count, experiments, min(100, count))
        graph.config.write_text(yaml.safe_dump(config, sort_keys=False))
        graph.fill()
        done.touch()


def _count(case: Case, scenes: int) -> int:
    return scenes if scenes == _FEW else case.count(scenes, 20)


def _graph(case: Case, scenes: int) -> Any:
    import graph_scale

    return graph_scale.Graph((case.folder / f"graph_{scenes}").resolve())


def _no_op(scenes: int, case: Case) -> Task:
    graph = _graph(case, scenes)

    def work() -> None:
        said, _ = graph.snakemake("--cores", "2")
        if "Nothing to be done" not in said:
            raise RuntimeError(f"there is something to do: {said[-500:]}")

    return Task(work, lambda: None, f"{_count(case, scenes)} scenes")


def _changed(case: Case) -> Task:
    import graph_scale

    graph = _graph(case, _FEW)
    image = graph.folder / "raw" / graph_scale.scene_name(_FEW - 1) / "image.tif"
    shape = (len(graph_scale.BANDS), graph_scale.SIDE, graph_scale.SIDE)
    jobs: list[int] = []

    def work() -> None:
        sound = image.read_bytes()
        try:
            image.unlink()  # the name alone: others share its bytes
            values = np.random.default_rng(1).integers(1000, 4000, shape, np.uint16)
            graph_scale.write(image, values, 10, {"driver": "GTiff", "crs": "EPSG:32631"})
            said, _ = graph.snakemake("-n", "--quiet", "rules")
            jobs.append(graph_scale.jobs_of(said))
        finally:
            image.write_bytes(sound)
        if not jobs[-1]:
            raise RuntimeError("no job for a scene that changed")

    return Task(work, lambda: None, "dry run")
