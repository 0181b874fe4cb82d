"""Batch operations in the reader's words: kinds, states, outcomes, reasons, and what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from invoice_pipelines.registry import MESSAGING_CHANNELS
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.languages import Language
from invoice_pipelines.web.pages.messages.words import channel_name
from invoice_pipelines.work import Job, JobEvent, JobItem

KINDS = {
    "invoice_orders": N_("Invoice orders"),
    "invoice_customers": N_("Invoice customers"),
    "import_csv": N_("Import a file"),
    "look_for_overdue": N_("Look for overdue invoices"),
    "invoice_documents": N_("Make documents"),
    "communications": N_("Send invoices"),
    "send_message": N_("Send messages"),
    "send_overdue_notification": N_("Send reminders"),
    "parse_upload": N_("Read received files"),
    "recognize_upload": N_("Recognize scans"),
    "process_upload": N_("Process received files again"),
    "validate_invoice": N_("Check received invoices"),
    "export_invoice": N_("Export received invoices"),
    "export_received": N_("Export received invoices at once"),
    "quickbooks_pull": N_("Fetch from QuickBooks"),
    "quickbooks_push_customer": N_("Send customers to QuickBooks"),
    "quickbooks_push_item": N_("Send items to QuickBooks"),
    "quickbooks_push_invoice": N_("Send invoices to QuickBooks"),
    "send_webhook": N_("Tell programs of events"),
}
"""By kind of work."""
JOB_STATES = {
    "pending": ("info", N_("Waits for a worker")),
    "processing": ("info", N_("Running")),
    "completed": ("good", N_("Done")),
    "completed_with_errors": ("warn", N_("Done, with errors")),
    "failed": ("bad", N_("Failed")),
    "cancelled": ("plain", N_("Cancelled")),
}
ITEM_STATES = {
    "pending": ("info", N_("Waits")),
    "processing": ("info", N_("In work")),
    "succeeded": ("good", N_("Succeeded")),
    "failed": ("bad", N_("Failed")),
    "skipped": ("plain", N_("Skipped")),
    "cancelled": ("plain", N_("Cancelled")),
}
"""The kind of the badge, and its words."""
ACTIONS = {
    "created": N_("Asked for"),
    "cancelled": N_("Cancelled"),
    "retried": N_("Failed ones tried again"),
    "repaired": N_("Set right after a standstill"),
    "changed": N_("Changed"),
}
REASONS = {
    "ALREADY_INVOICED": N_("It has an invoice already."),
    "BAD_ADDRESS": N_("The address is not usable. Correct the customer, then try again."),
    "BOUNCED": N_("The address takes nothing. Correct the customer, then try again."),
    "CONNECTION": N_("The mail server did not answer. It is tried again by itself."),
    "CURRENCY_MISMATCH": N_("The customer buys in another currency."),
    "DATE_BEFORE_LAST": N_("There is an invoice with a later date already. Try again with another date."),
    "DATE_OUT_OF_RANGE": N_("The date is too far away. Try again with another date."),
    "INACTIVE_CUSTOMER": N_("The customer is switched off."),
    "INACTIVE_ITEM": N_("An item is switched off."),
    "INSUFFICIENT_STOCK": N_("There is not enough of an item on stock."),
    "INVALID": N_("A value is not right. Correct the file, and import these rows again."),
    "LACKS_DATA": N_("Data are missing that this document needs."),
    "MISSING_BUYER_VAT_ID": N_("The customer needs a VAT ID for this tax category."),
    "MISSING_DELIVERY_DATE": N_("The delivery date is missing, or the service period."),
    "MISSING_EXCHANGE_RATE": N_("No exchange rate is known for this day."),
    "MISSING_SELLER_TAX_ID": N_("Your VAT ID or tax number is missing. An admin adds it in the settings."),
    "MISSING_SELLER_VAT_ID": N_("Your VAT ID is missing. An admin adds it in the settings."),
    "MISSING_TAX_RATE": N_("The tax of a line is missing or not set up."),
    "NEGATIVE_PRICE": N_("A price is below zero. Use a discount."),
    "NOT_AN_ID": N_("There is nothing of this name."),
    "NOT_FOUND": N_("There is nothing of this name."),
    "NOT_SET_UP": N_("This way of sending is not set up."),
    "NO_ADDRESS": N_("The customer has no address for this way of sending."),
    "NO_DESCRIPTION": N_("A line has no description."),
    "NO_LINES": N_("The order has no lines."),
    "OPTED_OUT": N_("The customer wants no messages this way."),
    "ORDER_LOCKED": N_("Somebody else was changing the order. Try again."),
    "OUTCOME_UNKNOWN": N_("No answer came. It is looked up before it is sent again."),
    "QUANTITY_NOT_POSITIVE": N_("A quantity is zero or below. Returns are credit notes."),
    "QUIET_HOURS": N_("It waits for the end of the quiet hours."),
    "ROW_REMOVED": N_("The row is not kept any more. Import the file again."),
    "STORAGE": N_("The storage could not be reached. Try again later."),
    "STUCK": N_("Processing failed repeatedly. Tell the operator, then try again."),
    "TEMPLATE": N_("The template has a mistake."),
    "THROTTLED": N_("Too much at once. It goes on by itself."),
    "UNDER_WAY": N_("It is under way already."),
    "UNEXPECTED_ERROR": N_("Something went wrong here. Tell the operator if it stays so."),
    "UNKNOWN_CUSTOMER": N_("There is no such active customer."),
    "VOID": N_("The invoice is void."),
    "WORKER_DIED": N_("The worker ended in the middle of it. It is tried again by itself."),
    "WRONG_STATUS": N_("The order is a draft or cancelled, so nothing is invoiced."),
}
"""Why an item failed, waits or was skipped, by code. What has no text here is said in the words of the domain."""
PARAMETERS = {
    "invoice_date": N_("Invoice date"),
    "due_days": N_("Days until due"),
    "language": N_("Language"),
    "generate_pdf": N_("Documents are made"),
    "send_immediately": N_("Sent at once"),
    "communication_method": N_("Way of sending"),
    "method": N_("Way of sending"),
    "subject": N_("Subject"),
    "include_pdf": N_("With the document"),
    "formats": N_("Formats"),
    "renew": N_("Made again"),
    "combined": N_("As one PDF"),
    "zip": N_("As a ZIP"),
    "kind": N_("Kind"),
    "file": N_("File"),
    "full": N_("Everything, not only changes"),
}
_VALUES = {
    "today": N_("the day of issue"),
    "de": N_("German"),
    "en": N_("English"),
    "email": N_("email"),
    "zugferd": "ZUGFeRD",
    "xrechnung_cii": "XRechnung (CII)",
    "xrechnung_ubl": "XRechnung (UBL)",
    "plain": N_("PDF without data"),
    "customers": N_("customers"),
    "items": N_("items"),
    "orders": N_("orders"),
    "tax_rates": N_("tax rates"),
}


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a language."""

    language: Language

    def kind(self, kind: str) -> str:
        """What a job does."""
        return self.language.gettext(KINDS[kind]) if kind in KINDS else kind.replace("_", " ").capitalize()

    def job_state(self, status: str) -> tuple[str, str]:
        """The kind and the words of a badge."""
        kind, words = JOB_STATES[status]
        return kind, self.language.gettext(words)

    def item_state(self, item: JobItem) -> tuple[str, str]:
        """Likewise, of an item."""
        kind, words = ITEM_STATES[item.status]
        return kind, self.language.gettext(words)

    def reason(self, item: JobItem) -> str:
        """Why an item is as it is; empty where there is nothing to say."""
        if item.code in REASONS:
            return self.language.gettext(REASONS[item.code])
        return self.language.in_english(item.message or "")

    def subject(self, subject_id: str) -> str:
        """What an item is about, where nothing is known of it: as it was named, but for ids, which tell nobody much."""
        if subject_id == "today":
            return self.language.gettext("All invoices, as of today")
        try:
            UUID(subject_id.removeprefix("job/"))
        except ValueError:
            return self._value(subject_id)
        return "–"

    def code(self, code: str) -> str:
        """Why some items failed."""
        return self.language.gettext(REASONS[code]) if code in REASONS else code.replace("_", " ").capitalize()

    def action(self, event: JobEvent) -> str:
        """What was done to a job."""
        return self.language.gettext(ACTIONS.get(event.action, "Changed"))

    def asked(self, job: Job) -> list[tuple[str, str]]:
        """What was asked for: names and values, as far as they have words."""
        found = [
            (self.language.gettext(name), self._value(job.parameters[parameter]))
            for parameter, name in PARAMETERS.items()
            if job.parameters.get(parameter) not in (None, False, [], "")
        ]
        return found + self._items(job.parameters.get("items"))

    def _items(self, items: Any) -> list[tuple[str, str]]:
        if not isinstance(items, list) or not items:
            return []
        said = self.language.ngettext("%(count)s line", "%(count)s lines", len(items))
        return [(self.language.gettext("On each invoice"), said % {"count": len(items)})]

    def _value(self, value: Any) -> str:
        if value is True:
            return self.language.gettext("yes")
        if isinstance(value, list):
            return ", ".join(self._value(each) for each in value)
        if isinstance(value, Mapping):
            return str(len(value))
        written = str(value)
        if written in _VALUES:
            return self.language.gettext(_VALUES[written])
        if written in MESSAGING_CHANNELS.names():
            return channel_name(written, self.language)
        try:
            return self.language.day(date.fromisoformat(written)) if "-" in written else written
        except ValueError:
            return written
