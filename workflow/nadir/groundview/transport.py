"""Requests to servers of photos and maps: with a pause between them, and patience with failures.

A key is sent, but never shown: every message says `KEY` in its place.
"""

from __future__ import annotations

import http.client
import json
import logging
import math
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from nadir.errors import InputError

log = logging.getLogger(__name__)

_LATER = {408, 425, 429, 500, 502, 503, 504}
"""Answers after which it is worth asking again."""
_LONGEST_WAIT = 120.0
_MOST_BYTES = 2**28


def key_of(variable: str | None) -> str | None:
    """Return the key that an environment variable holds; None where no variable is named.

    Raises:
        InputError: When it is not set.
    """
    if variable is None:
        return None
    if not (key := os.environ.get(variable, "").strip()):
        problem = "this environment variable is not set, but the configuration names it as the key"
        raise InputError(variable, problem, f"Run: export {variable}=... with your key.")
    return key


class Client:
    """Asks a server, never faster than allowed, and again where that may help.

    Safe to use from several threads; they share the pace.

    Args:
        per_second: Most requests a second.
        attempts: How often a request is tried.
        timeout: How long an answer is waited for, in seconds.
        key: What must never be shown.
        contact: How the user can be reached, sent along.
        sleep: What waits; tests give another.
    """

    def __init__(
        self,
        *,
        per_second: float = 2.0,
        attempts: int = 5,
        timeout: float = 30.0,
        key: str | None = None,
        contact: str = "",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pause = 1 / per_second
        self._attempts, self._timeout = attempts, timeout
        self._key, self._sleep = key, sleep
        self._agent = "nadir" + (f" ({contact})" if contact else "")
        self._next = 0.0
        self._lock = threading.Lock()

    def hidden(self, text: str) -> str:
        """Return text without the key."""
        return text.replace(self._key, "KEY") if self._key else text

    def get(self, address: str, headers: Mapping[str, str] | None = None) -> bytes:
        """Return the whole answer to a request.

        Failures that may pass (no connection, 429, 5xx, an answer cut short) are waited for: as
        long as the server says, else twice as long each time.

        Raises:
            InputError: When the server refuses, or fails as often as is allowed.
        """
        shown = self.hidden(address)
        problem = ""
        for attempt in range(self._attempts):
            self._keep_pace()
            try:
                return self._ask(address, headers or {})
            except urllib.error.HTTPError as error:
                problem = f"the server answers {error.code} {error.reason}"
                wait = _asked_for(error.headers.get("Retry-After"))
                error.close()
                if error.code not in _LATER:
                    raise InputError(shown, self.hidden(problem), _remedy(error.code)) from None
            except (OSError, http.client.HTTPException) as error:
                wait = None
                problem = f"the answer did not come whole ({_told(error)})"
            if attempt + 1 < self._attempts:
                pause = min(_LONGEST_WAIT, 2.0**attempt if wait is None else wait)
                log.info("%s: %s; again in %.0f s", shown, self.hidden(problem), pause)
                self._sleep(pause)
        raise InputError(
            shown,
            self.hidden(f"{problem}, {self._attempts} times"),
            "Run the same command again later: it goes on where it stopped.",
        )

    def json(self, address: str, headers: Mapping[str, str] | None = None) -> Any:
        """Return the JSON value that a server answers; raises as `get`, and when it is none."""
        data = self.get(address, headers)
        try:
            return json.loads(data)
        except ValueError as error:
            problem = "the server answers no JSON"
            raise InputError(self.hidden(address), problem, "Check the address.") from error

    def _keep_pace(self) -> None:
        with self._lock:
            now = time.monotonic()
            start = max(now, self._next)
            self._next = start + self._pause
        if start > now:
            self._sleep(start - now)

    def _ask(self, address: str, headers: Mapping[str, str]) -> bytes:
        request = urllib.request.Request(  # the schemes are checked by the configuration
            address, headers={"User-Agent": self._agent}
        )
        for name, value in headers.items():  # a redirection must not carry the key elsewhere
            request.add_unredirected_header(name, value)
        with urllib.request.urlopen(request, timeout=self._timeout) as answer:
            data = answer.read(_MOST_BYTES + 1)
            promised = answer.headers.get("Content-Length")
        if len(data) > _MOST_BYTES:
            raise InputError(self.hidden(address), "the answer is too large", "Check the address.")
        if promised is not None and promised.isdigit() and len(data) != int(promised):
            # `read` with a limit does not see by itself that an answer was cut short.
            raise http.client.IncompleteRead(data, int(promised) - len(data))
        return data


def _told(error: BaseException) -> str:
    if isinstance(error, http.client.IncompleteRead):
        return "it was cut short"
    return str(getattr(error, "reason", "") or error) or type(error).__name__


def _asked_for(text: str | None) -> float | None:
    """Return the seconds that a server asks to wait, from a number or a date."""
    if not text:
        return None
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return max(wait, 0.0) if math.isfinite(wait) else None


def _remedy(code: int) -> str:
    if code in (401, 403):
        return "Check the key, and that it may be used for this."
    return "Check the address."
