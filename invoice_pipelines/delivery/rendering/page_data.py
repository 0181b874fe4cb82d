"""The data of a template: an invoice as texts in the language of its reader, with each number and date written out.

Templates place texts and draw lines; they compute nothing. docs/templates.md tells their authors what is here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from invoice_pipelines.billing.issued_invoices import ECB, DocumentKind, IssuedInvoice, IssuedInvoiceLine, Party
from invoice_pipelines.delivery.rendering import giro_code
from invoice_pipelines.delivery.rendering.language.catalogue import Catalogue
from invoice_pipelines.delivery.rendering.language.exemptions import reason_in_words
from invoice_pipelines.delivery.rendering.language.formats import currency_digits, in_groups
from invoice_pipelines.organizations.settings import DocumentSettings

_NO_BREAK_SPACE = "\N{NO-BREAK SPACE}"
_FIGURE_SPACE = "\N{FIGURE SPACE}"
_PUNCTUATION_SPACE = "\N{PUNCTUATION SPACE}"
_LONG = re.compile(r"[^\s\u200b\u00ad-]{25,}")
_PIECE = re.compile(r"(.{8})(?=\w)")


def page_data(invoice: IssuedInvoice, settings: DocumentSettings, catalogue: Catalogue) -> dict[str, Any]:
    """What a template is given; see the templates of the project for what each field is for."""
    return _Page(invoice, settings, catalogue).data()


def payment_terms_of(invoice: IssuedInvoice, settings: DocumentSettings, catalogue: Catalogue) -> str:
    """The terms of payment (BT-20): those of the organization, or a sentence with the due date; where nothing is due,
    that nothing is.
    """
    if invoice.document_kind is DocumentKind.CREDIT_NOTE and invoice.gross_amount:
        return catalogue.sentence("credit_terms")
    if not invoice.asks_for_payment:
        return catalogue.sentence("no_payment")
    if settings.payment_terms:
        return settings.payment_terms
    if invoice.due_date <= invoice.issue_date:
        return catalogue.sentence("payment_at_once")
    return catalogue.sentence("payment_terms", due_date=catalogue.formats.day(invoice.due_date, catalogue.date_pattern))


@dataclass(frozen=True, slots=True)
class _Page:
    invoice: IssuedInvoice
    settings: DocumentSettings
    catalogue: Catalogue

    def data(self) -> dict[str, Any]:
        invoice, words = self.invoice, self.catalogue.words
        credit = invoice.document_kind is DocumentKind.CREDIT_NOTE
        asks = invoice.asks_for_payment
        issued = invoice.issue_date
        return {
            "language": self.catalogue.language,
            "paper": self.settings.paper,
            "accent": self.settings.accent_colour,
            "kind": invoice.document_kind.value,
            "issued": [issued.year, issued.month, issued.day],
            "title": words["credit_note" if credit else "invoice"],
            "number": invoice.invoice_number,
            "words": dict(words),
            "page_sentence": self.catalogue.sentences["page"],
            "seller": _text(invoice.seller.name),
            "seller_in_short": _text(_shortened(invoice.seller.name)),
            "author": invoice.seller.name,
            "logo_alt": self.catalogue.sentence("logo", name=invoice.seller.name),
            "sender_line": _text(" · ".join(_address_lines(invoice.seller))),
            "recipient": [_text(line) for line in self._recipient()],
            "facts": self._facts(credit, asks),
            "headline": {"amount": self._money(invoice.gross_amount), "text": self._headline(credit, asks)},
            "correction": self._correction(),
            "has_discount": any(line.discount_percent for line in invoice.lines),
            "currency": invoice.currency,
            "lines": self._lines(),
            "carried_total": self._amount(invoice.line_amount),
            "totals": self._totals(),
            "total": {
                "label": words["total_credit" if credit else "total"],
                "amount": self._money(invoice.gross_amount),
            },
            "exemptions": self._exemptions(),
            "terms_title": words["settlement" if credit else "payment"],
            "terms": _paragraphs(payment_terms_of(invoice, self.settings, self.catalogue)),
            "bank": self._bank() if asks else [],
            "qr_code": self._qr_code() if asks else None,
            "qr_code_alt": self._qr_code_alt(),
            "notes": _paragraphs(invoice.note or ""),
            "footer": self._footer(asks),
        }

    def _recipient(self) -> list[str]:
        buyer, seller = self.invoice.buyer, self.invoice.seller
        lines = _address_lines(buyer)
        if buyer.country_code != seller.country_code:
            lines.append(self.catalogue.formats.country(buyer.country_code).upper())
        return lines

    def _headline(self, credit: bool, asks: bool) -> str:
        """What becomes of the amount."""
        if asks:
            return self.catalogue.sentence("due", due_date=self._day(self.invoice.due_date))
        return self.catalogue.sentence("credited" if credit and self.invoice.gross_amount else "nothing_due")

    def _facts(self, credit: bool, asks: bool) -> list[list[Any]]:
        invoice, words = self.invoice, self.catalogue.words
        facts = [
            ("credit_note_number" if credit else "number", invoice.invoice_number),
            ("credit_note_date" if credit else "issue_date", self._day(invoice.issue_date)),
            *self._supply(),
            ("due_date", self._day(invoice.due_date) if asks else None),
            ("corrected_invoice", invoice.corrected_invoice_number),
            ("customer_number", invoice.buyer.customer_number),
            ("order_number", invoice.order_number),
            ("purchase_order_reference", invoice.purchase_order_reference),
            ("buyer_reference", invoice.buyer.buyer_reference),
            ("buyer_vat_id", invoice.buyer.vat_id),
        ]
        return [[words[key], _text(value)] for key, value in facts if value]

    def _supply(self) -> list[tuple[str, str]]:
        """When the supply was made: its day, also where it is the invoice date (BFH XI R 62/07), or its period."""
        invoice = self.invoice
        facts = []
        if invoice.period_start is not None and invoice.period_end is not None:
            facts.append(("service_period", self._period("period", invoice.period_start, invoice.period_end)))
        if invoice.delivery_date != invoice.period_end:
            is_ahead = invoice.delivery_date > invoice.issue_date
            facts.append(("expected_date" if is_ahead else "delivery_date", self._day(invoice.delivery_date)))
        return facts

    def _correction(self) -> str | None:
        invoice = self.invoice
        if invoice.corrected_invoice_number is None:
            return None
        if invoice.corrected_invoice_date is None:
            return self.catalogue.sentence("corrects_undated", number=invoice.corrected_invoice_number)
        return self.catalogue.sentence(
            "corrects", number=invoice.corrected_invoice_number, date=self._day(invoice.corrected_invoice_date)
        )

    def _lines(self) -> list[dict[str, Any]]:
        invoice, formats = self.invoice, self.catalogue.formats
        digits = currency_digits(invoice.currency)
        quantities = _aligned([formats.number(line.quantity) for line in invoice.lines], formats.decimal)
        prices = _aligned([formats.number(line.unit_price, digits) for line in invoice.lines], formats.decimal)
        lines = []
        carried = Decimal(0)
        for line, quantity, price in zip(invoice.lines, quantities, prices, strict=True):
            carried += line.net_amount
            lines.append(
                {
                    "position": str(line.line_number),
                    "description": self._description(line),
                    "breaks": len(line.description) > 400 or line.description.count("\n") > 12,
                    "sku": _text(line.sku) if line.sku else None,
                    "quantity": quantity,
                    "unit": self._unit(line),
                    "price": price,
                    "discount": formats.percent(line.discount_percent) if line.discount_percent else "",
                    "rate": formats.percent(line.tax_rate),
                    "amount": self._amount(line.net_amount),
                    "carried": self._amount(carried),
                }
            )
        return lines

    def _description(self, line: IssuedInvoiceLine) -> list[Any]:
        written = _paragraphs(line.description)
        if line.period_start is not None and line.period_end is not None:
            written.append(_text(self._period("line_period", line.period_start, line.period_end)))
        return written

    def _unit(self, line: IssuedInvoiceLine) -> str:
        one, many = self.catalogue.units.get(line.unit_code, (line.unit_code, line.unit_code))
        return one if line.quantity == 1 else many

    def _totals(self) -> list[dict[str, Any]]:
        invoice, words, formats = self.invoice, self.catalogue.words, self.catalogue.formats
        totals = []
        if invoice.allowance_amount:
            totals.append({"label": words["line_amount"], "amount": self._amount(invoice.line_amount), "is_sum": True})
            totals.append(
                {
                    "label": self.catalogue.sentence(
                        "discount_on_all",
                        percent=formats.percent(invoice.discount_percent),
                        amount=self._amount(invoice.line_amount),
                    )
                    if invoice.discount_percent
                    else words["discount"],
                    "amount": self._amount(-invoice.allowance_amount),
                    "is_sum": False,
                }
            )
        totals.append({"label": words["net_amount"], "amount": self._amount(invoice.net_amount), "is_sum": False})
        for tax in invoice.taxes:
            category = self.catalogue.tax_categories.get(tax.tax_category)
            rate, amount = formats.percent(tax.tax_rate), self._amount(tax.taxable_amount)
            label = (
                self.catalogue.sentence("tax", rate=rate, amount=amount)
                if category is None
                else self.catalogue.sentence("tax_exempt", category=category.replace("{rate}", rate), amount=amount)
            )
            totals.append({"label": label, "amount": self._amount(tax.tax_amount), "is_sum": False})
        return totals

    def _exemptions(self) -> list[Any]:
        """What must be said of VAT beside its amounts."""
        reasons: list[str | None] = [*self._prepayment(), *self._tax_in_tax_currency()]
        reasons += [
            tax.exemption_reason or reason_in_words(self.catalogue, tax)
            for tax in self.invoice.taxes
            if not tax.tax_amount
        ]
        return [_text(reason) for reason in dict.fromkeys(reasons) if reason]

    def _prepayment(self) -> Iterator[str]:
        if self.invoice.is_prepayment and self.invoice.document_kind is DocumentKind.INVOICE:
            yield self.catalogue.sentence("prepayment")

    def _tax_in_tax_currency(self) -> Iterator[str]:
        """Directive 2006/112/EC, Art. 230, with the rate that it was converted at."""
        invoice, formats = self.invoice, self.catalogue.formats
        if (
            not invoice.states_tax_in_tax_currency
            or invoice.tax_currency is None
            or invoice.tax_amount_in_tax_currency is None
            or invoice.exchange_rate is None
            or invoice.exchange_rate_base is None
        ):
            return
        base = invoice.exchange_rate_base
        source = invoice.exchange_rate_source or ""
        yield self.catalogue.sentence(
            "tax_in_tax_currency",
            currency=invoice.tax_currency,
            amount=formats.money(invoice.tax_amount_in_tax_currency, invoice.tax_currency),
            base=base,
            rate=formats.number(invoice.exchange_rate),
            other=invoice.currency if base == invoice.tax_currency else invoice.tax_currency,
            date=self._day(invoice.exchange_rate_date),
            source=self.catalogue.words["ecb"] if source == ECB else source,
        )

    def _period(self, sentence: str, start: date, end: date) -> str:
        first, last = (self._day(day).replace(" ", _NO_BREAK_SPACE) for day in (start, end))
        return self.catalogue.sentence(sentence, start=first, end=last)

    def _bank(self) -> list[list[Any]]:
        invoice, words, settings = self.invoice, self.catalogue.words, self.settings
        if not invoice.seller.iban:
            return []
        rows = [
            (words["account_name"], invoice.seller.name),
            (words["iban"], in_groups(invoice.seller.iban)),
            (words["bic"], settings.bic),
            (words["bank"], settings.bank_name),
            (words["reference"], invoice.invoice_number),
        ]
        return [[label, _text(value)] for label, value in rows if value]

    def _qr_code(self) -> str | None:
        invoice = self.invoice
        if not (self.settings.payment_qr_code and invoice.currency == "EUR" and invoice.seller.iban):
            return None
        said = giro_code.payload(
            invoice.seller.name, invoice.seller.iban, self.settings.bic, invoice.gross_amount, invoice.invoice_number
        )
        return None if said is None else giro_code.picture(said)

    def _qr_code_alt(self) -> str:
        """What the code says to those who cannot see it."""
        invoice = self.invoice
        return self.catalogue.sentence(
            "qr_code",
            amount=self._money(invoice.gross_amount),
            iban=in_groups(invoice.seller.iban or ""),
            reference=invoice.invoice_number,
        )

    def _footer(self, asks: bool) -> list[list[Any]]:
        seller, settings, words = self.invoice.seller, self.settings, self.catalogue.words
        country = self.catalogue.formats.country(seller.country_code)
        columns: list[list[str | None]] = [
            [*_address_lines(seller), country],
            [settings.contact_name, settings.contact_phone, settings.contact_email, settings.website],
            [settings.bank_name, in_groups(seller.iban) if seller.iban else None, settings.bic] if asks else [],
            [
                f"{words['vat_id']} {seller.vat_id}" if seller.vat_id else None,
                f"{words['tax_number']} {seller.tax_number}" if seller.tax_number else None,
                *(settings.legal_text or "").splitlines(),
            ],
        ]
        written = [[_text(line) for line in column if line] for column in columns]
        return [column for column in written if column]

    def _amount(self, value: Decimal) -> str:
        return self.catalogue.formats.amount(value, self.invoice.currency)

    def _money(self, value: Decimal) -> str:
        return self.catalogue.formats.money(value, self.invoice.currency)

    def _day(self, value: Any) -> str:
        return self.catalogue.formats.day(value, self.catalogue.date_pattern)


def _address_lines(party: Party) -> list[str]:
    place = " ".join(part for part in (party.post_code, party.city) if part)
    return [part for part in (party.name, party.street, party.additional_street, place) if part]


def _shortened(name: str, most: int = 80) -> str:
    return name if len(name) <= most else name[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _aligned(numbers: list[str], decimal: str) -> list[str]:
    """The numbers of a column, filled with blanks as wide as digits so that their decimal signs stand in one line."""
    lengths = [len(number) - at - 1 if (at := number.rfind(decimal)) >= 0 else -1 for number in numbers]
    longest = max(lengths, default=-1)
    if longest == min(lengths, default=-1):
        return numbers
    return [
        number + (_PUNCTUATION_SPACE if length < 0 <= longest else "") + _FIGURE_SPACE * (longest - max(length, 0))
        for number, length in zip(numbers, lengths, strict=True)
    ]


def _paragraphs(text: str) -> list[Any]:
    """The lines of a text of several, without empty ones at its ends."""
    return [_text(line) for line in text.strip().splitlines()]


def _text(text: str) -> Any:
    """A text as templates take it: with places to break in words that no column holds; `{"rtl": ...}` if it is
    written from right to left, which its first letter tells (UAX 9, P2).
    """
    if text.isascii() and len(text) < 25:
        return text
    broken = _LONG.sub(lambda word: _PIECE.sub("\\1\u200b", word.group()), text)
    for sign in text:
        direction = unicodedata.bidirectional(sign)
        if direction in ("R", "AL"):
            return {"rtl": broken}
        if direction == "L":
            break
    return broken
