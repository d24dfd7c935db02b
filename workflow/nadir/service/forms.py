"""The form that `/segment` and `/jobs` take, and how OpenAPI describes it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nadir.errors import did_you_mean
from nadir.service.problems import Problem

OUTPUTS = ("mask.png", "mask.tif", "probability.tif", "footprints.geojson", "statistics.json")
"""What `/segment` can answer; the first by default."""

_FIELDS = ("model", "threshold", "output", "scale", "offset")
_LIST = "Known are: {}."


@dataclass(frozen=True)
class Wishes:
    """What a form asks for.

    Attributes:
        model: Name of the model; None for the first.
        threshold: Least probability; None for the model's own.
        output: One of `OUTPUTS`.
        scaling: Scale and offset of the image, where it does not declare them.
    """

    model: str | None
    threshold: float | None
    output: str
    scaling: tuple[float | None, float | None]


def read_wishes(fields: dict[str, str]) -> Wishes:
    """Return what the fields of a form ask for.

    Raises:
        Problem: 422 for unknown fields, and for values that are none.
    """
    refuse_unknown(fields, ("image", *_FIELDS))
    output = fields.get("output") or OUTPUTS[0]
    if output not in OUTPUTS:
        short = output[:80]
        raise Problem(
            422,
            "unknown-output",
            f"there is no output {short!r}{did_you_mean(short, OUTPUTS)}",
            _LIST.format(", ".join(OUTPUTS)),
        )
    scale, offset = _number(fields, "scale"), _number(fields, "offset")
    if scale is not None and scale <= 0:
        raise Problem(422, "invalid-number", "scale is not positive", "Give a positive number.")
    if offset is not None and scale is None:
        raise Problem(422, "invalid-number", "offset comes without scale", "Give both.")
    threshold = _number(fields, "threshold")
    if threshold is not None and not 0 <= threshold <= 1:
        raise Problem(
            422, "invalid-number", f"threshold is {threshold:g}", "Give a number from 0 to 1."
        )
    return Wishes(fields.get("model") or None, threshold, output, (scale, offset))


def refuse_unknown(fields: Iterable[str], known: Sequence[str]) -> None:
    """See that a form has no other fields than those that are known.

    Raises:
        Problem: 422, with the nearest name.
    """
    for name in fields:
        if name not in known:
            short = name[:80]
            raise Problem(
                422,
                "unknown-field",
                f"the form has a field {short!r}{did_you_mean(short, known)}",
                _LIST.format(", ".join(known)),
            )


def _number(fields: dict[str, str], name: str) -> float | None:
    """Return the number in a field, None where it is empty or absent."""
    text = fields.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Problem(
            422, "invalid-number", f"{name} is {text[:80]!r}, no number", "Give a number, as 0.5."
        )
    return value


_FORM: dict[str, Any] = {
    "image": {
        "type": "string",
        "format": "binary",
        "description": "The image: GeoTIFF, PNG or JPEG.",
    },
    "model": {
        "type": "string",
        "description": "Name of the model, as `/models` tells; by default the first.",
    },
    "threshold": {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
        "description": "Least probability that counts; by default the model's own.",
    },
    "output": {
        "type": "string",
        "enum": list(OUTPUTS),
        "default": OUTPUTS[0],
        "description": "What to answer; jobs hold all of it.",
    },
    "scale": {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": "For values whose meaning the file does not declare: "
        "reflectance = scale * (value + offset).",
    },
    "offset": {"type": "number", "description": "See `scale`; 0 by default."},
}

REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["image"],
                    "properties": _FORM,
                    "additionalProperties": False,
                },
                "examples": {
                    "polygons": {
                        "summary": "Footprints of an image, at a threshold",
                        "description": "curl -F image=@roofs.tif -F output=footprints.geojson "
                        "-F threshold=0.5 http://localhost:8000/segment",
                        "value": {
                            "image": "(the bytes of roofs.tif)",
                            "output": "footprints.geojson",
                            "threshold": 0.5,
                        },
                    }
                },
            }
        },
    }
}
"""What OpenAPI says of a request with this form."""
