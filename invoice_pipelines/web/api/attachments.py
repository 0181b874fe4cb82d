"""Files that callers take away. Whatever is in one, no browser opens it in the name of this site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from fastapi.responses import StreamingResponse

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9.-]")

OF_STRANGERS = "application/octet-stream"
PDF, XML, ZIP = "application/pdf", "application/xml", "application/zip"


def answers_with(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """How a route says in OpenAPI that it answers with a file."""
    return {200: {"description": "The file", "content": {media_type: {} for media_type in media_types}}}


ATTACHMENT = answers_with(OF_STRANGERS)
"""A file that a stranger sent."""


def attachment(chunks: Iterator[bytes], file_name: str, media_type: str = OF_STRANGERS) -> StreamingResponse:
    """A file to be saved, never shown: its name and its bytes may have been chosen by strangers."""
    plain = _NOT_PLAIN.sub("_", file_name[-60:])
    return StreamingResponse(
        chunks,
        media_type=media_type,
        headers={
            "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
        },
    )
