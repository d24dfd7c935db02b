# How far land-cover maps may be trusted: calibration, ensembles, quality, changes, polygons, pages.
rule describe_ensemble:
    input:
        lambda wildcards: model_files(wildcards, "card.json"),
    output:
        "results/{job}/{dataset}/{experiment}/model/card.json",
    log:
        "results/logs/describe_ensemble/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/describe_ensemble/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        job="landcover",
        experiment=one_of(ENSEMBLES),
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code_of("describe-ensemble"),
    message:
        "Describing the ensemble {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir describe-ensemble --cards {input:q} --out {output:q} >{log:q} 2>&1"


rule calibrate_model:
    input:
        weights=lambda wildcards: model_files(wildcards, "model.safetensors"),
        description=lambda wildcards: model_files(wildcards, "model.yaml"),
        cubes=lambda wildcards: scene_paths(wildcards, "cube.manifest.json", "learn"),
        labels=lambda wildcards: scene_paths(wildcards, "labels.manifest.json", "learn"),
        split="results/{job}/{dataset}/split.parquet",
    output:
        calibration="results/{job}/{dataset}/{experiment}/calibration.json",
        figure=report(
            "results/{job}/{dataset}/{experiment}/calibration.png",
            caption="../workflow/report/calibration.rst",
            category="{job}",
            subcategory="{experiment}",
            labels={"dataset": "{dataset}", "figure": "calibration"},
        ),
    log:
        "results/logs/calibrate_model/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/calibrate_model/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        job="landcover",
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=gpu_of_map,
        mem_mb=6000,
        runtime=240,
    params:
        cfg=lambda wildcards: text_of(
            predict=sampling_of(wildcards), tile=largest_tile(wildcards)
        ),
        code=code_of("calibrate-model"),
    message:
        "Calibrating {wildcards.experiment} on the validation ground of {wildcards.dataset}"
    shell:
        "python -m nadir calibrate-model --model {input.weights:q} --cubes {input.cubes:q} "
        "--labels {input.labels:q} --split {input.split:q} --out {output.calibration:q} "
        "--figure {output.figure:q} --cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule predict_ensemble:
    input:
        weights=lambda wildcards: model_files(wildcards, "model.safetensors"),
        description=lambda wildcards: model_files(wildcards, "model.yaml"),
        cube="results/{job}/{dataset}/scenes/{scene}/cube.manifest.json",
    output:
        map="results/{job}/{dataset}/{experiment}/scenes/{scene}/map.tif",
        confidence="results/{job}/{dataset}/{experiment}/scenes/{scene}/confidence.tif",
        style="results/{job}/{dataset}/{experiment}/scenes/{scene}/map.qml",
    log:
        "results/logs/predict_ensemble/{job}.{dataset}.{experiment}.{scene}.log",
    benchmark:
        "results/benchmarks/predict_ensemble/{job}.{dataset}.{experiment}.{scene}.tsv"
    wildcard_constraints:
        job="landcover",
        experiment=one_of(set(ENSEMBLES) - set(CALIBRATED)),
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=gpu_of_map,
        mem_mb=6000,
        runtime=960,
    params:
        cfg=lambda wildcards: text_of(
            predict=prediction_of(wildcards),
            classes=dataset_of(wildcards).table,
        ),
        code=code_of("predict-map"),
    message:
        "Mapping scene {wildcards.scene} with the ensemble {wildcards.experiment}"
    shell:
        "python -m nadir predict-map --model {input.weights:q} --cube {input.cube:q} "
        "--out {output.map:q} --cfg {params.cfg:q} --code {params.code} "
        "--threads {threads} >{log:q} 2>&1"


