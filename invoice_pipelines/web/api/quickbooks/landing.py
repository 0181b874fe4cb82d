"""Where QuickBooks sends the browser of a person back to who allowed the connection, or did not."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import Query, Request, Response
from fastapi.responses import RedirectResponse
from starlette.datastructures import URL

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.quickbooks.connection.authorization import organization_of
from invoice_pipelines.web.api.quickbooks.connection import finish
from invoice_pipelines.web.callers import Access, RequestCaller
from invoice_pipelines.web.problems import wrong_field
from invoice_pipelines.web.sign_in.routing import OpenRouter

router = OpenRouter(tags=["quickbooks"])

_PAGE = "/api/docs"
"""Where the browser goes on if who began named no page."""
_SAID = "As QuickBooks says it"


@router.route(
    "GET",
    "/quickbooks/callback",
    status_code=303,
    response_class=RedirectResponse,
    responses={"303": {"description": "The page from which the connection began"}},
    openapi_extra={"security": [{"session": []}]},
)
def land_from_quickbooks(
    request: Request,
    state: Annotated[str, Query(max_length=200, description=_SAID, examples=["acme.Yk0d3nqkVx1B0oZ0mZx0x7J4"])],
    code: Annotated[str | None, Query(max_length=2000, description=_SAID)] = None,
    realm_id: Annotated[str | None, Query(alias="realmId", max_length=40, description=_SAID)] = None,
    error: Annotated[str | None, Query(max_length=200, description="Why it was not allowed")] = None,
) -> Response:
    """Come back from QuickBooks, where this is the redirect address of the app.

    Finishes the connection that the person began who is signed in in this browser, and goes on to the page that was
    named then: with `quickbooks=connected`, or with `quickbooks=unconfirmed` where it is another company than before,
    which an admin has to confirm. The same address once more does nothing.

    A browser that shows pages (`Accept: text/html`) goes on to the desk as well where nothing was connected, with the
    code of the problem as `quickbooks`, such as `quickbooks=not_allowed`; without a session, by way of signing in.
    """
    try:
        return _finish(request, {"state": state, "code": code, "realmId": realm_id, "error": error})
    except InvoicePipelinesError as problem:
        if "text/html" not in request.headers.get("accept", ""):
            raise
        if problem.code == "NOT_SIGNED_IN":
            target = quote(f"{request.url.path}?{request.url.query}")
            return RedirectResponse(f"/sign-in?target={target}", 303)
        organization = organization_of(state)
        page = "/desk" if organization is None else f"/desk/{quote(organization, safe='')}/quickbooks"
        return RedirectResponse(f"{page}?{urlencode({'quickbooks': problem.code.lower()})}", 303)


def _finish(request: Request, brought: dict[str, str | None]) -> Response:
    organization = organization_of(brought["state"] or "")
    if organization is None:
        raise wrong_field("state", "names no organization; begin again")
    caller = RequestCaller(request, Access(Role.ADMIN, "organization", people_only=True), organization)
    finished = finish(caller, brought)
    page = URL(finished.return_to or _PAGE)
    return RedirectResponse(page.include_query_params(quickbooks=finished.connected.status), 303)
