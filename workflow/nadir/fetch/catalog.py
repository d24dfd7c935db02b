"""STAC catalogues: which items touch an area in a range of days.

An API is asked (item search, all pages); static files are walked, collections that lie elsewhere
are left out. Either way what comes back is compared with what was asked for, since catalogues
differ in what they take a range or a box to be.
"""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pystac
import requests
from pystac_client import Client, ConformanceClasses
from pystac_client.errors import ClientTypeError
from pystac_client.exceptions import APIError
from pystac_client.stac_api_io import StacApiIO
from pystac_client.warnings import PystacClientWarning
from shapely import box
from shapely.geometry import shape
from urllib3.exceptions import MaxRetryError
from urllib3.util import Retry

from nadir.errors import InputError, did_you_mean
from nadir.fetch.web import BUSY, LONGEST_PAUSE, TORN, is_address, pause_asked_for, shown

log = logging.getLogger(__name__)

Area = tuple[float, float, float, float]
"""West, south, east, north in degrees."""

_PAGE = 100  # items of one answer
_MOST = 5000  # items: more than any sensible search finds


class _Patience(Retry):
    """When a request is tried again; pauses are bounded, whatever the server asks for."""

    def parse_retry_after(self, retry_after: str) -> float:
        """Return the seconds that a `Retry-After` asks for; one that makes no sense is ignored."""
        return min(pause_asked_for(retry_after), LONGEST_PAUSE)


class _PatientIO(StacApiIO):
    """Asks again also where an answer began, and was cut off or fell silent.

    Args:
        attempts: Tries of one request.
        pause: Seconds before the second try, which double.
        timeout: Seconds to connect, and between two packets.
    """

    def __init__(self, attempts: int, pause: float, timeout: float) -> None:
        self._attempts, self._pause = attempts, pause
        patience = _Patience(
            total=attempts - 1,
            backoff_factor=pause,
            backoff_max=LONGEST_PAUSE,
            status_forcelist=BUSY,
            allowed_methods=None,
            respect_retry_after_header=True,
        )
        super().__init__(timeout=timeout, max_retries=patience)

    def request(self, href: str, *args: Any, **kwargs: Any) -> str:
        """Return the body of an answer, all of it."""
        for attempt in range(self._attempts):
            try:
                return super().request(href, *args, **kwargs)
            except APIError as error:
                if attempt == self._attempts - 1 or not _is_torn(error):
                    raise
                wait = min(self._pause * 2**attempt, LONGEST_PAUSE)
                log.warning(
                    "%s: the answer is cut off (%s); asked again in %.1f s",
                    shown(href),
                    type(error.__context__).__name__,
                    wait,
                )
                time.sleep(wait)
        raise AssertionError("attempts are at least one")


def _is_torn(error: APIError) -> bool:
    """Whether an answer broke off; what urllib3 has tried often enough is no such case."""
    cause = error.__context__
    tried = isinstance(cause, Exception) and any(
        isinstance(part, MaxRetryError) for part in cause.args
    )
    return isinstance(cause, TORN) and not tried


def search(
    url: str,
    collection: str | None,
    area: Area,
    days: tuple[date, date] | None,
    attempts: int = 6,
    pause: float = 1.0,
    timeout: float = 30.0,
) -> list[dict[str, Any]]:
    """Return the items of a catalogue that touch an area in a range of days.

    Args:
        url: Address of an API or of a static catalogue, or a path.
        collection: Collection to look in; None for all, which only static catalogues allow.
        area: The area.
        days: First and last day (UTC), or None for any.
        attempts: Tries of one request.
        pause: Seconds before the second try, which double.
        timeout: Seconds to connect, and between two packets.

    Returns:
        Items as dictionaries with absolute addresses, by time and name.

    Raises:
        InputError: When the catalogue cannot be read, is none, has no such collection, or finds
            more than can be meant.
    """
    with _faults(url):
        # The client sets the timeout of what it is given anew: to none, unless it is told as well.
        reader = _PatientIO(attempts, pause, timeout)
        client = Client.open(url, stac_io=reader, timeout=timeout)
        if client.conforms_to(ConformanceClasses.ITEM_SEARCH):
            items = _ask(client, url, collection, area, days)
        else:
            items = _walk(client, url, collection, area)
        found = [item for item in items if _touches(item, area) and _within(item, days)]
    ids = {(item.get("collection"), item["id"]): item for item in found}
    log.info("%s: %d items touch the area", shown(url), len(ids))
    return sorted(ids.values(), key=lambda item: (time_of(item), item["id"]))


