"""Today: what waits for a person, what runs, and how the money stands. Each figure leads to its list."""

from __future__ import annotations

from fastapi import Response

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.intake.review.queue import backlog
from invoice_pipelines.web.pages.routing import Page, PageRouter

router = PageRouter()


@router.get("", role=Role.VIEWER)
def today(page: Page) -> Response:
    """What waits for me."""
    with page.enter() as at:
        waiting = backlog(at.connection)
    return page.show("today.html", waiting=waiting)
