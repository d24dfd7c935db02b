"""What a search found: all trials, the best one, and which parameters mattered."""

from __future__ import annotations

import math
import warnings
from typing import Any

import optuna
import yaml
from optuna.trial import FrozenTrial, TrialState

from nadir.config.experiments import ExperimentConfig
from nadir.config.searches import SearchConfig
from nadir.errors import InputError
from nadir.learn.search_store import FINISHED, SearchStore, values_of

_OWN = "fixed_params"  # Optuna's mark of a trial that was asked for, not drawn
_LEAST = 4  # trials from which importances say anything


def search_facts(store: SearchStore) -> dict[str, Any]:
    """Return all trials of a finished search.

    Args:
        store: The search.

    Returns:
        Content of `search.json`: `metric`, `maximizes`, `finished` (with `complete`, `pruned`, and
        `failed` beside), `own` (number of the trial of the experiment's own values), `trials`
        (number, state, score, values by key, `steps`: twentieth of the training -> score, facts of
        the training), `best` (one of the trials), `importances` (key -> share of what the scores
        vary by, after Watanabe et al. 2023; empty where too few trials came to their end).

    Raises:
        InputError: When trials are lacking, or none came to its end.
    """
    trials = store.study.get_trials(deepcopy=False)
    done = [trial for trial in trials if trial.state in FINISHED]
    if len(done) < store.cfg.trials:
        raise InputError(
            store.folder,
            f"only {len(done)} of {store.cfg.trials} trials are finished",
            "Run the same command again: it goes on where the search stopped.",
        )
    complete = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    if not complete:
        raise InputError(
            store.folder,
            "no trial has a score",
            "See the trials' problems in the log; mend the experiment or the space.",
        )
    sign = -1.0 if store.cfg.maximizes else 1.0
    best = min(complete, key=lambda trial: (sign * (trial.value or 0.0), trial.number))
    return {
        "metric": store.cfg.metric,
        "maximizes": store.cfg.maximizes,
        "finished": len(done),
        "complete": len(complete),
        "pruned": len(done) - len(complete),
        "own": next((t.number for t in trials if _OWN in t.system_attrs), None),
        "failed": sum(trial.state == TrialState.FAIL for trial in trials),
        "trials": [_row(store.cfg, trial) for trial in trials if trial.state.is_finished()],
        "best": _row(store.cfg, best),
        "importances": importances(store.study),
    }


def _row(cfg: SearchConfig, trial: FrozenTrial) -> dict[str, Any]:
    ended = trial.state == TrialState.COMPLETE
    return {
        **trial.user_attrs,
        "number": trial.number,
        "state": trial.state.name.lower(),
        "score": trial.value if ended else None,
        "last": trial.intermediate_values.get(trial.last_step or 0),
        "values": values_of(cfg, trial.params),
        "steps": {str(step): value for step, value in sorted(trial.intermediate_values.items())},
    }


def importances(study: optuna.Study) -> dict[str, float]:
    """Return the share of each parameter in what scores vary by, largest first (PED-ANOVA).

    Args:
        study: The search; only trials that came to their end count.
    """
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(complete) < _LEAST or len({trial.value for trial in complete}) < 2:
        return {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        found = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
        )
    return {name: share for name, share in found.items() if math.isfinite(share)}


def best_overlay(
    job: str, name: str, cfg: SearchConfig, base: ExperimentConfig, facts: dict[str, Any]
) -> str:
    """Return the best experiment as an overlay of the configuration (YAML).

    Args:
        job: `landcover` or `buildings`.
        name: The search's name; the experiment is called NAME_best.
        cfg: The search.
        base: The experiment that was varied, with recipes filled in.
        facts: What `search_facts` gave.
    """
    best = facts["best"]
    made = cfg.over(base.model_dump(mode="json", exclude={"recipe"}), best["values"])
    dataset = cfg.dataset or base.datasets[0]
    experiment = type(base).model_validate({**made, "datasets": [dataset]})
    section = experiment.model_dump(mode="json", exclude_defaults=True)
    section["model"] = {"name": experiment.model.name, **section.get("model", {})}
    head = (
        f"# Best of {facts['finished']} trials of the search {name} on {dataset}: trial "
        f"{best['number']}, {facts['metric']} {best['score']:.4f}.\n"
        "#\n"
        "#   snakemake --cores all --configfile YOUR_CONFIGURATION.yaml THIS_FILE.yaml\n"
        "#\n"
        "# It is not trained again: its training is kept.\n"
    )
    overlay = {job: {"experiments": {f"{name}_best": section}}}
    return head + yaml.safe_dump(overlay, sort_keys=False, allow_unicode=True)
