"""The process that the benchmark of documents measures; it is told line by line what to do, and answers each.

    {"slug": "...", "job": "...", "processes": 2}      make the documents of a job, then its combined PDF

The answer has the seconds of both, how many documents and pages there are, and the most bytes that a process of the
pool had held after each chunk.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Engine

from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_database
from invoice_pipelines.delivery.documents.making import make_documents
from invoice_pipelines.delivery.documents.pool import DocumentPool
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines.work import get_job

_NO_END = timedelta(days=1)


def main() -> None:
    """Answers until its input ends."""
    with open_database(load_settings(), application_name="bench") as engine:
        for line in sys.stdin:
            order = json.loads(line)
            answer = _run(engine, order["slug"], UUID(order["job"]), order["processes"])
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


def _run(engine: Engine, slug: str, job_id: UUID, processes: int) -> dict[str, Any]:
    context = OrganizationContext.of(engine, slug, load_settings(), "bench")
    memory: list[int] = []
    started = time.perf_counter()
    with DocumentPool(processes) as pool:
        made = make_documents(
            context,
            time_box=_NO_END,
            pool=pool,
            should_stop=lambda: _is_made(engine, context.id, job_id),
            on_progress=lambda progress: memory.append(pool.most_memory()),
        )
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    combined = make_documents(context, time_box=_NO_END)
    return {
        "seconds": seconds,
        "combining_seconds": time.perf_counter() - started,
        "made": made.made,
        "pages": made.pages,
        "combined": sum(bundle.documents for bundle in combined.bundles),
        "memory": memory,
        "failures": [str(failure) for failure in made.failures[:3]],
    }


def _is_made(engine: Engine, organization_id: UUID, job_id: UUID) -> bool:
    """Whether nothing is left but the combined PDF."""
    with organization_scope(engine, organization_id) as connection:
        return get_job(connection, job_id).status == "completed"


if __name__ == "__main__":
    main()
