"""From a dataset's section to its image table."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from nadir.config.retrieval import PlacesDataset
from nadir.errors import InputError
from nadir.retrieval.case_images import case_images
from nadir.retrieval.layouts import flat_layout, pair_layout, university_layout
from nadir.retrieval.listing import Listed, hold_out, image_table
from nadir.retrieval.places import coordinates, write_images

log = logging.getLogger(__name__)


def index_places(
    dataset: PlacesDataset,
    out: str | os.PathLike[str],
    *,
    folder: str | os.PathLike[str] | None = None,
    known: str | os.PathLike[str] | None = None,
    photos: str | os.PathLike[str] | None = None,
    substrate: str | os.PathLike[str] | None = None,
    threads: int | None = None,
) -> None:
    """Decode every image of a dataset, and write its table.

    Args:
        dataset: The section.
        out: `images.parquet` to write; tiles of a substrate go to the folder `tiles` beside it.
        folder: The folder of the data, where the section does not say it.
        known: The csv file of coordinates, where the section does not name it.
        photos: For a case: its photo table.
        substrate: For a case: its substrate.
        threads: Files that are read at the same time; by default one a core.

    Raises:
        InputError: When the data do not have the layout, or files are damaged: all are named.
        OutputError: When the disk is full or not writable.
    """
    if dataset.case:
        if photos is None or substrate is None:
            problem = "a case has a photo table and a substrate"
            raise InputError("images", problem, "Give --photos and --substrate.")
        tiles = Path(out).parent / "tiles"
        listed = case_images(photos, substrate, tiles, dataset.tiles, dataset.views)
        source = str(photos)
    else:
        source = str(folder or dataset.folder or "")
        if not source:
            raise InputError("images", "no folder is named", "Give --folder.")
        listed = _listed(dataset, source)
    images = image_table(hold_out(listed, dataset.validation, dataset.seed), source, threads)
    table = known or dataset.coordinates
    if table:
        images = coordinates(images, table)
    write_images(out, images)
    counts = images.groupby(["split", "view"], as_index=False).agg(
        images=("image", "size"), places=("place", "nunique")
    )
    for line in counts.itertuples(index=False):
        log.info("%s, %s: %d images of %d places", *line)


def raw_files_of(dataset: PlacesDataset) -> list[str]:
    """Return all files of a dataset in a folder that its image table depends on, sorted.

    Raises:
        InputError: When the folder does not have the layout, or a file is not there.
    """
    assert dataset.folder is not None
    top = Path(dataset.folder)
    files = {str(one.path) for one in _listed(dataset, dataset.folder)}
    if dataset.lists is not None:
        lists = dataset.lists.model_dump(include={"train", "validation", "test"}).values()
        files |= {str(top / name) for name in lists if name}
    return sorted(files | ({dataset.coordinates} if dataset.coordinates else set()))


def _listed(dataset: PlacesDataset, folder: str) -> list[Listed]:
    """List a folder in its layout; of all views, the two of the dataset."""
    if dataset.layout == "flat":
        return flat_layout(
            folder, dataset.views, test=dataset.test, seed=dataset.seed, fold=dataset.fold
        )
    if dataset.lists is not None:
        files = dataset.lists.model_dump(include={"train", "validation", "test"})
        lists = {split: name for split, name in files.items() if name}
        return pair_layout(folder, lists, dataset.views, dataset.lists.folders)
    return [one for one in university_layout(folder) if one.view in dataset.views]
