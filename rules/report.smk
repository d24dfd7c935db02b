# What gathers several experiments.


rule compare_experiments:
    input:
        metrics=metrics_of,
        blocks=blocks_of,
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
        code=code_of("compare-experiments"),
    message:
        "Comparing all experiments of {wildcards.job}"
    shell:
        "python -m nadir compare-experiments --metrics {input.metrics:q} --blocks {input.blocks:q} "
        "--out {output.html:q} --table {output.table:q} --figure {output.figure:q} "
        ">{log:q} 2>&1"
