"""Forms with one file, read as they come: small files stay in memory, large ones go to disk."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from nadir.provenance.atomic import remove_path, write_faults
from nadir.service.problems import Problem

IN_MEMORY = 1 << 20
"""Bytes of a file up to which it is kept in memory; also the size of one write to disk."""

_MOST_FIELDS, _LARGEST_FIELD, _LARGEST_HEAD = 8, 4096, 8192
_FORM = "Send multipart/form-data with the file in the field `image`, as /openapi.json describes."


@dataclass
class Upload:
    """What a form held. The file's name is not kept: nothing is stored under a client's name.

    Attributes:
        data: The file's bytes, where they are few.
        path: The file on disk, else; whoever receives it may move it away.
        size: Bytes.
        fields: The other fields, as text.
        spare: Where the file may be put as long as the request lasts.
    """

    data: bytes = b""
    path: Path | None = None
    size: int = 0
    fields: dict[str, str] = field(default_factory=dict)
    spare: Path | None = None

    @property
    def head(self) -> bytes:
        """The first bytes of the file."""
        if self.path is None:
            return self.data[:16]
        with self.path.open("rb") as file:
            return file.read(16)

    def move(self, target: Path) -> None:
        """Put the file at `target`, for good.

        Raises:
            OutputError: When the disk is full.
        """
        if self.path is not None:
            self.path.replace(target)
            self.path = target
            return
        with write_faults(target), target.open("wb") as file:
            file.write(self.data)
        self.path, self.data = target, b""


@asynccontextmanager
async def received(request: Request, folder: Path, seconds: float) -> AsyncIterator[Upload]:
    """Yield the upload of a request; what is left on disk afterwards is removed.

    Args:
        request: The request; its body is limited by whoever wraps it.
        folder: Where large files go, under names of this service.
        seconds: Longest time that it may take.

    Raises:
        Problem: 400 for a broken form, 408 when it takes too long, 415 for another content type,
            422 without a file or with an empty one.
        OutputError: When the disk is full.
    """
    reader = _FormReader(boundary_of(request), folder / f"{uuid.uuid4().hex}.upload")
    try:
        try:
            async with asyncio.timeout(seconds):
                await reader.read(request)
        except TimeoutError:
            raise Problem(
                408,
                "slow-upload",
                f"the upload took longer than {seconds:g} s",
                "Send a smaller file, or use a faster connection.",
            ) from None
        yield reader.upload()
    finally:
        reader.close()
        remove_path(reader.path)


async def _body(request: Request) -> AsyncIterator[bytes]:
    """Yield the body of a request in the pieces in which it comes.

    Raises:
        Problem: 400 when the client hangs up, which nobody reads but the log.
    """
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "hung-up", "the upload broke off", "Send it again.")
        yield message.get("body", b"")
        more = message.get("more_body", False)


def boundary_of(request: Request) -> bytes:
    """Return what separates the parts of a form.

    Raises:
        Problem: 415 where the request is no such form, 400 where it tells no boundary.
    """
    header = request.headers.get("content-type", "")
    kind, options = parse_options_header(header)
    if kind != b"multipart/form-data":
        shown = header.partition(";")[0].strip().lower()[:80] or "absent"
        raise Problem(415, "not-a-form", f"the content type is {shown}", _FORM)
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 200:
        raise Problem(400, "broken-form", "the content type tells no boundary", _FORM)
    return boundary


class _FormReader:
    """Reads one form; the callbacks only collect, disk is written in threads.

    Args:
        boundary: What separates its parts.
        path: Where a large file goes.
    """

    def __init__(self, boundary: bytes, path: Path) -> None:
        self.path = path
        self.size = 0
        self.fields: dict[str, str] = {}
        self._files = 0
        self._waiting = bytearray()
        self._file: BinaryIO | None = None
        self._text: bytearray | None = None
        self._name = ""
        self._head: list[bytearray] = []
        self._headers: dict[bytes, bytes] = {}
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    async def read(self, request: Request) -> None:
        """Read the form to its end."""
        try:
            async for chunk in _body(request):
                self._parser.write(chunk)
                if len(self._waiting) >= IN_MEMORY:
                    await asyncio.to_thread(self._spill)
            self._parser.finalize()
        except FormParserError as error:
            raise Problem(400, "broken-form", "the form cannot be read", _FORM) from error
        if not self._ended:
            raise Problem(400, "broken-form", "the form breaks off", _FORM)
        if self._file is not None:
            await asyncio.to_thread(self._spill)

    def upload(self) -> Upload:
        """Return what was read.

        Raises:
            Problem: 422 without a file or with an empty one.
        """
        self.close()
        if not self._files:
            raise Problem(422, "no-image", "there is no file in the field `image`", _FORM)
        if not self.size:
            raise Problem(
                422, "empty-image", "the file is empty (0 bytes)", "Choose the file again."
            )
        if self.path.exists():
            return Upload(b"", self.path, self.size, self.fields)
        return Upload(bytes(self._waiting), None, self.size, self.fields, self.path)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _spill(self) -> None:
        """Write what waits to disk."""
        with write_faults(self.path):
            self._write()
        self._waiting.clear()

    def _write(self) -> None:
        if self._file is None:
            self._file = self.path.open("wb")
        self._file.write(self._waiting)
        self._file.flush()

    def _begin(self) -> None:
        self._headers, self._head, self._text, self._name = {}, [bytearray(), bytearray()], None, ""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._grow(self._head[0], data[start:end], _LARGEST_HEAD)

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._grow(self._head[1], data[start:end], _LARGEST_HEAD)

    def _header_end(self) -> None:
        if len(self._headers) >= _MOST_FIELDS:
            raise Problem(400, "broken-form", "a part has too many headers", _FORM)
        self._headers[bytes(self._head[0]).lower()] = bytes(self._head[1])
        self._head = [bytearray(), bytearray()]

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" not in options:
            if len(self.fields) >= _MOST_FIELDS:
                raise Problem(400, "broken-form", "the form has too many fields", _FORM)
            self._text = bytearray()
            return
        self._files += self._name == "image"
        if self._name != "image" or self._files > 1:
            raise Problem(
                422, "no-image", "the form must hold one file, in the field `image`", _FORM
            )

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._text is not None:
            self._grow(self._text, data[start:end], _LARGEST_FIELD)
            return
        self._waiting += data[start:end]
        self.size += end - start

    def _part_end(self) -> None:
        if self._text is not None:
            self.fields[self._name] = self._text.decode("utf-8", "replace")

    def _end(self) -> None:
        self._ended = True

    def _grow(self, text: bytearray, more: bytes, limit: int) -> None:
        if len(text) + len(more) > limit:
            raise Problem(400, "broken-form", "a field of the form is too long", _FORM)
        text += more
