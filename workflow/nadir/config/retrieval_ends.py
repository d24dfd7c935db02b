"""References inside the retrieval section, and between it and others, that lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from nadir.config.encoders import encoder_faults, is_vision_transformer, patch_of
from nadir.config.listing import store_fault
from nadir.config.localization import Localiser, LocalizationConfig
from nadir.config.nested import section_of
from nadir.config.retrieval_experiments import (
    FINE_STAGES,
    LIGHT,
    RetrievalModel,
    SharedEncoder,
    TwoView,
)
from nadir.config.retrieval_job import RetrievalConfig
from nadir.errors import did_you_mean, sentences

RESERVED_NAMES = ("tiles",)
"""Names that an experiment may not have, because a folder of a dataset is called so."""


def retrieval_ends(
    job: RetrievalConfig, localization: LocalizationConfig, raw: dict[str, Any]
) -> Iterator[str]:
    """Yield one line for every reference to and from the retrieval that leads nowhere.

    Args:
        job: What is valid of the section.
        localization: What is valid of the localization, whose experiments may ask for proposals.
        raw: The configuration as given, whose names count even where their values are at fault.
    """
    worlds, cases = section_of(raw, "worlds"), section_of(raw, "localization", "datasets")
    for name, dataset in job.datasets.items():
        path = f"retrieval.datasets.{name}"
        if dataset.world:
            yield from _unknown(f"{path}.world", "world", dataset.world, worlds)
        if dataset.case:
            yield from _unknown(f"{path}.case", "dataset of the localization", dataset.case, cases)
        if problem := store_fault(dataset.folder):
            yield f"{path}.folder: {problem}"
    for name, given in section_of(raw, "retrieval", "experiments").items():
        path = f"retrieval.experiments.{name}"
        if name in RESERVED_NAMES:
            yield f"{path}: the name {name!r} is reserved; choose another"
        yield from _model_ends(f"{path}.model", given)
    datasets = section_of(raw, "retrieval", "datasets")
    for name, experiment in job.experiments.items():
        path = f"retrieval.experiments.{name}.datasets"
        for dataset_name in experiment.datasets:
            yield from _unknown(path, "dataset", dataset_name, datasets)
    yield from _proposal_ends(job, localization, raw)


def _unknown(path: str, what: str, name: str, known: dict[str, Any]) -> Iterator[str]:
    if name not in known:
        yield f"{path}: no {what} {name!r}{did_you_mean(name, known)}"


def _model_ends(path: str, experiment: Any) -> Iterator[str]:
    """Yield a line for a network that cannot be built, also where its experiment is at fault."""
    section = experiment.get("model") if isinstance(experiment, dict) else None
    if section is None:
        return
    adapter: TypeAdapter[Any] = TypeAdapter(RetrievalModel)
    try:
        model = adapter.validate_python(section)
    except ValidationError:
        return
    if model.encoder == LIGHT:
        return
    shared = isinstance(model, SharedEncoder)
    for key, problem, remedy in encoder_faults(model.encoder, model.weights, tokens=shared):
        yield f"{path}.{key}: {sentences(problem, remedy)}"
    if isinstance(model, TwoView):
        if model.stride == 1 and not model.encoder.startswith(FINE_STAGES):
            yield (
                f"{path}.stride: a stride of 1 is for ResNets and VGG networks, and "
                f"{model.encoder} is none; set stride to 2"
            )
    elif is_vision_transformer(model.encoder) and model.size % (patch := patch_of(model.encoder)):
        near = max(1, round(model.size / patch)) * patch
        yield (
            f"{path}.size: {model.size} is no multiple of the patches of {patch} pixels that "
            f"{model.encoder} looks at; set size to {near}"
        )


def _proposal_ends(
    job: RetrievalConfig, localization: LocalizationConfig, raw: dict[str, Any]
) -> Iterator[str]:
    """Yield a line for proposals that no retrieval makes, or that are of another case."""
    datasets = section_of(raw, "retrieval", "datasets")
    experiments = section_of(raw, "retrieval", "experiments")
    cases = section_of(raw, "localization", "datasets")
    for name, trial in localization.experiments.items():
        wanted = trial.method.proposals if isinstance(trial.method, Localiser) else None
        if wanted is None:
            continue
        path = f"localization.experiments.{name}.method.proposals"
        yield from _unknown(f"{path}.dataset", "dataset of retrieval", wanted.dataset, datasets)
        yield from _unknown(
            f"{path}.experiment", "experiment of retrieval", wanted.experiment, experiments
        )
        dataset = job.datasets.get(wanted.dataset)
        experiment = job.experiments.get(wanted.experiment)
        lost = dataset and dataset.case and dataset.case not in cases
        if dataset and not lost and set(trial.datasets) != {dataset.case}:
            yield (
                f"{path}.dataset: {wanted.dataset!r} proposes places of the case "
                f"{dataset.case!r}, and {name!r} locates photos of {', '.join(trial.datasets)}"
            )
        if dataset and experiment and wanted.dataset not in experiment.datasets:
            yield (
                f"{path}.experiment: {wanted.experiment!r} is not trained on {wanted.dataset!r}; "
                "add that to its datasets"
            )
