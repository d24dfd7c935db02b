"""Answers that are pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fastapi.responses import Response

from nadir.errors import InputError
from nadir.service.context import Context
from nadir.service.problems import Problem

log = logging.getLogger(__name__)

PNG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/png": {}}, "description": "A picture."}
}
JPEG: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}}, "description": "A picture."}
}
"""What OpenAPI says of an answer that is a picture."""


async def picture(
    context: Context, make: Callable[[], bytes], media_type: str = "image/png"
) -> Response:
    """Make a picture in a thread and return it, to be kept by the browser for an hour.

    Raises:
        Problem: 500 when what it is made of cannot be read.
    """
    try:
        data = await context.reads.run(make)
    except InputError as error:
        log.error("%s", error)
        raise Problem(
            500, "unreadable-raster", "the raster cannot be read", "Tell whoever runs the service."
        ) from error
    return Response(data, media_type=media_type, headers={"Cache-Control": "private, max-age=3600"})
