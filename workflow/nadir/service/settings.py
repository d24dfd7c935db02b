"""What a service may be told: its limits, its pools of threads, and its key."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from PIL import Image

from nadir.errors import InputError

KEY_VARIABLE, KEY_FILE_VARIABLE = "NADIR_API_KEY", "NADIR_API_KEY_FILE"
"""Environment variables that hold the key, and the path of a file that holds it."""

_SHORTEST_KEY = 8
_MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)


@dataclass(frozen=True)
class Settings:
    """Limits and access of a service.

    Attributes:
        max_bytes: Largest body of a request, in bytes.
        max_pixels: Largest photo, in pixels, looked at before anything is decoded.
        seconds: Longest time from the end of an upload to its answer, waiting included.
        upload_seconds: Longest time that an upload may take.
        workers: Pieces of heavy work done at the same time.
        queue: Requests for heavy work that may wait; further ones are told to come back.
        readers: Tiles and pictures read at the same time.
        read_queue: Requests for tiles that may wait.
        api_key: What `X-API-Key` must hold; None asks for no key.
        direct_pixels: Largest image that `/segment` answers at once; larger ones become jobs.
        direct_queue: Requests to `/segment` and `/jobs` that may wait or be under way.
        job_bytes: Largest upload to `/segment` and `/jobs`, in bytes.
        job_pixels: Largest GeoTIFF of a job, in pixels.
        picture_pixels: Largest PNG or JPEG of a job, which cannot be read in parts.
        job_upload_seconds: Longest time that an upload to `/segment` and `/jobs` may take.
        job_queue: Jobs that may wait.
        stored_bytes: Most that uploads and results may fill, in bytes.
        keep_seconds: How long results stay after their job ended.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 50_000_000
    seconds: float = 120.0
    upload_seconds: float = 60.0
    workers: int = 1
    queue: int = 8
    readers: int = 2
    read_queue: int = 128
    api_key: str | None = field(default=None, repr=False)
    direct_pixels: int = 2048 * 2048
    direct_queue: int = 64
    job_bytes: int = 16 * 2**30
    job_pixels: int = 4_000_000_000
    picture_pixels: int = 200_000_000
    job_upload_seconds: float = 3600.0
    job_queue: int = 100
    stored_bytes: int = 64 * 2**30
    keep_seconds: float = 86_400.0

    def __post_init__(self) -> None:
        for item in fields(self):
            value, least = getattr(self, item.name), 0 if "queue" in item.name else 1
            if item.name != "api_key" and not value >= least:
                raise InputError(item.name, f"{value} is less than {least}", "Give a larger value.")
        if self.max_pixels > _MOST_PIXELS:
            raise InputError(
                "max_pixels",
                f"{self.max_pixels} are more than the {_MOST_PIXELS} pixels that Pillow opens",
                "Give a smaller limit.",
            )


def read_api_key(environment: Mapping[str, str] | None = None) -> str | None:
    """Return the key that the environment asks for, or None where it asks for none.

    Args:
        environment: Variables; by default those of the process.

    Raises:
        InputError: When the key is empty or short, or its file cannot be read: a service that is
            meant to be locked must not start open.
    """
    variables = os.environ if environment is None else environment
    if KEY_VARIABLE in variables:
        return _checked(variables[KEY_VARIABLE], KEY_VARIABLE)
    if KEY_FILE_VARIABLE in variables:
        path = Path(variables[KEY_FILE_VARIABLE])
        try:
            return _checked(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                path, "the file of the API key cannot be read", "Check its path and permissions."
            ) from error
    return None


def _checked(text: str, place: str) -> str:
    """Return a key without surrounding blanks."""
    key = text.strip()
    if len(key) < _SHORTEST_KEY or not (key.isascii() and key.isprintable()):
        raise InputError(
            place,
            f"an API key needs at least {_SHORTEST_KEY} printable ASCII characters",
            "Make one with `openssl rand -hex 24`, or unset the variable to ask for no key.",
        )
    return key
