# Jobs that meet what happens on clusters; each attempt leaves its SLURM job's number. (Not in the
# log: Snakemake removes that before it tries again.)
rule all:
    input:
        "chain.txt",
        "cancelled.txt",
        "late.txt",
        expand("gpu{number}.txt", number=range(2)),
        "never.txt",


rule fails:
    output:
        "never.txt",
    log:
        "fails.log",
    resources:
        mem_mb=100,
        runtime=5,
    shell:
        "echo $SLURM_JOB_ID >>fails.jobs; "
        "(touch {output}; echo the reason; exit 3) >{log} 2>&1"


rule cancelled:
    output:
        "cancelled.txt",
    resources:
        mem_mb=100,
        runtime=5,
    shell:
        "touch {output}; echo $SLURM_JOB_ID >>cancelled.jobs; "
        "if [ $(wc -l <cancelled.jobs) = 1 ]; then sleep 500; fi; echo done >{output}"


# What it had done when its time was over it does not do again, as trainings do.
rule late:
    output:
        "late.txt",
    resources:
        mem_mb=100,
        runtime=lambda wildcards, attempt: attempt,
    shell:
        "echo $SLURM_JOB_ID >>late.jobs; "
        "if [ ! -e late.state ]; then touch late.state; sleep 500; fi; mv late.state {output}"


rule gpu:
    output:
        "gpu{number}.txt",
    resources:
        gpu=2,
        mem_mb=100,
        runtime=5,
    shell:
        "(echo device $CUDA_VISIBLE_DEVICES; date +%s.%N; sleep 2; date +%s.%N) >{output}"


rule first:
    output:
        "first.txt",
    group:
        "chain"
    resources:
        mem_mb=100,
        runtime=2,
    shell:
        "echo $SLURM_JOB_ID >{output}"


rule second:
    input:
        "first.txt",
    output:
        "chain.txt",
    group:
        "chain"
    resources:
        mem_mb=100,
        runtime=3,
    shell:
        "(cat {input}; echo $SLURM_JOB_ID) >{output}"
