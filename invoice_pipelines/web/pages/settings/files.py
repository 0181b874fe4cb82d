"""Files that settings are saved as."""

from __future__ import annotations

from fastapi import Response


def save_as(content: bytes, name: str, media_type: str) -> Response:
    """A file of a plain name that a browser saves, under the policy that lets nothing in it run."""
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
