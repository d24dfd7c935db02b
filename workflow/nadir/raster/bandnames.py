"""Which band of a file is which."""

from __future__ import annotations

from collections import Counter

from nadir.errors import InputError, did_you_mean
from nadir.raster.sentinel2 import canonical_band


def need_bands(wanted: tuple[str, ...], there: list[str], path: str, key: str) -> None:
    """Raise when a wanted band is not there."""
    lacking = [band for band in wanted if band not in there]
    if lacking:
        raise InputError(
            path,
            f"band {', '.join(lacking)} is not given{did_you_mean(lacking[0], there)}"
            f" (there: {', '.join(there)})",
            f"Name it under `{key}`, or leave it out of the dataset's `bands`.",
        )


def name_file_bands(
    path: str,
    descriptions: tuple[str | None, ...],
    declared: tuple[str, ...],
    wanted: tuple[str, ...],
) -> list[str]:
    """Return the band names of a multi-band file, in its order."""
    if declared:
        if len(declared) != len(descriptions):
            raise InputError(
                path,
                f"it has {len(descriptions)} bands, but `file_bands` names {len(declared)}",
                "Name every band of the file in `file_bands`, in its order.",
            )
        need_bands(wanted, list(declared), path, "file_bands")
        for name, description in zip(declared, descriptions, strict=True):
            check_description(path, name, description)
        return list(declared)
    described = _described_bands(descriptions, wanted)
    if described:
        need_bands(wanted, described, path, "file_bands")
        return described
    if len(descriptions) != len(wanted):
        raise InputError(
            path,
            f"it has {len(descriptions)} bands where {len(wanted)} are wanted: {', '.join(wanted)}",
            "Name the file's bands, in its order, in `file_bands`.",
        )
    for name, description in zip(wanted, descriptions, strict=True):
        check_description(path, name, description)
    return list(wanted)


def _described_bands(descriptions: tuple[str | None, ...], wanted: tuple[str, ...]) -> list[str]:
    """Return the bands that the file's descriptions name, or [] when they do not name bands."""
    plain = {band.lower(): band for band in wanted}
    names = []
    for text in descriptions:
        exact = plain.get((text or "").strip().lower())
        canonical = canonical_band(text)
        named = next(
            (band for band in wanted if canonical and canonical_band(band) == canonical), canonical
        )
        names.append(exact or named)
    known = [name for name in names if name]
    recognizable = len(known) == len(names) and max(Counter(known).values(), default=0) == 1
    # Mixed descriptions still count when all that is wanted is among them.
    complete = all(Counter(known)[band] == 1 for band in wanted)
    return [name or "" for name in names] if recognizable or complete else []


def check_description(path: str, band: str, description: str | None) -> None:
    """Raise when a file describes a band as another one than the configuration does."""
    said, meant = canonical_band(description), canonical_band(band)
    if said and meant and said != meant:
        raise InputError(
            path,
            f"its band described as {description!r} is configured as {band}: the order is wrong",
            "Put the names in the file's order, or correct the file's band descriptions.",
        )


def check_band_count(
    path: str, count: int, declared: tuple[str, ...], bands: tuple[str, ...], palette: bool = False
) -> None:
    """Raise when a picture's number of bands cannot be what is wanted.

    Args:
        path: The file.
        count: Its bands, transparency not counted.
        declared: `file_bands`.
        bands: Bands wanted.
        palette: Whether its band holds numbers of colors.
    """
    if count == 1 and len(bands) > 1:
        what = "a palette of colors" if palette else "shades of gray"
        raise InputError(
            path,
            f"it has one band ({what}) where {len(bands)} are wanted: {', '.join(bands)}",
            "Give a picture in natural colors, or set the dataset's `bands` to one name "
            "(such as [gray]) where all pictures are gray.",
        )
    if count > len(bands) and not declared:
        raise InputError(
            path,
            f"it has {count} bands where {len(bands)} are wanted: {', '.join(bands)}",
            "Name the file's bands in `file_bands`, such as [red, green, blue, nir]: those that "
            "are not wanted are left out.",
        )


def depth_error(path: str, dtype: str, said: tuple[float, float] | None = None) -> InputError:
    """Return the error about a picture of more than 8 bits."""
    says = said and f"{said[0]:g} to {said[1]:g}"
    hint = f" (`range: metadata` takes {says}, as the file says)" if says else ""
    return InputError(
        path,
        f"its values are {dtype} where a picture of 8 bits is expected",
        f"Declare which values are black and white as `range: [black, white]`{hint}.",
    )
