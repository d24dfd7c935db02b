"""The base of every configuration model."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


class ConfigModel(BaseModel):
    """A section of the configuration: unknown keys are errors, values never change."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    @model_validator(mode="before")
    @classmethod
    def _truth_is_no_number(cls, data: Any) -> Any:
        # Pydantic takes true as 1, and YAML reads `yes` and `on` as true.
        for key, value in data.items() if isinstance(data, dict) else ():
            info = cls.model_fields.get(key)
            if isinstance(value, bool) and info is not None and info.annotation is not bool:
                raise ValueError(f"{key} must not be true or false")
        return data


def _check_name(value: str) -> str:
    if not _NAME.fullmatch(value):
        raise ValueError("use letters, digits, '_' and '-', a letter first")
    return value


Name = Annotated[str, AfterValidator(_check_name)]
"""A name that becomes part of a path: letters, digits, '_' and '-', a letter first."""
