"""What schemathesis checks of each answer beside its own checks; it loads this by its setting `hooks`."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import schemathesis

ORGANIZATIONS = "/api/v1/organizations/"


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """The key that stands in the document as an example would belong to the first request with it."""
    if case.headers and len(case.headers.get("Idempotency-Key", "")) == 36:
        case.headers["Idempotency-Key"] = str(uuid4())


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
    # Hypothesis makes its values of the words that it finds in modules as well, such as these.
    sent = f"{response.request.url} {response.request.body!r}"
    for inside in ("psycopg", "sqlalchemy", "Traceback", "invoice_pipelines."):
        assert inside not in response.text or inside in sent, inside


@schemathesis.check
def strangers_learn_nothing(ctx: Any, response: Any, case: Any) -> None:
    """Without a credential, whatever is sent to an organization gets the same answer, but for an address that is none:
    that is said before anybody looks whose it is.
    """
    sent = response.request.headers
    if case.path.startswith(ORGANIZATIONS) and not {"authorization", "cookie"} & {name.lower() for name in sent}:
        no_address = response.status_code == 400 and json.loads(response.content)["code"] == "MALFORMED_ADDRESS"
        assert response.status_code in (401, 405) or no_address, response.text
