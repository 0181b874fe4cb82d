"""How the files of a request are taken while they come: a body that is the file, or a form with files in it.

Nothing of it is kept in memory but what has just come. Who sends slowly holds a thread of their own kind, not one of
those that answer everybody else; who hardly sends at all is sent away.
"""

from __future__ import annotations

import time
from collections import deque
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
    return await _received(request, lambda: store(_file_of(request)))


async def receive_files(request: Request, store: Callable[[IncomingFile], Result], most: int) -> list[Result]:
    """Calls `store` in a thread with each file of a form, one after the other; what it leaves of one is passed over.
    Raises Refusal for a request that holds no file or more than `most`, and for one that breaks off.
    """
    return await _received(request, lambda: [store(file) for file in _files_of(request, most)])


async def _received(request: Request, receive: Callable[[], Result]) -> Result:
    state = request.app.state
    if not hasattr(state, "receiving"):
        state.receiving, state.receiving_rooms = CapacityLimiter(AT_ONCE), Rooms(AT_ONCE)
    async with state.receiving_rooms.of(request.path_params["organization"]):
        return await run_sync(receive, limiter=state.receiving)


def _file_of(request: Request) -> IncomingFile:
    length = request.headers.get("content-length", "")
    expected = int(length) if length.isdecimal() else None
    if (form := _form_of(request)) is not None:
        if not form.next_file():
            raise _no_file()
        expected = None if expected is None else max(expected - _LARGEST_FRAME, 0)
        return IncomingFile(storable_name(form.file_name), form.media_type, expected, _only_file_of(form))
    named = request.query_params.get("file_name")
    if named is None:
        _, disposition = parse_options_header(request.headers.get("content-disposition", ""))
        named = disposition.get(b"filename", b"").decode("utf-8", "replace")
    if expected == 0:
        raise _no_file()
    written = request.headers.get("content-type")
    return IncomingFile(storable_name(named), written or None, expected, _not_empty(_body_of(request)))


def _files_of(request: Request, most: int) -> Iterator[IncomingFile]:
    form, count = _form_of(request), 0
    while form is not None and form.next_file():
        if not form.file_name:  # as browsers send a field in which no file is chosen
            continue
        count += 1
        if count > most:
            raise Refusal(413, "TOO_MANY_FILES", f"There are more than {most} files; nothing was taken. Send fewer.")
        yield IncomingFile(storable_name(form.file_name), form.media_type, None, form.chunks())
    if not count:
        raise _no_file()


def _form_of(request: Request) -> _Form | None:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        return None
    boundary = options.get(b"boundary")
    if not boundary:
        raise wrong_field("Content-Type", "a form needs a boundary")
    return _Form(_body_of(request), boundary)


def _only_file_of(form: _Form) -> Iterator[bytes]:
    yield from form.chunks()
    if form.next_file():
        raise wrong_field(FIELD, "is given twice; send one file in each request")


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
    """A form, read as far as it is asked for. Only files may be in it. `file_name` and `media_type` are those of the
    file that it has come to.
    """

    def __init__(self, body: Iterator[bytes], boundary: bytes) -> None:
        self.file_name = ""
        self.media_type: str | None = None
        self._body = body
        self._header = b""
        self._value = b""
        self._headers: dict[bytes, bytes] = {}
        self._has_file = False
        self._is_complete = False
        self._found: deque[tuple[str, str | None] | bytes] = deque()
        """What the last chunk held: names and media types of files that begin, their bytes, and no bytes at an end."""
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
                    "on_part_end": lambda: self._found.append(b""),
                    "on_end": self._complete,
                },
            )
        )

    def next_file(self) -> bool:
        """Goes on to the next file, past what is left of this one. False where there is none."""
        while (found := self._next()) is not None:
            if isinstance(found, tuple):
                self.file_name, self.media_type = found
                return True
        return False

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the file. Raises Refusal where the form has no end."""
        while isinstance(found := self._next(), bytes) and found:
            yield found

    def _next(self) -> tuple[str, str | None] | bytes | None:
        while not self._found:
            chunk = next(self._body, None)
            if chunk is None:
                if self._has_file and not self._is_complete:
                    raise Refusal(400, "BROKEN_OFF", "The form has no end; nothing was stored.")
                return None
            self._write(chunk)
        return self._found.popleft()

    def _write(self, chunk: bytes) -> None:
        _checked(lambda: self._parser.write(chunk))

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
            raise wrong_field(name[:60] or "body", f"is not taken here; a form has files only, named {FIELD!r}")
        media_type = self._headers.get(b"content-type")
        file_name = options[b"filename"].decode("utf-8", "replace")
        self._found.append((file_name, None if media_type is None else media_type.decode("latin-1")))
        self._has_file = True

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if start < end:
            self._found.append(data[start:end])

    def _complete(self) -> None:
        self._is_complete = True


def _checked(parse: Callable[[], Result]) -> Result:
    try:
        return parse()
    except MultipartParseError:
        raise Refusal(400, "MALFORMED_FORM", "The body is no form as its Content-Type says.") from None


def _no_file() -> Refusal:
    return wrong_field(FIELD, "is missing: send a file as the body, or in a form")
