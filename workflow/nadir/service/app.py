"""The app: capabilities behind one door, with health, metrics, limits and a key."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import Depends, FastAPI, Request, Security
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse
from fastapi.security import APIKeyHeader
from fastapi.staticfiles import StaticFiles

from nadir import __version__
from nadir.service import metrics
from nadir.service.context import PAGES, Capability, Context, context_of
from nadir.service.observe import Observer
from nadir.service.openapi import describe
from nadir.service.problems import Problem, documented, install_handlers
from nadir.service.settings import Settings

_KEY = APIKeyHeader(name="X-API-Key", auto_error=False, description="The service's key.")
_DESCRIPTION = (
    "Errors are problem documents (RFC 9457) with a `remedy`; every answer carries the header "
    "`X-Request-ID`. A full queue is answered with 429 and `Retry-After`."
)


def create_app(settings: Settings, capabilities: Sequence[Capability]) -> FastAPI:
    """Return the app of a service.

    Args:
        settings: Limits and access.
        capabilities: What it can do, of different names.
    """
    context = Context(settings, tuple(capabilities))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        context.start()
        yield
        await asyncio.to_thread(context.close)

    app = FastAPI(
        title="nadir",
        version=__version__,
        summary="Overhead imagery over HTTP",
        description=_DESCRIPTION,
        lifespan=lifespan,
        # FastAPI's own pages of documentation load scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
    )
    app.state.context = context
    written = app.openapi
    app.openapi = lambda: describe(written())  # type: ignore[method-assign]
    install_handlers(app)
    locked: list[Any] = [Security(_authorize, scopes=[])] if settings.api_key else []
    _add_health(app)
    _add_insight(app, locked)
    for capability in capabilities:
        app.include_router(capability.router(), dependencies=locked)
        if capability.page:
            _add_page(app, f"/{capability.name}", capability.page)
    _add_front(app, [item for item in capabilities if item.page])
    app.mount("/pages", StaticFiles(directory=PAGES), name="pages")
    app.add_middleware(
        Observer,
        registry=context.registry,
        max_bytes=settings.max_bytes,
        larger={"/segment": settings.job_bytes, "/jobs": settings.job_bytes},
    )
    return app


async def _authorize(request: Request, key: str | None = Depends(_KEY)) -> None:
    """Let only those in who know the key."""
    expected = context_of(request).settings.api_key or ""
    # Bytes, since text that is not ASCII cannot be compared in constant time.
    if not hmac.compare_digest((key or "").encode(), expected.encode()):
        raise Problem(
            401,
            "no-access",
            "the key is wrong" if key else "a key is needed",
            "Send the service's key in the header X-API-Key.",
            {"WWW-Authenticate": 'ApiKey realm="nadir"'},
        )


def _add_health(app: FastAPI) -> None:
    """Add what an orchestrator asks; open to all, and telling nothing else."""

    @app.get("/healthz", tags=["service"], summary="Whether the process lives")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get(
        "/readyz",
        tags=["service"],
        summary="Whether every capability can answer",
        responses=documented(503),
    )
    async def readyz(request: Request) -> dict[str, str]:
        if not context_of(request).ready():
            raise Problem(503, "not-ready", "the service is not ready", "Ask again shortly.")
        return {"status": "ready"}


def _add_insight(app: FastAPI, locked: list[Any]) -> None:
    """Add what is loaded, and what was counted."""

    @app.get(
        "/models",
        tags=["service"],
        summary="What is loaded, and the limits",
        dependencies=locked,
        responses=documented(401),
    )
    async def models(request: Request) -> JSONResponse:
        context = context_of(request)
        given = context.settings
        return JSONResponse(
            {
                "version": __version__,
                "limits": {
                    "bytes": given.max_bytes,
                    "pixels": given.max_pixels,
                    "seconds": given.seconds,
                    "queue": given.queue,
                },
                "capabilities": {
                    item.name: {"title": item.title, "page": bool(item.page), **item.describe()}
                    for item in context.capabilities
                },
            }
        )

    @app.get(
        "/metrics",
        tags=["service"],
        summary="Counters in Prometheus' text format",
        dependencies=locked,
        response_class=PlainTextResponse,
        responses=documented(401),
    )
    async def prometheus(request: Request) -> PlainTextResponse:
        text = context_of(request).registry.render()
        return PlainTextResponse(text, media_type=metrics.MEDIA_TYPE)


def _add_page(app: FastAPI, address: str, name: str) -> None:
    """Add a page at an address; pages hold nothing secret, so they need no key."""

    @app.get(address, include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGES / name, headers={"Cache-Control": "no-cache"})


def _add_front(app: FastAPI, paged: Sequence[Capability]) -> None:
    """Let `/` lead to the only page, or to the list of pages."""
    if len(paged) == 1:

        @app.get("/", include_in_schema=False)
        async def front() -> RedirectResponse:
            return RedirectResponse(f"/{paged[0].name}", 307)

    else:
        _add_page(app, "/", "index.html")
