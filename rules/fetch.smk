# Scenes and masks from STAC catalogues, object stores, plain addresses.
#
# The network is asked inside jobs alone, never while the graph is drawn: which images a date is made
# of is a small file of its own (`DATE.items.json`), so that a resumed fetch takes the same ones, and
# a look at it before gigabytes are loaded is one target away.


rule search_items:
    output:
        "results/fetched/landcover/{dataset}/{scene}/{date}.items.json",
    log:
        "results/logs/search_items/{dataset}.{scene}.{date}.log",
    benchmark:
        "results/benchmarks/search_items/{dataset}.{scene}.{date}.tsv"
    priority: 100
    conda:
        "../envs/fetch.yaml"
    resources:
        mem_mb=1000,
        runtime=30,
    params:
        cfg=search_settings,
        code=code_of("search-items"),
    message:
        "Searching images of {wildcards.scene} for {wildcards.date}"
    shell:
        "python -m nadir search-items --out {output:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule fetch_images:
    input:
        "results/fetched/landcover/{dataset}/{scene}/{date}.items.json",
    output:
        image="results/fetched/landcover/{dataset}/{scene}/{date}.tif",
        record="results/fetched/landcover/{dataset}/{scene}/{date}.record.json",
    log:
        "results/logs/fetch_images/{dataset}.{scene}.{date}.log",
    benchmark:
        "results/benchmarks/fetch_images/{dataset}.{scene}.{date}.tsv"
    conda:
        "../envs/fetch.yaml"
    threads: 2
    resources:
        mem_mb=3000,
        runtime=1440,
    params:
        cfg=image_settings,
        code=code_of("fetch-images"),
    message:
        "Fetching the images of {wildcards.scene} for {wildcards.date}"
    shell:
        "python -m nadir fetch-images --items {input:q} --out {output.image:q} "
        "--record {output.record:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule fetch_mask:
    output:
        mask="results/fetched/landcover/{dataset}/{scene}/mask.tif",
        record="results/fetched/landcover/{dataset}/{scene}/mask.record.json",
    log:
        "results/logs/fetch_mask/{dataset}.{scene}.log",
    benchmark:
        "results/benchmarks/fetch_mask/{dataset}.{scene}.tsv"
    conda:
        "../envs/fetch.yaml"
    resources:
        mem_mb=2000,
        runtime=1440,
    params:
        cfg=lambda wildcards: text_of(
            mask=fetch_of(wildcards).mask, area=fetch_of(wildcards).area
        ),
        code=code_of("fetch-mask"),
    message:
        "Fetching the labels of {wildcards.scene}"
    shell:
        "python -m nadir fetch-mask --out {output.mask:q} --record {output.record:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"
