# The simulated world -> raw data, as a sensor and a surveyor would deliver them.
rule simulate_world:
    output:
        world="results/simulated/{world}/world.json",
        april="results/simulated/{world}/april.tif",
        august="results/simulated/{world}/august.tif",
        mask="results/simulated/{world}/mask.tif",
    log:
        "results/logs/simulate_world/{world}.log",
    benchmark:
        "results/benchmarks/simulate_world/{world}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(world=CONFIG.worlds[wildcards.world]),
        code=code_of("simulate-world"),
    message:
        "Simulating the world {wildcards.world}: two Sentinel-2 dates and a 1 m mask"
    shell:
        "python -m nadir simulate-world --out {output.world:q} --cfg {params.cfg:q} "
        "--threads {threads} >{log:q} 2>&1"


rule simulate_aerial:
    output:
        "results/simulated/{world}/aerial/{aerial}/aerial.json",
    log:
        "results/logs/simulate_aerial/{world}.{aerial}.log",
    benchmark:
        "results/benchmarks/simulate_aerial/{world}.{aerial}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        cfg=lambda wildcards: text_of(
            world=CONFIG.worlds[wildcards.world],
            aerial=AERIALS[wildcards.world, wildcards.aerial],
        ),
        code=code_of("simulate-aerial"),
    message:
        "Simulating aerial pictures of the world {wildcards.world}: {wildcards.aerial}"
    shell:
        "python -m nadir simulate-aerial --out {output:q} --cfg {params.cfg:q} "
        "--threads {threads} >{log:q} 2>&1"
