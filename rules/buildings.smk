# Buildings: pictures, outlines, probabilities at a threshold, footprints, submission.
rule mosaic_images:
    input:
        raw=lambda wildcards: ancient(image_files(wildcards)),
        aerial=aerial_file,
    output:
        "results/{job}/{dataset}/scenes/{scene}/image.tif",
    log:
        "results/logs/mosaic_images/{job}.{dataset}.{scene}.log",
    benchmark:
        "results/benchmarks/mosaic_images/{job}.{dataset}.{scene}.tsv"
    wildcard_constraints:
        job="buildings",
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
            resolution=dataset_of(wildcards).resolution,
        ),
        picture=simulated_picture,
        raw=image_digest,
        code=code_of("mosaic-images"),
    message:
        "Putting the picture of scene {wildcards.scene} together"
    shell:
        "python -m nadir mosaic-images {params.picture:q} --out {output:q} "
        "--cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule trace_outlines:
    input:
        raw=lambda wildcards: ancient(footprint_files(wildcards)),
        aerial=aerial_file,
        labels="results/{job}/{dataset}/scenes/{scene}/labels.manifest.json",
    output:
        "results/{job}/{dataset}/scenes/{scene}/outline.manifest.json",
    log:
        "results/logs/trace_outlines/{job}.{dataset}.{scene}.log",
    benchmark:
        "results/benchmarks/trace_outlines/{job}.{dataset}.{scene}.tsv"
    wildcard_constraints:
        job="buildings",
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        cfg=lambda wildcards: text_of(
            classes=dataset_of(wildcards).table.colorless,
            mask=scene_of(wildcards).mask,
            cube=dataset_of(wildcards).cube,
        ),
        footprints=drawn_footprints,
        raw=mask_digests,
        code=code_of("trace-outlines"),
    message:
        "Tracing the outlines of scene {wildcards.scene}"
    shell:
        "python -m nadir trace-outlines --labels {input.labels:q} {params.footprints:q} "
        "--out {output:q} --cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule prepare_truth:
    input:
        raw=lambda wildcards: ancient(footprint_files(wildcards)),
        aerial=aerial_file,
        cube="results/{job}/{dataset}/scenes/{scene}/cube.manifest.json",
        labels="results/{job}/{dataset}/scenes/{scene}/labels.manifest.json",
    output:
        "results/{job}/{dataset}/scenes/{scene}/truth.gpkg",
    log:
        "results/logs/prepare_truth/{job}.{dataset}.{scene}.log",
    benchmark:
        "results/benchmarks/prepare_truth/{job}.{dataset}.{scene}.tsv"
    wildcard_constraints:
        job="buildings",
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            classes=dataset_of(wildcards).table.colorless,
            field=truth_field(wildcards),
        ),
        vectors=true_footprints,
        raw=mask_digests,
        code=code_of("prepare-truth"),
    message:
        "Cutting the true footprints of scene {wildcards.scene}"
    shell:
        "python -m nadir prepare-truth --cube {input.cube:q} --labels {input.labels:q} {params.vectors:q} "
        "--out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule predict_probability:
    input:
        weights="results/{job}/{dataset}/{experiment}/model/model.safetensors",
        description="results/{job}/{dataset}/{experiment}/model/model.yaml",
        cube="results/{job}/{dataset}/scenes/{scene}/cube.manifest.json",
    output:
        probability="results/{job}/{dataset}/{experiment}/scenes/{scene}/probability.tif",
        map=temp("results/{job}/{dataset}/{experiment}/scenes/{scene}/raw/map.tif"),
        confidence=temp(
            "results/{job}/{dataset}/{experiment}/scenes/{scene}/raw/confidence.tif"
        ),
        style=temp("results/{job}/{dataset}/{experiment}/scenes/{scene}/raw/map.qml"),
    log:
        "results/logs/predict_probability/{job}.{dataset}.{experiment}.{scene}.log",
    benchmark:
        "results/benchmarks/predict_probability/{job}.{dataset}.{experiment}.{scene}.tsv"
    wildcard_constraints:
        job="buildings",
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=gpu_of_map,
        mem_mb=6000,
        runtime=480,
    params:
        cfg=lambda wildcards: text_of(
            predict=prediction_of(wildcards),
            classes=dataset_of(wildcards).table,
        ),
        code=code_of("predict-map"),
    message:
        "Mapping probabilities of scene {wildcards.scene} with {wildcards.experiment}"
    shell:
        "python -m nadir predict-map --model {input.weights:q} --cube {input.cube:q} "
        "--out {output.map:q} --probability {output.probability:q} --cfg {params.cfg:q} "
        "--code {params.code} --threads {threads} >{log:q} 2>&1"