rule predict_calibrated:
    input:
        weights=lambda wildcards: model_files(wildcards, "model.safetensors"),
        description=lambda wildcards: model_files(wildcards, "model.yaml"),
        cube="results/{job}/{dataset}/scenes/{scene}/cube.manifest.json",
        calibration="results/{job}/{dataset}/{experiment}/calibration.json",
    output:
        map="results/{job}/{dataset}/{experiment}/scenes/{scene}/map.tif",
        confidence="results/{job}/{dataset}/{experiment}/scenes/{scene}/confidence.tif",
        style="results/{job}/{dataset}/{experiment}/scenes/{scene}/map.qml",
        entropy="results/{job}/{dataset}/{experiment}/scenes/{scene}/entropy.tif",
        sets="results/{job}/{dataset}/{experiment}/scenes/{scene}/sets.tif",
        set_size="results/{job}/{dataset}/{experiment}/scenes/{scene}/set_size.tif",
    log:
        "results/logs/predict_calibrated/{job}.{dataset}.{experiment}.{scene}.log",
    benchmark:
        "results/benchmarks/predict_calibrated/{job}.{dataset}.{experiment}.{scene}.tsv"
    wildcard_constraints:
        job="landcover",
        experiment=one_of(CALIBRATED),
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=gpu_of_map,
        mem_mb=6000,
        runtime=960,
    params:
        cfg=lambda wildcards: text_of(
            predict=prediction_of(wildcards),
            classes=dataset_of(wildcards).table,
        ),
        code=code_of("predict-map"),
    message:
        "Mapping scene {wildcards.scene} with {wildcards.experiment}, calibrated"
    shell:
        "python -m nadir predict-map --model {input.weights:q} --cube {input.cube:q} "
        "--out {output.map:q} --calibration {input.calibration:q} --cfg {params.cfg:q} "
        "--code {params.code} --threads {threads} >{log:q} 2>&1"


