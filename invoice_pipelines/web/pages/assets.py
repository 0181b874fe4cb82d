"""Style sheets, scripts and pictures of the desk. Their address has a digest of the content: browsers keep them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from fastapi import Request, Response

from invoice_pipelines.web.problems import not_found

HERE = Path(__file__).parents[1] / "static"
PATH = "/static/{digest}/{name:path}"
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOREVER = "public, max-age=31536000, immutable"


@cache
def asset(name: str) -> str:
    """The address of a file, such as `desk.css`. Raises KeyError for one that there is not."""
    return f"/static/{_digests()[name]}/{name}"


async def give_asset(request: Request) -> Response:
    """Gives a file to whoever asks, as there is nothing in it that not everybody may know."""
    name, digest = request.path_params["name"], request.path_params["digest"]
    if _digests().get(name) != digest:
        raise not_found()
    content = (HERE / name).read_bytes()
    return Response(content, media_type=_KINDS[Path(name).suffix], headers={"Cache-Control": _FOREVER})


@cache
def _digests() -> dict[str, str]:
    files = (file for file in HERE.rglob("*") if file.suffix in _KINDS)
    return {file.relative_to(HERE).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files}
