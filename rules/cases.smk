# What the rules of localization share: cases and their raw files, methods, references, targets.
#
# What the configuration calls dataset and experiment of this job are the wildcards `case` and
# `trial` here, so that its paths never match the rules of land cover.
import functools

from nadir.localization.plan import plan_case
from nadir.provenance.digest import sha

CASES = CONFIG.localization.datasets
TRIALS = CONFIG.localization.experiments


def trials_of(*methods):
    """Names of the experiments with one of these methods."""
    return [name for name, trial in TRIALS.items() if trial.method.name in methods]


LOCALISERS = trials_of("localiser")
MATCHERS = trials_of("sift_ransac", "sift_voting")
GUESSES = trials_of("constant", "random")
TRAINED = [name for name in LOCALISERS if TRIALS[name].method.descriptor.steps]


wildcard_constraints:
    case=one_of(CASES),
    trial=one_of(TRIALS),
    date="[A-Za-z0-9][A-Za-z0-9_-]*",
    reference="[A-Za-z0-9][A-Za-z0-9_-]*",


@functools.cache
def plan_of(case):
    """What is known of a case before any job has run."""
    try:
        return plan_case(CASES[case])
    except NadirError as error:
        raise WorkflowError(str(error))


def case_folder(wildcards):
    """Options that say where a simulated case lies; a raw one's section says so."""
    folder = f"results/simulated/cases/{wildcards.case}"
    world = CASES[wildcards.case].world
    return ["--folder", folder, "--truth", f"{folder}/truth.json"] if world else []


def case_truth(wildcards):
    """What a simulation writes last, or nothing."""
    return case_folder(wildcards)[3:]


def case_files(wildcards):
    """The raw files of a case, or nothing."""
    plan = plan_of(wildcards.case)
    return [existing(path) for path in (plan.substrate, *plan.files) if path]


def case_digest(wildcards):
    """One digest of all raw files of a case: there may be thousands."""
    return sha(digests(with_sidecars(case_files(wildcards))).encode())


def substrate_of(case):
    """The raw substrate with what stands beside it, or nothing."""
    path = plan_of(case).substrate
    return with_sidecars([existing(path)]) if path else []


def reference_raster(wildcards):
    """The picture of a reference: raw (by digest, whatever its time), simulated, or a mosaic."""
    if wildcards.reference != "substrate":
        folder = f"results/localization/{wildcards.case}/mosaics"
        return [f"{folder}/{wildcards.reference}.tif"]
    raw = substrate_of(wildcards.case)
    simulated = f"results/simulated/cases/{wildcards.case}/original.tiff"
    return ancient(raw_files.watched(raw[:1])) if raw else [simulated]


def reference_option(wildcards, input):
    """Option that names that picture, which need not be a file that Snakemake can look at."""
    return ["--raster", *(input.raster or substrate_of(wildcards.case)[:1])]


def reference_digests(wildcards):
    """Digests of a raw substrate's files; other references are made by the graph."""
    raw = wildcards.reference == "substrate"
    return digests(substrate_of(wildcards.case) if raw else [])


def references_of(wildcards):
    """Manifests that an experiment searches on, the substrate first."""
    pool = TRIALS[wildcards.trial].method.pool
    names = ["substrate", *(plan_of(wildcards.case).mosaics if pool else ())]
    folder = f"results/localization/{wildcards.case}/references"
    return [f"{folder}/{name}.manifest.json" for name in names]


def descriptor_of(wildcards):
    """The trained descriptor of an experiment, or nothing."""
    folder = f"results/localization/{wildcards.case}/{wildcards.trial}"
    return [f"{folder}/model/model.safetensors"] if wildcards.trial in TRAINED else []


def search_of(wildcards):
    """The method's section; what only its training needs is left out."""
    method = TRIALS[wildcards.trial].method
    return method.model_dump(mode="json", exclude={"descriptor"})


def encoder_weights(wildcards):
    """The file of weights that a regression starts from, if it starts from one."""
    check_place()
    weights = TRIALS[wildcards.trial].method.weights
    return [] if weights in (None, "imagenet") else [existing(weights)]


def flagged_below(wildcards):
    """Option that says which answers are flagged, where a method has such a limit."""
    search = getattr(TRIALS[wildcards.trial].method, "search", None)
    return ["--precision", str(search.precision)] if search else []


def trial_paths(name):
    """Input function: the file NAME of every experiment on a case."""
    return lambda wildcards: [
        f"results/localization/{wildcards.case}/{trial}/{name}"
        for trial, section in TRIALS.items()
        if wildcards.case in section.datasets
    ]


def localization_products():
    """What `all` means for localization; of answers that look at no photo, only the scores."""
    targets = [f"results/localization/{case}/case.json" for case in CASES]
    for trial, section in TRIALS.items():
        names = ["metrics.json"]
        if trial not in GUESSES:
            names += ["photos.png", "errors.png", "confidence.png", "footprints.gpkg"]
        if trial in (*LOCALISERS, *MATCHERS):
            names += ["located.tif"]
        if trial in (*TRAINED, *trials_of("regression")):
            names += ["model/item.json"]
        for case in section.datasets:
            packed = plan_of(case).tests and trial not in GUESSES
            wanted = [*names, "submission.zip"] if packed else names
            targets += [
                f"results/localization/{case}/{trial}/{name}" for name in wanted
            ]
            targets += [f"results/localization/{case}/comparison.html"]
    return list(dict.fromkeys(targets))
