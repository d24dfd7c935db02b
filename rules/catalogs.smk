# What the rules that fetch share: which scenes they fetch, and the sections that decide what.
FETCHED_SCENES = {
    (dataset, name): scene.fetch
    for dataset, section in CONFIG.landcover.datasets.items()
    for name, scene in section.scenes.items()
    if scene.fetch
}


wildcard_constraints:
    date=one_of({date for fetch in FETCHED_SCENES.values() for date in fetch.dates}),


def fetch_of(wildcards):
    return FETCHED_SCENES[wildcards.dataset, wildcards.scene]


def search_settings(wildcards):
    """What decides which images are taken: nothing else chooses anew when it changes."""
    fetch = fetch_of(wildcards)
    return text_of(
        fetch=fetch.model_dump(mode="json", include={"catalog", "area"})
        | {
            "dates": {
                wildcards.date: fetch.dates[wildcards.date].model_dump(mode="json")
            }
        },
        date=fetch.dates[wildcards.date],
        bands=CONFIG.landcover.datasets[wildcards.dataset].bands,
    )


def image_settings(wildcards):
    """What decides how the chosen images become one."""
    fetch = fetch_of(wildcards)
    return text_of(
        fetch=fetch.model_dump(mode="json", exclude={"mask", "dates"})
        | {
            "dates": {
                wildcards.date: fetch.dates[wildcards.date].model_dump(mode="json")
            }
        },
        date=fetch.dates[wildcards.date],
        bands=CONFIG.landcover.datasets[wildcards.dataset].bands,
    )
