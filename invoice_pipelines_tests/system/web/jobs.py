"""Requests for batch operations of which one can count what they have made."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sqlalchemy import text

from invoice_pipelines_tests.system.web.calls import Answer, Program
from invoice_pipelines_tests.system.web.process import Installation


def request() -> dict[str, Any]:
    """One that nobody has made before."""
    return {"sales_order_ids": [str(uuid4()) for _ in range(20)], "due_days": 14}


def ask(site: Installation, key: str, body: Any, port: int | None = None) -> Answer:
    path = site.path(site.a, "batch-operations/invoices")
    return Program(port or site.web.port).call("POST", path, site.a.tokens["writer"], body=body, key=key)


def jobs(site: Installation, body: Any) -> list[str]:
    """The batch operations that a request has made."""
    with site.database.superuser.connect() as connection:
        rows = connection.execute(
            text("select distinct job_id::text from work.batch_item where subject_id = :first"),
            {"first": body["sales_order_ids"][0]},
        )
        return list(rows.scalars())
