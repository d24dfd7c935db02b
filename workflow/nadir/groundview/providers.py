"""Providers of photos with coordinates: what each is asked, and how its answers are read.

A further provider is one class with the two members of `Provider`, and its name in `PROVIDERS` and
in `nadir.config.groundview.FetchConfig.provider`.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import urlencode

from nadir.config.groundview import Box, FetchConfig
from nadir.errors import InputError
from nadir.groundview.exif import iso_date, parse_date
from nadir.groundview.transport import Client

_UNKNOWN = float("nan")


@dataclass(frozen=True)
class Offer:
    """A photo that a provider has.

    Attributes:
        name: Its name with the provider, unique there.
        address: Where its file lies; without the key.
        longitude: Degrees east.
        latitude: Degrees north.
        heading: Degrees clockwise from north, NaN where not known.
        date: ISO 8601 in UTC, "" where not known.
        sha1: Digest of the file in hexadecimal digits, "" where the provider tells none.
        author: Whom to name.
        license: Under which terms it may be used.
        page: Where it is described.
    """

    name: str
    address: str
    longitude: float
    latitude: float
    heading: float = _UNKNOWN
    date: str = ""
    sha1: str = ""
    author: str = ""
    license: str = ""
    page: str = ""


class Provider(Protocol):
    """What a provider must be able to."""

    cell_deg: float
    """Side in degrees of the boxes that it is asked for at a time."""

    def offers(self, box: Box) -> Iterator[Offer]:
        """Yield the photos in a box, perhaps over several requests.

        Raises:
            InputError: When the provider refuses, or answers what cannot be understood.
        """


def cells(box: Box, side: float) -> Iterator[Box]:
    """Yield the boxes of at most `side` degrees that tile a box, from south-west to north-east."""
    west, south, east, north = box
    columns = max(1, math.ceil((east - west) / side - 1e-9))
    rows = max(1, math.ceil((north - south) / side - 1e-9))
    width, height = (east - west) / columns, (north - south) / rows
    for row in range(rows):
        for column in range(columns):
            left, low = west + column * width, south + row * height
            yield (left, low, left + width, low + height)


class MediaWiki:
    """The search by coordinates of a MediaWiki with the extension GeoData, as Commons has it.

    Headings are not told by it; EXIF of the files may. A key, where one is given, is sent as an
    OAuth 2 token.
    """

    cell_deg = 0.05

    def __init__(self, cfg: FetchConfig, client: Client, key: str | None) -> None:
        self._cfg, self._client = cfg, client
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def offers(self, box: Box) -> Iterator[Offer]:
        """Yield the photos in a box."""
        west, south, east, north = box
        asked = {
            "action": "query",
            "format": "json",
            "formatversion": "2",
            "maxlag": "5",
            "generator": "geosearch",
            "ggsbbox": f"{north:.6f}|{west:.6f}|{south:.6f}|{east:.6f}",
            "ggsnamespace": "6",
            "ggslimit": "500",
            "prop": "imageinfo|coordinates",
            "colimit": "max",
            "iiprop": "url|sha1|mime|extmetadata",
            "iiextmetadatafilter": "DateTimeOriginal|LicenseShortName|Artist",
            "iiurlwidth": str(self._cfg.width),
        }
        more: dict[str, str] = {}
        pages: dict[str, dict[str, Any]] = {}
        while True:
            address = f"{self._cfg.address}?{urlencode({**asked, **more})}"
            answer = self._client.json(address, self._headers)
            if not isinstance(answer, dict) or "error" in answer:
                told = answer.get("error", {}) if isinstance(answer, dict) else {}
                problem = f"the server answers: {told.get('info', 'no object') if told else answer}"
                raise InputError(self._cfg.address, problem[:200], "Check fetch.address and box.")
            for page in answer.get("query", {}).get("pages", []):
                # Properties come in parts: those of later answers complete the earlier ones.
                pages.setdefault(str(page.get("title")), {}).update(page)
            if "continue" not in answer:
                break
            more = {key: str(value) for key, value in answer["continue"].items()}
        for title in sorted(pages):
            if (offer := self._offer(title, pages[title])) is not None:
                yield offer

    @staticmethod
    def _offer(title: str, page: dict[str, Any]) -> Offer | None:
        """Return what a page tells; None for what is no photo with a place."""
        at, info = (page.get("coordinates") or [{}])[0], (page.get("imageinfo") or [{}])[0]
        if info.get("mime") not in ("image/jpeg", "image/png", "image/tiff", "image/webp"):
            return None
        if not {"lat", "lon"} <= set(at) or "url" not in info:
            return None
        told = {key: str(value.get("value", "")) for key, value in _mapping(info, "extmetadata")}
        address = info.get("thumburl") or info["url"]
        return Offer(
            name=title.partition(":")[2] or title,
            address=address,
            longitude=float(at["lon"]),
            latitude=float(at["lat"]),
            date=_plain_date(told.get("DateTimeOriginal", ""), float(at["lon"])),
            # The digest is that of the original, so it tells nothing of smaller versions.
            sha1=str(info.get("sha1", "")) if address == info["url"] else "",
            author=_text(told.get("Artist", "")),
            license=_text(told.get("LicenseShortName", "")),
            page=str(info.get("descriptionurl", "")),
        )


class Mapillary:
    """Version 4 of Mapillary's interface; it needs a key and knows headings."""

    cell_deg = 0.05

    _FIELDS = "id,geometry,computed_geometry,compass_angle,computed_compass_angle,captured_at"
    _SIZES = (256, 1024, 2048)
    _LICENSE = "CC BY-SA 4.0"

    def __init__(self, cfg: FetchConfig, client: Client, key: str | None) -> None:
        if key is None:
            problem = "this provider needs a key"
            raise InputError("fetch.key_variable", problem, "Name the variable that holds it.")
        self._cfg, self._client = cfg, client
        self._headers = {"Authorization": f"OAuth {key}"}
        fitting = [size for size in self._SIZES if size >= cfg.width] or [self._SIZES[-1]]
        self._file = f"thumb_{fitting[0]}_url"

    def offers(self, box: Box) -> Iterator[Offer]:
        """Yield the photos in a box; panoramas are none."""
        asked = {
            "fields": f"{self._FIELDS},creator,{self._file}",
            "bbox": ",".join(f"{value:.6f}" for value in box),
            "is_pano": "false",
            "limit": "2000",
        }
        answer = self._client.json(f"{self._cfg.address}?{urlencode(asked)}", self._headers)
        data = answer.get("data") if isinstance(answer, dict) else None
        if not isinstance(data, list):
            problem = "the server's answer has no list of photos"
            raise InputError(self._cfg.address, problem, "Check fetch.address.")
        for item in sorted(data, key=lambda item: str(item.get("id"))):
            at = (item.get("computed_geometry") or item.get("geometry") or {}).get("coordinates")
            if not at or self._file not in item:
                continue
            angle = item.get("computed_compass_angle", item.get("compass_angle"))
            taken = item.get("captured_at")
            yield Offer(
                name=str(item["id"]),
                address=item[self._file],
                longitude=float(at[0]),
                latitude=float(at[1]),
                heading=_UNKNOWN if angle is None else float(angle) % 360,
                date=iso_date(datetime.fromtimestamp(taken / 1000, UTC)) if taken else "",
                author=str((item.get("creator") or {}).get("username", "")),
                license=self._LICENSE,
            )


PROVIDERS: dict[str, Callable[[FetchConfig, Client, str | None], Provider]] = {
    "mediawiki": MediaWiki,
    "mapillary": Mapillary,
}
"""Name in the configuration -> class."""


def open_provider(cfg: FetchConfig, client: Client, key: str | None) -> Provider:
    """Return the provider that a configuration names.

    Raises:
        InputError: When it needs a key and none is given.
    """
    return PROVIDERS[cfg.provider](cfg, client, key)


def _mapping(info: dict[str, Any], key: str) -> list[tuple[str, dict[str, Any]]]:
    found = info.get(key)
    return list(found.items()) if isinstance(found, dict) else []


def _text(markup: str) -> str:
    """Return HTML as plain text on one line."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", markup)).split())


def _plain_date(text: str, longitude: float) -> str:
    """Return a date in UTC if it is one, to the second or to the minute; else ""."""
    found = re.match(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?", _text(text))
    try:
        date = parse_date(found[0], longitude) if found else None
    except ValueError:
        return ""
    return iso_date(date) if date else ""
