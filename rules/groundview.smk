# Ground view: photos and crops of their places -> pairs, generators, views, scores, films.


rule simulate_ground_views:
    output:
        views="results/simulated/{world}/ground/{album}/views.json",
        table="results/simulated/{world}/ground/{album}/photos.csv",
        truth="results/simulated/{world}/ground/{album}/truth.csv",
    log:
        "results/logs/simulate_ground_views/{world}.{album}.log",
    benchmark:
        "results/benchmarks/simulate_ground_views/{world}.{album}.tsv"
    wildcard_constraints:
        album=one_of(name for name, section in ALBUMS.items() if section.world),
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        cfg=lambda wildcards: text_of(
            world=CONFIG.worlds[wildcards.world], views=album_of(wildcards).simulate
        ),
        code=code_of("simulate-ground-views"),
    message:
        "Simulating {wildcards.album}: photos from the ground of {wildcards.world}"
    shell:
        "python -m nadir simulate-ground-views --out {output.views:q} --cfg {params.cfg:q} "
        "--threads {threads} >{log:q} 2>&1"


rule fetch_photos:
    output:
        table="results/groundview/{album}/fetched/photos.csv",
    log:
        "results/logs/fetch_photos/{album}.log",
    benchmark:
        "results/benchmarks/fetch_photos/{album}.tsv"
    wildcard_constraints:
        album=one_of(name for name, section in ALBUMS.items() if section.fetch),
    retries: 2
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=1000,
        runtime=1440,
    params:
        cfg=lambda wildcards: text_of(fetch=album_of(wildcards).fetch),
        code=code_of("fetch-photos"),
    message:
        "Fetching the photos of {wildcards.album}"
    shell:
        "python -m nadir fetch-photos --out {output.table:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule index_photos:
    input:
        made=album_files,
        cube=album_cube,
        ground=lambda wildcards: ancient(raw_files.watched(ground_files(wildcards))),
    output:
        table="results/groundview/{album}/photos.parquet",
    log:
        "results/logs/index_photos/{album}.log",
    benchmark:
        "results/benchmarks/index_photos/{album}.tsv"
    conda:
        "../envs/data.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        cfg=album_text(
            "simulate", "filters", "review", "split", "seed", "image_px", "fit"
        ),
        folder=lambda wildcards: option("--folder", album_folder(wildcards)),
        cube=lambda wildcards: option("--cube", *album_cube(wildcards)),
        raw=lambda wildcards: raw_photos(wildcards),
        code=code_of("index-photos"),
    message:
        "Checking and listing the photos of {wildcards.album}"
    shell:
        "python -m nadir index-photos {params.folder:q} {params.cube:q} --out {output.table:q} "
        "--cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule train_scenes:
    input:
        photos="results/groundview/{album}/photos.parquet",
        made=album_files,
        labels=lambda wildcards: ancient(raw_files.watched(scene_labels(wildcards))),
    output:
        weights="results/groundview/{album}/scenes/model.safetensors",
        description="results/groundview/{album}/scenes/model.yaml",
    log:
        "results/logs/train_scenes/{album}.log",
    benchmark:
        "results/benchmarks/train_scenes/{album}.tsv"
    wildcard_constraints:
        album=one_of(filter(trained_scenes, ALBUMS)),
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            scenes=album_of(wildcards).filters.scenes, seed=CONFIG.seed
        ),
        labels=lambda wildcards: truth_option(wildcards),
        raw=lambda wildcards: digests(scene_labels(wildcards)),
        code=code_of("train-scenes"),
    message:
        "Training the classifier of scenes of {wildcards.album}"
    shell:
        "python -m nadir train-scenes --photos {input.photos:q} {params.labels:q} "
        "--out {output.weights:q} --cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule filter_photos:
    input:
        photos="results/groundview/{album}/photos.parquet",
        cube=album_cube,
        scenes=scene_weights,
        files=lambda wildcards: ancient(raw_files.watched(filter_files(wildcards))),
    output:
        table="results/groundview/{album}/filters.parquet",
    log:
        "results/logs/filter_photos/{album}.log",
    benchmark:
        "results/benchmarks/filter_photos/{album}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        cfg=album_text("simulate", "split"),
        cube=lambda wildcards: option("--cube", *album_cube(wildcards)),
        scenes=lambda wildcards: option("--scenes", *scene_weights(wildcards)),
        raw=lambda wildcards: digests(filter_files(wildcards)),
        code=code_of("filter-photos"),
    message:
        "Choosing among the photos of {wildcards.album}"
    shell:
        "python -m nadir filter-photos --photos {input.photos:q} {params.cube:q} {params.scenes:q} "
        "--out {output.table:q} --cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule plot_funnel:
    input:
        filters="results/groundview/{album}/filters.parquet",
    output:
        picture=report(
            "results/groundview/{album}/funnel.png",
            caption="../workflow/report/funnel.rst",
            category="Ground view",
            subcategory="{album}",
            labels={"dataset": "{album}", "figure": "photos dropped by cause"},
        ),
    log:
        "results/logs/plot_funnel/{album}.log",
    benchmark:
        "results/benchmarks/plot_funnel/{album}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        cfg=album_text("simulate", "split", "image_px", "fit"),
        code=code_of("plot-funnel"),
    message:
        "Drawing which photos of {wildcards.album} were dropped, and why"
    shell:
        "python -m nadir plot-funnel --filters {input.filters:q} --out {output.picture:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