rule export_polygons:
    input:
        map="results/{job}/{dataset}/{experiment}/scenes/{scene}/map.tif",
        confidence="results/{job}/{dataset}/{experiment}/scenes/{scene}/confidence.tif",
    output:
        "results/{job}/{dataset}/{experiment}/scenes/{scene}/polygons.gpkg",
    log:
        "results/logs/export_polygons/{job}.{dataset}.{experiment}.{scene}.log",
    benchmark:
        "results/benchmarks/export_polygons/{job}.{dataset}.{experiment}.{scene}.tsv"
    wildcard_constraints:
        job="landcover",
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        cfg=lambda wildcards: text_of(
            polygons=experiment_of(wildcards).predict.polygons,
            classes=dataset_of(wildcards).table.colorless,
        ),
        code=code_of("export-polygons"),
    message:
        "Drawing the polygons of scene {wildcards.scene} by {wildcards.experiment}"
    shell:
        "python -m nadir export-polygons --map {input.map:q} --confidence {input.confidence:q} "
        "--out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule evaluate_quality:
    input:
        weights=lambda wildcards: model_files(wildcards, "model.safetensors"),
        description=lambda wildcards: model_files(wildcards, "model.yaml"),
        cubes=lambda wildcards: scene_paths(
            wildcards, "cube.manifest.json", "learn", "test"
        ),
        labels=lambda wildcards: scene_paths(
            wildcards, "labels.manifest.json", "learn", "test"
        ),
        maps=map_paths,
        split="results/{job}/{dataset}/split.parquet",
        calibration="results/{job}/{dataset}/{experiment}/calibration.json",
    output:
        quality="results/{job}/{dataset}/{experiment}/quality.json",
        blocks="results/{job}/{dataset}/{experiment}/blocks.parquet",
    log:
        "results/logs/evaluate_quality/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/evaluate_quality/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        job="landcover",
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=gpu_of_map,
        mem_mb=6000,
        runtime=240,
    params:
        cfg=lambda wildcards: text_of(
            predict=sampling_of(wildcards),
            evaluate=experiment_of(wildcards).evaluate,
            classes=dataset_of(wildcards).table.colorless,
            seed=CONFIG.seed,
            tile=largest_tile(wildcards),
            roles=roles_of(wildcards),
            test_block=test_block(wildcards),
        ),
        code=code_of("evaluate-quality"),
    message:
        "Judging the maps of {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir evaluate-quality --model {input.weights:q} --cubes {input.cubes:q} "
        "--labels {input.labels:q} --maps {input.maps:q} --split {input.split:q} "
        "--calibration {input.calibration:q} --out {output.quality:q} --blocks {output.blocks:q} "
        "--cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule plot_quality:
    input:
        quality="results/{job}/{dataset}/{experiment}/quality.json",
        maps=map_paths,
        cubes=lambda wildcards: scene_paths(
            wildcards, "cube.manifest.json", "learn", "test"
        ),
        labels=lambda wildcards: scene_paths(
            wildcards, "labels.manifest.json", "learn", "test"
        ),
    output:
        quality=report(
            "results/{job}/{dataset}/{experiment}/quality.png",
            caption="../workflow/report/quality.rst",
            category="{job}",
            subcategory="{experiment}",
            labels={"dataset": "{dataset}", "figure": "quality"},
        ),
        areas=report(
            "results/{job}/{dataset}/{experiment}/areas.png",
            caption="../workflow/report/areas.rst",
            category="{job}",
            subcategory="{experiment}",
            labels={"dataset": "{dataset}", "figure": "areas"},
        ),
        blocks=report(
            "results/{job}/{dataset}/{experiment}/blocks.png",
            caption="../workflow/report/blocks.rst",
            category="{job}",
            subcategory="{experiment}",
            labels={"dataset": "{dataset}", "figure": "scores on a map"},
        ),
        worst=report(
            "results/{job}/{dataset}/{experiment}/worst.png",
            caption="../workflow/report/worst.rst",
            category="{job}",
            subcategory="{experiment}",
            labels={"dataset": "{dataset}", "figure": "worst tiles"},
        ),
    log:
        "results/logs/plot_quality/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/plot_quality/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        job="landcover",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cfg=lambda wildcards: text_of(classes=dataset_of(wildcards).table),
        code=code_of("plot-quality"),
    message:
        "Drawing the quality of the maps of {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir plot-quality --quality {input.quality:q} --maps {input.maps:q} "
        "--cubes {input.cubes:q} --labels {input.labels:q} --out {output.quality:q} "
        "--areas {output.areas:q} --blocks {output.blocks:q} --worst {output.worst:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


