# What the rules share: the validated configuration, sections of it as parameters, digests of raw
# files, fingerprints of code, targets.
#
# Snakemake compares params as an unordered set of values and never triggers on functions of
# `input`. So each rule has one `cfg` (JSON text of its own section, wildcards only), one `code`
# (fingerprint of all the package code that its command imports) and, where it reads raw files,
# one `raw` (digests of their bytes; the files themselves enter as `ancient`).
#
# `ancient` is for raw files only, never for what the graph makes: where the job above has to run,
# Snakemake does not look at the consumer's own params, and `ancient` then hides their change.
import json
import os
import re
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

PACKAGE = Path(workflow.current_basedir).parent / "workflow"
if PACKAGE.is_dir():  # in-tree use; a remote module finds the installed package
    sys.path.insert(0, str(PACKAGE))

from nadir.config.document import SEGMENTATION_JOBS, load_config
from nadir.config.encoders import weights_files
from nadir.config.environment import prepare_environment
from nadir.config.fetch import is_fetched
from nadir.config.quality import QualityConfig
from nadir.errors import NadirError
from nadir.learn.devices import check_device
from nadir.provenance import raw as raw_files
from nadir.provenance.code import KEPT, ParsedFiles, code_fingerprint
from nadir.provenance.digest import sha
from nadir.provenance.times import end_the_future
from nadir.report.failures import describe_failures

try:
    CONFIG = load_config(config)
except NadirError as error:
    raise WorkflowError(str(error))

prepare_environment(PACKAGE, CONFIG.compute)

if workflow.is_main_process and not workflow.dryrun:
    end_the_future("results")

JOB_NAMES = [name for name in SEGMENTATION_JOBS if CONFIG.job(name).datasets]
FORESTS = sorted(
    {
        name
        for job in JOB_NAMES
        for name, experiment in CONFIG.job(job).experiments.items()
        if experiment.model.name == "random_forest" and not experiment.ensemble
    }
)
# An ensemble answers through its members; it is not trained.
ENSEMBLES = sorted(
    {
        name
        for job in JOB_NAMES
        for name, experiment in CONFIG.job(job).experiments.items()
        if experiment.ensemble
    }
)
NETWORKS = sorted(
    {name for job in JOB_NAMES for name in CONFIG.job(job).experiments}
    - set(FORESTS)
    - set(ENSEMBLES)
)
CALIBRATED = sorted(
    {
        name
        for name, experiment in CONFIG.landcover.experiments.items()
        if experiment.predict.calibrate
    }
)


def one_of(names):
    """A wildcard's constraint: one of these names, or nothing at all."""
    return "|".join(map(re.escape, sorted(names))) or "(?!)"


wildcard_constraints:
    job=one_of(JOB_NAMES),
    world=one_of(CONFIG.worlds),
    dataset=one_of({name for job in JOB_NAMES for name in CONFIG.job(job).datasets}),
    scene=one_of(
        {
            scene
            for job in JOB_NAMES
            for dataset in CONFIG.job(job).datasets.values()
            for scene in dataset.scenes
        }
    ),
    experiment=one_of([*NETWORKS, *FORESTS, *ENSEMBLES]),


def text_of(**parts):
    """One JSON text of named sections: what a rule gets as `cfg`."""
    plain = {
        key: value.model_dump(mode="json") if hasattr(value, "model_dump") else value
        for key, value in parts.items()
    }
    return json.dumps(plain, sort_keys=True)


PARSED = ParsedFiles(KEPT)


def code_of(verb):
    """Fingerprint of the command's code, as `python -m nadir VERB` would import it."""
    return code_fingerprint(f"nadir.cli.{verb.replace('-', '_')}", parsed=PARSED)


def dataset_of(wildcards):
    return CONFIG.job(wildcards.job).datasets[wildcards.dataset]


def experiment_of(wildcards):
    return CONFIG.job(wildcards.job).experiments[wildcards.experiment]


def scene_of(wildcards):
    return dataset_of(wildcards).scenes[wildcards.scene]