def _ask(
    client: Client, url: str, collection: str | None, area: Area, days: tuple[date, date] | None
) -> Iterator[dict[str, Any]]:
    """Yield what an API finds."""
    if collection is None:
        raise InputError(shown(url), "an API needs a collection", "Set `collection`.")
    try:
        known = client.get_collection(collection)
    except (APIError, KeyError, pystac.errors.STACError):
        known = None
    if known is None:
        names = sorted(item.id for item in client.get_collections())
        if names and collection not in names:
            raise _no_collection(url, collection, names)
    when = f"{days[0]}T00:00:00Z/{days[1]}T23:59:59.999Z" if days else None
    asked = client.search(
        collections=[collection], bbox=area, datetime=when, limit=_PAGE, max_items=_MOST + 1
    )
    for number, item in enumerate(asked.items()):
        if number == _MOST:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of APIs that do not count
                raise _too_many(url, asked.matched())
        yield _plain(item)


def _walk(client: Client, url: str, collection: str | None, area: Area) -> Iterator[dict[str, Any]]:
    """Yield the items of static files; children that lie elsewhere are not opened further."""
    todo: list[pystac.Catalog] = [client]
    seen = []
    while todo:
        here = todo.pop()
        if isinstance(here, pystac.Collection):
            seen.append(here.id)
            other = collection is not None and here.id != collection
            if not _extends(here, area) or (other and not list(here.get_child_links())):
                continue
        todo.extend(here.get_children())
        for item in pystac.Catalog.get_items(here):
            if collection in (None, item.collection_id):
                yield _plain(item)
    if collection is not None and seen and collection not in seen:
        raise _no_collection(url, collection, sorted(seen))


def _too_many(url: str, matched: int | None) -> InputError:
    """Return the error for a search that finds more than is looked at; some APIs tell how many."""
    count = f"{matched}" if matched is not None and matched > _MOST else f"more than {_MOST}"
    return InputError(
        shown(url),
        f"{count} items touch the area, and no more than {_MOST} are looked at",
        "Give a smaller area or a shorter range of days (`cloud` chooses among what is found).",
    )


def _no_collection(url: str, name: str, there: list[str]) -> InputError:
    return InputError(
        shown(url),
        f"there is no collection {name!r}{did_you_mean(name, there)} "
        f"(there are: {', '.join(there[:20])})",
        "Set `collection` to one of them.",
    )


def _plain(item: pystac.Item) -> dict[str, Any]:
    """Return an item as a dictionary whose assets have absolute addresses."""
    item.make_asset_hrefs_absolute()
    return item.to_dict(include_self_link=True, transform_hrefs=False)


def _extends(collection: pystac.Collection, area: Area) -> bool:
    """Whether a collection's extent touches the area; one that tells nonsense does."""
    boxes = collection.extent.spatial.bboxes
    return any(
        len(item) not in (4, 6) or box(*_flat(item)).intersects(box(*area)) for item in boxes
    )


def _flat(bounds: list[float]) -> list[float]:
    """Return west, south, east, north of a box, whose heights are left out."""
    half = len(bounds) // 2
    return [*bounds[:2], *bounds[half : half + 2]]


def footprint(item: dict[str, Any]) -> Any:
    """Return the ground of an item as a shapely geometry, in degrees."""
    if item.get("geometry"):
        return shape(item["geometry"]).buffer(0)
    return box(*_flat(item["bbox"]))


def _touches(item: dict[str, Any], area: Area) -> bool:
    ground = footprint(item).intersection(box(*area))
    return ground.area > 0


def time_of(item: dict[str, Any]) -> datetime:
    """Return when an item was taken (UTC)."""
    facts = item["properties"]
    text = facts.get("datetime") or facts.get("start_datetime")
    when = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _within(item: dict[str, Any], days: tuple[date, date] | None) -> bool:
    return days is None or days[0] <= time_of(item).astimezone(UTC).date() <= days[1]


@contextmanager
def _faults(url: str) -> Iterator[None]:
    """Turn what goes wrong with a catalogue into an `InputError` that names it."""
    where = shown(url)
    if not is_address(url) and not Path(url.removeprefix("file://")).is_file():
        raise InputError(
            where, "there is no such file", "Give an address, or the path of catalog.json."
        )
    try:
        with warnings.catch_warnings():
            # Static files conform to no class of an API, and are walked.
            warnings.simplefilter("ignore", PystacClientWarning)
            yield
    except InputError:
        raise
    except (APIError, requests.RequestException, OSError) as error:
        status = getattr(error, "status_code", None)
        problem = f"HTTP {status}" if status else _reason(error)
        raise InputError(
            where,
            f"the catalogue does not answer ({problem})",
            "Check the address and the network; run it again later if the server is busy.",
        ) from error
    except (pystac.errors.STACError, pystac.STACTypeError, ClientTypeError) as error:
        raise InputError(
            where, f"this is no STAC catalogue ({_reason(error)})", "Give the address of one."
        ) from error
    except (json.JSONDecodeError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            where,
            f"the catalogue holds what is not STAC ({type(error).__name__}: {_reason(error)})",
            "Check the address; tell who keeps the catalogue.",
        ) from error


def _reason(error: BaseException) -> str:
    """Return the first line of an error, without the queries of addresses in it."""
    line = (str(error).splitlines() or [type(error).__name__])[0]
    return line.split("?")[0][:200]
