"""How the file of a request is taken while it comes: a body that is the file, or a form with one file in it.

Nothing of it is kept in memory but what has just come. Who sends slowly holds a thread of their own kind, not one of
those that answer everybody else; who hardly sends at all is sent away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from anyio import CapacityLimiter, from_thread, move_on_after
from anyio.to_thread import run_sync
from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.types import Message

from invoice_pipelines.storage import storable_name
from invoice_pipelines.web.limits import Rooms
from invoice_pipelines.web.problems import Refusal, wrong_field

FIELD = "file"
AT_ONCE = 32
"""Files that are taken at the same time; others wait for their turn before they are read."""

SECONDS_OF_PATIENCE = 30
"""For so long nothing may come. After it, what has come must have come with `SLOWEST` bytes a second."""
SLOWEST = 1000

_LARGEST_FRAME = 20_000
"""Bytes of a form around its file."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A file that is about to come. `expected_bytes` is its size, where the sender says so; what is read from `chunks`
    is read from the network.
    """

    name: str
    media_type: str | None
    expected_bytes: int | None
    chunks: Iterator[bytes]


async def receive_file(request: Request, store: Callable[[IncomingFile], Result]) -> Result:
    """Calls `store` in a thread with the file of a request. Raises Refusal for a request that holds no file or more
    than one, and for one that breaks off; what `store` raises passes through.
    """
    state = request.app.state
    if not hasattr(state, "receiving"):
        state.receiving, state.receiving_rooms = CapacityLimiter(AT_ONCE), Rooms(AT_ONCE)
    async with state.receiving_rooms.of(request.path_params["organization"]):
        return await run_sync(lambda: store(_file_of(request)), limiter=state.receiving)


def _file_of(request: Request) -> IncomingFile:
    written = request.headers.get("content-type", "")
    kind, options = parse_options_header(written)
    length = request.headers.get("content-length", "")
    expected = int(length) if length.isdecimal() else None
    if kind == b"multipart/form-data":
        boundary = options.get(b"boundary")
        if not boundary:
            raise wrong_field("Content-Type", "a form needs a boundary")
        form = _Form(_body_of(request), boundary)
        form.open()
        expected = None if expected is None else max(expected - _LARGEST_FRAME, 0)
        return IncomingFile(storable_name(form.file_name), form.media_type, expected, form.chunks())
    named = request.query_params.get("file_name")
    if named is None:
        _, disposition = parse_options_header(request.headers.get("content-disposition", ""))
        named = disposition.get(b"filename", b"").decode("utf-8", "replace")
    if expected == 0:
        raise _no_file()
    return IncomingFile(storable_name(named), written or None, expected, _not_empty(_body_of(request)))


def _body_of(request: Request) -> Iterator[bytes]:
    """What comes, bit by bit, waited for in the thread that asks."""
    more, began, taken = True, time.monotonic(), 0
    while more:
        message = from_thread.run(_next_of, request)
        if message["type"] == "http.disconnect":
            raise Refusal(400, "BROKEN_OFF", "The request broke off before its end; nothing was stored.")
        if body := message.get("body", b""):
            taken += len(body)
            seconds = time.monotonic() - began
            if seconds > SECONDS_OF_PATIENCE and taken < SLOWEST * seconds:
                raise _too_slow()
            yield body
        more = message.get("more_body", False)


async def _next_of(request: Request) -> Message:
    with move_on_after(SECONDS_OF_PATIENCE):
        return await request.receive()
    raise _too_slow()


def _too_slow() -> Refusal:
    return Refusal(
        408, "TOO_SLOW", "The file came too slowly; nothing was stored. Try again.", headers={"Connection": "close"}
    )


def _not_empty(chunks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(chunks, None)
    if first is None:
        raise _no_file()
    yield first
    yield from chunks


class _Form:
    """A form, read as far as it is asked for. Only its one file may be in it."""

    def __init__(self, body: Iterator[bytes], boundary: bytes) -> None:
        self.file_name = ""
        self.media_type: str | None = None
        self._body = body
        self._header = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._is_open = False
        self._is_complete = False
        self._data: list[bytes] = []
        self._parser = _checked(
            lambda: MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._add_to_header,
                    "on_header_value": self._add_to_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._open_part,
                    "on_part_data": self._add_data,
                    "on_end": self._complete,
                },
            )
        )

    def open(self) -> None:
        """Reads up to the file. Raises Refusal where there is none."""
        while not self._is_open:
            if not self._read_on():
                raise _no_file()

    def chunks(self) -> Iterator[bytes]:
        """The file. Raises Refusal at the end where something else follows."""
        while True:
            data, self._data = self._data, []
            yield from data
            if not self._read_on():
                break
        yield from self._data
        if not self._is_complete:
            raise Refusal(400, "BROKEN_OFF", "The form has no end; nothing was stored.")

    def _read_on(self) -> bool:
        chunk = next(self._body, None)
        if chunk is None:
            return False
        _checked(lambda: self._parser.write(chunk))
        return True

    def _begin(self) -> None:
        self._headers = {}

    def _add_to_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _add_to_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header.lower()] = self._value
        self._header = self._value = b""

    def _open_part(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name != FIELD or b"filename" not in options:
            raise wrong_field(name[:60] or "body", f"is not taken here; the form has one file, named {FIELD!r}")
        if self._is_open:
            raise wrong_field(FIELD, "is given twice; send one file in each request")
        self.file_name = options[b"filename"].decode("utf-8", "replace")
        media_type = self._headers.get(b"content-type")
        self.media_type = None if media_type is None else media_type.decode("latin-1")
        self._is_open = True

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        self._data.append(data[start:end])

    def _complete(self) -> None:
        self._is_complete = True


def _checked(parse: Callable[[], Result]) -> Result:
    try:
        return parse()
    except MultipartParseError:
        raise Refusal(400, "MALFORMED_FORM", "The body is no form as its Content-Type says.") from None


def _no_file() -> Refusal:
    return wrong_field(FIELD, "is missing: send a file as the body, or in a form")
