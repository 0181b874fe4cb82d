"""The stream of an open page, by server-sent events; static/live.js shows what comes."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from anyio.to_thread import run_sync
from fastapi import Query
from fastapi.responses import StreamingResponse

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.web.pages.routing import Page, PageRouter

router = PageRouter()


@router.get("/events", role=Role.VIEWER)
async def events(page: Page, job: Annotated[UUID | None, Query()] = None) -> StreamingResponse:
    """How things stand in the organization, whenever that changes."""
    await run_sync(page.check)
    return StreamingResponse(
        page.watch(job),
        media_type="text/event-stream",
        headers={"X-Accel-Buffering": "no"},  # nginx would else collect what comes
    )