rule review_sheet:
    input:
        photos="results/groundview/{album}/photos.parquet",
        filters="results/groundview/{album}/filters.parquet",
    output:
        page="results/groundview/{album}/review.html",
    log:
        "results/logs/review_sheet/{album}.log",
    benchmark:
        "results/benchmarks/review_sheet/{album}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cfg=album_text("simulate", "split"),
        code=code_of("review-sheet"),
    message:
        "Laying out the photos of {wildcards.album} for review"
    shell:
        "python -m nadir review-sheet --photos {input.photos:q} --filters {input.filters:q} "
        "--title {wildcards.album:q} --out {output.page:q} --cfg {params.cfg:q} "
        "--threads {threads} >{log:q} 2>&1"


rule build_pairs:
    input:
        photos="results/groundview/{album}/photos.parquet",
        filters="results/groundview/{album}/filters.parquet",
        made=album_files,
        cube=album_cube,
        ground=lambda wildcards: ancient(raw_files.watched(ground_files(wildcards))),
    output:
        manifest="results/groundview/{album}/pairs.manifest.json",
        table="results/groundview/{album}/pairs.parquet",
    log:
        "results/logs/build_pairs/{album}.log",
    benchmark:
        "results/benchmarks/build_pairs/{album}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        cfg=album_text("filters", "review"),
        folder=lambda wildcards: option("--folder", album_folder(wildcards)),
        cube=lambda wildcards: option("--cube", *album_cube(wildcards)),
        raw=lambda wildcards: digests(ground_files(wildcards)),
        code=code_of("build-pairs"),
    message:
        "Pairing the photos of {wildcards.album} with their crops, and splitting the places"
    shell:
        "python -m nadir build-pairs --photos {input.photos:q} --filters {input.filters:q} "
        "{params.folder:q} {params.cube:q} --out {output.manifest:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule train_judge:
    input:
        pairs="results/groundview/{album}/pairs.manifest.json",
    output:
        weights="results/groundview/{album}/judge/model.safetensors",
        description="results/groundview/{album}/judge/model.yaml",
        card="results/groundview/{album}/judge/card.json",
        history="results/groundview/{album}/judge/history.parquet",
    log:
        "results/logs/train_judge/{album}.log",
    benchmark:
        "results/benchmarks/train_judge/{album}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=4000,
        runtime=240,
    params:
        cfg=lambda wildcards: text_of(judge=CONFIG.groundview.judge, seed=CONFIG.seed),
        code=code_of("train-judge"),
    message:
        "Training the network that judges views of {wildcards.album}"
    shell:
        "python -m nadir train-judge --pairs {input.pairs:q} --out {output.weights:q} "
        "--cfg {params.cfg:q} --code {params.code} --threads {threads} >{log:q} 2>&1"


