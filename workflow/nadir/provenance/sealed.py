"""Folders that need nothing else: a list of their files by digest, and a digest of the list."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nadir.errors import InputError
from nadir.provenance.digest import json_digest
from nadir.provenance.files import read_bytes

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
"""A sha256 in hexadecimal."""

_PLAIN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
PlainName = Annotated[str, Field(pattern=_PLAIN)]
"""A name that may stand in an address and be that of a file."""


def check_name(name: str) -> str:
    """Return what somebody called something, where it is a `PlainName`.

    Raises:
        InputError: When it is none.
    """
    if not re.fullmatch(_PLAIN, name):
        remedy = "Give up to 100 letters, digits, dots, hyphens and underscores with --name."
        raise InputError("--name", f"{name[:200]!r} may not stand in an address", remedy)
    return name


class Sealed(BaseModel):
    """What the list of a folder tells.

    Attributes:
        files: Name in the folder -> sha256.
        digest: Digest of all that the list tells, but for itself.
    """

    model_config = ConfigDict(extra="forbid")
    files: dict[str, Digest]
    digest: str = ""

    def sealed(self) -> Self:
        """Return the same with its digest."""
        content = self.model_dump(mode="json", exclude={"digest"})
        return self.model_copy(update={"digest": json_digest(content)})


S = TypeVar("S", bound=Sealed)


def read_sealed(path: Path, kind: type[S], what: str, remedy: str) -> S:
    """Read the list of a folder, and see that nobody changed it.

    Args:
        path: The list.
        kind: What it must be.
        what: The same in words, as "gallery".
        remedy: What to do where it is not.

    Raises:
        InputError: When it is absent, no such list, or was changed.
    """
    if not path.is_file():
        raise InputError(path.parent, f"there is no {path.name} in it", remedy)
    try:
        facts = kind.model_validate(json.loads(read_bytes(path)))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        problem = f"it lists no {what} ({where}: {fault['msg']})"
        raise InputError(path, problem, remedy) from error
    except ValueError as error:
        raise InputError(path, f"this is no JSON ({error})", remedy) from error
    if facts.sealed().digest != facts.digest:
        raise InputError(path, "it was changed after it was written", remedy)
    return facts


def check_files(folder: Path, facts: Sealed, remedy: str) -> None:
    """See that every listed file is there and unchanged.

    Raises:
        InputError: When one is not.
    """
    for name, known in facts.files.items():
        path = folder / name
        if not path.is_file():
            raise InputError(path, "it is lacking", remedy)
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != known:
            raise InputError(path, "it is damaged, or of another folder", remedy)
