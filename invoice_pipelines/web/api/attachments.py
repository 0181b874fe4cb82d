"""Files that callers take away. Whatever is in one, no browser opens it in the name of this site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from fastapi.responses import StreamingResponse

_NOT_PLAIN = re.compile(r"[^A-Za-z0-9.-]")

ATTACHMENT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file", "content": {"application/octet-stream": {}}},
}
"""How a route says in OpenAPI that it answers with a file."""


def attachment(chunks: Iterator[bytes], file_name: str) -> StreamingResponse:
    """A file to be saved, never shown: its name and its bytes were chosen by strangers."""
    plain = _NOT_PLAIN.sub("_", file_name[-60:])
    return StreamingResponse(
        chunks,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(file_name, safe='')}",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
        },
    )