rule train_groundview:
    input:
        pairs="results/groundview/{album}/pairs.manifest.json",
    output:
        weights="results/groundview/{album}/{generator}/model/model.safetensors",
        description="results/groundview/{album}/{generator}/model/model.yaml",
        card="results/groundview/{album}/{generator}/model/card.json",
        history="results/groundview/{album}/{generator}/history.parquet",
        frames="results/groundview/{album}/{generator}/frames.npz",
    log:
        "results/logs/train_groundview/{album}.{generator}.log",
    benchmark:
        "results/benchmarks/train_groundview/{album}.{generator}.tsv"
    retries: 1
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=6000,
        runtime=1440,
    params:
        cfg=lambda wildcards: text_of(
            model=generator_of(wildcards).model,
            train=generator_of(wildcards).train,
            seed=CONFIG.seed,
        ),
        code=code_of("train-groundview"),
    message:
        "Training {wildcards.generator} on {wildcards.album}"
    shell:
        "python -m nadir train-groundview --pairs {input.pairs:q} --out {output.weights:q} "
        "--history {output.history:q} --frames {output.frames:q} --cfg {params.cfg:q} "
        "--code {params.code} --threads {threads} 2>&1 | tee {log:q}"


rule generate_views:
    input:
        pairs="results/groundview/{album}/pairs.manifest.json",
        weights="results/groundview/{album}/{generator}/model/model.safetensors",
        description="results/groundview/{album}/{generator}/model/model.yaml",
    output:
        manifest="results/groundview/{album}/{generator}/views.manifest.json",
    log:
        "results/logs/generate_views/{album}.{generator}.log",
    benchmark:
        "results/benchmarks/generate_views/{album}.{generator}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=4000,
        runtime=240,
    params:
        cfg=lambda wildcards: text_of(generate=generator_of(wildcards).generate),
        code=code_of("generate-views"),
    message:
        "Generating the views of {wildcards.generator} for the test places of {wildcards.album}"
    shell:
        "python -m nadir generate-views --pairs {input.pairs:q} --model {input.weights:q} "
        "--out {output.manifest:q} --cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule generate_path:
    input:
        weights="results/groundview/{album}/{generator}/model/model.safetensors",
        description="results/groundview/{album}/{generator}/model/model.yaml",
        ground=lambda wildcards: ancient(raw_files.watched(ground_files(wildcards))),
    output:
        views="results/groundview/{album}/{generator}/path.npz",
    log:
        "results/logs/generate_path/{album}.{generator}.log",
    benchmark:
        "results/benchmarks/generate_path/{album}.{generator}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=4000,
        runtime=120,
    params:
        cfg=line_text,
        map=lambda wildcards: option("--map", *ground_files(wildcards)),
        raw=lambda wildcards: digests(ground_files(wildcards)),
        code=code_of("generate-path"),
    message:
        "Generating the views of {wildcards.generator} along a line over {wildcards.album}"
    shell:
        "python -m nadir generate-path --model {input.weights:q} {params.map:q} "
        "--out {output.views:q} --cfg {params.cfg:q} --threads {threads} >{log:q} 2>&1"


rule export_generator:
    input:
        weights="results/groundview/{album}/{generator}/model/model.safetensors",
        description="results/groundview/{album}/{generator}/model/model.yaml",
    output:
        item="results/groundview/{album}/{generator}/model/item.json",
        sample="results/groundview/{album}/{generator}/model/sample.npz",
        program="results/groundview/{album}/{generator}/model/exported.pt2",
        onnx="results/groundview/{album}/{generator}/model/model.onnx",
    log:
        "results/logs/export_generator/{album}.{generator}.log",
    benchmark:
        "results/benchmarks/export_generator/{album}.{generator}.tsv"
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        code=code_of("export-bundle"),
    message:
        "Bundling {wildcards.generator} on {wildcards.album}"
    shell:
        "python -m nadir export-bundle --model {input.weights:q} --out {output.item:q} "
        "--threads {threads} >{log:q} 2>&1"


