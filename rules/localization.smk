# Localization: a substrate and photos -> references, poses, scores, footprints, mosaics.
rule simulate_case:
    output:
        truth="results/simulated/cases/{case}/truth.json",
        substrate="results/simulated/cases/{case}/original.tiff",
    log:
        "results/logs/simulate_case/{case}.log",
    benchmark:
        "results/benchmarks/simulate_case/{case}.tsv"
    wildcard_constraints:
        case=one_of(name for name, case in CASES.items() if case.world),
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        cfg=lambda wildcards: text_of(
            world=CONFIG.worlds[CASES[wildcards.case].world],
            case=CASES[wildcards.case].simulate,
        ),
        code=code_of("simulate-case"),
    message:
        "Simulating the case {wildcards.case}: a substrate, and photos of another date"
    shell:
        "python -m nadir simulate-case --out {output.truth:q} --cfg {params.cfg:q} "
        "--threads {threads} >{log:q} 2>&1"


rule check_case:
    input:
        raw=lambda wildcards: ancient(raw_files.watched(case_files(wildcards))),
        truth=case_truth,
    output:
        case="results/localization/{case}/case.json",
        photos="results/localization/{case}/photos.parquet",
    log:
        "results/logs/check_case/{case}.log",
    benchmark:
        "results/benchmarks/check_case/{case}.tsv"
    priority: 100
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(case=CASES[wildcards.case]),
        raw=case_digest,
        folder=case_folder,
        code=code_of("check-case"),
    message:
        "Checking the substrate, photos and positions of {wildcards.case}"
    shell:
        "python -m nadir check-case {params.folder:q} --out {output.case:q} "
        "--photos {output.photos:q} --cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule mosaic_photos:
    input:
        case="results/localization/{case}/case.json",
        photos="results/localization/{case}/photos.parquet",
    output:
        mosaic="results/localization/{case}/mosaics/{date}.tif",
        facts="results/localization/{case}/mosaics/{date}.json",
    log:
        "results/logs/mosaic_photos/{case}.{date}.log",
    benchmark:
        "results/benchmarks/mosaic_photos/{case}.{date}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        date=lambda wildcards: (
            ["--date", wildcards.date] if CASES[wildcards.case].dates else []
        ),
        code=code_of("mosaic-photos"),
    message:
        "Laying the located photos of {wildcards.case} ({wildcards.date}) on one grid"
    shell:
        "python -m nadir mosaic-photos --case {input.case:q} --photos {input.photos:q} "
        "{params.date:q} --out {output.mosaic:q} --threads {threads} >{log:q} 2>&1"


rule index_reference:
    input:
        raster=reference_raster,
    output:
        "results/localization/{case}/references/{reference}.manifest.json",
    log:
        "results/logs/index_reference/{case}.{reference}.log",
    benchmark:
        "results/benchmarks/index_reference/{case}.{reference}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        raster=reference_option,
        raw=reference_digests,
        code=code_of("index-reference"),
    message:
        "Indexing {wildcards.reference} of {wildcards.case} for the search"
    shell:
        "python -m nadir index-reference {params.raster:q} --out {output:q} "
        "--raw {params.raw:q} >{log:q} 2>&1"


rule train_descriptor:
    input:
        references=references_of,
        photos="results/localization/{case}/photos.parquet",
    output:
        weights="results/localization/{case}/{trial}/model/model.safetensors",
        description="results/localization/{case}/{trial}/model/model.yaml",
        card="results/localization/{case}/{trial}/model/card.json",
        history="results/localization/{case}/{trial}/history.parquet",
    log:
        "results/logs/train_descriptor/{case}.{trial}.log",
    benchmark:
        "results/benchmarks/train_descriptor/{case}.{trial}.tsv"
    wildcard_constraints:
        trial=one_of(TRAINED),
    retries: 1
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=6000,
        runtime=480,
    params:
        cfg=lambda wildcards: text_of(
            descriptor=TRIALS[wildcards.trial].method.descriptor, seed=CONFIG.seed
        ),
        code=code_of("train-descriptor"),
    message:
        "Training the descriptor of {wildcards.trial} on {wildcards.case}"
    shell:
        "python -m nadir train-descriptor --references {input.references:q} "
        "--photos {input.photos:q} --out {output.weights:q} --history {output.history:q} "
        "--cfg {params.cfg:q} --code {params.code} --threads {threads} 2>&1 | tee {log:q}"


