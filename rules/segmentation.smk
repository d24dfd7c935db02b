# Land cover and buildings: train, predict, evaluate, submit, bundle.
rule train_model:
    input:
        cubes=lambda wildcards: scene_paths(wildcards, "cube.manifest.json", "learn"),
        labels=lambda wildcards: scene_paths(wildcards, "labels.manifest.json", "learn"),
        split="results/{job}/{dataset}/split.parquet",
        statistics="results/{job}/{dataset}/statistics.json",
        outlines=outlines_of,
        pretrained=lambda wildcards: ancient(
            raw_files.watched(pretrained_files(wildcards))
        ),
    output:
        weights="results/{job}/{dataset}/{experiment}/model/model.safetensors",
        description="results/{job}/{dataset}/{experiment}/model/model.yaml",
        card="results/{job}/{dataset}/{experiment}/model/card.json",
        history="results/{job}/{dataset}/{experiment}/history.parquet",
    log:
        "results/logs/train_model/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/train_model/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        experiment=one_of(NETWORKS),
    retries: 1
    conda:
        "../envs/train.yaml"
    threads: 2 * PROCESSES
    resources:
        **MACHINES,
        gpu=SHARED_GPUS,
        mem_mb=8000 * PROCESSES,
        runtime=1440,
    params:
        cfg=lambda wildcards: text_of(
            model=experiment_of(wildcards).model,
            train=experiment_of(wildcards).train,
            classes=dataset_of(wildcards).table.colorless,
            seed=CONFIG.seed,
        ),
        raw=lambda wildcards: digests(pretrained_files(wildcards)),
        outlines=outlines_option,
        code=code_of("train-model"),
    message:
        "Training {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir train-model --cubes {input.cubes:q} --labels {input.labels:q} "
        "{params.outlines:q} "
        "--split {input.split:q} --statistics {input.statistics:q} --out {output.weights:q} "
        "--history {output.history:q} --cfg {params.cfg:q} --code {params.code} "
        "--threads {threads} 2>&1 | tee {log:q}"


rule find_rate:
    input:
        cubes=lambda wildcards: scene_paths(wildcards, "cube.manifest.json", "learn"),
        labels=lambda wildcards: scene_paths(wildcards, "labels.manifest.json", "learn"),
        split="results/{job}/{dataset}/split.parquet",
        statistics="results/{job}/{dataset}/statistics.json",
        pretrained=lambda wildcards: ancient(
            raw_files.watched(pretrained_files(wildcards))
        ),
    output:
        picture="results/{job}/{dataset}/{experiment}/rate.png",
        numbers="results/{job}/{dataset}/{experiment}/rate.json",
    log:
        "results/logs/find_rate/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/find_rate/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        experiment=one_of(NETWORKS),
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=8000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            model=experiment_of(wildcards).model,
            train=experiment_of(wildcards).train,
            classes=dataset_of(wildcards).table.colorless,
            seed=CONFIG.seed,
        ),
        raw=lambda wildcards: digests(pretrained_files(wildcards)),
        code=code_of("find-rate"),
    message:
        "Searching a learning rate for {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir find-rate --cubes {input.cubes:q} --labels {input.labels:q} "
        "--split {input.split:q} --statistics {input.statistics:q} --out {output.picture:q} "
        "--cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule fit_forest:
    input:
        cubes=lambda wildcards: scene_paths(wildcards, "cube.manifest.json", "learn"),
        labels=lambda wildcards: scene_paths(wildcards, "labels.manifest.json", "learn"),
        split="results/{job}/{dataset}/split.parquet",
        statistics="results/{job}/{dataset}/statistics.json",
    output:
        weights="results/{job}/{dataset}/{experiment}/model/model.safetensors",
        description="results/{job}/{dataset}/{experiment}/model/model.yaml",
        card="results/{job}/{dataset}/{experiment}/model/card.json",
        history="results/{job}/{dataset}/{experiment}/history.parquet",
    log:
        "results/logs/fit_forest/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/fit_forest/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        experiment=one_of(FORESTS),
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=8000,
        runtime=240,
    params:
        cfg=lambda wildcards: text_of(
            model=experiment_of(wildcards).model,
            train={"seed": experiment_of(wildcards).train.seed},
            classes=dataset_of(wildcards).table.colorless,
            seed=CONFIG.seed,
        ),
        code=code_of("fit-forest"),
    message:
        "Fitting the per-pixel baseline {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir fit-forest --cubes {input.cubes:q} --labels {input.labels:q} "
        "--split {input.split:q} --statistics {input.statistics:q} --out {output.weights:q} "
        "--history {output.history:q} --cfg {params.cfg:q} --code {params.code} --threads {threads} >{log:q} 2>&1"


