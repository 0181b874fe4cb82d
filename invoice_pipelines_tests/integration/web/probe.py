"""Routes by which tests try what the frame gives to every route."""

from __future__ import annotations

import time
from typing import Annotated
from uuid import UUID

from fastapi import Path, UploadFile
from sqlalchemy import text

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.web.callers import At, Caller
from invoice_pipelines.web.paging import Page, PageQuery
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.values import Amount, Answer, Body, Day, Instant, JobAccepted, Text
from invoice_pipelines.work import create_job

KIND = "probe"
UPLOAD_BYTES = 5 * 2**20
router = OrganizationRouter(tags=["probe"])


class Line(Body):
    quantity: Amount


class NewJob(Body):
    subjects: list[Text]
    pause: float = 0
    lines: tuple[Line, ...] = ()
    since: Instant | None = None
    day: Day | None = None


class Size(Answer):
    bytes: int


class Echo(Answer):
    quantity: Amount
    since: Instant | None
    day: Day | None


@router.post("/probe/jobs", role=Role.ACCOUNTANT, area="billing", status_code=202)
def ask_for_job(caller: Caller, body: NewJob) -> JobAccepted:
    """Ask for a job."""

    def ask(at: At) -> JobAccepted:
        job_id = create_job(at.connection, KIND, body.subjects, created_by=at.entry.actor)
        time.sleep(body.pause)  # so that others come meanwhile
        if "unlucky" in body.subjects:
            raise ZeroDivisionError("a secret")
        return JobAccepted(
            job_id=str(job_id),
            total=len(body.subjects),
            estimated_duration_seconds=None,
            url=at.url("batch-operations", job_id),
        )

    return caller.once(body, ask)


@router.post("/probe/echo", role=Role.VIEWER, area="billing")
def echo(caller: Caller, body: NewJob) -> Echo:
    """Give values back."""
    return Echo(quantity=body.lines[0].quantity, since=body.since, day=body.day)


@router.get("/probe/jobs/{job_id}", role=Role.VIEWER)
def get_probe_job(caller: Caller, job_id: UUID) -> Size:
    """Get how many items a job has."""
    with caller.enter() as at:
        total = at.connection.execute(
            text("select total_items from work.batch_job where id = :id"), {"id": job_id}
        ).scalar_one()
    caller.tag(job_id, total)
    return Size(bytes=total)


@router.put("/probe/jobs/{job_id}", role=Role.ADMIN, area="organization")
def decide(caller: Caller, job_id: UUID) -> Size:
    """Decide about a job that one has looked at."""
    with caller.enter() as at:
        total = at.connection.execute(
            text("select total_items from work.batch_job where id = :id"), {"id": job_id}
        ).scalar_one()
        caller.require_match(job_id, total)
    return Size(bytes=total)


@router.post("/probe/files", role=Role.ACCOUNTANT, area="intake", max_bytes=UPLOAD_BYTES)
def add_file(caller: Caller, file: UploadFile) -> Size:
    """Send a file."""
    with caller.enter():
        return Size(bytes=len(file.file.read()))


@router.get("/probe/numbers", role=Role.VIEWER)
def list_numbers(caller: Caller, page: PageQuery) -> Page[Size]:
    """List numbers."""
    first = int(page.after or 0)
    return page.of([Size(bytes=n) for n in range(first + 1, 8)][: page.one_more], key=lambda row: str(row.bytes))


@router.get("/probe/sql/{statement}", role=Role.VIEWER)
def run_statement(caller: Caller, statement: Annotated[str, Path()]) -> Size:
    """Run a statement, with the rights of the web."""
    with caller.enter() as at:
        at.connection.exec_driver_sql(statement)
    return Size(bytes=0)


@router.get("/probe/actors", role=Role.VIEWER)
def list_actors(caller: Caller) -> list[str]:
    """Name who the database thinks the caller is, as a domain function with a transaction of its own sees it."""
    organization = caller.organization()
    with organization.scope() as connection:
        named = connection.execute(text("select organizations.actor('somebody else')")).scalar_one()
    return [organization.actor, named, organization.slug, str(organization.organization.time_zone)]
