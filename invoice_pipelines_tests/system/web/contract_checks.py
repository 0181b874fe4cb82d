"""What schemathesis checks of each answer beside its own checks; it loads this by its setting `hooks`."""

from __future__ import annotations

import json
from typing import Any

import schemathesis


@schemathesis.check
def errors_are_problems(ctx: Any, response: Any, case: Any) -> None:
    """An error is a problem of RFC 9457 with a code, and tells nothing of the program's inside."""
    if response.status_code < 400:
        return
    assert response.headers["content-type"] == ["application/problem+json"], response.headers
    said = json.loads(response.content)
    assert said["status"] == response.status_code
    assert said["type"] == f"/problems/{said['code'].lower().replace('_', '-')}"
    assert said["detail"]
    for inside in ("psycopg", "sqlalchemy", "Traceback", "invoice_pipelines."):
        assert inside not in response.text, inside
