# Raw GeoTIFF -> checked, aligned labels, cube, tiles, split, statistics.
rule check_images:
    input:
        raw=lambda wildcards: ancient(
            [*image_files(wildcards), *simulated_files(wildcards)]
        ),
        fetched=fetched_images,
        world=world_file,
        picture=picture_file,
    output:
        "results/{job}/{dataset}/scenes/{scene}/images.json",
    log:
        "results/logs/check_images/{job}.{dataset}.{scene}.log",
    benchmark:
        "results/benchmarks/check_images/{job}.{dataset}.{scene}.tsv"
    priority: 100
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        cfg=lambda wildcards: text_of(
            dates=imagery_of(wildcards), bands=dataset_of(wildcards).bands
        ),
        raw=image_digests,
        picture=picture_option,
        code=code_of("check-images"),
    message:
        "Checking the raw images of scene {wildcards.scene}"
    shell:
        "python -m nadir check-images --scene {wildcards.scene} --world {input.world:q} "
        "{params.picture:q} --out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule check_scene:
    input:
        raw=lambda wildcards: ancient([*image_files(wildcards), *mask_files(wildcards)]),
        fetched=fetched_files,
        world=world_file,
        picture=picture_file,
        aerial=aerial_file,
        images="results/{job}/{dataset}/scenes/{scene}/images.json",
    output:
        "results/{job}/{dataset}/scenes/{scene}/check.json",
    log:
        "results/logs/check_scene/{job}.{dataset}.{scene}.log",
    benchmark:
        "results/benchmarks/check_scene/{job}.{dataset}.{scene}.tsv"
    priority: 100
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=15,
    params:
        cfg=lambda wildcards: text_of(
            scene=scene_of(wildcards).model_dump(
                mode="json", exclude={"group", "fetch"}
            ),
            bands=dataset_of(wildcards).bands,
            classes=dataset_of(wildcards).table.colorless,
            sizes=dataset_of(wildcards).tiles.sizes,
        ),
        raw=raw_digests,
        picture=picture_option,
        footprints=drawn_footprints,
        code=code_of("check-scene"),
    message:
        "Checking the mask of scene {wildcards.scene} against its images"
    shell:
        "python -m nadir check-scene --scene {wildcards.scene} --world {input.world:q} "
        "{params.picture:q} {params.footprints:q} --out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule build_cube:
    input:
        raw=lambda wildcards: ancient(
            [*image_files(wildcards), *simulated_files(wildcards)]
        ),
        fetched=fetched_images,
        world=world_file,
        picture=picture_file,
        check="results/{job}/{dataset}/scenes/{scene}/images.json",
    output:
        "results/{job}/{dataset}/scenes/{scene}/cube.manifest.json",
    log:
        "results/logs/build_cube/{job}.{dataset}.{scene}.log",
    benchmark:
        "results/benchmarks/build_cube/{job}.{dataset}.{scene}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        cfg=lambda wildcards: text_of(
            dates=imagery_of(wildcards),
            bands=dataset_of(wildcards).bands,
            cube=dataset_of(wildcards).cube,
        ),
        raw=image_digests,
        picture=picture_option,
        code=code_of("build-cube"),
    message:
        "Building the cube of scene {wildcards.scene}"
    shell:
        "python -m nadir build-cube --world {input.world:q} {params.picture:q} --raw {params.raw:q} "
        "--out {output:q} --cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule prepare_mask:
    input:
        raw=lambda wildcards: ancient(mask_files(wildcards)),
        aerial=aerial_file,
        cube="results/{job}/{dataset}/scenes/{scene}/cube.manifest.json",
        check="results/{job}/{dataset}/scenes/{scene}/check.json",
    output:
        "results/{job}/{dataset}/scenes/{scene}/mask.tif",
    log:
        "results/logs/prepare_mask/{job}.{dataset}.{scene}.log",
    benchmark:
        "results/benchmarks/prepare_mask/{job}.{dataset}.{scene}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        cfg=lambda wildcards: text_of(
            mask=scene_of(wildcards).mask,
            classes=dataset_of(wildcards).table.colorless,
        ),
        raw=mask_digests,
        footprints=drawn_footprints,
        code=code_of("prepare-mask"),
    message:
        "Burning the labels of scene {wildcards.scene} into a fine mask"
    shell:
        "python -m nadir prepare-mask --cube {input.cube:q} {params.footprints:q} --out {output:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


rule align_labels:
    input:
        mask=fine_mask,
        world=world_file,
        cube="results/{job}/{dataset}/scenes/{scene}/cube.manifest.json",
        check="results/{job}/{dataset}/scenes/{scene}/check.json",
    output:
        "results/{job}/{dataset}/scenes/{scene}/labels.manifest.json",
    log:
        "results/logs/align_labels/{job}.{dataset}.{scene}.log",
    benchmark:
        "results/benchmarks/align_labels/{job}.{dataset}.{scene}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=240,
    params:
        cfg=lambda wildcards: text_of(
            classes=dataset_of(wildcards).table.colorless,
            labels=dataset_of(wildcards).labels,
            cube=dataset_of(wildcards).cube,
        ),
        mask=mask_option,
        raw=raster_mask_digests,
        code=code_of("align-labels"),
    message:
        "Aligning the fine mask of scene {wildcards.scene} to its cube"
    shell:
        "python -m nadir align-labels {params.mask:q} --cube {input.cube:q} "
        "--raw {params.raw:q} --out {output:q} --cfg {params.cfg:q} "
        "--threads {threads} >{log:q} 2>&1"