def scene_paths(wildcards, name, *roles):
    """The file NAME of every scene with one of these roles."""
    return [
        f"results/{wildcards.job}/{wildcards.dataset}/scenes/{scene}/{name}"
        for scene in dataset_of(wildcards).scenes_of(*roles)
    ]


def satellite_world(wildcards):
    """The simulated world that a scene is a satellite's view of, or None."""
    scene = scene_of(wildcards)
    return None if scene.aerial else scene.world


def world_file(wildcards):
    """The manifest of the simulated world that a scene is made from, or nothing."""
    world = satellite_world(wildcards)
    return [f"results/simulated/{world}/world.json"] if world else []


def simulated_files(wildcards):
    """The rasters of the simulated world that a scene is made from, or nothing."""
    world = satellite_world(wildcards)
    names = ["april.tif", "august.tif", "mask.tif"] if world else []
    return [f"results/simulated/{world}/{name}" for name in names]


def told(function, *arguments):
    """What a function of the package returns; what it finds wrong ends the drawing of the graph."""
    try:
        return function(*arguments)
    except NadirError as error:
        raise WorkflowError(str(error))


def digests(paths):
    """JSON text of the digests of raw files: of this machine, or of a store (`s3://`)."""
    return told(raw_files.digests_text, paths)


def existing(path):
    """A raw file; a clear error while the graph is drawn when it is not there."""
    return told(raw_files.existing, path)


def with_sidecars(paths):
    """Files and what stands beside them that readers heed: georeference, tags, STAC items."""
    return told(raw_files.with_sidecars, paths)


def image_paths(wildcards):
    """Every raw image of a scene; those that the graph fetches are inputs of another kind."""
    sources = [] if scene_of(wildcards).fetch else scene_of(wildcards).images.values()
    return [existing(path) for source in sources for path in source.paths()]


def fetched_images(wildcards):
    """The images that the graph fetches for a scene, or nothing."""
    sources = scene_of(wildcards).images.values() if scene_of(wildcards).fetch else []
    return [path for source in sources for path in source.paths()]


def fetched_files(wildcards):
    """The images and the mask that the graph fetches for a scene, or nothing."""
    mask = scene_of(wildcards).mask
    labels = mask.paths() if mask and is_fetched(mask.file) else []
    return [*fetched_images(wildcards), *labels]


def image_files(wildcards):
    """Those that Snakemake can look at; objects of a store enter by their digests alone."""
    return raw_files.watched(image_paths(wildcards))


def mask_paths(wildcards):
    """Every raw file of a scene's labels; one that the graph fetches is another kind of input."""
    mask = scene_of(wildcards).mask
    return [
        existing(path)
        for path in (mask.paths() if mask else [])
        if not is_fetched(path)
    ]


def mask_files(wildcards):
    """Those that Snakemake can look at."""
    return raw_files.watched(mask_paths(wildcards))


def imagery_of(wildcards):
    """The part of a scene's section that says where its imagery comes from.

    Keys of texts are sorted; dates are stacked in the order in which they were given.
    """
    scene = scene_of(wildcards)
    given = scene.model_dump(mode="json", include={"dates", "world"})
    return {**given, "order": list(scene.dates)}


def image_digests(wildcards):
    """Digests of the raw images; a picture that the graph makes of them is an input."""
    made = is_made(wildcards)
    return digests([] if made else with_sidecars(image_paths(wildcards)))


def image_digest(wildcards):
    """One digest of all raw images of a scene: there may be thousands of tiles."""
    return sha(digests(with_sidecars(image_paths(wildcards))).encode())


def mask_digests(wildcards):
    return digests(with_sidecars(mask_paths(wildcards)))


def raw_digests(wildcards):
    images = [] if is_made(wildcards) else image_paths(wildcards)
    return digests(with_sidecars([*images, *mask_paths(wildcards)]))


def check_place():
    """A clear error before any job runs where a GPU is asked for and this machine, on which the
    jobs will run, has none. A dry run says nothing of where the jobs will run."""
    if workflow.is_main_process and workflow.local_exec and not workflow.dryrun:
        try:
            check_device(CONFIG.compute.device)
        except NadirError as error:
            raise WorkflowError(str(error))