rule locate_photos:
    input:
        references=references_of,
        photos="results/localization/{case}/photos.parquet",
        descriptor=descriptor_of,
        proposals=proposals_of,
    output:
        poses="results/localization/{case}/{trial}/poses.parquet",
        deployment="results/localization/{case}/{trial}/localizer.json",
    log:
        "results/logs/locate_photos/{case}.{trial}.log",
    benchmark:
        "results/benchmarks/locate_photos/{case}.{trial}.tsv"
    wildcard_constraints:
        trial=one_of(LOCALISERS),
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=6000,
        runtime=480,
    params:
        cfg=lambda wildcards: text_of(method=search_of(wildcards)),
        descriptor=lambda wildcards: [
            word
            for path in descriptor_of(wildcards)
            for word in ("--descriptor", path)
        ],
        proposals=lambda wildcards: [
            word for path in proposals_of(wildcards) for word in ("--proposals", path)
        ],
        code=code_of("locate-photos"),
    message:
        "Locating the photos of {wildcards.case} with {wildcards.trial}"
    shell:
        "python -m nadir locate-photos --photos {input.photos:q} "
        "--references {input.references:q} {params.descriptor:q} {params.proposals:q} "
        "--out {output.poses:q} --deployment {output.deployment:q} --cfg {params.cfg:q} "
        "--threads {threads} >{log:q} 2>&1"


rule match_photos:
    input:
        references=references_of,
        photos="results/localization/{case}/photos.parquet",
    output:
        "results/localization/{case}/{trial}/poses.parquet",
    log:
        "results/logs/match_photos/{case}.{trial}.log",
    benchmark:
        "results/benchmarks/match_photos/{case}.{trial}.tsv"
    wildcard_constraints:
        trial=one_of(MATCHERS),
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        cfg=lambda wildcards: text_of(method=search_of(wildcards)),
        code=code_of("locate-photos"),
    message:
        "Locating the photos of {wildcards.case} by local features alone ({wildcards.trial})"
    shell:
        "python -m nadir locate-photos --photos {input.photos:q} "
        "--references {input.references:q} --out {output:q} --cfg {params.cfg:q} "
        "--threads {threads} >{log:q} 2>&1"


rule guess_poses:
    input:
        case="results/localization/{case}/case.json",
        photos="results/localization/{case}/photos.parquet",
    output:
        "results/localization/{case}/{trial}/poses.parquet",
    log:
        "results/logs/guess_poses/{case}.{trial}.log",
    benchmark:
        "results/benchmarks/guess_poses/{case}.{trial}.tsv"
    wildcard_constraints:
        trial=one_of(GUESSES),
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        cfg=lambda wildcards: text_of(method=TRIALS[wildcards.trial].method),
        code=code_of("guess-poses"),
    message:
        "Answering the photos of {wildcards.case} without a look at them"
    shell:
        "python -m nadir guess-poses --case {input.case:q} --photos {input.photos:q} "
        "--out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule train_regression:
    input:
        case="results/localization/{case}/case.json",
        photos="results/localization/{case}/photos.parquet",
        pretrained=lambda wildcards: ancient(
            raw_files.watched(encoder_weights(wildcards))
        ),
    output:
        weights="results/localization/{case}/{trial}/model/model.safetensors",
        description="results/localization/{case}/{trial}/model/model.yaml",
        card="results/localization/{case}/{trial}/model/card.json",
        history="results/localization/{case}/{trial}/history.parquet",
    log:
        "results/logs/train_regression/{case}.{trial}.log",
    benchmark:
        "results/benchmarks/train_regression/{case}.{trial}.tsv"
    wildcard_constraints:
        trial=one_of(trials_of("regression")),
    retries: 1
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=6000,
        runtime=480,
    params:
        cfg=lambda wildcards: text_of(
            method=TRIALS[wildcards.trial].method, seed=CONFIG.seed
        ),
        raw=lambda wildcards: digests(encoder_weights(wildcards)),
        code=code_of("train-regression"),
    message:
        "Training {wildcards.trial} on the located photos of {wildcards.case}"
    shell:
        "python -m nadir train-regression --case {input.case:q} --photos {input.photos:q} "
        "--out {output.weights:q} --history {output.history:q} --cfg {params.cfg:q} "
        "--code {params.code} --threads {threads} 2>&1 | tee {log:q}"


