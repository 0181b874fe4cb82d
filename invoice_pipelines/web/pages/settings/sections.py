"""Each setting of an organization: on which page it stands, what it is called, and what it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from invoice_pipelines.intake.exports.datev.settings import DatevSettings
from invoice_pipelines.organizations import Address, OrganizationSettings
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.messages.words import channel_choices
from invoice_pipelines.web.pages.settings import choices
from invoice_pipelines.web.pages.settings.kinds import Choices, Kind, kind_of


@dataclass(frozen=True)
class Setting:
    """A setting by its name, such as `vat_id` or `settings.messages.quiet_from`. `must` says what it has to be, where
    its kind does not say that well enough.
    """

    name: str
    label: str
    hint: str = ""
    unit: str = ""
    must: str = ""
    choices: Choices | None = None
    is_required: bool = False

    @property
    def kind(self) -> Kind:
        """How it is typed."""
        return _KINDS.get(self.name) or kind_of((_SCHEMAS | _OF_DATEV)[self.name], self.choices)

    @property
    def default(self) -> Any:
        """What holds where nothing is chosen; None where that is nothing."""
        return _value_in(_DEFAULTS, self.name)


@dataclass(frozen=True)
class Group:
    """Settings that belong together, below a heading."""

    heading: str
    settings: tuple[Setting, ...]
    words: str = ""


@dataclass(frozen=True)
class Section:
    """A page of settings; `address` is below /settings."""

    address: str
    title: str
    words: str
    groups: tuple[Group, ...] = field(default=())
    template: str = "settings/section.html"

    @property
    def settings(self) -> tuple[Setting, ...]:
        """All of its settings."""
        return tuple(setting for group in self.groups for setting in group.settings)


def _leaves(schema: Mapping[str, Any], part: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, described in part["properties"].items():
        if (reference := described.get("$ref")) is not None:
            yield from _leaves(schema, schema["$defs"][reference.rpartition("/")[2]], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", described


def _schemas(model: type[BaseModel], prefix: str) -> dict[str, dict[str, Any]]:
    schema = model.model_json_schema()
    return dict(_leaves(schema, schema, prefix))


def _value_in(document: Mapping[str, Any], name: str) -> Any:
    found: Any = document
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


_SCHEMAS = _schemas(Address, "address.") | _schemas(OrganizationSettings, "settings.")
_OF_DATEV = _schemas(DatevSettings, "datev.")
_DEFAULTS = {
    "settings": OrganizationSettings().model_dump(mode="json"),
    "datev": {name: each.get_default() for name, each in DatevSettings.model_fields.items() if not each.is_required()},
}
_OF_REGISTRY = ("name", "country_code", "time_zone", "currency", "vat_id", "tax_number", "iban")
_KINDS = {
    "name": Kind(most=200, must=N_("Write the name, of up to 200 characters.")),
    "vat_id": Kind(most=30),
    "tax_number": Kind(most=50),
    "iban": Kind(most=42),
    "country_code": kind_of({"type": "string"}, choices.countries),
    "time_zone": kind_of({"type": "string"}, choices.zones),
    "currency": kind_of({"type": "string"}, choices.currencies),
}
NAMES = frozenset((*_OF_REGISTRY, *_SCHEMAS, *_OF_DATEV))
"""All settings that there are."""

_EMAIL = N_("Write an email address, such as buchhaltung@example.com.")
_PHONE = N_("Write a phone number with its country, such as +49 30 1234567.")
_PATTERN = N_(
    "Write the number once as {number}, with {year} where it starts again each year, such as INV-{year}-{number:06}. "
    "The numbers of invoices and of credit notes must differ in letters or signs."
)
_SURE = N_("How sure a reader has to be of it.")

ORGANIZATION = Section(
    "",
    N_("Organization"),
    N_("This stands on your invoices. Invoices that are issued already keep what they say."),
    (
        Group(
            N_("Name and address"),
            (
                Setting("name", N_("Legal name"), is_required=True),
                Setting("address.street", N_("Street and number")),
                Setting("address.additional_street", N_("Second line of the address")),
                Setting("address.post_code", N_("Post code")),
                Setting("address.city", N_("City")),
                Setting("country_code", N_("Country"), is_required=True),
            ),
        ),
        Group(
            N_("Taxes"),
            (
                Setting(
                    "vat_id",
                    N_("VAT id"),
                    N_("With its country, such as DE123456788."),
                    must=N_("This is no VAT id: look at its country and its digits. One of Germany is DE123456788."),
                ),
                Setting("tax_number", N_("Tax number"), N_("Of the tax office, where there is no VAT id.")),
            ),
        ),
        Group(
            N_("Bank"),
            (
                Setting(
                    "iban",
                    N_("IBAN"),
                    N_("Customers pay to this account. Invoices in euros get a payment code with it."),
                    must=N_("The check digits of this IBAN are wrong, so a digit is too. Compare it with your bank's."),
                ),
                Setting(
                    "settings.documents.bic",
                    N_("BIC"),
                    must=N_("A BIC has 8 or 11 capital letters and digits, such as COBADEFFXXX."),
                ),
                Setting("settings.documents.bank_name", N_("Name of the bank")),
            ),
        ),
        Group(
            N_("Time and money"),
            (
                Setting(
                    "time_zone",
                    N_("Time zone"),
                    N_("It decides which day it is: for due dates, reminders, and quiet hours."),
                    is_required=True,
                ),
                Setting(
                    "currency",
                    N_("Currency"),
                    N_("Of new invoices, where none is chosen, and of reports."),
                    is_required=True,
                ),
            ),
        ),
    ),
)
INVOICING = Section(
    "invoicing",
    N_("Invoices"),
    N_("How the invoices that you issue are numbered, and in which language they are."),
    (
        Group(
            N_("Language"),
            (
                Setting(
                    "settings.language",
                    N_("Language"),
                    N_("Of invoices and messages, where the customer has none."),
                    choices=choices.languages,
                ),
            ),
        ),
        Group(
            N_("Numbers"),
            (
                Setting(
                    "settings.invoice_number.pattern",
                    N_("Numbers of invoices"),
                    N_("{year}, {month:02} and {number:06} are filled in; 06 pads the number to six digits."),
                    must=_PATTERN,
                ),
                Setting("settings.invoice_number.yearly_reset", N_("Numbers of invoices start again each year")),
                Setting(
                    "settings.credit_note_number.pattern",
                    N_("Numbers of credit notes"),
                    N_("As of invoices. Both must differ in letters or signs."),
                    must=_PATTERN,
                ),
                Setting(
                    "settings.credit_note_number.yearly_reset", N_("Numbers of credit notes start again each year")
                ),
            ),
            N_("Numbers have no gaps. What is changed here holds for the next invoice."),
        ),
        Group(
            N_("Foreign currencies"),
            (
                Setting(
                    "settings.exchange_rate_days",
                    N_("Oldest exchange rate"),
                    N_("VAT is converted at a rate no older than this on the day of the supply. 31 for monthly rates."),
                    N_("days"),
                ),
            ),
        ),
    ),
)
DOCUMENTS = Section(
    "documents",
    N_("Documents"),
    N_("How your invoices and credit notes look. Those that are made already stay as they are."),
    (
        Group(
            N_("Appearance"),
            (
                Setting("settings.documents.accent_colour", N_("Colour"), N_("Of headings and lines.")),
                Setting("settings.documents.paper", N_("Paper"), choices=choices.papers),
                Setting(
                    "settings.documents.payment_qr_code",
                    N_("Code for paying by phone"),
                    N_("On invoices in euros, where an IBAN is set."),
                ),
            ),
        ),
        Group(
            N_("Contact"),
            (
                Setting("settings.documents.contact_name", N_("Contact person")),
                Setting("settings.documents.contact_phone", N_("Phone of the contact")),
                Setting("settings.documents.contact_email", N_("Email of the contact"), must=_EMAIL),
                Setting("settings.documents.website", N_("Website")),
            ),
            N_("German authorities take invoices (XRechnung) only with name, phone and email of a contact."),
        ),
        Group(
            N_("Words"),
            (
                Setting(
                    "settings.documents.payment_terms",
                    N_("Terms of payment"),
                    N_("Below the totals. Empty: a sentence with the due date, in the language of the invoice."),
                ),
                Setting(
                    "settings.documents.legal_text",
                    N_("What the law asks for"),
                    N_("At the foot: register, managing directors, capital."),
                ),
            ),
        ),
    ),
    "settings/documents.html",
)
REMINDERS = Section(
    "reminders",
    N_("Reminders and messages"),
    N_("When customers are reminded of what is overdue, by what, and when messages rest."),
    (
        Group(
            N_("Reminders"),
            (
                Setting(
                    "settings.overdue_levels",
                    N_("Levels"),
                    N_("So many days after the due date there is a reminder, once for each level, such as 1, 14, 30."),
                    N_("days"),
                ),
                Setting(
                    "settings.overdue_channels",
                    N_("Customers are told by"),
                    N_("None: only you see what is overdue, and nobody is told."),
                    choices=channel_choices,
                ),
            ),
            N_("Interest and fees are not added. The words of each level are with the messages."),
        ),
        Group(
            N_("Quiet hours"),
            (
                Setting(
                    "settings.messages.quiet_from", N_("From"), N_("What is due in quiet hours goes out after them.")
                ),
                Setting(
                    "settings.messages.quiet_until",
                    N_("Until"),
                    N_("In the time zone of the organization. The same as the beginning: no quiet hours."),
                ),
                Setting("settings.messages.quiet_channels", N_("They hold for"), choices=channel_choices),
            ),
        ),
        Group(
            N_("Senders"),
            (
                Setting(
                    "settings.messages.email_from",
                    N_("Sender of emails"),
                    N_("Empty: the address of the operator. The mail server has to be allowed to send for it."),
                    must=_EMAIL,
                ),
                Setting("settings.messages.email_from_name", N_("Name of the sender"), N_("Empty: your legal name.")),
                Setting("settings.messages.email_reply_to", N_("Answers go to"), must=_EMAIL),
                Setting(
                    "settings.messages.sms_from",
                    N_("Sender of SMS"),
                    N_("A phone number, a name of up to 11 letters, or the id of a messaging service."),
                ),
                Setting(
                    "settings.messages.whatsapp_from", N_("Sender on WhatsApp"), N_("A phone number with its country.")
                ),
            ),
        ),
        Group(
            N_("Speed"),
            (
                Setting("settings.messages.emails_per_minute", N_("Emails"), unit=N_("a minute")),
                Setting("settings.messages.sms_per_minute", N_("SMS"), unit=N_("a minute")),
                Setting("settings.messages.whatsapp_per_minute", N_("WhatsApp"), unit=N_("a minute")),
            ),
            N_("At most so many go out; the rest waits its turn."),
        ),
        Group(
            N_("Test mode"),
            (
                Setting("settings.messages.redirect_email", N_("All emails go to"), must=_EMAIL),
                Setting("settings.messages.redirect_phone", N_("All SMS and WhatsApp messages go to"), must=_PHONE),
            ),
            N_("While something is set here, no customer gets anything: it all goes here instead."),
        ),
    ),
)
REVIEW = Section(
    "review",
    N_("Review"),
    N_("Which received invoices pass without a person, and which wait for one."),
    (
        Group(
            N_("Thresholds"),
            (
                Setting("settings.review_thresholds.number", N_("Invoice number"), _SURE, "%"),
                Setting("settings.review_thresholds.issue_date", N_("Invoice date"), _SURE, "%"),
                Setting(
                    "settings.review_thresholds.seller_name",
                    N_("Name of the supplier"),
                    N_("Lower than the others, as a VAT id or an IBAN mostly says who it is."),
                    "%",
                ),
                Setting("settings.review_thresholds.currency", N_("Currency"), _SURE, "%"),
                Setting(
                    "settings.review_thresholds.net_amount",
                    N_("Net amount"),
                    N_("Reached where amounts prove one another."),
                    "%",
                ),
                Setting(
                    "settings.review_thresholds.tax_amount",
                    N_("VAT"),
                    N_("Reached where amounts prove one another."),
                    "%",
                ),
                Setting(
                    "settings.review_thresholds.gross_amount",
                    N_("Gross amount"),
                    N_("Reached where amounts prove one another."),
                    "%",
                ),
                Setting(
                    "settings.review_thresholds.payable_amount",
                    N_("Amount to pay"),
                    N_("Reached where amounts prove one another."),
                    "%",
                ),
                Setting(
                    "settings.review_thresholds.seller_vat_id",
                    N_("VAT id of the supplier"),
                    N_("Below it where the check digits are wrong, or where it may be the id of somebody else."),
                    "%",
                ),
                Setting(
                    "settings.review_thresholds.iban", N_("IBAN"), N_("Below it where the check digits are wrong."), "%"
                ),
            ),
            N_(
                "Each value read from a page has a confidence in percent. One below its threshold makes "
                "the invoice wait. Higher: more wait, and fewer mistakes pass. 0: this value never makes one wait; "
                "100: nearly all wait. What the sender wrote as data (XML) is not doubted."
            ),
        ),
        Group(
            N_("Simplified invoices"),
            (
                Setting(
                    "settings.ask_for_sellers",
                    N_("Ask for each supplier"),
                    N_("Otherwise a paid receipt over a small amount passes without a supplier that is not sure."),
                ),
            ),
        ),
        Group(
            N_("Waiting"),
            (
                Setting(
                    "settings.review_within_hours",
                    N_("Waits too long after"),
                    N_("The operator is told of an invoice that waits longer for a person."),
                    N_("hours"),
                ),
            ),
        ),
        Group(
            N_("Reading"),
            (
                Setting(
                    "settings.oldest_invoice_years",
                    N_("Oldest invoice"),
                    N_("One that is dated longer ago is not believed."),
                    N_("years"),
                ),
                Setting(
                    "settings.ocr_engine",
                    N_("Scans are read by"),
                    choices=choices.engines,
                ),
            ),
        ),
    ),
)
EXPORTS = Section(
    "exports",
    N_("Exports"),
    N_("What becomes of received invoices that are right."),
    (
        Group(
            N_("Formats"),
            (
                Setting(
                    "settings.export_formats",
                    N_("Invoices are exported as"),
                    N_("None: as a CSV table, and as a DATEV batch once DATEV is set up."),
                    choices=choices.formats,
                ),
            ),
        ),
    ),
)
_CREDITORS = N_(
    "Write creditor accounts, of one digit more than other accounts and from 7 on, such as 70000, the first before the "
    "last."
)
DATEV = Section(
    "datev",
    N_("DATEV"),
    N_("The tax adviser gives these numbers. With them exports hold batches of bookings for DATEV."),
    (
        Group(
            N_("Tax adviser"),
            (
                Setting("datev.consultant", N_("Consultant number"), is_required=True),
                Setting("datev.client", N_("Client number"), is_required=True),
                Setting("datev.chart", N_("Chart of accounts"), choices=choices.charts, is_required=True),
                Setting(
                    "datev.account_length",
                    N_("Digits of an account"),
                    N_("Creditors have one more. It cannot be changed once suppliers have accounts."),
                    must=N_(
                        "Keep the digits: suppliers have accounts already. Otherwise write a whole number from 4 to 8."
                    ),
                ),
                Setting("datev.fiscal_year_start_month", N_("Fiscal years begin in"), choices=choices.months),
                Setting("datev.initials", N_("Initials"), N_("Two capital letters."), must=N_("Two capital letters.")),
            ),
        ),
        Group(
            N_("Bookings"),
            (
                Setting(
                    "datev.locked",
                    N_("Bookings are final (Festschreibung)"),
                    N_("What is imported cannot be changed in DATEV any more."),
                ),
                Setting(
                    "datev.chart_account",
                    N_("Use the chart's account for goods where no rule fits"),
                    N_("SKR 03: 3200, SKR 04: 5200. Without it such invoices wait."),
                ),
                Setting(
                    "datev.also_booked_types",
                    N_("Also book these document types"),
                    N_(
                        "Numbers with commas between them, such as 386 (prepayment), 389 (self-billed), 875 to 877 "
                        "(construction)."
                    ),
                ),
            ),
        ),
        Group(
            N_("Creditor accounts"),
            (
                Setting("datev.first_creditor", N_("First account"), must=_CREDITORS),
                Setting("datev.last_creditor", N_("Last account"), must=_CREDITORS),
            ),
            N_("Suppliers get the next free one of these accounts. Empty: all that there are, such as 70000 to 99999."),
        ),
    ),
    "settings/datev.html",
)
SECTIONS = (ORGANIZATION, INVOICING, DOCUMENTS, REMINDERS, REVIEW, EXPORTS)
"""In the order of the tabs."""
