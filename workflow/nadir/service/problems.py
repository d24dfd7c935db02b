"""Errors as JSON problem documents (RFC 9457), with a remedy and never a stack trace."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from nadir.errors import InputError, OutputError

MEDIA_TYPE = "application/problem+json"

_REMEDIES = {
    400: "Send the request as /openapi.json describes it.",
    401: "Send the service's key in the header X-API-Key.",
    404: "Check the address; /openapi.json lists what there is.",
    405: "Check the method; /openapi.json lists which are known at this address.",
    413: "Send a smaller file; /models tells the limits.",
    500: "Try again; if it happens again, tell whoever runs the service the request's id.",
}
_TITLES = {413: "Content too large", 422: "Content cannot be used"}


class ProblemDocument(BaseModel):
    """What every error looks like (RFC 9457, media type `application/problem+json`)."""

    type: str = Field(examples=["urn:nadir:problem:not-an-image"])
    """Kind of problem."""
    title: str = Field(examples=["Content cannot be used"])
    """The kind in words."""
    status: int = Field(examples=[422])
    """HTTP status."""
    detail: str = Field(examples=["the photo is no PNG, JPEG or TIFF"])
    """What is wrong this time."""
    remedy: str = Field(examples=["Send the photo as PNG, JPEG or TIFF."])
    """What to do about it."""
    request: str = Field(examples=["5f0c6d2b9a1e4c73"])
    """Id of the request, as in the service's log."""


class Problem(Exception):
    """An answer that tells what went wrong.

    Args:
        status: HTTP status, 400 to 599.
        kind: Short name of the kind, in words joined by hyphens.
        detail: What is wrong, as a clause.
        remedy: What to do about it, as a sentence.
        headers: Further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        remedy: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.detail, self.remedy = status, kind, detail, remedy
        self.headers = dict(headers or {})

    def content(self, request_id: str) -> dict[str, Any]:
        """Return the document."""
        return {
            "type": f"urn:nadir:problem:{self.kind}",
            "title": _TITLES.get(self.status, HTTPStatus(self.status).phrase),
            "status": self.status,
            "detail": self.detail,
            "remedy": self.remedy,
            "request": request_id,
        }

    def response(self, request_id: str) -> JSONResponse:
        """Return the answer."""
        return JSONResponse(
            self.content(request_id), self.status, headers=self.headers, media_type=MEDIA_TYPE
        )


def internal() -> Problem:
    """Return the problem that stands for a fault of the service itself."""
    return Problem(500, "internal", "the service failed at this request", _REMEDIES[500])


def too_large(limit: int) -> Problem:
    """Return the problem of a body beyond the limit, in bytes."""
    detail = f"the request has more than {limit} bytes"
    return Problem(413, "too-many-bytes", detail, _REMEDIES[413])


def of_input(error: InputError) -> Problem:
    """Return an `InputError` as a problem; its file stays here, being a name on this machine."""
    return Problem(422, "unusable-input", error.problem, error.remedy)


def of_output(error: OutputError) -> Problem:
    """Return an `OutputError` as a problem; its file stays here, as above."""
    return Problem(
        507,
        "storage-full",
        f"the service cannot store this: {error.problem}",
        "Try again later, or tell whoever runs the service.",
    )


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the entries of OpenAPI for answers that are problems; see `describe_problems`."""
    return {
        status: {"description": _TITLES.get(status, HTTPStatus(status).phrase)}
        for status in statuses
    }


def describe_problems(document: dict[str, Any]) -> dict[str, Any]:
    """Say in an OpenAPI document that every error is a problem document.

    FastAPI would describe errors under the media type of results, and the validation of
    parameters in a form of its own.

    Args:
        document: The document; changed in place.
    """
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, reply in operation["responses"].items():
                if status >= "400":
                    reply["content"] = content
                    reply["description"] = _TITLES.get(int(status), HTTPStatus(int(status)).phrase)
    return document


def install_handlers(app: FastAPI) -> None:
    """Let an app answer every known error with a problem document."""

    async def problem(request: Request, error: Exception) -> JSONResponse:
        return _as_problem(error).response(getattr(request.state, "request_id", ""))

    for kind in (Problem, InputError, OutputError, HTTPException, RequestValidationError):
        app.add_exception_handler(kind, problem)
    # What routing itself raises is a class above FastAPI's own.
    app.add_exception_handler(HTTPException.__mro__[1], problem)


def _as_problem(error: Exception) -> Problem:
    """Return any known error as a problem."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, InputError):
        return of_input(error)
    if isinstance(error, OutputError):
        return of_output(error)
    if isinstance(error, RequestValidationError):
        faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        return Problem(422, "invalid-request", "; ".join(faults), _REMEDIES[400])
    status = int(getattr(error, "status_code", 500))
    if status < 400:
        return internal()
    phrase = HTTPStatus(status).phrase
    detail = str(getattr(error, "detail", "") or phrase)
    detail = phrase.lower() if detail == phrase else detail[:1].lower() + detail[1:].rstrip(".")
    return Problem(
        status,
        phrase.lower().replace(" ", "-"),
        detail,
        _REMEDIES.get(status, _REMEDIES[400]),
        getattr(error, "headers", None),
    )
