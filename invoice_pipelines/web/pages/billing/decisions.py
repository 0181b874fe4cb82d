"""What people decide of an issued invoice: paid, void or credited. Each happens once, however often it is sent."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import Form, Response
from pydantic import BaseModel, Field

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.corrections import credit_invoice, void_invoice
from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.issued_invoices import find_invoice_id, get_issued_invoice
from invoice_pipelines.billing.payments import record_payment, void_payment_of
from invoice_pipelines.delivery.messages.messages import sent_to_customers
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.billing.invoices import show_invoice
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter
from invoice_pipelines.web.pages.typed import amount_of, day_of, quantity_of

router = PageRouter()

_REASON = N_("Say why; it is kept with the invoice.")
_REFUSED = {
    "amount": N_("Give a positive amount with the decimals of the currency, such as 1,190.00 or 1190.00."),
    "payment_date": N_("Give the day on which the money arrived; it cannot be after today."),
    "reason": _REASON,
    "issue_date": N_("Give a day that is not before the invoice, and at most 31 days ahead."),
    "quantities": N_("Give a quantity that is not more than what is left of the line."),
}


class Paid(BaseModel):
    """A payment as it was typed."""

    key: str = ""
    amount: str = ""
    payment_date: str = ""
    reference: str = Field(default="", max_length=200)


class Void(BaseModel):
    """Why an invoice is void, as it was typed."""

    key: str = ""
    reason: str = Field(default="", max_length=2000)
    reopen_order: bool = False


class Credit(BaseModel):
    """What is credited, as it was typed: a quantity for each line; of an empty one, nothing."""

    key: str = ""
    reason: str = Field(default="", max_length=2000)
    note: str = Field(default="", max_length=2000)
    issue_date: str = ""
    line: list[int] = []
    quantity: list[str] = []
    all_left: bool = False
    return_stock: bool = False


@router.post("/invoices/{invoice}/payments", role=Role.ACCOUNTANT, area="billing")
def pay_invoice(page: Page, invoice: str, form: Annotated[Paid, Form()]) -> Response:
    """Records money that came in."""
    amount = amount_of(form.amount)
    day = day_of(form.payment_date) if form.payment_date else None
    wrong = {
        field
        for field, is_wrong in {
            "amount": amount is None,
            "payment_date": bool(form.payment_date) and day is None,
        }.items()
        if is_wrong
    }

    def effect(at: At) -> str:
        invoice_id = find_invoice_id(at.connection, invoice)
        record_payment(
            at.connection,
            invoice_id,
            amount or Decimal(0),
            recorded_by=at.entry.actor,
            payment_date=day,
            reference=form.reference.strip() or None,
        )
        return page.url("invoices", invoice_id)

    if not wrong:
        try:
            return page.once_to(form.key, form, effect, page.gettext("The payment is recorded."))
        except BillingError as error:
            wrong = _field_of(error)
    with page.enter() as at:
        errors = {field: page.gettext(_REFUSED[field]) for field in wrong}
        return show_invoice(
            page, at, find_invoice_id(at.connection, invoice), typed=form.model_dump(exclude={"key"}), errors=errors
        )


@router.post("/invoices/{invoice}/payments/{payment}/void", role=Role.ACCOUNTANT, area="billing")
def take_payment_back(page: Page, invoice: str, payment: UUID, key: Annotated[str, Form()] = "") -> Response:
    """Takes a payment back that was recorded here."""

    def effect(at: At) -> str:
        invoice_id = find_invoice_id(at.connection, invoice)
        void_payment_of(at.connection, invoice_id, payment, voided_by=at.entry.actor)
        return page.url("invoices", invoice_id)

    return page.once_to(key, None, effect, page.gettext("The payment is taken back. The invoice is due again."))


@router.get("/invoices/{invoice}/void", role=Role.ACCOUNTANT)
def void_form(page: Page, invoice: str) -> Response:
    """Asks why."""
    return _show(page, "void", invoice, Void(), {})


@router.post("/invoices/{invoice}/void", role=Role.ACCOUNTANT, area="billing")
def void_issued_invoice(page: Page, invoice: str, form: Annotated[Void, Form()]) -> Response:
    """Voids it."""
    if not form.reason.strip():
        return _show(page, "void", invoice, form, {"reason": page.gettext(_REASON)})

    def effect(at: At) -> str:
        invoice_id = find_invoice_id(at.connection, invoice)
        void_invoice(
            at.connection,
            invoice_id,
            reason=form.reason.strip(),
            voided_by=at.entry.actor,
            reopen_order=form.reopen_order,
        )
        return page.url("invoices", invoice_id)

    return page.once_to(form.key, form, effect, page.gettext("The invoice is void. It keeps its number."))


@router.get("/invoices/{invoice}/credit", role=Role.ACCOUNTANT)
def credit_form(page: Page, invoice: str) -> Response:
    """Asks what is credited, and why."""
    return _show(page, "credit", invoice, Credit(all_left=True), {})


@router.post("/invoices/{invoice}/credit", role=Role.ACCOUNTANT, area="billing")
def credit_issued_invoice(page: Page, invoice: str, form: Annotated[Credit, Form()]) -> Response:
    """Issues a credit note."""
    errors: set[str] = set() if form.reason.strip() else {"reason"}
    day = day_of(form.issue_date) if form.issue_date else None
    if form.issue_date and day is None:
        errors.add("issue_date")
    quantities = None if form.all_left else _quantities(page, form)
    if quantities == {}:
        errors.add("quantities")

    def effect(at: At) -> str:
        credit_note = credit_invoice(
            at.connection,
            find_invoice_id(at.connection, invoice),
            reason=form.reason.strip(),
            created_by=at.entry.actor,
            issue_date=day,
            quantities=quantities,
            return_stock=form.return_stock,
            note=form.note.strip() or None,
        )
        return page.url("invoices", credit_note)

    if not errors:
        try:
            return page.once_to(form.key, form, effect, page.gettext("This is the credit note; it has been issued."))
        except BillingError as error:
            errors = _field_of(error)
    return _show(page, "credit", invoice, form, {field: page.gettext(_REFUSED[field]) for field in errors})


def _quantities(page: PageCaller, form: Credit) -> dict[int, Decimal]:
    """By the number of the line; empty where one of them is no number."""
    found: dict[int, Decimal] = {}
    for line, written in zip(form.line, form.quantity, strict=False):
        if not written.strip():
            continue
        quantity = quantity_of(written, page.language)
        if quantity is None or quantity < 0:
            return {}
        if quantity > 0:
            found[line] = quantity
    return found


def _field_of(error: BillingError) -> set[str]:
    """The field with which the message of an error begins. Raises the error where it is none of a form."""
    field = str(error).partition(":")[0].partition("[")[0]
    if field not in _REFUSED:
        raise error
    return {field}


def _show(page: PageCaller, what: str, reference: str, form: Any, errors: dict[str, str]) -> Response:
    with page.enter() as at:
        invoice = get_issued_invoice(at.connection, find_invoice_id(at.connection, reference))
        return page.show(
            f"billing/{what}.html",
            status=422 if errors else 200,
            invoice=invoice,
            form=form,
            errors=errors,
            sent_at=sent_to_customers(at.connection, [invoice.id]).get(invoice.id),
        )
