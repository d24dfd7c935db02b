# What gathers several experiments.


rule compare_experiments:
    input:
        metrics=metrics_of,
        blocks=blocks_of,
        footprints=footprints_of,
    output:
        html=report(
            "results/{job}/comparison.html",
            caption="../workflow/report/comparison.rst",
            category="{job}",
            subcategory="comparison",
            labels={"dataset": "all", "figure": "table of all experiments"},
        ),
        table="results/{job}/comparison.csv",
        figure=report(
            "results/{job}/comparison.png",
            caption="../workflow/report/comparison.rst",
            category="{job}",
            subcategory="comparison",
            labels={"dataset": "all", "figure": "comparison"},
        ),
    log:
        "results/logs/compare_experiments/{job}.log",
    benchmark:
        "results/benchmarks/compare_experiments/{job}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        cfg=lambda wildcards: text_of(
            resamples=resamples_of(wildcards.job), seeds=seeds_of(wildcards)
        ),
        code=code_of("compare-experiments"),
    message:
        "Comparing all experiments of {wildcards.job}"
    shell:
        "python -m nadir compare-experiments --metrics {input.metrics:q} --blocks {input.blocks:q} "
        "--footprints {input.footprints:q} "
        "--out {output.html:q} --table {output.table:q} --figure {output.figure:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


# No part of `all`: times differ from run to run, and products do not.
rule present_costs:
    output:
        html=report(
            "results/cost.html",
            caption="../workflow/report/cost.rst",
            category="cost",
            labels={"dataset": "all", "figure": "cost by rule"},
        ),
        table="results/cost.csv",
        figure="results/cost.png",
    log:
        "results/logs/present_costs/all.log",
    benchmark:
        "results/benchmarks/present_costs/all.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        cfg=text_of(costs=CONFIG.costs),
        code=code_of("present-costs"),
        measured=measurements,
    message:
        "Adding up what the jobs took"
    shell:
        "python -m nadir present-costs --out {output.html:q} --table {output.table:q} "
        "--figure {output.figure:q} --cfg {params.cfg:q} >{log:q} 2>&1"
