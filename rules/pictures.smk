# What the rules of buildings share: pictures that the graph makes, simulated ones, footprints.
BUILDINGS = CONFIG.buildings.datasets

# Aerial pictures by the name of their source: sources of one name and world are one simulation.
AERIALS = {
    (source.world, name): source.simulate
    for dataset in BUILDINGS.values()
    for name, source in dataset.simulated().items()
}


wildcard_constraints:
    aerial=one_of({name for _, name in AERIALS}),


def is_made(wildcards):
    """Whether a scene's picture is put together or resampled before it is read."""
    return wildcards.job == "buildings" and dataset_of(wildcards).is_made(
        wildcards.scene
    )


def aerial_file(wildcards):
    """What a simulation of aerial pictures writes last, or nothing."""
    scene = scene_of(wildcards)
    folder = f"results/simulated/{scene.world}/aerial/{scene.aerial}"
    return [f"{folder}/aerial.json"] if scene.aerial else []


def picture_file(wildcards):
    """What stands in the place of a scene's raw images, or nothing."""
    folder = f"results/{wildcards.job}/{wildcards.dataset}/scenes/{wildcards.scene}"
    return [f"{folder}/image.tif"] if is_made(wildcards) else aerial_file(wildcards)


def simulated_picture(wildcards, input):
    """Option that names the simulated picture of a scene, which lies beside `aerial.json`."""
    folders = [Path(path).parent for path in input.aerial]
    return [f"--image={folder}/images/{wildcards.scene}.tif" for folder in folders]


def picture_option(wildcards, input):
    """Option that names the picture that stands in the place of a scene's raw images."""
    if is_made(wildcards):
        return [f"--image={input.picture}"]
    folders = [Path(path).parent for path in input.picture]
    return [f"--image={folder}/images/{wildcards.scene}.tif" for folder in folders]


def drawn_footprints(wildcards, input):
    """Option that names simulated footprints to learn from: as drawn, or (of a test) as they are."""
    name = f"{wildcards.scene}.geojson"
    kind = "labels"
    if scene_of(wildcards).truth:
        kind, name = "footprints", f"{wildcards.scene}.gpkg"
    return [f"--footprints={Path(path).parent}/{kind}/{name}" for path in input.aerial]


def footprint_files(wildcards):
    """The raw polygons of a scene's labels, or nothing."""
    mask = scene_of(wildcards).mask
    return mask_files(wildcards) if mask and mask.vector else []


def true_footprints(wildcards, input):
    """Option that names the polygons that a scene is scored against, if there are any."""
    mask = scene_of(wildcards).mask
    simulated = [
        f"{Path(path).parent}/footprints/{wildcards.scene}.gpkg"
        for path in input.aerial
    ]
    found = simulated or ([mask.vector] if mask and mask.vector else [])
    return ["--vectors", *found] if found else []


def truth_field(wildcards):
    """Attribute of the class in the polygons that a scene is scored against, if there is one."""
    mask = scene_of(wildcards).mask
    return mask.field if mask and mask.vector else None


def learns_outlines(wildcards):
    """Whether an experiment's loss looks at outlines."""
    loss = experiment_of(wildcards).train.loss
    return wildcards.job == "buildings" and loss.uses_outlines


def outlines_of(wildcards):
    """Outlines of the scenes that are learnt from, where the loss looks at them."""
    needed = learns_outlines(wildcards)
    return scene_paths(wildcards, "outline.manifest.json", "learn") if needed else []


def outlines_option(wildcards, input):
    """Option that names them."""
    return ["--outlines", *input.outlines] if input.outlines else []


def scored_paths(name, experiment=True):
    """Input function: the file NAME of every scene that has labels to be scored against."""
    part = "{experiment}/" if experiment else ""

    def paths(wildcards):
        folder = f"results/{wildcards.job}/{wildcards.dataset}/{part}"
        return [
            f"{folder.format(**wildcards)}scenes/{scene}/{name}"
            for scene in scored_scenes(wildcards.job, wildcards.dataset)
        ]

    return paths


def learnt_probabilities(wildcards):
    """Probabilities of the scenes that are learnt from."""
    folder = f"results/{wildcards.job}/{wildcards.dataset}/{wildcards.experiment}"
    return [
        f"{folder}/scenes/{scene}/probability.tif"
        for scene in dataset_of(wildcards).scenes_of("learn")
    ]


def roles_of(wildcards):
    """Scene -> role, of the scenes that are scored."""
    dataset = dataset_of(wildcards)
    return {
        name: dataset.scenes[name].role for name in dataset.scenes_of("learn", "test")
    }


def mask_names(wildcards):
    """Scene -> name of its mask in a submission: that of its picture."""
    scenes = {
        name: dataset_of(wildcards).scenes[name] for name in submitted_scenes(wildcards)
    }
    return {
        name: f"{Path(image.file).stem}.tif"
        for name, scene in scenes.items()
        for image in scene.images.values()
        if image.file
    }


def building_products():
    """What `all` means for buildings, beyond what every segmentation job makes."""
    targets = []
    for folder in experiment_folders():
        job, dataset, name = folder.split("/")[1:]
        if job != "buildings":
            continue
        scenes = CONFIG.job(job).datasets[dataset].scenes
        targets += [f"{folder}/threshold.json", f"{folder}/footprints.json"]
        targets += [f"{folder}/footprints.png"]
        targets += [f"{folder}/scenes/{scene}/footprints.gpkg" for scene in scenes]
    return targets
