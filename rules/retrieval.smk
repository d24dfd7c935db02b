# Retrieval: images of places in two views -> network, features, rankings, scores, answer, proposals.
rule simulate_places:
    output:
        summary="results/simulated/{world}/places/{places}/places.json",
        table="results/simulated/{world}/places/{places}/places.csv",
    log:
        "results/logs/simulate_places/{world}.{places}.log",
    benchmark:
        "results/benchmarks/simulate_places/{world}.{places}.tsv"
    wildcard_constraints:
        places=one_of(name for name, section in PLACES.items() if section.world),
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        cfg=lambda wildcards: text_of(
            world=CONFIG.worlds[wildcards.world],
            places=PLACES[wildcards.places].simulate,
        ),
        code=code_of("simulate-places"),
    message:
        "Simulating {wildcards.places}: places of {wildcards.world} from a drone and from above"
    shell:
        "python -m nadir simulate-places --out {output.summary:q} --cfg {params.cfg:q} "
        "--threads {threads} >{log:q} 2>&1"


rule index_places:
    input:
        simulated=simulated_place_files,
        photos=case_photos,
        substrate=case_ground,
    output:
        "results/retrieval/{places}/images.parquet",
    log:
        "results/logs/index_places/{places}.log",
    benchmark:
        "results/benchmarks/index_places/{places}.tsv"
    priority: 100
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        cfg=lambda wildcards: text_of(
            dataset=PLACES[wildcards.places].model_dump(
                mode="json", exclude={"simulate", "queries", "upright"}
            )
        ),
        raw=lambda wildcards: raw_places(wildcards.places),
        substrate=substrate_digests,
        made=places_options,
        code=code_of("index-places"),
    message:
        "Checking and listing the images of {wildcards.places}"
    shell:
        "python -m nadir index-places {params.made:q} --out {output:q} "
        "--cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule train_retrieval:
    input:
        images="results/retrieval/{places}/images.parquet",
        pretrained=lambda wildcards: ancient(
            raw_files.watched(network_weights(wildcards))
        ),
    output:
        weights="results/retrieval/{places}/{network}/model/model.safetensors",
        description="results/retrieval/{places}/{network}/model/model.yaml",
        card="results/retrieval/{places}/{network}/model/card.json",
        history="results/retrieval/{places}/{network}/history.parquet",
    log:
        "results/logs/train_retrieval/{places}.{network}.log",
    benchmark:
        "results/benchmarks/train_retrieval/{places}.{network}.tsv"
    retries: 1
    conda:
        "../envs/train.yaml"
    threads: 2 * PROCESSES
    resources:
        **MACHINES,
        gpu=SHARED_GPUS,
        mem_mb=6000 * PROCESSES,
        runtime=1440,
    params:
        cfg=lambda wildcards: text_of(
            seed=CONFIG.seed,
            **views_of(wildcards),
            **RETRIEVERS[wildcards.network].model_dump(
                mode="json", include={"model", "train"}
            ),
        ),
        raw=lambda wildcards: digests(network_weights(wildcards)),
        code=code_of("train-retrieval"),
    message:
        "Training {wildcards.network} on {wildcards.places}"
    shell:
        "python -m nadir train-retrieval --images {input.images:q} --out {output.weights:q} "
        "--history {output.history:q} --cfg {params.cfg:q} --code {params.code} "
        "--threads {threads} 2>&1 | tee {log:q}"


rule extract_features:
    input:
        images="results/retrieval/{places}/images.parquet",
        weights="results/retrieval/{places}/{network}/model/model.safetensors",
        description="results/retrieval/{places}/{network}/model/model.yaml",
    output:
        "results/retrieval/{places}/{network}/features.manifest.json",
    log:
        "results/logs/extract_features/{places}.{network}.log",
    benchmark:
        "results/benchmarks/extract_features/{places}.{network}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=4000,
        runtime=240,
    params:
        cfg=lambda wildcards: text_of(
            evaluate=ranking_of(wildcards, "flip", "turns", "weathers", "seed"),
            **views_of(wildcards),
        ),
        code=code_of("extract-features"),
    message:
        "Describing the test images of {wildcards.places} with {wildcards.network}"
    shell:
        "python -m nadir extract-features --images {input.images:q} --model {input.weights:q} "
        "--out {output:q} --cfg {params.cfg:q} --code {params.code} --threads {threads} "
        ">{log:q} 2>&1"