rule compare_maps:
    input:
        before="results/{job}/{dataset}/{before}/scenes/{scene}/map.tif",
        after="results/{job}/{dataset}/{experiment}/scenes/{scene}/map.tif",
    output:
        facts="results/{job}/{dataset}/{experiment}/scenes/{scene}/changes_from_{before}.json",
        map="results/{job}/{dataset}/{experiment}/scenes/{scene}/changes_from_{before}.tif",
        figure=report(
            "results/{job}/{dataset}/{experiment}/scenes/{scene}/changes_from_{before}.png",
            caption="../workflow/report/changes.rst",
            category="{job}",
            subcategory="{experiment}",
            labels={
                "dataset": "{dataset}",
                "figure": "changes of {scene} from {before}",
            },
        ),
    log:
        "results/logs/compare_maps/{job}.{dataset}.{experiment}.{scene}.{before}.log",
    benchmark:
        "results/benchmarks/compare_maps/{job}.{dataset}.{experiment}.{scene}.{before}.tsv"
    wildcard_constraints:
        job="landcover",
        before=one_of(CONFIG.landcover.experiments),
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cfg=lambda wildcards: text_of(classes=dataset_of(wildcards).table),
        code=code_of("compare-maps"),
    message:
        "Comparing the maps of {wildcards.scene} by {wildcards.before} and {wildcards.experiment}"
    shell:
        "python -m nadir compare-maps --before {input.before:q} --after {input.after:q} "
        "--names {wildcards.before:q} {wildcards.experiment:q} --map {output.map:q} "
        "--figure {output.figure:q} --out {output.facts:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule map_changes:
    input:
        before=lambda wildcards: changed_map(wildcards, "before"),
        after=lambda wildcards: changed_map(wildcards, "after"),
    output:
        facts="results/landcover/changes/{change}.json",
        map="results/landcover/changes/{change}.tif",
        figure=report(
            "results/landcover/changes/{change}.png",
            caption="../workflow/report/changes.rst",
            category="landcover",
            subcategory="changes",
            labels={"dataset": "{change}", "figure": "changes"},
        ),
    log:
        "results/logs/map_changes/{change}.log",
    benchmark:
        "results/benchmarks/map_changes/{change}.tsv"
    wildcard_constraints:
        change=one_of(CONFIG.landcover.changes),
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cfg=lambda wildcards: text_of(classes=changed_classes(wildcards)),
        code=code_of("compare-maps"),
    message:
        "Comparing the maps of {wildcards.change}"
    shell:
        "python -m nadir compare-maps --before {input.before:q} --after {input.after:q} "
        "--names before after --map {output.map:q} --figure {output.figure:q} "
        "--out {output.facts:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule compare_pairs:
    input:
        lambda wildcards: [
            f"{folder}/blocks.parquet"
            for folder in dataset_folders(wildcards.job, wildcards.dataset)
        ],
    output:
        html=report(
            "results/{job}/{dataset}/pairs.html",
            caption="../workflow/report/pairs.rst",
            category="{job}",
            subcategory="comparison",
            labels={"dataset": "{dataset}", "figure": "pairs of experiments"},
        ),
        table="results/{job}/{dataset}/pairs.csv",
    log:
        "results/logs/compare_pairs/{job}.{dataset}.log",
    benchmark:
        "results/benchmarks/compare_pairs/{job}.{dataset}.tsv"
    wildcard_constraints:
        job="landcover",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        cfg=lambda wildcards: text_of(
            resamples=resamples_of(wildcards.job), seeds=seeds_of(wildcards)
        ),
        code=code_of("compare-pairs"),
    message:
        "Comparing the experiments on {wildcards.dataset} in pairs"
    shell:
        "python -m nadir compare-pairs --blocks {input:q} --out {output.html:q} "
        "--table {output.table:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule present_maps:
    input:
        quality=lambda wildcards: page_files(wildcards, "quality.json"),
        figures=lambda wildcards: [
            path for name in QUALITY_FIGURES for path in page_files(wildcards, name)
        ],
        curves=page_curves,
        maps=page_maps,
        cubes=lambda wildcards: scene_paths(
            wildcards, "cube.manifest.json", "learn", "test"
        ),
        labels=lambda wildcards: scene_paths(
            wildcards, "labels.manifest.json", "learn", "test"
        ),
        split="results/{job}/{dataset}/split.parquet",
    output:
        report(
            "results/{job}/{dataset}/maps.html",
            caption="../workflow/report/maps.rst",
            category="{job}",
            subcategory="comparison",
            labels={"dataset": "{dataset}", "figure": "maps, with a swipe"},
        ),
    log:
        "results/logs/present_maps/{job}.{dataset}.log",
    benchmark:
        "results/benchmarks/present_maps/{job}.{dataset}.tsv"
    wildcard_constraints:
        job="landcover",
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            classes=dataset_of(wildcards).table,
            roles=roles_of(wildcards),
            test_block=test_block(wildcards),
        ),
        code=code_of("present-maps"),
    message:
        "Putting the maps of {wildcards.dataset} on one page"
    shell:
        "python -m nadir present-maps --quality {input.quality:q} --maps {input.maps:q} "
        "--figures {input.figures:q} {input.curves:q} "
        "--cubes {input.cubes:q} --labels {input.labels:q} --split {input.split:q} "
        "--out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"