rule export_ground:
    input:
        pairs="results/groundview/{album}/pairs.manifest.json",
        weights="results/groundview/{album}/{generator}/model/model.safetensors",
        description="results/groundview/{album}/{generator}/model/model.yaml",
        cube=album_cube,
        ground=lambda wildcards: ancient(raw_files.watched(ground_files(wildcards))),
    output:
        list="results/groundview/{album}/{generator}/ground/ground.json",
    log:
        "results/logs/export_ground/{album}.{generator}.log",
    benchmark:
        "results/benchmarks/export_ground/{album}.{generator}.tsv"
    wildcard_constraints:
        album=one_of(filter(mapped_album, ALBUMS)),
    conda:
        "../envs/train.yaml"
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        cfg=album_text("filters", "review", "split", "seed", "image_px", "fit"),
        cube=lambda wildcards: option("--cube", *album_cube(wildcards)),
        raw=lambda wildcards: digests(ground_files(wildcards)),
        code=code_of("export-ground"),
    message:
        "Exporting {wildcards.generator} with the map of {wildcards.album} for the service"
    shell:
        "python -m nadir export-ground --pairs {input.pairs:q} --model {input.weights:q} "
        "{params.cube:q} --out {output.list:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule evaluate_groundview:
    input:
        pairs="results/groundview/{album}/pairs.manifest.json",
        views="results/groundview/{album}/{generator}/views.manifest.json",
        judge="results/groundview/{album}/judge/model.safetensors",
        description="results/groundview/{album}/judge/model.yaml",
        weights=lambda wildcards: ancient(raw_files.watched(scored_weights(wildcards))),
    output:
        metrics="results/groundview/{album}/{generator}/metrics.json",
    log:
        "results/logs/evaluate_groundview/{album}.{generator}.log",
    benchmark:
        "results/benchmarks/evaluate_groundview/{album}.{generator}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        cfg=lambda wildcards: text_of(
            evaluate=generator_of(wildcards).evaluate, seed=CONFIG.seed
        ),
        raw=lambda wildcards: digests(scored_weights(wildcards)),
        code=code_of("evaluate-groundview"),
    message:
        "Scoring the views of {wildcards.generator} on {wildcards.album}"
    shell:
        "python -m nadir evaluate-groundview --pairs {input.pairs:q} --views {input.views:q} "
        "--judge {input.judge:q} --out {output.metrics:q} --cfg {params.cfg:q} "
        "--threads {threads} >{log:q} 2>&1"


rule plot_groundview:
    input:
        pairs="results/groundview/{album}/pairs.manifest.json",
        views="results/groundview/{album}/{generator}/views.manifest.json",
        metrics="results/groundview/{album}/{generator}/metrics.json",
        frames="results/groundview/{album}/{generator}/frames.npz",
    output:
        samples=report(
            "results/groundview/{album}/{generator}/samples.png",
            caption="../workflow/report/views.rst",
            category="Ground view",
            subcategory="{generator}",
            labels={"dataset": "{album}", "figure": "crops, photos, generated views"},
        ),
        walk=report(
            "results/groundview/{album}/{generator}/walk.png",
            caption="../workflow/report/walk.rst",
            category="Ground view",
            subcategory="{generator}",
            labels={"dataset": "{album}", "figure": "walks through the latent space"},
        ),
        pairing=report(
            "results/groundview/{album}/{generator}/pairing.png",
            caption="../workflow/report/pairing.rst",
            category="Ground view",
            subcategory="{generator}",
            labels={
                "dataset": "{album}",
                "figure": "which photo a view is nearest to",
            },
        ),
        film=report(
            "results/groundview/{album}/{generator}/film.gif",
            caption="../workflow/report/film.rst",
            category="Ground view",
            subcategory="{generator}",
            labels={"dataset": "{album}", "figure": "film of the training"},
        ),
    log:
        "results/logs/plot_groundview/{album}.{generator}.log",
    benchmark:
        "results/benchmarks/plot_groundview/{album}.{generator}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code_of("plot-groundview"),
    message:
        "Drawing the views of {wildcards.generator} on {wildcards.album}"
    shell:
        "python -m nadir plot-groundview --pairs {input.pairs:q} --views {input.views:q} "
        "--metrics {input.metrics:q} --frames {input.frames:q} --samples {output.samples:q} "
        "--walk {output.walk:q} --pairing {output.pairing:q} --film {output.film:q} >{log:q} 2>&1"


rule film_path:
    input:
        views=line_of,
    output:
        film=report(
            "results/groundview/{album}/{generator}/path.gif",
            caption="../workflow/report/path.rst",
            category="Ground view",
            subcategory="{generator}",
            labels={"dataset": "{album}", "figure": "views along a line"},
        ),
    log:
        "results/logs/film_path/{album}.{generator}.log",
    benchmark:
        "results/benchmarks/film_path/{album}.{generator}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=1000,
        runtime=20,
    params:
        code=code_of("film-path"),
    message:
        "Filming the line of {wildcards.generator} over {wildcards.album}"
    shell:
        "python -m nadir film-path --views {input.views:q} --out {output.film:q} >{log:q} 2>&1"


