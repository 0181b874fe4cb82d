"""What could not be done, as a page: in the reader's language, with what to do now. Status and code are the API's."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from fastapi import Request, Response

from invoice_pipelines.web.pages.languages import language_of
from invoice_pipelines.web.pages.rendering import render
from invoice_pipelines.web.problems import unexpected

log = logging.getLogger("invoice_pipelines.web")


def N_(message: str) -> str:
    """Marks a text that is put into the reader's language later."""
    return message


TITLES = {
    400: N_("This request cannot be read"),
    403: N_("You may not do this"),
    404: N_("There is no such page"),
    405: N_("This cannot be done here"),
    409: N_("This is not possible at the moment"),
    410: N_("This link has ended"),
    412: N_("Somebody was faster"),
    413: N_("This is too large"),
    422: N_("Something in the form is not right"),
    429: N_("Too many requests"),
    500: N_("Something went wrong here"),
    502: N_("An outside service does not answer"),
    503: N_("Not available at the moment"),
}
TEXTS = {
    "BODY_TOO_LARGE": N_("What you sent is larger than this page takes. Send less at once."),
    "ALREADY_DECIDED": N_("Somebody else decided about this conflict meanwhile. What they did stands."),
    "CHANGED_SINCE": N_("The invoice was changed after this decision, so it cannot be undone any more."),
    "CROSS_SITE": N_("The request came from a page of another site, so nothing was done. Open the page here again."),
    "DRAWING_BUSY": N_("Too many pages are being drawn at the moment. Try again."),
    "ENDPOINT_DISABLED": N_("This endpoint is disabled. Enable it first."),
    "FORBIDDEN": N_("Your role in this organization does not allow it. Ask an admin of the organization."),
    "CUSTOMER_NOT_FOUND": N_("There is no such customer in this organization."),
    "DOCUMENT_DAMAGED": N_("The file is missing or damaged. Make the document again as a new version."),
    "IDEMPOTENCY_KEY_REUSED": N_("This form was sent already, with other values. Open its page again for another one."),
    "INVOICE_IS_SETTLED": N_("Something was paid or credited on this invoice already. Credit the rest instead."),
    "INVOICE_IS_VOID": N_("This invoice is void already."),
    "INVOICE_NOT_FOUND": N_("There is no such invoice in this organization."),
    "INVOICE_NOT_PAYABLE": N_("Only an invoice that is not void can be paid."),
    "NOTHING_TO_CREDIT": N_("Nothing is left to credit on this invoice."),
    "NOT_AN_INVOICE": N_("This cannot be done with a credit note."),
    "PAYMENT_IS_VOID": N_("This payment was taken back already."),
    "PAYMENT_NOT_FOUND": N_("This invoice has no such payment."),
    "PAYMENT_OF_ANOTHER_SYSTEM": N_("This payment comes from QuickBooks. Take it back there."),
    "REQUEST_IN_FLIGHT": N_("This form is being worked on. Load the page again to see what became of it."),
    "SALES_ORDER_NOT_FOUND": N_("There is no such order in this organization."),
    "TOO_MANY_ROWS": N_("The file has more than 50,000 rows. Split it."),
    "INTERNAL_ERROR": N_("The error was logged. Try again; if it persists, tell the operator the number below."),
    "LINK_ENDED": N_("It was used already, or is too old. Ask the person who sent it for a new one."),
    "EXPORT_NOT_FOUND": N_("There is no such export in this organization."),
    "NOT_FOUND": N_("It is not there, or not for you. Check the address, or choose an organization."),
    "RECEIVED_INVOICE_NOT_FOUND": N_("There is no such invoice in this organization."),
    "REVIEW_CLAIMED": N_("Somebody else is at this invoice. Wait, or ask for it to be handed over."),
    "REVIEW_CONFLICT": N_("Somebody else decided about this invoice meanwhile. What they did stands; look again."),
    "IN_PENDING_EXPORT": N_("An export that has begun holds this invoice. Wait until it is done."),
    "MUST_BE_CORRECTED": N_("A rule is broken here. Correct the value, or reject the invoice."),
    "NOTHING_TO_CONFIRM": N_("There is nothing to confirm any more. Look at the connection again."),
    "NOTHING_TO_UNDO": N_("There is no decision on this invoice that could be undone."),
    "NOT_CONNECTED": N_("The organization is not connected with QuickBooks. An admin connects it first."),
    "NOT_INVITED": N_("Nobody with this account was invited here. Ask an admin for an invitation."),
    "UNDER_WAY": N_("It is being sent at the moment. Look again in a moment."),
    "UNKNOWN": N_("It is not there, or not any more. Load the list again."),
    "NOT_EXPORTED": N_("Not all of these are exported at the moment, so nothing was asked for. Look again."),
    "NOT_FAILED": N_("This invoice has not failed, or somebody has it read again already."),
    "NOT_PROCESSABLE": N_("This invoice is read already. One that failed is read again from its page."),
    "NOT_WAITING": N_("This invoice does not wait for a person any more."),
    "NOTHING_LEFT_OUT": N_("The supplier of this invoice is known already."),
    "ALREADY_EXPORTED": N_("This invoice was exported already, so it cannot be changed here any more."),
    "STALE": N_("This has changed since you looked at it. Look again, then decide."),
    "TOO_MANY_FILES": N_("There are more files than this page takes at once. Send fewer; nothing was taken."),
    "JOB_CANCELLED": N_("It was cancelled, and stays so. Ask for what is left of it anew."),
    "JOB_HAS_ENDED": N_("It has ended already, so there is nothing to cancel."),
    "JOB_NOT_FOUND": N_("It is not there, or not for you. Check the address, or choose an organization."),
    "TOO_MANY_REQUESTS": N_("Wait a moment, then load the page again."),
    "STORAGE_FULL": N_("No space is left for files, so nothing was stored. Tell the operator; then send it again."),
    "UNAVAILABLE": N_("The database or the storage cannot be reached, or is busy. Try again in a moment."),
}
"""By code. What has no text here is said in the words of the API."""