rule rank_places:
    input:
        features="results/retrieval/{places}/{network}/features.manifest.json",
    output:
        "results/retrieval/{places}/{network}/rankings.parquet",
    log:
        "results/logs/rank_places/{places}.{network}.log",
    benchmark:
        "results/benchmarks/rank_places/{places}.{network}.tsv"
    conda:
        "../envs/train.yaml"
    resources:
        gpu=GPUS_OF_SEARCH,
        mem_mb=3000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            views=PLACES[wildcards.places].views,
            evaluate=ranking_of(wildcards, "index", "memory_mb"),
        ),
        code=code_of("rank-places"),
    message:
        "Ranking the gallery of {wildcards.places} with {wildcards.network}"
    shell:
        "python -m nadir rank-places --features {input.features:q} --out {output:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


rule evaluate_retrieval:
    input:
        features="results/retrieval/{places}/{network}/features.manifest.json",
    output:
        "results/retrieval/{places}/{network}/metrics.json",
    log:
        "results/logs/evaluate_retrieval/{places}.{network}.log",
    benchmark:
        "results/benchmarks/evaluate_retrieval/{places}.{network}.tsv"
    conda:
        "../envs/train.yaml"
    resources:
        gpu=GPUS_OF_SEARCH,
        mem_mb=3000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            views=PLACES[wildcards.places].views, evaluate=scoring_of(wildcards)
        ),
        code=code_of("evaluate-retrieval"),
    message:
        "Scoring {wildcards.network} on {wildcards.places}"
    shell:
        "python -m nadir evaluate-retrieval --features {input.features:q} --out {output:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


rule plot_retrieval:
    input:
        images="results/retrieval/{places}/images.parquet",
        features="results/retrieval/{places}/{network}/features.manifest.json",
        rankings="results/retrieval/{places}/{network}/rankings.parquet",
        metrics="results/retrieval/{places}/{network}/metrics.json",
        history="results/retrieval/{places}/{network}/history.parquet",
        weights="results/retrieval/{places}/{network}/model/model.safetensors",
        description="results/retrieval/{places}/{network}/model/model.yaml",
    output:
        ranked=report(
            "results/retrieval/{places}/{network}/rankings.png",
            caption="../workflow/report/rankings.rst",
            category="Retrieval",
            subcategory="{network}",
            labels={"dataset": "{places}", "figure": "queries and their top ten"},
        ),
        misses=report(
            "results/retrieval/{places}/{network}/misses.png",
            caption="../workflow/report/misses.rst",
            category="Retrieval",
            subcategory="{network}",
            labels={"dataset": "{places}", "figure": "hardest misses"},
        ),
        embedding=report(
            "results/retrieval/{places}/{network}/embedding.png",
            caption="../workflow/report/embedding.rst",
            category="Retrieval",
            subcategory="{network}",
            labels={"dataset": "{places}", "figure": "space of features"},
        ),
        places=report(
            "results/retrieval/{places}/{network}/places.png",
            caption="../workflow/report/places.rst",
            category="Retrieval",
            subcategory="{network}",
            labels={"dataset": "{places}", "figure": "map of places and errors"},
        ),
        weathers=report(
            "results/retrieval/{places}/{network}/weathers.png",
            caption="../workflow/report/weathers.rst",
            category="Retrieval",
            subcategory="{network}",
            labels={"dataset": "{places}", "figure": "recall by weather"},
        ),
        saliency=report(
            "results/retrieval/{places}/{network}/saliency.png",
            caption="../workflow/report/saliency.rst",
            category="Retrieval",
            subcategory="{network}",
            labels={"dataset": "{places}", "figure": "what makes a pair alike"},
        ),
        curves=report(
            "results/retrieval/{places}/{network}/curves.png",
            caption="../workflow/report/matches.rst",
            category="Retrieval",
            subcategory="{network}",
            labels={"dataset": "{places}", "figure": "training and match curves"},
        ),
    log:
        "results/logs/plot_retrieval/{places}.{network}.log",
    benchmark:
        "results/benchmarks/plot_retrieval/{places}.{network}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            seed=RETRIEVERS[wildcards.network].evaluate.seed, **views_of(wildcards)
        ),
        code=code_of("plot-retrieval"),
    message:
        "Drawing what {wildcards.network} found in {wildcards.places}"
    shell:
        "python -m nadir plot-retrieval --images {input.images:q} --features {input.features:q} "
        "--rankings {input.rankings:q} --metrics {input.metrics:q} --history {input.history:q} "
        "--model {input.weights:q} "
        "--ranked {output.ranked:q} "
        "--misses {output.misses:q} "
        "--embedding {output.embedding:q} "
        "--places {output.places:q} "
        "--weathers {output.weathers:q} "
        "--saliency {output.saliency:q} "
        "--curves {output.curves:q} "
        "--cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule pack_answer:
    input:
        rankings="results/retrieval/{places}/{network}/rankings.parquet",
        images="results/retrieval/{places}/images.parquet",
        queries=lambda wildcards: ancient(raw_files.watched(asked_queries(wildcards))),
    output:
        "results/retrieval/{places}/{network}/submission.zip",
    log:
        "results/logs/pack_answer/{places}.{network}.log",
    benchmark:
        "results/benchmarks/pack_answer/{places}.{network}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=20,
    params:
        cfg=lambda wildcards: text_of(
            views=PLACES[wildcards.places].views,
            weather=RETRIEVERS[wildcards.network].evaluate.weathers[0],
        ),
        raw=lambda wildcards: digests(asked_queries(wildcards)),
        order=lambda wildcards: [
            word for path in asked_queries(wildcards) for word in ("--queries", path)
        ],
        code=code_of("pack-answer"),
    message:
        "Packing the answer of {wildcards.network} on {wildcards.places}"
    shell:
        "python -m nadir pack-answer --rankings {input.rankings:q} --images {input.images:q} "
        "{params.order:q} --out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule propose_places:
    input:
        rankings="results/retrieval/{places}/{network}/rankings.parquet",
        images="results/retrieval/{places}/images.parquet",
        substrate=case_ground,
    output:
        "results/retrieval/{places}/{network}/proposals.parquet",
    log:
        "results/logs/propose_places/{places}.{network}.log",
    benchmark:
        "results/benchmarks/propose_places/{places}.{network}.tsv"
    wildcard_constraints:
        places=one_of(name for name, section in PLACES.items() if section.case),
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        cfg=lambda wildcards: text_of(views=PLACES[wildcards.places].views),
        ground=ground_option,
        raw=substrate_digests,
        code=code_of("propose-places"),
    message:
        "Proposing places on the substrate of {wildcards.places} with {wildcards.network}"
    shell:
        "python -m nadir propose-places --rankings {input.rankings:q} --images {input.images:q} "
        "{params.ground:q} --out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule export_gallery:
    input:
        features="results/retrieval/{places}/{network}/features.manifest.json",
        weights="results/retrieval/{places}/{network}/model/model.safetensors",
        description="results/retrieval/{places}/{network}/model/model.yaml",
        images="results/retrieval/{places}/images.parquet",
        simulated=simulated_place_files,
    output:
        "results/retrieval/{places}/{network}/gallery/gallery.json",
    log:
        "results/logs/export_gallery/{places}.{network}.log",
    benchmark:
        "results/benchmarks/export_gallery/{places}.{network}.tsv"
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        crs=places_crs,
        code=code_of("export-gallery"),
    message:
        "Exporting the gallery of {wildcards.places} with {wildcards.network} for the service"
    shell:
        "python -m nadir export-gallery --features {input.features:q} --model {input.weights:q} "
        "--out {output:q} {params.crs:q} >{log:q} 2>&1"