rule export_photos:
    input:
        pairs="results/groundview/{album}/pairs.manifest.json",
    output:
        counts="results/groundview/{album}/closing/photos/set.json",
    log:
        "results/logs/export_photos/{album}.log",
    benchmark:
        "results/benchmarks/export_photos/{album}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cfg=closing_text,
        code=code_of("export-views"),
    message:
        "Writing the pairs of {wildcards.album} as places to find"
    shell:
        "python -m nadir export-views --pairs {input.pairs:q} --out {output.counts:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


rule export_views:
    input:
        pairs="results/groundview/{album}/pairs.manifest.json",
        views="results/groundview/{album}/{generator}/views.manifest.json",
    output:
        counts="results/groundview/{album}/{generator}/closing/set.json",
    log:
        "results/logs/export_views/{album}.{generator}.log",
    benchmark:
        "results/benchmarks/export_views/{album}.{generator}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cfg=closing_text,
        code=code_of("export-views"),
    message:
        "Writing the views of {wildcards.generator} on {wildcards.album} as places to find"
    shell:
        "python -m nadir export-views --pairs {input.pairs:q} --views {input.views:q} "
        "--out {output.counts:q} --cfg {params.cfg:q} >{log:q} 2>&1"


rule index_exported_photos:
    input:
        counts="results/groundview/{album}/closing/photos/set.json",
    output:
        table="results/groundview/{album}/closing/photos/images.parquet",
    log:
        "results/logs/index_exported_photos/{album}.log",
    benchmark:
        "results/benchmarks/index_exported_photos/{album}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cfg=lambda wildcards: text_of(
            dataset=closing_dataset(
                f"results/groundview/{wildcards.album}/closing/photos"
            )
        ),
        code=code_of("index-places"),
    message:
        "Listing the pairs of {wildcards.album} as places to find"
    shell:
        "python -m nadir index-places --out {output.table:q} --cfg {params.cfg:q} "
        "--threads {threads} >{log:q} 2>&1"


rule index_exported_views:
    input:
        counts="results/groundview/{album}/{generator}/closing/set.json",
    output:
        table="results/groundview/{album}/{generator}/closing/images.parquet",
    log:
        "results/logs/index_exported_views/{album}.{generator}.log",
    benchmark:
        "results/benchmarks/index_exported_views/{album}.{generator}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cfg=lambda wildcards: text_of(
            dataset=closing_dataset(
                f"results/groundview/{wildcards.album}/{wildcards.generator}/closing"
            )
        ),
        code=code_of("index-places"),
    message:
        "Listing the views of {wildcards.generator} on {wildcards.album} as places to find"
    shell:
        "python -m nadir index-places --out {output.table:q} --cfg {params.cfg:q} "
        "--threads {threads} >{log:q} 2>&1"


rule train_closing:
    input:
        images="results/groundview/{album}/closing/photos/images.parquet",
    output:
        weights="results/groundview/{album}/closing/model/model.safetensors",
        description="results/groundview/{album}/closing/model/model.yaml",
        card="results/groundview/{album}/closing/model/card.json",
        history="results/groundview/{album}/closing/history.parquet",
    log:
        "results/logs/train_closing/{album}.log",
    benchmark:
        "results/benchmarks/train_closing/{album}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=4000,
        runtime=240,
    params:
        cfg=lambda wildcards: text_of(
            seed=CONFIG.seed,
            views=CLOSING_VIEWS,
            upright=False,
            model=CONFIG.groundview.closing.model,
            train=CONFIG.groundview.closing.train,
        ),
        code=code_of("train-retrieval"),
    message:
        "Training the network that finds the crops of photos of {wildcards.album}"
    shell:
        "python -m nadir train-retrieval --images {input.images:q} --out {output.weights:q} "
        "--history {output.history:q} --cfg {params.cfg:q} --code {params.code} "
        "--threads {threads} 2>&1 | tee {log:q}"


rule describe_views:
    input:
        images="results/groundview/{album}/{generator}/closing/images.parquet",
        weights="results/groundview/{album}/closing/model/model.safetensors",
        description="results/groundview/{album}/closing/model/model.yaml",
    output:
        features="results/groundview/{album}/{generator}/closing/features.manifest.json",
    log:
        "results/logs/describe_views/{album}.{generator}.log",
    benchmark:
        "results/benchmarks/describe_views/{album}.{generator}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=4000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            evaluate=CLOSING_RANKING, views=CLOSING_VIEWS, upright=False
        ),
        code=code_of("extract-features"),
    message:
        "Describing the views of {wildcards.generator} on {wildcards.album}"
    shell:
        "python -m nadir extract-features --images {input.images:q} --model {input.weights:q} "
        "--out {output.features:q} --cfg {params.cfg:q} --code {params.code} "
        "--threads {threads} >{log:q} 2>&1"


