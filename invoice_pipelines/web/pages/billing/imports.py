"""Imports of CSV files: what would become of a file and what is wrong in it, before anything is written; then as a
batch job.

Between the two pages the browser keeps the file, so that nothing of it is stored until somebody says so.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from typing import Annotated

from fastapi import File, Form, Response, UploadFile

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.imports.batch import ask_for_import
from invoice_pipelines.billing.imports.csv_rows import FileProblem, FileRefused
from invoice_pipelines.billing.imports.importing import KINDS, MOST_PROBLEMS, import_csv
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter
from invoice_pipelines.web.problems import wrong_field

router = PageRouter()

MOST_BYTES = 5 * 2**20
_AS_TEXT = 8 * 2**20  # the same in base64
_LONGEST_FIELD = 900_000  # Starlette takes fields of up to 1 MiB
_KINDS = {
    "orders": N_("Sales orders"),
    "customers": N_("Customers"),
    "items": N_("Items"),
    "tax_rates": N_("Tax rates"),
}
_REASONS = {
    "MISSING": N_("It is missing."),
    "UNKNOWN_FIELD": N_("There is no such column."),
    "GIVEN_TWICE": N_("It is in the file a second time."),
    "UNKNOWN_CUSTOMER": N_("There is no such customer. Add the customer first."),
    "UNKNOWN_ITEM": N_("There is no such item. Add the item first."),
    "ORDER_CLOSED": N_("This order is invoiced or cancelled, and stays as it is."),
}
_INVALID = (
    (re.compile(r"date$|period_"), N_("This is not a date as year-month-day, such as 2026-03-31.")),
    (re.compile(r"quantity|price|percent|rate$"), N_("This is not a number that fits here, such as 1234.50.")),
    (re.compile(r"currency"), N_("This is not a currency, such as EUR.")),
    (re.compile(r"country"), N_("This is not a country code, such as DE.")),
    (re.compile(r"status"), N_("An order can be draft, pending or reviewed.")),
    (re.compile(r"^row$"), N_("This line has more cells than there are columns.")),
)
_FILES = {
    "unknown_column": N_("There is no column %(column)s. The allowed columns are listed beside this."),
    "missing_column": N_("The column %(column)s is missing. The first line names the columns."),
    "repeated_column": N_("A column occurs twice."),
    "no_text": N_("It is not a text file in UTF-8. In Excel, save it as CSV UTF-8."),
    "no_csv": N_("Its lines cannot be split into cells: a quotation mark is not closed, or stands where none can be."),
}
_OTHERWISE = N_("This value is not possible here.")


@router.get("/orders/import", role=Role.ACCOUNTANT)
def order_import(page: Page, kind: str = "orders") -> Response:
    """Which file."""
    with page.enter():
        pass
    return _ask(page, kind)


@router.post("/orders/import", role=Role.ACCOUNTANT, area="billing", max_bytes=MOST_BYTES + 100_000)
def preview_import(
    page: Page,
    kind: Annotated[str, Form()] = "orders",
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    """What would become of a file. Nothing is written."""
    organization = page.organization()
    if kind not in KINDS:
        raise wrong_field("kind", f"is none of {', '.join(KINDS)}")
    data = b"" if file is None else file.file.read()
    if file is None or not data:
        return _ask(page, kind, page.gettext("Choose a file whose first line names the columns."))
    name = (file.filename or "file.csv")[-200:]
    try:
        report = import_csv(organization, kind, _stream(data), name, write=False)
    except BillingError as error:
        return _ask(page, kind, page.gettext("This file cannot be read as such a list."), _refused(page, error))
    encoded = base64.urlsafe_b64encode(data).decode()
    return page.show(
        "billing/import_preview.html",
        kind=kind,
        kinds=_kinds(page),
        name=name,
        content=[encoded[start : start + _LONGEST_FIELD] for start in range(0, len(encoded), _LONGEST_FIELD)],
        report=report,
        problems=[(wrong, _reason(page, wrong)) for wrong in report.problems],
        most_problems=MOST_PROBLEMS,
    )


@router.post("/orders/import/start", role=Role.ACCOUNTANT, area="billing", max_bytes=_AS_TEXT)
def start_import(
    page: Page,
    kind: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
    content: Annotated[list[str] | None, Form()] = None,
    key: Annotated[str, Form()] = "",
) -> Response:
    """The import as a batch job."""
    encoded = "".join(content or ())

    def effect(at: At) -> str:
        try:
            stream = _stream(base64.b64decode(encoded, altchars=b"-_", validate=True))
        except (binascii.Error, ValueError):
            raise wrong_field("content", "is not the file that the page before was made of") from None
        answer = ask_for_import(at.connection, kind, stream, name[-200:], created_by=at.entry.actor)
        return page.url("batch-operations", answer.job_id)

    sent = f"{kind} {name} {hashlib.sha256(encoded.encode()).hexdigest()}"
    said = page.gettext("The import has been requested. Here you see what becomes of each line.")
    return page.once_to(key, sent, effect, said)


def _ask(page: PageCaller, kind: str, error: str = "", detail: str = "") -> Response:
    return page.show(
        "billing/import.html",
        status=422 if error else 200,
        kind=kind if kind in KINDS else "orders",
        kinds=_kinds(page),
        columns={name: (spec.columns, spec.needed) for name, spec in KINDS.items()},
        error=error,
        detail=detail,
    )


def _kinds(page: PageCaller) -> dict[str, str]:
    return {name: page.gettext(words) for name, words in _KINDS.items()}


def _reason(page: PageCaller, wrong: FileProblem) -> str:
    words = _REASONS.get(wrong.code) or next(
        (words for pattern, words in _INVALID if pattern.search(wrong.field)), _OTHERWISE
    )
    return page.gettext(words)


def _refused(page: PageCaller, error: BillingError) -> str:
    """Why a file is not taken as a whole."""
    if not isinstance(error, FileRefused):
        return page.language.in_english(str(error))
    return page.gettext(_FILES[error.reason]) % {"column": repr(error.column)[:60]}


def _stream(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data), "utf-8-sig", newline="")