rule choose_threshold:
    input:
        probabilities=learnt_probabilities,
        labels=lambda wildcards: scene_paths(wildcards, "labels.manifest.json", "learn"),
        split="results/{job}/{dataset}/split.parquet",
    output:
        threshold="results/{job}/{dataset}/{experiment}/threshold.json",
        figure=report(
            "results/{job}/{dataset}/{experiment}/threshold.png",
            caption="../workflow/report/threshold.rst",
            category="{job}",
            subcategory="{experiment}",
            labels={"dataset": "{dataset}", "figure": "threshold"},
        ),
    log:
        "results/logs/choose_threshold/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/choose_threshold/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        job="buildings",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            classes=dataset_of(wildcards).table.colorless,
            predict=experiment_of(wildcards).predict,
        ),
        code=code_of("choose-threshold"),
    message:
        "Choosing the threshold of {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir choose-threshold --probabilities {input.probabilities:q} "
        "--labels {input.labels:q} --split {input.split:q} --out {output.threshold:q} "
        "--figure {output.figure:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule threshold_map:
    input:
        probability="results/{job}/{dataset}/{experiment}/scenes/{scene}/probability.tif",
        threshold="results/{job}/{dataset}/{experiment}/threshold.json",
    output:
        map="results/{job}/{dataset}/{experiment}/scenes/{scene}/map.tif",
        confidence="results/{job}/{dataset}/{experiment}/scenes/{scene}/confidence.tif",
        style="results/{job}/{dataset}/{experiment}/scenes/{scene}/map.qml",
    log:
        "results/logs/threshold_map/{job}.{dataset}.{experiment}.{scene}.log",
    benchmark:
        "results/benchmarks/threshold_map/{job}.{dataset}.{experiment}.{scene}.tsv"
    wildcard_constraints:
        job="buildings",
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            classes=dataset_of(wildcards).table,
        ),
        code=code_of("threshold-map"),
    message:
        "Mapping scene {wildcards.scene} at the threshold of {wildcards.experiment}"
    shell:
        "python -m nadir threshold-map --probability {input.probability:q} "
        "--threshold {input.threshold:q} --out {output.map:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule extract_footprints:
    input:
        probability="results/{job}/{dataset}/{experiment}/scenes/{scene}/probability.tif",
        threshold="results/{job}/{dataset}/{experiment}/threshold.json",
    output:
        footprints="results/{job}/{dataset}/{experiment}/scenes/{scene}/footprints.gpkg",
        geojson="results/{job}/{dataset}/{experiment}/scenes/{scene}/footprints.geojson",
    log:
        "results/logs/extract_footprints/{job}.{dataset}.{experiment}.{scene}.log",
    benchmark:
        "results/benchmarks/extract_footprints/{job}.{dataset}.{experiment}.{scene}.tsv"
    wildcard_constraints:
        job="buildings",
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        cfg=lambda wildcards: text_of(
            footprints=experiment_of(wildcards).footprints,
        ),
        code=code_of("extract-footprints"),
    message:
        "Drawing the footprints of scene {wildcards.scene} by {wildcards.experiment}"
    shell:
        "python -m nadir extract-footprints --probability {input.probability:q} "
        "--threshold {input.threshold:q} --out {output.footprints:q} --geojson {output.geojson:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


rule evaluate_footprints:
    input:
        footprints=scored_paths("footprints.gpkg"),
        truths=scored_paths("truth.gpkg", experiment=False),
        maps=map_paths,
        labels=lambda wildcards: scene_paths(
            wildcards, "labels.manifest.json", "learn", "test"
        ),
        split="results/{job}/{dataset}/split.parquet",
    output:
        metrics="results/{job}/{dataset}/{experiment}/footprints.json",
        table="results/{job}/{dataset}/{experiment}/footprints.csv",
    log:
        "results/logs/evaluate_footprints/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/evaluate_footprints/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        job="buildings",
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            classes=dataset_of(wildcards).table.colorless,
            roles=roles_of(wildcards),
            splits=experiment_of(wildcards).evaluate.splits,
        ),
        code=code_of("evaluate-footprints"),
    message:
        "Scoring the footprints of {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir evaluate-footprints --footprints {input.footprints:q} "
        "--truths {input.truths:q} --maps {input.maps:q} --labels {input.labels:q} "
        "--split {input.split:q} --out {output.metrics:q} --table {output.table:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


rule plot_footprints:
    input:
        footprints=scored_paths("footprints.gpkg"),
        truths=scored_paths("truth.gpkg", experiment=False),
        cubes=lambda wildcards: scene_paths(
            wildcards, "cube.manifest.json", "learn", "test"
        ),
        split="results/{job}/{dataset}/split.parquet",
        metrics="results/{job}/{dataset}/{experiment}/footprints.json",
    output:
        report(
            "results/{job}/{dataset}/{experiment}/footprints.png",
            caption="../workflow/report/footprints.rst",
            category="{job}",
            subcategory="{experiment}",
            labels={"dataset": "{dataset}", "figure": "footprints"},
        ),
    log:
        "results/logs/plot_footprints/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/plot_footprints/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        job="buildings",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            roles=roles_of(wildcards),
        ),
        code=code_of("plot-footprints"),
    message:
        "Drawing the footprints of {wildcards.experiment} over the pictures of {wildcards.dataset}"
    shell:
        "python -m nadir plot-footprints --footprints {input.footprints:q} "
        "--truths {input.truths:q} --cubes {input.cubes:q} --split {input.split:q} "
        "--metrics {input.metrics:q} --out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule pack_masks:
    input:
        maps=lambda wildcards: [
            f"results/{wildcards.job}/{wildcards.dataset}/{wildcards.experiment}/scenes/{scene}/map.tif"
            for scene in submitted_scenes(wildcards)
        ],
        cubes=lambda wildcards: [
            f"results/{wildcards.job}/{wildcards.dataset}/scenes/{scene}/cube.manifest.json"
            for scene in submitted_scenes(wildcards)
        ],
    output:
        "results/{job}/{dataset}/{experiment}/submission.zip",
    log:
        "results/logs/pack_masks/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/pack_masks/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        job="buildings",
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            classes=dataset_of(wildcards).table.colorless,
            names=mask_names(wildcards),
        ),
        code=code_of("pack-masks"),
    message:
        "Packing the masks of {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir pack-masks --maps {input.maps:q} --cubes {input.cubes:q} "
        "--out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"