rule predict_map:
    input:
        weights="results/{job}/{dataset}/{experiment}/model/model.safetensors",
        description="results/{job}/{dataset}/{experiment}/model/model.yaml",
        cube="results/{job}/{dataset}/scenes/{scene}/cube.manifest.json",
    output:
        map="results/{job}/{dataset}/{experiment}/scenes/{scene}/map.tif",
        confidence="results/{job}/{dataset}/{experiment}/scenes/{scene}/confidence.tif",
        style="results/{job}/{dataset}/{experiment}/scenes/{scene}/map.qml",
    log:
        "results/logs/predict_map/{job}.{dataset}.{experiment}.{scene}.log",
    benchmark:
        "results/benchmarks/predict_map/{job}.{dataset}.{experiment}.{scene}.tsv"
    wildcard_constraints:
        job="landcover",
        experiment=one_of({*NETWORKS, *FORESTS} - set(CALIBRATED)),
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
        "Mapping scene {wildcards.scene} with {wildcards.experiment}"
    shell:
        "python -m nadir predict-map --model {input.weights:q} --cube {input.cube:q} "
        "--out {output.map:q} --cfg {params.cfg:q} --code {params.code} "
        "--threads {threads} >{log:q} 2>&1"


rule evaluate_map:
    input:
        maps=map_paths,
        confidence=confidence_paths,
        labels=lambda wildcards: scene_paths(
            wildcards, "labels.manifest.json", "learn", "test"
        ),
        split="results/{job}/{dataset}/split.parquet",
        leakage="results/{job}/{dataset}/leakage.json",
        card="results/{job}/{dataset}/{experiment}/model/card.json",
    output:
        metrics="results/{job}/{dataset}/{experiment}/metrics.json",
        confusion="results/{job}/{dataset}/{experiment}/confusion.csv",
    log:
        "results/logs/evaluate_map/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/evaluate_map/{job}.{dataset}.{experiment}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        cfg=lambda wildcards: text_of(
            evaluate=experiment_of(wildcards).evaluate,
            classes=dataset_of(wildcards).table.colorless,
            split=dataset_of(wildcards).split.method,
            roles=roles_of(wildcards),
        ),
        code=code_of("evaluate-map"),
    message:
        "Scoring {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir evaluate-map --maps {input.maps:q} --labels {input.labels:q} "
        "--split {input.split:q} --leakage {input.leakage:q} --card {input.card:q} "
        "--out {output.metrics:q} --confusion {output.confusion:q} --cfg {params.cfg:q} "
        ">{log:q} 2>&1"


rule plot_confusion:
    input:
        "results/{job}/{dataset}/{experiment}/metrics.json",
    output:
        report(
            "results/{job}/{dataset}/{experiment}/confusion.png",
            caption="../workflow/report/confusion.rst",
            category="{job}",
            subcategory="{experiment}",
            labels={"dataset": "{dataset}", "figure": "confusion matrix"},
        ),
    log:
        "results/logs/plot_confusion/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/plot_confusion/{job}.{dataset}.{experiment}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        cfg=lambda wildcards: text_of(classes=dataset_of(wildcards).table),
        code=code_of("plot-confusion"),
    message:
        "Drawing the confusion matrix of {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir plot-confusion --metrics {input:q} --out {output:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


