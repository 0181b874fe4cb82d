"""ETags: who decides about something says which state of it they looked at."""

from __future__ import annotations

import hashlib

from fastapi import Request

from invoice_pipelines.web.problems import Refusal


def etag(*state: object) -> str:
    """The tag of a state, from what changes with it, such as an id and a version."""
    said = "\x1f".join(str(part) for part in state)
    return f'"{hashlib.sha256(said.encode()).hexdigest()[:32]}"'


def require_match(request: Request, present: str) -> None:
    """Raises Refusal unless the request names the present state in `If-Match`."""
    given = request.headers.get("if-match")
    if given is None:
        raise Refusal(
            428,
            "IF_MATCH_REQUIRED",
            "This needs the header If-Match with the ETag of what you looked at; GET gives it.",
        )
    if given.strip() != "*" and present not in [tag.strip() for tag in given.split(",")]:
        raise Refusal(
            412, "STALE", "This has changed since you looked at it. Look again, then decide.", headers={"ETag": present}
        )
