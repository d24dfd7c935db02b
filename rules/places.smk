# What the rules of retrieval share: datasets and their raw files, networks, targets.
#
# What the configuration calls dataset and experiment of this job are the wildcards `places` and
# `network` here, so that its paths never match the rules of other jobs.
PLACES = CONFIG.retrieval.datasets
RETRIEVERS = CONFIG.retrieval.experiments
PLACE_FIGURES = {
    "ranked": "rankings",
    "misses": "misses",
    "embedding": "embedding",
    "places": "places",
    "weathers": "weathers",
    "saliency": "saliency",
    "curves": "curves",
}


wildcard_constraints:
    places=one_of(PLACES),
    network=one_of(RETRIEVERS),


def simulated_places(wildcards):
    """Folder of a dataset's simulated places, or None."""
    world = PLACES[wildcards.places].world
    return f"results/simulated/{world}/places/{wildcards.places}" if world else None


def simulated_place_files(wildcards):
    """What a simulation writes last, and the places' coordinates, or nothing."""
    folder = simulated_places(wildcards)
    return [f"{folder}/places.json", f"{folder}/places.csv"] if folder else []


@functools.cache
def raw_places(name):
    """One digest of all raw files of a dataset: there may be a hundred thousand, too many to be
    inputs one by one."""
    dataset = PLACES[name]
    if not dataset.folder:
        return digests([])
    from nadir.retrieval.indexing import raw_files_of

    return sha(digests(told(raw_files_of, dataset)).encode())


def case_substrate(wildcards):
    """The substrate of a dataset's case, raw or simulated, or nothing."""
    case = PLACES[wildcards.places].case
    simulated = [f"results/simulated/cases/{case}/original.tiff"]
    return (substrate_of(case)[:1] or simulated) if case else []


def case_ground(wildcards):
    """The same as an input: a raw one counts by its digest, whatever its time."""
    case, paths = PLACES[wildcards.places].case, case_substrate(wildcards)
    raw = case and substrate_of(case)
    return ancient(raw_files.watched(paths)) if raw else paths


def ground_option(wildcards, input):
    """Option that names the same, which need not be a file that Snakemake can look at."""
    return ["--substrate", *(input.substrate or case_substrate(wildcards))]


def case_photos(wildcards):
    """The photo table of a dataset's case, or nothing."""
    case = PLACES[wildcards.places].case
    return [f"results/localization/{case}/photos.parquet"] if case else []


def substrate_digests(wildcards):
    """Digests of a case's raw substrate; a simulated one is an input."""
    case = PLACES[wildcards.places].case
    return digests(substrate_of(case) if case else [])


def places_options(wildcards):
    """Options that say where images lie that the graph makes; a folder's section says so."""
    folder = simulated_places(wildcards)
    if folder:
        return ["--folder", folder, "--coordinates", f"{folder}/places.csv"]
    photos, substrate = case_photos(wildcards), case_substrate(wildcards)
    return ["--photos", *photos, "--substrate", *substrate] if photos else []


def places_crs(wildcards):
    """The option that says which system coordinates of simulated places are in, or nothing."""
    world = PLACES[wildcards.places].world
    return ["--crs", CONFIG.worlds[world].crs] if world else []


def asked_queries(wildcards):
    """The challenge's list of queries, if the dataset has one."""
    path = PLACES[wildcards.places].queries
    return [existing(path)] if path else []


def views_of(wildcards):
    """The part of a dataset's section that says how its pictures are read."""
    return PLACES[wildcards.places].model_dump(
        mode="json", include={"views", "upright"}
    )


def ranking_of(wildcards, *keys):
    """The part of an experiment's section that says how it is judged, or some keys of it."""
    section = RETRIEVERS[wildcards.network].evaluate
    return section.model_dump(mode="json", include=set(keys) if keys else None)


def scoring_of(wildcards):
    """What scores depend on: not how rankings are searched, since scores are of exact ones."""
    section = RETRIEVERS[wildcards.network].evaluate
    return section.model_dump(mode="json", exclude={"index"})


# Seconds of the CPU: a GPU is taken where one is asked for by name.
GPUS_OF_SEARCH = 1 if CONFIG.compute.device == "cuda" else 0


def network_weights(wildcards):
    """The file of weights that an encoder starts from, if it starts from one."""
    check_place()
    weights = RETRIEVERS[wildcards.network].model.weights
    return [] if weights in (None, "imagenet") else [existing(weights)]


def retrieval_folders():
    """Folders of all pairs of dataset and experiment."""
    return [
        f"results/retrieval/{dataset}/{name}"
        for name, experiment in RETRIEVERS.items()
        for dataset in experiment.datasets
    ]


def proposals_of(wildcards):
    """What a retrieval proposes to an experiment of localization, or nothing."""
    wanted = getattr(TRIALS[wildcards.trial].method, "proposals", None)
    if not wanted:
        return []
    return [f"results/retrieval/{wanted.dataset}/{wanted.experiment}/proposals.parquet"]


def retrieval_products():
    """What `all` means for retrieval."""
    names = [
        "metrics.json",
        "submission.zip",
        "model/item.json",
        "gallery/gallery.json",
    ]
    names += [f"{name}.png" for name in PLACE_FIGURES.values()]
    targets = [f"results/retrieval/{name}/images.parquet" for name in PLACES]
    for folder in retrieval_folders():
        targets += [f"{folder}/{name}" for name in names]
        if PLACES[folder.split("/")[2]].case:
            targets += [f"{folder}/proposals.parquet"]
        targets += ["results/retrieval/comparison.html"]
    return list(dict.fromkeys(targets))