rule plot_map:
    input:
        map="results/{job}/{dataset}/{experiment}/scenes/{scene}/map.tif",
        confidence="results/{job}/{dataset}/{experiment}/scenes/{scene}/confidence.tif",
        labels="results/{job}/{dataset}/scenes/{scene}/labels.manifest.json",
        cube="results/{job}/{dataset}/scenes/{scene}/cube.manifest.json",
        split="results/{job}/{dataset}/split.parquet",
    output:
        report(
            "results/{job}/{dataset}/{experiment}/scenes/{scene}/map.png",
            caption="../workflow/report/map.rst",
            category="{job}",
            subcategory="{experiment}",
            labels={"dataset": "{dataset}", "figure": "map of {scene}"},
        ),
    log:
        "results/logs/plot_map/{job}.{dataset}.{experiment}.{scene}.log",
    benchmark:
        "results/benchmarks/plot_map/{job}.{dataset}.{experiment}.{scene}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        cfg=lambda wildcards: text_of(classes=dataset_of(wildcards).table),
        code=code_of("plot-map"),
    message:
        "Drawing the map of {wildcards.scene} by {wildcards.experiment} beside the truth"
    shell:
        "python -m nadir plot-map --map {input.map:q} --confidence {input.confidence:q} "
        "--labels {input.labels:q} --cube {input.cube:q} --split {input.split:q} "
        "--out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule plot_curves:
    input:
        "results/{job}/{dataset}/{experiment}/history.parquet",
    output:
        report(
            "results/{job}/{dataset}/{experiment}/curves.png",
            caption="../workflow/report/curves.rst",
            category="{job}",
            subcategory="{experiment}",
            labels={"dataset": "{dataset}", "figure": "training curves"},
        ),
    log:
        "results/logs/plot_curves/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/plot_curves/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        experiment=one_of(NETWORKS),
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        cfg=lambda wildcards: text_of(
            classes=dataset_of(wildcards).table,
            monitor=experiment_of(wildcards).train.monitor,
        ),
        code=code_of("plot-curves"),
    message:
        "Drawing the training curves of {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir plot-curves --history {input:q} --out {output:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


rule pack_submission:
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
        "results/logs/pack_submission/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/pack_submission/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        job="landcover",
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        cfg=lambda wildcards: text_of(
            classes=dataset_of(wildcards).table.colorless,
            scenes=submitted_scenes(wildcards),
        ),
        code=code_of("pack-submission"),
    message:
        "Packing the submission of {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir pack-submission --maps {input.maps:q} --cubes {input.cubes:q} "
        "--out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule export_bundle:
    input:
        weights="results/{job}/{dataset}/{experiment}/model/model.safetensors",
        description="results/{job}/{dataset}/{experiment}/model/model.yaml",
        split="results/{job}/{dataset}/split.parquet",
        cubes=lambda wildcards: scene_paths(wildcards, "cube.manifest.json", "learn"),
    output:
        item="results/{job}/{dataset}/{experiment}/model/item.json",
        sample="results/{job}/{dataset}/{experiment}/model/sample.npz",
        program="results/{job}/{dataset}/{experiment}/model/exported.pt2",
        onnx="results/{job}/{dataset}/{experiment}/model/model.onnx",
    log:
        "results/logs/export_bundle/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/export_bundle/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        experiment=one_of(NETWORKS),
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        code=code_of("export-bundle"),
    message:
        "Bundling the model of {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir export-bundle --model {input.weights:q} --split {input.split:q} "
        "--cubes {input.cubes:q} --out {output.item:q} --threads {threads} >{log:q} 2>&1"


rule export_forest:
    input:
        weights="results/{job}/{dataset}/{experiment}/model/model.safetensors",
        description="results/{job}/{dataset}/{experiment}/model/model.yaml",
        split="results/{job}/{dataset}/split.parquet",
        cubes=lambda wildcards: scene_paths(wildcards, "cube.manifest.json", "learn"),
    output:
        item="results/{job}/{dataset}/{experiment}/model/item.json",
        sample="results/{job}/{dataset}/{experiment}/model/sample.npz",
    log:
        "results/logs/export_forest/{job}.{dataset}.{experiment}.log",
    benchmark:
        "results/benchmarks/export_forest/{job}.{dataset}.{experiment}.tsv"
    wildcard_constraints:
        experiment=one_of(FORESTS),
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        code=code_of("export-bundle"),
    message:
        "Bundling the forest {wildcards.experiment} on {wildcards.dataset}"
    shell:
        "python -m nadir export-bundle --model {input.weights:q} --split {input.split:q} "
        "--cubes {input.cubes:q} --out {output.item:q} --threads {threads} >{log:q} 2>&1"
