# nadir: raw overhead imagery -> maps, positions and models.
# The table of contents: configuration, stages, and what `all` means.
from snakemake.utils import min_version

min_version("9.21.1")


# A configuration given by --configfile stands alone; to change a few keys of the default one, give
# both: --configfile config.yaml mine.yaml.
if not workflow.config_settings.configfiles:

    configfile: workflow.source_path("config.yaml")


include: "rules/clouds.smk"
include: "rules/common.smk"
include: "rules/pictures.smk"
include: "rules/simulate.smk"
include: "rules/catalogs.smk"
include: "rules/fetch.smk"
include: "rules/scenes.smk"
include: "rules/segmentation.smk"
include: "rules/quality.smk"
include: "rules/searches.smk"
include: "rules/buildings.smk"
include: "rules/tune.smk"
include: "rules/cases.smk"
include: "rules/places.smk"
include: "rules/albums.smk"
include: "rules/localization.smk"
include: "rules/retrieval.smk"
include: "rules/groundview.smk"
include: "rules/report.smk"


PARSED.keep()  # the next start need not parse the package again


report: "workflow/report/workflow.rst"


# With many jobs at once, what matters scrolls away: say it again at the end.
onerror:
    print(describe_failures(log), file=sys.stderr)


localrules:
    all,
    landcover,
    quality,
    tune,
    buildings,
    localization,
    retrieval,
    groundview,


rule all:
    default_target: True
    input:
        final_products("landcover", "buildings"),
        building_products(),
        localization_products(),
        retrieval_products(),
        groundview_products(),
    message:
        "Everything is up to date"


rule landcover:
    input:
        final_products("landcover"),
    message:
        "Land cover is up to date"


rule quality:
    input:
        quality_products(),
    message:
        "The quality of every map of land cover is known"


rule tune:
    input:
        search_products(),
    message:
        "Every search of hyper-parameters is finished"


rule buildings:
    input:
        final_products("buildings"),
        building_products(),
    message:
        "Buildings are up to date"


rule localization:
    input:
        localization_products(),
    message:
        "Localization is up to date"


rule retrieval:
    input:
        retrieval_products(),
    message:
        "Retrieval is up to date"


rule groundview:
    input:
        groundview_products(),
    message:
        "Ground view is up to date"
