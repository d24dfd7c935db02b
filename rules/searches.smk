# What the rules of searches share: the experiments that are varied, their raw files, targets.
from types import SimpleNamespace

SEARCHES = {job: CONFIG.job(job).searches for job in JOB_NAMES}


wildcard_constraints:
    search=one_of({name for searches in SEARCHES.values() for name in searches}),
    worker=r"\d+",


def tuning_of(wildcards):
    """A search, on the dataset of its folder."""
    search = SEARCHES[wildcards.job][wildcards.search]
    return search.model_copy(update={"dataset": wildcards.dataset})


def searched_dataset(job, search):
    """The dataset that a search is scored on."""
    return search.dataset or CONFIG.job(job).experiments[search.experiment].datasets[0]


def base_of(wildcards):
    """Wildcards of the experiment that a search varies."""
    name = tuning_of(wildcards).experiment
    return SimpleNamespace(
        job=wildcards.job, dataset=wildcards.dataset, experiment=name
    )


def varied(wildcards):
    """Every experiment by which the space was checked, as a section."""
    base = experiment_of(base_of(wildcards))
    made = tuning_of(wildcards).tried(base.model_dump(mode="json"))
    return [base, *(type(base).model_validate(section) for _, _, section in made)]


def searched_weights(wildcards):
    """The files of weights that trials may start from."""
    check_place()
    files = {file for one in varied(wildcards) for file in weights_files(one.model)}
    return [existing(path) for path in sorted(files)]


def searched_outlines(wildcards):
    """Outlines of the scenes that are learnt from, where a trial's loss may look at them."""
    needed = any(
        experiment.train.loss.uses_outlines for experiment in varied(wildcards)
    )
    if wildcards.job != "buildings" or not needed:
        return []
    return scene_paths(wildcards, "outline.manifest.json", "learn")


def searched_section(wildcards):
    """The experiment that a search varies, without what changes no training."""
    base = experiment_of(base_of(wildcards))
    kept = {"datasets", "model", "train"}
    return base.model_dump(mode="json", include=kept)


def worker_files(wildcards):
    """What the workers of a search write at their ends."""
    folder = f"results/{wildcards.job}/{wildcards.dataset}/searches/{wildcards.search}"
    count = tuning_of(wildcards).workers
    return [f"{folder}/workers/{number}.json" for number in range(1, count + 1)]


def search_products():
    """What the target `tune` means: every search of the configuration."""
    return [
        f"results/{job}/{searched_dataset(job, search)}/searches/{name}/search.json"
        for job, searches in SEARCHES.items()
        for name, search in searches.items()
    ]
