"""A gallery to search, as one folder that needs nothing else.

`gallery.json` lists what lies beside it, each file by its digest: the bundle `model/`, the features
that this very model made (`features.npy`), the images that they are of (`images.parquet`),
small pictures of these (`pictures/`), and pictures to ask with (`examples/`). Names in it never
become paths: pictures are numbered as the rows of the table. Nothing in it is executed, unpickled
or written to.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from nadir.errors import InputError
from nadir.learn.bundle import DESCRIPTION, WEIGHTS
from nadir.provenance.digest import sha
from nadir.provenance.files import read_bytes
from nadir.provenance.numpy_files import check_header
from nadir.provenance.sealed import Digest, PlainName, Sealed, read_sealed
from nadir.provenance.tables import read_table

FILE, IMAGES, FEATURES, MODEL = "gallery.json", "images.parquet", "features.npy", "model"
"""Names of the parts of a gallery, in its folder."""

LISTED = (IMAGES, FEATURES, f"{MODEL}/{WEIGHTS}", f"{MODEL}/{DESCRIPTION}")
"""Files that the list tells by their digests; pictures are told in the table of images."""

SCHEMA = pa.schema(
    [
        ("image", pa.string()),
        ("place", pa.string()),
        ("view", pa.string()),
        ("digest", pa.string()),
        ("x", pa.float64()),
        ("y", pa.float64()),
    ]
)
"""Columns of the table of images, one row a feature: `digest` is that of the picture here; x and y
are NaN where not known.
"""

REMEDY = "Make the gallery again with `nadir export-gallery`, and copy its folder whole."
_THREADS = 4


class Example(BaseModel):
    """A picture to ask with.

    Attributes:
        file: Its name in the folder `examples`.
        view: Its view.
        digest: sha256 of the file.
    """

    model_config = ConfigDict(extra="forbid")
    file: PlainName
    view: str
    digest: Digest


class Facts(Sealed):
    """What `gallery.json` tells.

    Attributes:
        format: Of the folder.
        name: What the gallery is called.
        views: The two views.
        upright: Whether pictures are turned as their EXIF orientation says.
        flip: Whether features of mirror images were added.
        crs: The system of coordinates; None where not known.
        model: sha256 of the weights that made the features.
        images: Rows of the table.
        dimensions: Numbers of a feature.
        files: Name -> sha256, as `LISTED`.
        examples: Pictures to ask with.
        digest: Digest of all of the above.
    """

    format: Literal[1] = 1
    name: PlainName
    views: tuple[str, str]
    upright: bool
    flip: bool
    crs: str | None
    model: Digest
    images: int = Field(ge=1)
    dimensions: int = Field(ge=1)
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, eq=False)
class Gallery:
    """A gallery that was found whole.

    Attributes:
        folder: Its folder.
        facts: What it tells of itself.
        table: Its images, as `SCHEMA`.
        features: float32 (images, dimensions), of unit length.
    """

    folder: Path
    facts: Facts
    table: pd.DataFrame
    features: NDArray[np.float32]

    def rows(self, view: str) -> NDArray[np.int64]:
        """Return the rows of the images of a view, in the order of the batch rule's gallery."""
        return np.flatnonzero((self.table["view"] == view).to_numpy())

    def picture(self, row: int) -> Path:
        """Return the file of a row's picture."""
        return picture_path(self.folder, row)

    def examples(self) -> list[tuple[Path, str]]:
        """Return the pictures to ask with, and their views."""
        return [(self.folder / "examples" / one.file, one.view) for one in self.facts.examples]


def picture_path(folder: Path, row: int) -> Path:
    """Return the file of a row's picture."""
    return folder / "pictures" / f"{row:06d}.jpg"


def read_gallery(folder: str | os.PathLike[str]) -> Gallery:
    """Read a gallery, after seeing that it is whole and unchanged.

    Args:
        folder: Its folder.

    Raises:
        InputError: When there is none, a file is absent or damaged, or its features are those of
            another model than the one beside them.
    """
    folder = Path(folder)
    facts = _facts(folder / FILE)
    contents = {name: _unchanged(folder / name, facts.files[name]) for name in LISTED}
    if sha(contents[f"{MODEL}/{WEIGHTS}"]) != facts.model:
        problem = "its features were made with another model than the one beside them"
        raise InputError(folder / MODEL, problem, REMEDY)
    table = read_table(folder / IMAGES, SCHEMA, "table of a gallery's images")
    features = _features(folder / FEATURES, contents[FEATURES])
    if features.shape != (facts.images, facts.dimensions) or len(table) != facts.images:
        problem = f"{len(table)} images and features of shape {features.shape} do not match it"
        raise InputError(folder / FILE, problem, REMEDY)
    gallery = Gallery(folder, facts, table, features)
    _check_pictures(gallery)
    return gallery


def _facts(path: Path) -> Facts:
    """Read `gallery.json`."""
    facts = read_sealed(path, Facts, "gallery", REMEDY)
    if set(facts.files) != set(LISTED):
        raise InputError(path, "it lists no gallery (other files)", REMEDY)
    return facts


def _unchanged(path: Path, digest: str) -> bytes:
    """Return the bytes of a file whose digest is known."""
    content = read_bytes(path)
    if sha(content) != digest:
        raise InputError(path, "it is damaged, or of another gallery", REMEDY)
    return content


def _features(path: Path, content: bytes) -> NDArray[np.float32]:
    """Return the features that a file holds."""
    try:
        check_header(io.BytesIO(content), len(content))
        features = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(path, f"these are no features ({error})", REMEDY) from error
    return np.asarray(features, np.float32)


def _check_pictures(gallery: Gallery) -> None:
    """See that every picture is there and unchanged."""
    files = [gallery.picture(row) for row in range(len(gallery.table))]
    digests = gallery.table["digest"].tolist()
    for (path, _), known in zip(gallery.examples(), gallery.facts.examples, strict=True):
        files.append(path)
        digests.append(known.digest)
    found = _each(_digest_of, files)
    wrong = [path for path, one, known in zip(files, found, digests, strict=True) if one != known]
    if wrong:
        named = wrong[0].relative_to(gallery.folder)
        problem = f"{len(wrong)} of its pictures are absent or damaged, the first is {named}"
        raise InputError(gallery.folder, problem, REMEDY)


def _each(function: Callable[[Path], str | None], files: Sequence[Path]) -> list[Any]:
    """Return what a function gives for each file, some at a time."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(function, files))


def _digest_of(path: Path) -> str | None:
    """Return the digest of a file, None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
