# What the rules of the ground view share: datasets and their raw files, generators, targets.
#
# What the configuration calls dataset and experiment of this job are the wildcards `album` and
# `generator` here, so that its paths never match the rules of other jobs.
from nadir.config.retrieval import RankingConfig

ALBUMS = CONFIG.groundview.datasets
GENERATORS = CONFIG.groundview.experiments
VIEWED = {
    (dataset, name): section
    for name, section in GENERATORS.items()
    for dataset in section.datasets
}


wildcard_constraints:
    album=one_of(ALBUMS),
    generator=one_of(GENERATORS),


def album_of(wildcards):
    return ALBUMS[wildcards.album]


def album_folder(wildcards):
    """Folder of photos that the graph makes or fetches, or None."""
    if album_of(wildcards).world:
        return f"results/simulated/{album_of(wildcards).world}/ground/{wildcards.album}"
    if album_of(wildcards).fetch:
        return f"results/groundview/{wildcards.album}/fetched"
    return None


def album_files(wildcards):
    """What a simulation or a download writes last, or nothing."""
    folder = album_folder(wildcards)
    name = "views.json" if album_of(wildcards).world else "photos.csv"
    return [f"{folder}/{name}"] if folder else []


def album_cube(wildcards):
    """The cube that crops come from, or nothing."""
    scene = album_of(wildcards).crop.scene
    if not scene:
        return []
    dataset = next(
        name
        for name, given in CONFIG.landcover.datasets.items()
        if scene in given.scenes
    )
    return [f"results/landcover/{dataset}/scenes/{scene}/cube.manifest.json"]


@functools.cache
def raw_album(name):
    """One digest of all raw photos of a dataset: too many to be inputs one by one."""
    from nadir.groundview.indexing import raw_files_of

    return sha(digests(told(raw_files_of, ALBUMS[name])).encode())


def raw_photos(wildcards):
    """The digest of raw photos; those that the graph makes or fetches are inputs."""
    return "" if album_folder(wildcards) else raw_album(wildcards.album)


def option(name, *values):
    """An option of a command with its values, or nothing where there are none."""
    given = [value for value in values if value]
    return [name, *given] if given else []


def truth_option(wildcards):
    """Where the truth of simulated photos lies, for the classifier of scenes."""
    folder = album_folder(wildcards)
    simulated = folder if album_of(wildcards).world else None
    return option("--labels", simulated and f"{simulated}/truth.csv")


def mapped_album(name):
    """Whether there is a map that crops are cut from: a world, a picture, a cube."""
    return not ALBUMS[name].panels and ALBUMS[name].crop.source != "template"


def ground_files(wildcards):
    """The raw picture that crops come from, or nothing."""
    path = album_of(wildcards).crop.substrate
    return [existing(path)] if path else []


def review_files(wildcards):
    """What a person ticked on the review sheet, or nothing."""
    path = album_of(wildcards).review
    return [existing(path)] if path else []


def trained_scenes(name):
    """Whether a classifier of scenes is trained here for a dataset."""
    scenes = ALBUMS[name].filters.scenes
    return scenes is not None and scenes.model is None


def scene_weights(wildcards):
    """The classifier of scenes that is trained here, or nothing."""
    folder = f"results/groundview/{wildcards.album}/scenes"
    return [f"{folder}/model.safetensors"] if trained_scenes(wildcards.album) else []


def scene_labels(wildcards):
    """The labels that the classifier of scenes learns from, if they are a user's."""
    path = album_of(wildcards).filters.scenes.labels
    return [existing(path)] if path else []


def filter_files(wildcards):
    """Raw files that the filters read: detectors, classifiers, and what a person ticked."""
    filters = album_of(wildcards).filters
    given = [filters.people.faces] if filters.people else []
    if filters.scenes and filters.scenes.model:
        path = Path(filters.scenes.model)
        given += sorted(map(str, path.iterdir())) if path.is_dir() else [str(path)]
    return [*map(existing, given), *review_files(wildcards)]


def world_of(wildcards):
    """The section of the world that photos are simulated in, or nothing."""
    world = album_of(wildcards).world
    return {"world": CONFIG.worlds[world]} if world else {}


def album_text(*without):
    """What a command on photos gets as `cfg`: all that it heeds of its dataset, and no more."""

    def text(wildcards):
        dataset = album_of(wildcards).model_dump(mode="json", exclude=set(without))
        return text_of(dataset=dataset, **world_of(wildcards))

    return text


def generator_of(wildcards):
    return GENERATORS[wildcards.generator]


def scored_weights(wildcards):
    """Weights of the networks of well-known scores, where the user has them."""
    cfg = generator_of(wildcards).evaluate
    return [existing(path) for path in (cfg.inception, cfg.alexnet) if path]


def line_of(wildcards):
    """Views along a line, where an experiment asks for them."""
    asked = generator_of(wildcards).path
    folder = f"results/groundview/{wildcards.album}/{wildcards.generator}"
    return [f"{folder}/path.npz"] if asked else []


def line_text(wildcards):
    """What the command that goes along a line gets as `cfg`."""
    views = {"views": album_of(wildcards).simulate} if album_of(wildcards).world else {}
    return text_of(path=generator_of(wildcards).path, **world_of(wildcards), **views)


CLOSING_VIEWS = ("satellite", "ground")
CLOSING_RANKING = RankingConfig().model_dump(mode="json")


def closing_text(wildcards):
    """What the command that hands views to retrieval gets as `cfg`."""
    closing = CONFIG.groundview.closing
    return text_of(closing=closing.model_dump(mode="json", include={"crop", "sample"}))


def closing_metrics(wildcards):
    """How well the views of all experiments find their crops, the photos' own first."""
    if not CONFIG.groundview.closing:
        return []
    folders = [f"results/groundview/{wildcards.album}"]
    folders += album_folders(wildcards.album)
    return [f"{folder}/closing/metrics.json" for folder in folders]


def closing_dataset(folder):
    """What retrieval calls exported views: lists of pairs, satellite first."""
    lists = {name: f"{name}.csv" for name in ("train", "test")}
    return {
        "folder": folder,
        "layout": "lists",
        "views": CLOSING_VIEWS,
        "lists": lists,
    }


def album_folders(*names):
    """Folders of all pairs of dataset and experiment, of these datasets or of all."""
    return [
        f"results/groundview/{dataset}/{name}"
        for dataset, name in VIEWED
        if dataset in names or not names
    ]


def groundview_products():
    """What `all` means for the ground view; maps for the service are made when asked for."""
    targets = []
    for name in ALBUMS:
        folder = f"results/groundview/{name}"
        targets += [f"{folder}/{file}" for file in ("funnel.png", "review.html")]
        if album_folders(name):
            targets += [f"{folder}/comparison.html"]
    for dataset, name in VIEWED:
        folder = f"results/groundview/{dataset}/{name}"
        targets += [
            f"{folder}/metrics.json",
            f"{folder}/samples.png",
            f"{folder}/film.gif",
        ]
        if GENERATORS[name].path:
            targets += [f"{folder}/path.gif"]
        if CONFIG.groundview.closing:
            targets += [f"{folder}/closing/metrics.json"]
    return targets