rule regress_poses:
    input:
        case="results/localization/{case}/case.json",
        photos="results/localization/{case}/photos.parquet",
        weights="results/localization/{case}/{trial}/model/model.safetensors",
        description="results/localization/{case}/{trial}/model/model.yaml",
    output:
        "results/localization/{case}/{trial}/poses.parquet",
    log:
        "results/logs/regress_poses/{case}.{trial}.log",
    benchmark:
        "results/benchmarks/regress_poses/{case}.{trial}.tsv"
    wildcard_constraints:
        trial=one_of(trials_of("regression")),
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=4000,
        runtime=120,
    params:
        code=code_of("regress-poses"),
    message:
        "Locating the photos of {wildcards.case} with {wildcards.trial}"
    shell:
        "python -m nadir regress-poses --case {input.case:q} --photos {input.photos:q} "
        "--model {input.weights:q} --out {output:q} --threads {threads} >{log:q} 2>&1"


rule evaluate_poses:
    input:
        case="results/localization/{case}/case.json",
        photos="results/localization/{case}/photos.parquet",
        poses="results/localization/{case}/{trial}/poses.parquet",
    output:
        "results/localization/{case}/{trial}/metrics.json",
    log:
        "results/logs/evaluate_poses/{case}.{trial}.log",
    benchmark:
        "results/benchmarks/evaluate_poses/{case}.{trial}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        seed=CONFIG.seed,
        code=code_of("evaluate-poses"),
    message:
        "Scoring {wildcards.trial} on {wildcards.case}"
    shell:
        "python -m nadir evaluate-poses --case {input.case:q} --photos {input.photos:q} "
        "--poses {input.poses:q} --out {output:q} --seed {params.seed} >{log:q} 2>&1"


rule plot_poses:
    input:
        case="results/localization/{case}/case.json",
        photos="results/localization/{case}/photos.parquet",
        poses="results/localization/{case}/{trial}/poses.parquet",
    output:
        photos=report(
            "results/localization/{case}/{trial}/photos.png",
            caption="../workflow/report/photos.rst",
            category="Localization",
            subcategory="{trial}",
            labels={"dataset": "{case}", "figure": "photos on the substrate"},
        ),
        errors=report(
            "results/localization/{case}/{trial}/errors.png",
            caption="../workflow/report/errors.rst",
            category="Localization",
            subcategory="{trial}",
            labels={"dataset": "{case}", "figure": "map of errors"},
        ),
        confidence=report(
            "results/localization/{case}/{trial}/confidence.png",
            caption="../workflow/report/confidence.rst",
            category="Localization",
            subcategory="{trial}",
            labels={"dataset": "{case}", "figure": "confidence"},
        ),
    log:
        "results/logs/plot_poses/{case}.{trial}.log",
    benchmark:
        "results/benchmarks/plot_poses/{case}.{trial}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        precision=flagged_below,
        code=code_of("plot-poses"),
    message:
        "Drawing what {wildcards.trial} made of the photos of {wildcards.case}"
    shell:
        "python -m nadir plot-poses --case {input.case:q} --photos {input.photos:q} "
        "--poses {input.poses:q} --sheet {output.photos:q} --errors {output.errors:q} "
        "--confidence {output.confidence:q} {params.precision:q} >{log:q} 2>&1"


rule export_footprints:
    input:
        case="results/localization/{case}/case.json",
        photos="results/localization/{case}/photos.parquet",
        poses="results/localization/{case}/{trial}/poses.parquet",
    output:
        geopackage="results/localization/{case}/{trial}/footprints.gpkg",
        geojson="results/localization/{case}/{trial}/footprints.geojson",
    log:
        "results/logs/export_footprints/{case}.{trial}.log",
    benchmark:
        "results/benchmarks/export_footprints/{case}.{trial}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code_of("export-footprints"),
    message:
        "Writing the footprints that {wildcards.trial} found on {wildcards.case}"
    shell:
        "python -m nadir export-footprints --case {input.case:q} --photos {input.photos:q} "
        "--poses {input.poses:q} --geopackage {output.geopackage:q} "
        "--geojson {output.geojson:q} >{log:q} 2>&1"


