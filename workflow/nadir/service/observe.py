"""The outermost layer: ids, access log, metrics, safe headers, and the last word on errors."""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from nadir.service.metrics import Counter, Histogram, Registry
from nadir.service.problems import internal, too_large

log = logging.getLogger("nadir.service.access")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Any, Receive, Send], Awaitable[None]]

_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_QUIET = frozenset(("/healthz", "/readyz", "/metrics"))
"""Routes that machines ask every few seconds; their requests are logged at level DEBUG."""

_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; font-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
_DRAIN_SECONDS = 5.0


class Observer:
    """Wraps the whole service.

    Args:
        app: What answers.
        registry: Where requests are counted.
        max_bytes: Largest body of a request. As much again of an unread upload is taken before an
            error is sent: a connection closed on unread data is reset, and the client would never
            see the answer.
        larger: Path -> largest body of a request there, where more may come.
    """

    def __init__(
        self, app: App, registry: Registry, max_bytes: int, larger: Mapping[str, int] | None = None
    ) -> None:
        self.app, self.max_bytes, self.larger = app, max_bytes, dict(larger or {})
        self.requests = registry.add(
            Counter("nadir_http_requests_total", "Requests.", ("method", "route", "status"))
        )
        self.seconds = registry.add(
            Histogram("nadir_http_request_seconds", "Time to answer, in seconds.", ("route",))
        )

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = self.larger.get(scope["path"], self.max_bytes)
        exchange = _Exchange(scope, receive, send, most)
        try:
            await self.app(scope, exchange.receive, exchange.send)
        except Exception:
            log.exception("failed", extra={"fields": {"id": exchange.id}})
            if not exchange.status:
                response = internal().response(exchange.id)
                await response(scope, exchange.receive, exchange.send)
        finally:
            self._note(exchange)

    def _note(self, exchange: _Exchange) -> None:
        """Count a request and log it."""
        scope, taken = exchange.scope, time.perf_counter() - exchange.start
        route = getattr(scope.get("route"), "path", None) or "none"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self.requests.add(method=method, route=route, status=str(exchange.status))
        self.seconds.observe(taken, route=route)
        fields = {
            "id": exchange.id,
            "method": method,
            "path": scope["path"],
            "route": route,
            "status": exchange.status,
            "ms": round(1000 * taken, 1),
            "bytes_in": exchange.taken,
            "bytes_out": exchange.given,
            "client": (scope.get("client") or ("",))[0],
        }
        level = logging.DEBUG if route in _QUIET else logging.INFO
        log.log(level, "request", extra={"fields": fields})


class _Exchange:
    """One request and its answer, as they pass by."""

    def __init__(self, scope: Any, receive: Receive, send: Send, max_bytes: int) -> None:
        self.scope, self._receive, self._send, self._most = scope, receive, send, max_bytes
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id", b"")
        self.id = given.decode() if _ID.fullmatch(given) else uuid.uuid4().hex[:16]
        scope.setdefault("state", {})["request_id"] = self.id
        self.start = time.perf_counter()
        self.status = self.taken = self.given = 0
        length = headers.get(b"content-length", b"")
        self._announced = int(length) if length.isdigit() else 0
        self._whole = False
        # Who asks before sending is told no before sending.
        self._unasked = headers.get(b"expect", b"").lower() == b"100-continue"

    async def receive(self) -> Message:
        """Pass on a part of the request; refuse what goes beyond the limit, announced or not.

        Raises:
            Problem: 413.
        """
        if self._announced > self._most:
            raise too_large(self._most)
        message = await self._take()
        if self.taken > self._most:
            raise too_large(self._most)
        return message

    async def _take(self) -> Message:
        """Take a part of the request."""
        message = await self._receive()
        self._unasked = False
        self.taken += len(message.get("body", b""))
        self._whole = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        """Pass on a part of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status >= 400 and not self._whole and not self._unasked:
                await self._take_rest()
            known = {name.lower() for name, _ in message["headers"]}
            more = {**_HEADERS, "x-request-id": self.id}
            message["headers"] = [
                *message["headers"],
                *((k.encode(), v.encode()) for k, v in more.items() if k.encode() not in known),
            ]
        self.given += len(message.get("body", b""))
        await self._send(message)

    async def _take_rest(self) -> None:
        """Take what is left of the upload, within bounds, and drop it."""
        limit = self.taken + self._most
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while not self._whole and self.taken < limit:
                    await self._take()
        except TimeoutError:
            return