async def as_page(request: Request, error: Exception, frame: Mapping[str, Any]) -> Response:
    """The page for an error of a handler; for one that needs a session, the way to sign in. `frame` is what stands
    around it, for whom an organization has let in: `PageCaller.frame`.
    """
    problem = await _problem_of(request, error)
    if problem.status_code == 401:
        return _to_sign_in(request)
    said: dict[str, Any] = json.loads(bytes(problem.body))
    language = language_of(request)
    code, detail = said["code"], said["detail"]
    headers = {name: value for name, value in problem.headers.items() if name in ("retry-after", "allow", "etag")}
    return render(
        request,
        "error.html",
        {
            **frame,
            "title": language.gettext(TITLES.get(said["status"], TITLES[500])),
            "detail": language.gettext(TEXTS[code]) if code in TEXTS else language.in_english(detail),
            "errors": said.get("errors") or [],
            "status": said["status"],
            "trace_id": request.scope.get("trace_id") if said["status"] >= 500 else None,
        },
        language=language,
        status=said["status"],
        headers=headers,
    )


async def _problem_of(request: Request, error: Exception) -> Response:
    """As the API says it."""
    try:
        for kind in type(error).__mro__:
            if (handler := request.app.exception_handlers.get(kind)) is not None:
                answer = handler(request, error)
                found: Response = await answer if inspect.isawaitable(answer) else answer
                return found
    except Exception as raised:
        if raised is not error:  # otherwise it is none of a caller
            raise
    trace_id = str(request.scope.get("trace_id", "-"))
    log.error("%s %s %s", trace_id, request.method, request.url.path, exc_info=error)
    return unexpected(trace_id)


def _to_sign_in(request: Request) -> Response:
    target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    way = "/sign-in" + (f"?target={quote(target, safe='/')}" if request.method == "GET" else "")
    if "hx-request" in request.headers:  # the whole page goes there, not the part
        return Response(status_code=200, headers={"HX-Redirect": "/sign-in"})
    return Response(status_code=303, headers={"Location": way})