rule mosaic_poses:
    input:
        case="results/localization/{case}/case.json",
        photos="results/localization/{case}/photos.parquet",
        poses="results/localization/{case}/{trial}/poses.parquet",
    output:
        mosaic="results/localization/{case}/{trial}/located.tif",
        facts="results/localization/{case}/{trial}/located.json",
    log:
        "results/logs/mosaic_poses/{case}.{trial}.log",
    benchmark:
        "results/benchmarks/mosaic_poses/{case}.{trial}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        code=code_of("mosaic-poses"),
    message:
        "Laying the photos that {wildcards.trial} located on the grid of {wildcards.case}"
    shell:
        "python -m nadir mosaic-poses --case {input.case:q} --photos {input.photos:q} "
        "--poses {input.poses:q} --out {output.mosaic:q} --threads {threads} >{log:q} 2>&1"


rule pack_poses:
    input:
        case="results/localization/{case}/case.json",
        photos="results/localization/{case}/photos.parquet",
        poses="results/localization/{case}/{trial}/poses.parquet",
    output:
        archive="results/localization/{case}/{trial}/submission.zip",
        summary="results/localization/{case}/{trial}/submission.json",
    log:
        "results/logs/pack_poses/{case}.{trial}.log",
    benchmark:
        "results/benchmarks/pack_poses/{case}.{trial}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code_of("pack-poses"),
    message:
        "Packing the answers of {wildcards.trial} on {wildcards.case}"
    shell:
        "python -m nadir pack-poses --case {input.case:q} --photos {input.photos:q} "
        "--poses {input.poses:q} --out {output.archive:q} --summary {output.summary:q} "
        ">{log:q} 2>&1"


rule compare_poses:
    input:
        case="results/localization/{case}/case.json",
        photos="results/localization/{case}/photos.parquet",
        metrics=trial_paths("metrics.json"),
        poses=trial_paths("poses.parquet"),
    output:
        html=report(
            "results/localization/{case}/comparison.html",
            caption="../workflow/report/poses.rst",
            category="Localization",
            subcategory="comparison",
            labels={"dataset": "{case}", "figure": "table of all experiments"},
        ),
        table="results/localization/{case}/comparison.csv",
        figure=report(
            "results/localization/{case}/comparison.png",
            caption="../workflow/report/poses.rst",
            category="Localization",
            subcategory="comparison",
            labels={"dataset": "{case}", "figure": "comparison"},
        ),
        curves=report(
            "results/localization/{case}/curves.png",
            caption="../workflow/report/poses.rst",
            category="Localization",
            subcategory="comparison",
            labels={"dataset": "{case}", "figure": "share of photos by error"},
        ),
    log:
        "results/logs/compare_poses/{case}.log",
    benchmark:
        "results/benchmarks/compare_poses/{case}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        seed=CONFIG.seed,
        code=code_of("compare-poses"),
    message:
        "Comparing all experiments on {wildcards.case}"
    shell:
        "python -m nadir compare-poses --case {input.case:q} --photos {input.photos:q} "
        "--metrics {input.metrics:q} --poses {input.poses:q} --out {output.html:q} "
        "--table {output.table:q} --figure {output.figure:q} --curves {output.curves:q} "
        "--seed {params.seed} >{log:q} 2>&1"


rule export_localizer:
    input:
        weights="results/localization/{case}/{trial}/model/model.safetensors",
        description="results/localization/{case}/{trial}/model/model.yaml",
        case="results/localization/{case}/case.json",
    output:
        item="results/localization/{case}/{trial}/model/item.json",
        sample="results/localization/{case}/{trial}/model/sample.npz",
        program="results/localization/{case}/{trial}/model/exported.pt2",
        onnx="results/localization/{case}/{trial}/model/model.onnx",
    log:
        "results/logs/export_localizer/{case}.{trial}.log",
    benchmark:
        "results/benchmarks/export_localizer/{case}.{trial}.tsv"
    wildcard_constraints:
        trial=one_of([*TRAINED, *trials_of("regression")]),
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        code=code_of("export-bundle"),
    message:
        "Bundling the model of {wildcards.trial} on {wildcards.case}"
    shell:
        "python -m nadir export-bundle --model {input.weights:q} --case {input.case:q} "
        "--out {output.item:q} --threads {threads} >{log:q} 2>&1"
