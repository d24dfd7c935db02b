"""The base of every configuration model."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class ConfigModel(BaseModel):
    """A section of the configuration: unknown keys are errors, values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("use letters, digits, '_' and '-', a letter first")
    return value


Name = Annotated[str, AfterValidator(_check_name)]
"""A name that becomes part of a path: letters, digits, '_' and '-', a letter first."""