def pretrained_files(wildcards):
    """The files of weights that encoders start from, if they start from any."""
    check_place()
    return [existing(path) for path in weights_files(experiment_of(wildcards).model)]


# A GPU where there may be one: `gpu` is the name in every executor's profile.
GPUS = 0 if CONFIG.compute.device == "cpu" else 1

# Of trainings that several processes share: all their GPUs, and on SLURM their machines, on each of
# which the command itself starts one task. There GPUs are asked for by machine (`gres`): of a
# number for the whole job SLURM may give one machine more, and the other one too few.
PROCESSES = CONFIG.compute.processes
SHARED_GPUS = GPUS * PROCESSES
MACHINES = {}
if CONFIG.compute.nodes > 1:
    MACHINES = {"nodes": CONFIG.compute.nodes, "tasks": CONFIG.compute.nodes}
    MACHINES |= {"tasks_per_gpu": 0, "mpi": "srun"}
    MACHINES |= {"gres": f"gpu:{SHARED_GPUS}"} if SHARED_GPUS else {}
    SHARED_GPUS = 0


def members_of(wildcards):
    """The experiments whose models answer: those of an ensemble, or the experiment alone."""
    ensemble = experiment_of(wildcards).ensemble
    return ensemble.members if ensemble else [wildcards.experiment]


def model_files(wildcards, name):
    """The file NAME of the bundle of every model that answers."""
    folder = f"results/{wildcards.job}/{wildcards.dataset}"
    return [f"{folder}/{member}/model/{name}" for member in members_of(wildcards)]


def gpu_of_map(wildcards):
    """GPUs that mapping takes: a forest needs none."""
    return 0 if set(members_of(wildcards)) <= set(FORESTS) else GPUS


def prediction_of(wildcards):
    """What prediction itself depends on."""
    cfg = experiment_of(wildcards).predict
    return cfg.model_dump(mode="json", exclude={"polygons"})


def sampling_of(wildcards):
    """What the probabilities of held-out pixels depend on, and what is fitted to them."""
    cfg = experiment_of(wildcards).predict
    return cfg.model_dump(mode="json", exclude={"polygons", "generalize", "calibrate"})


def experiment_folders():
    """Folders of all pairs of dataset and experiment."""
    return [
        f"results/{job}/{dataset}/{name}"
        for job in JOB_NAMES
        for name, experiment in CONFIG.job(job).experiments.items()
        for dataset in experiment.datasets
    ]


def scored_scenes(job, dataset):
    return CONFIG.job(job).datasets[dataset].scenes_of("learn", "test")


def final_products(*jobs):
    """What `all` means: maps, scores, pictures, comparison, submissions and bundles of jobs."""
    targets = []
    for folder in experiment_folders():
        job, dataset, name = folder.split("/")[1:]
        if job not in jobs:
            continue
        scenes = CONFIG.job(job).datasets[dataset].scenes
        targets += [f"{folder}/metrics.json", f"{folder}/confusion.png"]
        targets += [f"{folder}/submission.zip"]
        targets += [] if name in ENSEMBLES else [f"{folder}/model/item.json"]
        targets += [f"{folder}/scenes/{scene}/map.tif" for scene in scenes]
        targets += [
            f"{folder}/scenes/{scene}/map.png" for scene in scored_scenes(job, dataset)
        ]
        if name in NETWORKS:
            targets += [f"{folder}/curves.png"]
        experiment = CONFIG.job(job).experiments[name]
        if job == "landcover" and experiment.evaluate.quality:
            targets += quality_of(folder)
        if job == "landcover" and experiment.predict.polygons:
            targets += [f"{folder}/scenes/{scene}/polygons.gpkg" for scene in scenes]
    for job in [name for name in JOB_NAMES if name in jobs]:
        for dataset, section in CONFIG.job(job).datasets.items():
            if section.scenes_of("learn"):
                targets += [f"results/{job}/{dataset}/leakage.json"]
                targets += [f"results/{job}/{dataset}/split.png"]
            targets += [
                f"results/{job}/{dataset}/scenes/{scene}/cube.manifest.json"
                for scene in section.scenes
            ]
        if CONFIG.job(job).experiments:
            targets += [f"results/{job}/comparison.html"]
        targets += map_pages(job, False)
    return targets