rule index_tiles:
    input:
        cube="results/{job}/{dataset}/scenes/{scene}/cube.manifest.json",
        labels="results/{job}/{dataset}/scenes/{scene}/labels.manifest.json",
    output:
        "results/{job}/{dataset}/scenes/{scene}/tiles.parquet",
    log:
        "results/logs/index_tiles/{job}.{dataset}.{scene}.log",
    benchmark:
        "results/benchmarks/index_tiles/{job}.{dataset}.{scene}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        cfg=lambda wildcards: text_of(
            tiles=dataset_of(wildcards).tiles,
            classes=dataset_of(wildcards).table.colorless,
        ),
        code=code_of("index-tiles"),
    message:
        "Indexing the tiles of scene {wildcards.scene}"
    shell:
        "python -m nadir index-tiles --scene {wildcards.scene} --cube {input.cube:q} "
        "--labels {input.labels:q} --out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule split_tiles:
    input:
        tiles=lambda wildcards: scene_paths(wildcards, "tiles.parquet", "learn"),
        file=lambda wildcards: ancient(raw_files.watched(split_file(wildcards))),
    output:
        "results/{job}/{dataset}/split.parquet",
    log:
        "results/logs/split_tiles/{job}.{dataset}.log",
    benchmark:
        "results/benchmarks/split_tiles/{job}.{dataset}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cfg=lambda wildcards: text_of(
            split=dataset_of(wildcards).buffered_split,
            groups=groups_of(wildcards),
            classes=dataset_of(wildcards).table.colorless,
            seed=CONFIG.seed,
        ),
        raw=lambda wildcards: digests(split_file(wildcards)),
        code=code_of("split-tiles"),
    message:
        "Splitting the tiles of dataset {wildcards.dataset}"
    shell:
        "python -m nadir split-tiles --tiles {input.tiles:q} --out {output:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


rule certify_split:
    input:
        split="results/{job}/{dataset}/split.parquet",
        tiles=lambda wildcards: scene_paths(wildcards, "tiles.parquet", "learn", "test"),
    output:
        "results/{job}/{dataset}/leakage.json",
    log:
        "results/logs/certify_split/{job}.{dataset}.log",
    benchmark:
        "results/benchmarks/certify_split/{job}.{dataset}.tsv"
    priority: 90
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code_of("certify-split"),
    message:
        "Proving that no two splits of dataset {wildcards.dataset} share ground"
    shell:
        "python -m nadir certify-split --split {input.split:q} --tiles {input.tiles:q} "
        "--out {output:q} >{log:q} 2>&1"


rule compute_statistics:
    input:
        split="results/{job}/{dataset}/split.parquet",
        cubes=lambda wildcards: scene_paths(wildcards, "cube.manifest.json", "learn"),
        labels=lambda wildcards: scene_paths(wildcards, "labels.manifest.json", "learn"),
    output:
        "results/{job}/{dataset}/statistics.json",
    log:
        "results/logs/compute_statistics/{job}.{dataset}.log",
    benchmark:
        "results/benchmarks/compute_statistics/{job}.{dataset}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        cfg=lambda wildcards: text_of(classes=dataset_of(wildcards).table.colorless),
        code=code_of("compute-statistics"),
    message:
        "Computing band statistics of the training tiles of {wildcards.dataset}"
    shell:
        "python -m nadir compute-statistics --split {input.split:q} --cubes {input.cubes:q} "
        "--labels {input.labels:q} --out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule plot_split:
    input:
        split="results/{job}/{dataset}/split.parquet",
        tiles=lambda wildcards: scene_paths(wildcards, "tiles.parquet", "learn"),
        cubes=lambda wildcards: scene_paths(wildcards, "cube.manifest.json", "learn"),
    output:
        report(
            "results/{job}/{dataset}/split.png",
            caption="../workflow/report/split.rst",
            category="{job}",
            subcategory="data",
            labels={"dataset": "{dataset}", "figure": "split"},
        ),
    log:
        "results/logs/plot_split/{job}.{dataset}.log",
    benchmark:
        "results/benchmarks/plot_split/{job}.{dataset}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cfg=lambda wildcards: text_of(classes=dataset_of(wildcards).table),
        code=code_of("plot-split"),
    message:
        "Drawing the split of dataset {wildcards.dataset}"
    shell:
        "python -m nadir plot-split --split {input.split:q} --tiles {input.tiles:q} "
        "--cubes {input.cubes:q} --out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"