rule describe_photos:
    input:
        images="results/groundview/{album}/closing/photos/images.parquet",
        weights="results/groundview/{album}/closing/model/model.safetensors",
        description="results/groundview/{album}/closing/model/model.yaml",
    output:
        features="results/groundview/{album}/closing/features.manifest.json",
    log:
        "results/logs/describe_photos/{album}.log",
    benchmark:
        "results/benchmarks/describe_photos/{album}.tsv"
    conda:
        "../envs/train.yaml"
    threads: 2
    resources:
        gpu=GPUS,
        mem_mb=4000,
        runtime=60,
    params:
        cfg=lambda wildcards: text_of(
            evaluate=CLOSING_RANKING, views=CLOSING_VIEWS, upright=False
        ),
        code=code_of("extract-features"),
    message:
        "Describing the photos of {wildcards.album}"
    shell:
        "python -m nadir extract-features --images {input.images:q} --model {input.weights:q} "
        "--out {output.features:q} --cfg {params.cfg:q} --code {params.code} "
        "--threads {threads} >{log:q} 2>&1"


rule find_views:
    input:
        features="results/groundview/{album}/{generator}/closing/features.manifest.json",
    output:
        metrics="results/groundview/{album}/{generator}/closing/metrics.json",
    log:
        "results/logs/find_views/{album}.{generator}.log",
    benchmark:
        "results/benchmarks/find_views/{album}.{generator}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cfg=lambda wildcards: text_of(views=CLOSING_VIEWS, evaluate=CLOSING_RANKING),
        code=code_of("evaluate-retrieval"),
    message:
        "Looking for the crops of the views of {wildcards.generator} on {wildcards.album}"
    shell:
        "python -m nadir evaluate-retrieval --features {input.features:q} --out {output.metrics:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


rule find_photos:
    input:
        features="results/groundview/{album}/closing/features.manifest.json",
    output:
        metrics="results/groundview/{album}/closing/metrics.json",
    log:
        "results/logs/find_photos/{album}.log",
    benchmark:
        "results/benchmarks/find_photos/{album}.tsv"
    conda:
        "../envs/data.yaml"
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        cfg=lambda wildcards: text_of(views=CLOSING_VIEWS, evaluate=CLOSING_RANKING),
        code=code_of("evaluate-retrieval"),
    message:
        "Looking for the crops of the photos of {wildcards.album}"
    shell:
        "python -m nadir evaluate-retrieval --features {input.features:q} --out {output.metrics:q} "
        "--cfg {params.cfg:q} >{log:q} 2>&1"


rule compare_groundview:
    input:
        metrics=lambda wildcards: [
            f"{folder}/metrics.json" for folder in album_folders(wildcards.album)
        ],
        views=lambda wildcards: [
            f"{folder}/views.manifest.json"
            for folder in album_folders(wildcards.album)
        ],
        closing=closing_metrics,
        pairs="results/groundview/{album}/pairs.manifest.json",
    output:
        html=report(
            "results/groundview/{album}/comparison.html",
            caption="../workflow/report/groundview.rst",
            category="Ground view",
            subcategory="{album}",
            labels={"dataset": "{album}", "figure": "table of all experiments"},
        ),
        table="results/groundview/{album}/comparison.csv",
        losses=report(
            "results/groundview/{album}/losses.png",
            caption="../workflow/report/losses.rst",
            category="Ground view",
            subcategory="{album}",
            labels={
                "dataset": "{album}",
                "figure": "which photo each view is matched to",
            },
        ),
    log:
        "results/logs/compare_groundview/{album}.log",
    benchmark:
        "results/benchmarks/compare_groundview/{album}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        closing=lambda wildcards: option("--closing", *closing_metrics(wildcards)),
        code=code_of("compare-groundview"),
    message:
        "Comparing all experiments of {wildcards.album}"
    shell:
        "python -m nadir compare-groundview --metrics {input.metrics:q} --views {input.views:q} "
        "--pairs {input.pairs:q} {params.closing:q} --out {output.html:q} "
        "--table {output.table:q} --losses {output.losses:q} >{log:q} 2>&1"
