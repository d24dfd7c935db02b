"""The OpenAPI document of a service: problems as they are sent, and an example everywhere."""

from __future__ import annotations

from typing import Any

from nadir.service.problems import describe_problems

_PARAMETERS: dict[str, Any] = {
    "name": "plain",
    "job": "5f0c6d2b9a1e4c73",
    "z": 0,
    "x": 0,
    "y": 0,
}
"""Part of an address -> an example of it."""

_MODEL = {
    "name": "nadir_buildings",
    "kind": "binary",
    "classes": [
        {"id": 1, "name": "background", "color": "#d9d9d9"},
        {"id": 2, "name": "building", "color": "#c0392b"},
    ],
    "target": 2,
    "bands": ["red", "green", "blue"],
    "dates": 1,
    "threshold": 0.44,
    "tile": 256,
    "overlap": 0.5,
    "digest": "0f3a5c7e9b1d2468",
}
_SUBSTRATES = {
    "substrates": [
        {
            "name": "plain",
            "width": 10_000,
            "height": 8_000,
            "tile": 256,
            "levels": 6,
            "grid": None,
            "meters_per_pixel": None,
            "version": "5f0c6d2b9a1e",
        }
    ],
    "examples": ["photo-1"],
}
_ANSWERS: dict[str, Any] = {
    "/healthz": {"status": "ok"},
    "/readyz": {"status": "ready"},
    "/models": {
        "version": "0.1.0",
        "limits": {"bytes": 67_108_864, "pixels": 50_000_000, "seconds": 120.0, "queue": 8},
        "capabilities": {
            "segment": {
                "title": "Map buildings and land cover on an image",
                "page": True,
                "models": [_MODEL],
                "examples": ["roofs"],
            }
        },
    },
    "/localize/substrates": _SUBSTRATES,
}
"""Path -> an example of what GET answers there, where no schema shows one."""


def describe(document: dict[str, Any]) -> dict[str, Any]:
    """Complete an OpenAPI document as FastAPI writes it.

    Args:
        document: The document; changed in place.
    """
    describe_problems(document)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for item in operation.get("parameters", []):
                if item["in"] == "path" and item["name"] in _PARAMETERS:
                    item.setdefault("example", _PARAMETERS[item["name"]])
        if path in _ANSWERS and "get" in operations:
            content = operations["get"]["responses"]["200"].setdefault("content", {})
            content.setdefault("application/json", {})["example"] = _ANSWERS[path]
    return document