QUALITY_FIGURES = ("quality.png", "areas.png", "blocks.png", "worst.png")


def quality_of(folder):
    """What is made of an experiment whose maps are judged beyond one score."""
    return [f"{folder}/{name}" for name in ("quality.json", *QUALITY_FIGURES)]


def asking_folders(job, dataset):
    """Folders of a dataset's experiments that ask for quality."""
    return [
        f"results/{job}/{dataset}/{name}"
        for name, experiment in CONFIG.job(job).experiments.items()
        if dataset in experiment.datasets and experiment.evaluate.quality
    ]


def dataset_folders(job, dataset):
    """Folders of a dataset's experiments."""
    return [
        f"results/{job}/{dataset}/{name}"
        for name, experiment in CONFIG.job(job).experiments.items()
        if dataset in experiment.datasets
    ]


def page_folders(wildcards):
    """Folders of the experiments on a dataset's page: those that ask for quality, or all."""
    place = wildcards.job, wildcards.dataset
    return asking_folders(*place) or dataset_folders(*place)


def page_files(wildcards, name):
    """The file NAME of every experiment on a dataset's page."""
    return [f"{folder}/{name}" for folder in page_folders(wildcards)]


def page_curves(wildcards):
    """Training curves of the networks on a dataset's page."""
    return [
        f"{folder}/curves.png"
        for folder in page_folders(wildcards)
        if Path(folder).name in NETWORKS
    ]


def page_maps(wildcards):
    """The maps that a dataset's page chooses from: of all scenes that have labels."""
    return [
        f"{folder}/scenes/{scene}/map.tif"
        for folder in page_folders(wildcards)
        for scene in scored_scenes(wildcards.job, wildcards.dataset)
    ]


def map_pages(job, every):
    """The page of maps of every dataset, or of those with an experiment that asks for it."""
    return [
        f"results/{job}/{dataset}/maps.html"
        for dataset, section in CONFIG.job(job).datasets.items()
        if job == "landcover" and section.scenes_of("learn")
        if asking_folders(job, dataset)
        or (
            every
            and any(dataset in e.datasets for e in CONFIG.job(job).experiments.values())
        )
    ]


def changed_map(wildcards, when):
    """The map before or after a change."""
    made = getattr(CONFIG.landcover.changes[wildcards.change], when)
    folder = f"results/landcover/{made.dataset}/{made.experiment}"
    return f"{folder}/scenes/{made.scene}/map.tif"


def changed_classes(wildcards):
    """The class table of both maps of a change."""
    return CONFIG.landcover.datasets[
        CONFIG.landcover.changes[wildcards.change].before.dataset
    ].table


def quality_products():
    """What the target `quality` means: every land-cover experiment judged, and the pages."""
    targets = []
    for folder in experiment_folders():
        if folder.startswith("results/landcover/"):
            targets += quality_of(folder)
    pages = map_pages("landcover", True) if "landcover" in JOB_NAMES else []
    changes = [
        f"results/landcover/changes/{name}.{end}"
        for name in CONFIG.landcover.changes
        for end in ("json", "tif", "png")
    ]
    pairs = [str(Path(page).with_name("pairs.html")) for page in pages]
    return [*targets, *pages, *pairs, *changes]


def largest_tile(wildcards):
    """Side of a dataset's largest tiles, in pixels: that of squares that stand for a place."""
    return max(dataset_of(wildcards).tiles.sizes)


def test_block(wildcards):
    """Side, in pixels, of what stands for a block of the split in scenes that are all test."""
    return dataset_of(wildcards).split.block * largest_tile(wildcards)


def resamples_of(job):
    """How often blocks are drawn to compare a job's experiments: the most that one asks for."""
    asked = [
        experiment.evaluate.quality.resamples
        for experiment in CONFIG.job(job).experiments.values()
        if job == "landcover" and experiment.evaluate.quality
    ]
    return max(asked, default=QualityConfig().resamples)


