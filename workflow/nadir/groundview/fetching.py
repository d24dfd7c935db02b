"""Photos from a provider: listed once, fetched one by one, taken up again after a kill."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import math
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nadir.config.groundview import FetchConfig
from nadir.errors import InputError
from nadir.groundview.photo_files import decode_photo
from nadir.groundview.providers import Offer, Provider, cells, open_provider
from nadir.groundview.transport import Client, key_of
from nadir.provenance.atomic import remove_path, write_bytes, write_json, write_text
from nadir.provenance.digest import json_digest, sha
from nadir.provenance.files import SUFFIXES, read_bytes

log = logging.getLogger(__name__)

_LISTING = "listing.json"
_HEAD = ("file", "longitude", "latitude", "heading", "date")
_REST = ("sha256", "author", "license", "page", "name")


def fetch_photos(
    cfg: FetchConfig, out: str | os.PathLike[str], *, client: Client | None = None
) -> None:
    """Fetch photos, and write `photos.csv` last; `index-photos` reads the folder.

    The list of photos is asked for once and kept in `listing.json`, so that a run that was killed
    goes on with the same photos: those that are there whole (by their digest) are not fetched
    again. Photos that the provider lists but does not give are told of and left out.

    Args:
        cfg: The provider, and what is asked of it.
        out: `FOLDER/photos.csv` to write; photos lie in `FOLDER/photos`.
        client: What asks; by default one as configured.

    Raises:
        InputError: When the key is lacking, the provider refuses, or has no photos there.
        OutputError: When the disk is full or not writable.
    """
    key = key_of(cfg.key_variable)
    client = client or Client(
        per_second=cfg.per_second,
        attempts=cfg.attempts,
        timeout=cfg.timeout_s,
        key=key,
        contact=cfg.contact,
    )
    provider = open_provider(cfg, client, key)
    folder = Path(out).parent
    offers, digests = _listing(cfg, provider, folder / _LISTING)
    rows: list[list[str]] = []
    lost = 0
    for offer in tqdm(offers, "fetch", disable=None):
        file = _file_name(offer)
        path = folder / "photos" / file
        digest = _kept(path, digests.get(file))
        if digest is None:
            try:
                data = client.get(offer.address)
                decode_photo(data, offer.name)
                _check(offer, data)
            except InputError as error:
                log.warning("%s: left out: %s", offer.name, client.hidden(str(error)))
                lost += 1
                continue
            write_bytes(path, data)
            digest = sha(data)
            # Beside the photo, so that what was fetched is known after a kill.
            write_text(path.with_name(f".{file}.sha256"), digest + "\n")
        rows.append(_row(offer, f"photos/{file}", digest))
    if not rows:
        problem = f"none of {len(offers)} photos could be fetched"
        raise InputError(cfg.address, problem, "Run the same command again later.")
    _remove_others(folder / "photos", {Path(row[0]).name for row in rows})
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([[*_HEAD, *_REST], *rows])
    write_text(out, text.getvalue())
    log.info("%d photos fetched, %d left out", len(rows), lost)


def _listing(
    cfg: FetchConfig, provider: Provider, path: Path
) -> tuple[list[Offer], dict[str, str]]:
    """Return the photos to fetch, and the digests of those that are there already."""
    asked = json_digest(cfg.model_dump(include={"provider", "address", "box", "most", "width"}))
    known = _read_listing(path)
    if known is None or known["asked"] != asked:
        offers = _asked(cfg, provider)
        write_json(path, {"asked": asked, "offers": [asdict(offer) for offer in offers]})
    else:
        log.info("going on with the list of %d photos", len(known["offers"]))
        offers = [_offer(item) for item in known["offers"]]
    marks = path.parent.glob("photos/.*.sha256")
    return offers, {mark.name[1:-7]: mark.read_text().strip() for mark in marks}


def _asked(cfg: FetchConfig, provider: Provider) -> list[Offer]:
    """Return what a provider has in the box, each photo once, at most as many as are wanted."""
    found: dict[str, Offer] = {}
    west, south, east, north = cfg.box
    parts = list(cells(cfg.box, provider.cell_deg))
    for part in tqdm(parts, "search", disable=None):
        for offer in provider.offers(part):
            inside = west <= offer.longitude <= east and south <= offer.latitude <= north
            if inside and len(found) < cfg.most:
                found.setdefault(offer.name, offer)
        if len(found) >= cfg.most:
            break
    if not found:
        problem = "the provider has no photos in the box"
        raise InputError(cfg.address, problem, "Ask for a larger fetch.box.")
    return [found[name] for name in sorted(found)]


def _read_listing(path: Path) -> dict[str, Any] | None:
    """Return the list that an earlier run wrote, None when there is none that can be read."""
    try:
        known = json.loads(path.read_text())
        return known if {"asked", "offers"} <= set(known) else None
    except (OSError, ValueError, TypeError):
        return None


def _offer(item: dict[str, Any]) -> Offer:
    """Return an offer of the list; JSON has null for NaN."""
    names = {field.name for field in fields(Offer)}
    values = {key: value for key, value in item.items() if key in names}
    if values.get("heading") is None:
        values["heading"] = math.nan
    return Offer(**values)


def _file_name(offer: Offer) -> str:
    """Return a safe and unique name for a photo's file."""
    stem, dot, ending = offer.name.rpartition(".")
    suffix = f".{ending.lower()}"
    known = bool(dot) and suffix in SUFFIXES
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", stem if known else offer.name).strip("_")[:60]
    tail = sha(offer.name.encode())[:8]
    return f"{safe}-{tail}{suffix if known else '.jpg'}"


def _kept(path: Path, digest: str | None) -> str | None:
    """Return the digest of a photo that is there whole, else None."""
    if digest is None or not path.is_file():
        return None
    return digest if sha(read_bytes(path)) == digest else None


def _check(offer: Offer, data: bytes) -> None:
    """Raise `InputError` unless a file has the digest that the provider tells."""
    if offer.sha1 and hashlib.sha1(data, usedforsecurity=False).hexdigest() != offer.sha1:
        problem = "its content is not what the provider's digest is of"
        raise InputError(offer.name, problem, "Run the same command again.")


def _row(offer: Offer, file: str, digest: str) -> list[str]:
    heading = "" if math.isnan(offer.heading) else f"{offer.heading:.2f}"
    at = f"{offer.longitude:.7f}", f"{offer.latitude:.7f}"
    return [
        file, *at, heading, offer.date,
        digest, offer.author, offer.license, offer.page, offer.name,
    ]  # fmt: skip


def _remove_others(folder: Path, names: Iterable[str]) -> None:
    """Remove photos of other requests, so that the folder holds what the csv file says."""
    wanted = set(names)
    for path in folder.iterdir():
        name = path.name[1:-7] if path.name.endswith(".sha256") else path.name
        if name not in wanted:
            remove_path(path)