rule export_retriever:
    input:
        weights="results/retrieval/{places}/{network}/model/model.safetensors",
        description="results/retrieval/{places}/{network}/model/model.yaml",
    output:
        item="results/retrieval/{places}/{network}/model/item.json",
        sample="results/retrieval/{places}/{network}/model/sample.npz",
        program="results/retrieval/{places}/{network}/model/exported.pt2",
        onnx="results/retrieval/{places}/{network}/model/model.onnx",
    log:
        "results/logs/export_retriever/{places}.{network}.log",
    benchmark:
        "results/benchmarks/export_retriever/{places}.{network}.tsv"
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        code=code_of("export-bundle"),
    message:
        "Bundling the model of {wildcards.network} on {wildcards.places}"
    shell:
        "python -m nadir export-bundle --model {input.weights:q} --out {output.item:q} "
        "--threads {threads} >{log:q} 2>&1"


rule compare_retrieval:
    input:
        metrics=[f"{folder}/metrics.json" for folder in retrieval_folders()],
    output:
        html=report(
            "results/retrieval/comparison.html",
            caption="../workflow/report/retrieval.rst",
            category="Retrieval",
            subcategory="comparison",
            labels={"dataset": "all", "figure": "table of all experiments"},
        ),
        table="results/retrieval/comparison.csv",
        figure=report(
            "results/retrieval/comparison.png",
            caption="../workflow/report/retrieval.rst",
            category="Retrieval",
            subcategory="comparison",
            labels={"dataset": "all", "figure": "comparison"},
        ),
    log:
        "results/logs/compare_retrieval/all.log",
    benchmark:
        "results/benchmarks/compare_retrieval/all.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code_of("compare-retrieval"),
    message:
        "Comparing all experiments of retrieval"
    shell:
        "python -m nadir compare-retrieval --metrics {input.metrics:q} --out {output.html:q} "
        "--table {output.table:q} --figure {output.figure:q} >{log:q} 2>&1"