def raw_raster_mask(wildcards):
    """The raw raster of a scene's labels that is read as it is, or nothing."""
    mask = scene_of(wildcards).mask
    raw = mask and raw_files.is_local(mask.file) and not is_fetched(mask.file)
    return [existing(mask.file)] if raw and not mask.grid else []


def fine_mask(wildcards):
    """The fine mask as a raster: raw (by digest, whatever its time), simulated, or made: burnt, put
    together, or copied from a store."""
    world, mask = satellite_world(wildcards), scene_of(wildcards).mask
    if world:
        return ancient([f"results/simulated/{world}/mask.tif"])
    if mask and is_fetched(mask.file):
        return [mask.file]
    raw = raw_raster_mask(wildcards)
    if raw:
        return ancient(raw_files.watched(raw))
    folder = f"results/{wildcards.job}/{wildcards.dataset}/scenes/{wildcards.scene}"
    return [f"{folder}/mask.tif"]


def mask_option(wildcards, input):
    """Option that names the fine mask, which need not be a file that Snakemake can look at."""
    return ["--mask", *(input.mask or raw_raster_mask(wildcards))]


def raster_mask_digests(wildcards):
    """Digest of a raw raster mask; others are inputs that the graph makes."""
    mask = scene_of(wildcards).mask
    known = mask and raw_files.is_local(mask.file) and not is_fetched(mask.file)
    return digests(with_sidecars([existing(mask.file)]) if known else [])


def groups_of(wildcards):
    """Scene -> group, where the split keeps groups whole."""
    dataset = dataset_of(wildcards)
    whole = dataset.split.method == "groups"
    return {
        name: scene.group
        for name, scene in dataset.scenes.items()
        if whole and scene.group and scene.role == "learn"
    }


def split_file(wildcards):
    """The user's own split, if the dataset has one."""
    path = dataset_of(wildcards).split.file
    return [existing(path)] if path else []


def map_paths(wildcards):
    """Maps of the scenes that have labels to be scored against."""
    folder = f"results/{wildcards.job}/{wildcards.dataset}/{wildcards.experiment}"
    return [
        f"{folder}/scenes/{scene}/map.tif"
        for scene in scored_scenes(wildcards.job, wildcards.dataset)
    ]


def confidence_paths(wildcards):
    """Confidence layers beside those maps."""
    return [
        path.removesuffix("map.tif") + "confidence.tif" for path in map_paths(wildcards)
    ]


def submitted_scenes(wildcards):
    """Scenes that are handed in: those without labels to learn from, else all."""
    dataset = dataset_of(wildcards)
    return dataset.scenes_of("test", "predict") or list(dataset.scenes)


def blocks_of(wildcards):
    """Tables of blocks of the experiments that ask for quality."""
    if wildcards.job != "landcover":
        return []
    return [
        f"{folder}/blocks.parquet"
        for dataset in CONFIG.landcover.datasets
        for folder in asking_folders(wildcards.job, dataset)
    ]


def metrics_of(wildcards):
    return [
        f"{folder}/metrics.json"
        for folder in experiment_folders()
        if folder.split("/")[1] == wildcards.job
    ]


def seeds_of(wildcards):
    """The experiments that are seeds of one, by its name."""
    found = {}
    for name, experiment in CONFIG.job(wildcards.job).experiments.items():
        if experiment.repeats:
            found.setdefault(experiment.repeats, []).append(name)
    return found


def footprints_of(wildcards):
    """Scores of footprints of all experiments of the building job."""
    if wildcards.job != "buildings":
        return []
    return [
        str(Path(path).with_name("footprints.json")) for path in metrics_of(wildcards)
    ]


def measurements(wildcards):
    """Digest of what Snakemake has measured so far, by times and sizes. As inputs, the files would
    make every job that is out of date run first."""
    folder = Path("results/benchmarks")
    paths = sorted(folder.rglob("*.tsv")) if folder.is_dir() else []
    stats = [
        (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for path in paths
        if "present_costs" not in path.parts
    ]
    return sha(json.dumps(stats).encode())
