# Searches of hyper-parameters, on demand (`snakemake tune`). Workers share the trials through a journal
# in `results/.cache/search`; any number of them may run, join later, or be killed.
rule search_parameters:
    input:
        cubes=lambda wildcards: scene_paths(wildcards, "cube.manifest.json", "learn"),
        labels=lambda wildcards: scene_paths(wildcards, "labels.manifest.json", "learn"),
        split="results/{job}/{dataset}/split.parquet",
        statistics="results/{job}/{dataset}/statistics.json",
        outlines=searched_outlines,
        pretrained=lambda wildcards: ancient(
            raw_files.watched(searched_weights(wildcards))
        ),
    output:
        "results/{job}/{dataset}/searches/{search}/workers/{worker}.json",
    log:
        "results/logs/search_parameters/{job}.{dataset}.{search}.{worker}.log",
    benchmark:
        "results/benchmarks/search_parameters/{job}.{dataset}.{search}.{worker}.tsv"
    retries: 1
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=8000,
        runtime=1440,
    params:
        cfg=lambda wildcards: text_of(
            search=tuning_of(wildcards),
            experiment=searched_section(wildcards),
            classes=dataset_of(wildcards).table.colorless,
            seed=CONFIG.seed,
        ),
        raw=lambda wildcards: digests(searched_weights(wildcards)),
        outlines=outlines_option,
        # That of trainings: the trial that is chosen is found under the key of its experiment.
        code=code_of("train-model"),
        version=code_of("tune"),
    message:
        "Searching parameters of {wildcards.search} on {wildcards.dataset}, worker {wildcards.worker}"
    shell:
        "python -m nadir tune --cubes {input.cubes:q} --labels {input.labels:q} "
        "{params.outlines:q} --split {input.split:q} --statistics {input.statistics:q} "
        "--out {output:q} --cfg {params.cfg:q} --code {params.code} --threads {threads} "
        "2>&1 | tee {log:q}"


rule collect_search:
    input:
        worker_files,
    output:
        table="results/{job}/{dataset}/searches/{search}/search.json",
        best="results/{job}/{dataset}/searches/{search}/best.yaml",
        figure=report(
            "results/{job}/{dataset}/searches/{search}/search.png",
            caption="../workflow/report/search.rst",
            category="{job}",
            subcategory="searches",
            labels={"dataset": "{dataset}", "figure": "search {search}"},
        ),
    log:
        "results/logs/collect_search/{job}.{dataset}.{search}.log",
    benchmark:
        "results/benchmarks/collect_search/{job}.{dataset}.{search}.tsv"
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        cfg=lambda wildcards: text_of(
            search=tuning_of(wildcards),
            experiment=experiment_of(base_of(wildcards)),
            job=wildcards.job,
            name=wildcards.search,
        ),
        code=code_of("collect-search"),
    message:
        "Collecting the trials of {wildcards.search} on {wildcards.dataset}"
    shell:
        "python -m nadir collect-search --workers {input:q} --out {output.table:q} "
        "--best {output.best:q} --figure {output.figure:q} --cfg {params.cfg:q} >{log:q} 2>&1"
