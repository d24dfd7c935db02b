"""Bytes from addresses: `https://`, `http://`, `s3://`, with patience and in words when it fails.

GDAL reads addresses by itself (`/vsicurl/`), but takes a body that was cut off for the whole one,
and does not see that a file was replaced between two reads. So bytes are asked for here, every
answer is compared with what was promised, and GDAL reads files of this machine.

Credentials come from where `requests` looks for them (`~/.netrc`), of `s3://` from where AWS tools
do (`nadir.provenance.objects`). Messages never repeat the query of an address, which may be secret.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.structures import CaseInsensitiveDict

from nadir.errors import InputError
from nadir.provenance.objects import filesystem, is_object, object_faults, stat_object

log = logging.getLogger(__name__)

BUSY = (408, 425, 429, 500, 502, 503, 504)
"""Answers of servers that may be better later."""

_CHUNK = 2**16  # bytes handed on at a time
LONGEST_PAUSE = 60.0
"""Seconds before another try, also where a server asks for more."""
TORN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)
"""What another try may mend."""


@dataclass(frozen=True)
class Facts:
    """What a server says about a file.

    Attributes:
        size: Bytes.
        tag: Changes with the content: ETag, else the time of the last change; "" where neither is
            told.
        ranges: Whether parts can be asked for.
    """

    size: int
    tag: str
    ranges: bool = True


class Changed(InputError):
    """A file is another one than when it was first looked at."""

    def __init__(self, address: str) -> None:
        super().__init__(
            shown(address),
            "the file was replaced while it was read",
            "Run it again: it starts anew.",
        )

    def __reduce__(self) -> tuple[type, tuple[str]]:  # type: ignore[override]
        return type(self), (self.file,)


class _Torn(Exception):
    """An answer that failed in a way that another try may mend; `wait` as the server asked for."""

    def __init__(self, problem: str, wait: float = 0.0) -> None:
        self.problem, self.wait = problem, wait
        super().__init__(problem)


def is_address(path: str) -> bool:
    """Whether a path is an address that is read over a network."""
    return path.startswith(("http://", "https://", "s3://"))


def shown(address: str) -> str:
    """Return an address without its query and credentials, for messages and records."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https"):
        return address
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


