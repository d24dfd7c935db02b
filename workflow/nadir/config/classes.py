"""Class tables: which classes a mask holds, and how they are called and colored.

Inside nadir a class is its id: 1 to K in the order of the table, 0 for no data. Raw mask values
are turned into ids when a mask is read, and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from nadir.config.base import ConfigModel

if TYPE_CHECKING:
    import numpy as np

_PALETTE = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#b6992d", "#76b7b2",
    "#b07aa1", "#9c755f", "#edc948", "#ff9da7", "#499894", "#79706e",
)  # fmt: skip

UNKNOWN = 255
"""The id that a lookup table holds for raw values outside the class table."""


class LandClass(ConfigModel):
    """One class of a mask."""

    value: int = Field(ge=0, le=255)
    """Value of the class in the raw mask (or in the attribute of vector labels)."""
    name: str = Field(min_length=1)
    """Name of the class, as shown in legends and tables."""
    color: str | None = Field(default=None, pattern=r"^#[0-9a-fA-F]{6}$")
    """Color of the class, `#rrggbb`; by default one of a fixed list, by position."""


class ClassTable(ConfigModel):
    """The classes of a mask; a class's id is its position in the list, counted from 1."""

    classes: tuple[LandClass, ...] = Field(min_length=2, max_length=64)
    """The classes, in the order of their ids."""
    nodata: tuple[Annotated[int, Field(ge=0, le=255)], ...] = (0,)
    """Raw values that mean "no label here"."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        values = [item.value for item in self.classes]
        names = [item.name for item in self.classes]
        for label, items in (("value", [str(value) for value in values]), ("name", names)):
            twice = sorted({item for item in items if items.count(item) > 1})
            if twice:
                raise ValueError(f"class {label} given twice: {', '.join(twice)}")
        both = sorted(set(values) & set(self.nodata))
        if both:
            raise ValueError(f"values are both a class and no data: {both}")
        return self

    @property
    def count(self) -> int:
        """Number of classes K."""
        return len(self.classes)

    @property
    def names(self) -> list[str]:
        """Names by id; position 0 is "no data"."""
        return ["no data", *(item.name for item in self.classes)]

    @property
    def colors(self) -> list[str]:
        """Colors by id; position 0 is black (shown as transparent where that is possible)."""
        given = (
            item.color or _PALETTE[number % len(_PALETTE)]
            for number, item in enumerate(self.classes)
        )
        return ["#000000", *given]

    @property
    def colorless(self) -> ClassTable:
        """The table without its colors: what data and models depend on, where pictures do not."""
        return self.model_copy(
            update={
                "classes": tuple(item.model_copy(update={"color": None}) for item in self.classes)
            }
        )

    def id_of(self, name: str) -> int | None:
        """Return the id of the class called `name`, or None."""
        return self.names.index(name, 1) if name in self.names[1:] else None

    @property
    def unlabelled(self) -> int:
        """A raw value that means "no label here": the table's own, else the highest free one."""
        taken = {item.value for item in self.classes}
        return self.nodata[0] if self.nodata else max(set(range(256)) - taken)

    def lookup(self) -> np.ndarray:
        """Return the uint8 table of 256 entries: raw value -> id, 0 no data, 255 unknown."""
        import numpy as np

        table = np.full(256, UNKNOWN, np.uint8)
        table[list(self.nodata)] = 0
        for number, item in enumerate(self.classes, start=1):
            table[item.value] = number
        return table


def _table(*classes: tuple[int, str, str], nodata: tuple[int, ...] = (0,)) -> ClassTable:
    return ClassTable(
        classes=tuple(LandClass(value=v, name=name, color=color) for v, name, color in classes),
        nodata=nodata,
    )


CATALONIA = _table(
    (1, "herbaceous crops", "#e8d36a"),
    (2, "woody crops", "#b8842f"),
    (3, "forest", "#1f6b35"),
    (4, "scrub, meadow and grassland", "#9cc069"),
    (5, "bare soil", "#d9b99b"),
    (6, "urban", "#c0392b"),
    (7, "isolated urban", "#f1948a"),
    (8, "green areas", "#58d68d"),
    (9, "industrial, commercial and leisure", "#7d3c98"),
    (10, "mining and landfill", "#6e5a4e"),
    (11, "transport network", "#4d4d4d"),
    (12, "water", "#2e86c1"),
)
"""Land cover of Catalonia, 12 classes (with no data, 13 entries)."""

BUILDINGS = _table((0, "background", "#e7e9ec"), (255, "building", "#c0392b"), nodata=())
"""Buildings as the INRIA benchmark has them: 0 background, 255 building, every pixel labelled."""

CLASS_TABLES: dict[str, ClassTable] = {"catalonia": CATALONIA, "buildings": BUILDINGS}
"""Class tables that can be named without being written out."""
