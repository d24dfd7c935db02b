"""What goes without saying of pictures of 8 bits, and of footprints as labels."""

from __future__ import annotations

from typing import Any

from nadir.config.scenes import ImageSource, MaskSource, SceneConfig

DATE = "image"
"""Name of the one date of a picture's scene."""

PICTURE: dict[str, Any] = {"depth": 8, "baseline": "none", "scale": 1 / 255, "offset": 0.0}
"""What an `ImageSource` is for a picture: values 0 to 255 stand for 0 to 1."""

FOOTPRINTS: dict[str, Any] = {
    "field": None,
    "polygons": "building",
    "background": "background",
    "resolution": None,
}
"""What a `MaskSource` is for footprints: polygons are buildings, the rest is background."""


def with_files(scene: SceneConfig, image: str | None, vector: str | None) -> SceneConfig:
    """Return a scene with files that the graph made in the place of what it names.

    Args:
        scene: The scene.
        image: A picture made of its tiles, or simulated; None: what the scene names.
        vector: Footprints, simulated; None: what the scene names.
    """
    update: dict[str, Any] = {}
    if image or vector:
        update |= {"world": None, "aerial": None}
    if image:
        date = next(iter(scene.images), DATE)
        update["dates"] = {date: ImageSource(file=image, **PICTURE)}
    if vector:
        update["mask"] = MaskSource(vector=vector, **FOOTPRINTS)
    return scene.model_copy(update=update)