class Web:
    """Reads parts of files, again and again until they are there; safe among threads.

    Args:
        attempts: Tries of one request without any progress.
        pause: Seconds before the second try; each further one waits twice as long.
        timeout: Seconds to connect, and between two packets.
        slowest: Seconds that one answer may take before it is asked for anew.
    """

    def __init__(
        self,
        attempts: int = 6,
        pause: float = 1.0,
        timeout: float = 30.0,
        slowest: float = 300.0,
    ) -> None:
        self.attempts, self.pause, self.timeout, self.slowest = attempts, pause, timeout, slowest
        self._local = threading.local()

    def facts(self, address: str) -> Facts:
        """Return what the server says about a file; one byte is asked for.

        Raises:
            InputError: When it is not there, not permitted, or the server stays silent.
        """
        if is_object(address):
            info = stat_object(address)
            return Facts(info.size, info.etag)
        problem = ""
        for attempt in range(self.attempts):
            try:
                with self._get(address, {"Range": "bytes=0-0"}) as answer:
                    return _facts(address, answer)
            except _Torn as error:
                problem = error.problem
                self._wait(address, attempt, error)
        raise self._given_up(address, problem)

    def stream(self, address: str, facts: Facts, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes of a range in order, all of them.

        Args:
            address: The file.
            facts: What it was when it was first looked at.
            start: First byte.
            end: End of the range, at most the size.

        Raises:
            Changed: When the file is another one by now.
            InputError: When the server does not give it, for all patience.
        """
        if is_object(address):
            yield from _object_bytes(address, facts, start, end)
            return
        attempt, problem = 0, ""
        while start < end:
            before = start
            try:
                for data in self._once(address, facts, start, end):
                    yield data
                    start += len(data)
                continue
            except _Torn as error:
                problem = error.problem
                attempt = 0 if start - before >= _CHUNK else attempt + 1
                if attempt >= self.attempts:
                    raise self._given_up(address, problem) from error
                self._wait(address, max(attempt - 1, 0), error)

    def _once(self, address: str, facts: Facts, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes of a range from one answer."""
        headers = {"Range": f"bytes={start}-{end - 1}"} if facts.ranges else {}
        with self._get(address, headers) as answer:
            found = _facts(address, answer)
            if (found.size, found.tag) != (facts.size, facts.tag):
                raise Changed(address)
            skip = start if answer.status_code == 200 else 0  # a server without ranges sends all
            left, until = end - start, time.monotonic() + self.slowest
            try:
                for data in answer.iter_content(_CHUNK):
                    part = data[skip : skip + left]
                    skip = max(0, skip - len(data))
                    left -= len(part)
                    if part:
                        yield part
                    if not left:
                        return
                    if time.monotonic() > until:
                        raise _Torn(f"the answer takes more than {self.slowest:.0f} s")
            except TORN as error:
                raise _Torn(f"the answer is cut off ({type(error).__name__})") from error
            if left:
                raise _Torn(f"the answer is cut off: {left} bytes are missing")

    def _get(self, address: str, headers: dict[str, str]) -> requests.Response:
        """Return an answer that promises content."""
        session = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
        try:
            answer = session.get(
                address,
                headers={"Accept-Encoding": "identity", **headers},
                timeout=self.timeout,
                stream=True,
            )
        except TORN as error:
            raise _Torn(f"the server does not answer ({type(error).__name__})") from error
        except requests.RequestException as error:
            raise InputError(
                shown(address),
                f"this cannot be asked for ({type(error).__name__})",
                "Check the address.",
            ) from error
        if answer.status_code in (200, 206):
            return answer
        answer.close()
        raise _refusal(address, answer)

    def _wait(self, address: str, attempt: int, error: _Torn) -> None:
        pause = min(max(self.pause * 2**attempt, error.wait), LONGEST_PAUSE)
        log.warning("%s: %s; asked again in %.1f s", shown(address), error.problem, pause)
        time.sleep(pause)

    def _given_up(self, address: str, problem: str) -> InputError:
        return InputError(
            shown(address),
            f"{problem}, {self.attempts} times in a row",
            "Run the same command later: what is there already is kept.",
        )


def _refusal(address: str, answer: requests.Response) -> Exception:
    """Return the error that an answer without content means."""
    code, where = answer.status_code, shown(address)
    if code in BUSY:
        wait = pause_asked_for(answer.headers.get("Retry-After", ""))
        return _Torn(f"the server is busy or fails (HTTP {code})", wait)
    if code in (404, 410):
        return InputError(where, f"there is no such file (HTTP {code})", "Check the address.")
    if code in (401, 403):
        return InputError(
            where,
            f"access is denied (HTTP {code})",
            "Give name and password in ~/.netrc, or take a catalogue that is open.",
        )
    if code in (412, 416):
        return Changed(address)
    return InputError(where, f"the server refuses it (HTTP {code})", "Check the address.")


def pause_asked_for(text: str) -> float:
    """Return the seconds that a `Retry-After` asks for: a number of them, or a date (RFC 9110).

    0 for what is neither, and for dates that are past.
    """
    if text.isascii() and text.strip().isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
    if when.tzinfo is None:  # "-0000": UTC
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def _facts(address: str, answer: requests.Response) -> Facts:
    """Return what the headers of an answer say about the file."""
    headers = answer.headers
    tag = headers.get("ETag", "") or headers.get("Last-Modified", "")
    if answer.status_code == 206:
        total = re.fullmatch(r"bytes \d+-\d+/(\d+)", headers.get("Content-Range", ""))
        if total:
            return Facts(int(total[1]), tag)
    size = _whole_size(headers)
    if answer.status_code == 206 or size is None:
        raise InputError(
            shown(address), "the server does not say how large it is", "Copy the file by hand."
        )
    return Facts(size, tag, ranges=False)


def _whole_size(headers: CaseInsensitiveDict[str]) -> int | None:
    text = headers.get("Content-Length", "")
    return int(text) if text.isdigit() else None


def _object_bytes(address: str, facts: Facts, start: int, end: int) -> Iterator[bytes]:
    """Yield a range of an object of a store, whose client has patience of its own."""
    with object_faults(address):
        data = filesystem().cat_file(address, start=start, end=end)
    info = stat_object(address)
    if (info.size, info.etag) != (facts.size, facts.tag) or len(data) != end - start:
        raise Changed(address)
    yield data
