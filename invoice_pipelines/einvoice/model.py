"""An invoice in the business terms of EN 16931-1:2017: immutable, and the same whatever it was read from or made of.

The fields are the terms (BT) and groups (BG) under readable names; the numbers stand beside them. Where they stand in a
syntax is told in `syntaxes`, what they must keep to in `rules`; neither is known here.

An absent value is None or an empty tuple. Amounts are `Decimal` with the decimals of the document (`Decimal("900")` and
`Decimal("900.00")` are equal but print as they were written). Dates are calendar dates, as EN 16931 has no times. Codes
are kept as they stand in the document.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier and its scheme (ISO 6523 or EAS code), such as BT-29, BT-30, BT-34."""

    value: str
    scheme: str | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """A postal address: BG-5, BG-8, BG-12, BG-15."""

    line_one: str | None = None  # BT-35, BT-50, BT-64, BT-75
    line_two: str | None = None  # BT-36, BT-51, BT-65, BT-76
    line_three: str | None = None  # BT-162, BT-163, BT-164, BT-165
    city: str | None = None  # BT-37, BT-52, BT-66, BT-77
    post_code: str | None = None  # BT-38, BT-53, BT-67, BT-78
    subdivision: str | None = None  # BT-39, BT-54, BT-68, BT-79
    country_code: str | None = None  # BT-40, BT-55, BT-69, BT-80


@dataclass(frozen=True, slots=True)
class Contact:
    """A person or department: BG-6, BG-9."""

    name: str | None = None  # BT-41, BT-56
    phone: str | None = None  # BT-42, BT-57
    email: str | None = None  # BT-43, BT-58


@dataclass(frozen=True, slots=True)
class Party:
    """A seller (BG-4), buyer (BG-7), payee (BG-10) or the seller's tax representative (BG-11)."""

    name: str | None = None  # BT-27, BT-44, BT-59, BT-62
    trading_name: str | None = None  # BT-28, BT-45
    identifiers: tuple[Identifier, ...] = ()  # BT-29, BT-46, BT-60
    legal_registration: Identifier | None = None  # BT-30, BT-47, BT-61
    vat_id: str | None = None  # BT-31, BT-48, BT-63
    tax_id: str | None = None  # BT-32
    legal_information: str | None = None  # BT-33
    electronic_address: Identifier | None = None  # BT-34, BT-49
    address: Address | None = None
    contact: Contact | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A free text on the invoice: BG-1."""

    text: str  # BT-22
    subject_code: str | None = None  # BT-21


@dataclass(frozen=True, slots=True)
class PrecedingInvoice:
    """An earlier invoice that this one refers to: BG-3."""

    number: str  # BT-25
    issue_date: date | None = None  # BT-26


@dataclass(frozen=True, slots=True)
class Period:
    """An invoicing period: BG-14 of the invoice, BG-26 of a line."""

    start: date | None = None  # BT-73, BT-134
    end: date | None = None  # BT-74, BT-135


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where and when goods or services went: BG-13."""

    name: str | None = None  # BT-70
    location: Identifier | None = None  # BT-71
    date: datetime.date | None = None  # BT-72
    address: Address | None = None  # BG-15


@dataclass(frozen=True, slots=True)
class PaymentAccount:
    """An account to pay to: BG-17."""

    account_id: str  # BT-84: an IBAN, or a national account number
    name: str | None = None  # BT-85
    bic: str | None = None  # BT-86


@dataclass(frozen=True, slots=True)
class Payment:
    """How the invoice is to be paid: BG-16 to BG-19."""

    means_code: str | None = None  # BT-81, UNTDID 4461
    means_text: str | None = None  # BT-82
    remittance_information: str | None = None  # BT-83
    accounts: tuple[PaymentAccount, ...] = ()  # BG-17
    card_number: str | None = None  # BT-87, the last digits
    card_holder: str | None = None  # BT-88
    mandate_reference: str | None = None  # BT-89
    creditor_identifier: str | None = None  # BT-90
    debited_account: str | None = None  # BT-91


@dataclass(frozen=True, slots=True)
class AllowanceCharge:
    """A discount or a surcharge: BG-20, BG-21 of the invoice, BG-27, BG-28 of a line."""

    is_charge: bool
    amount: Decimal | None = None  # BT-92, BT-99, BT-136, BT-141
    base_amount: Decimal | None = None  # BT-93, BT-100, BT-137, BT-142
    percentage: Decimal | None = None  # BT-94, BT-101, BT-138, BT-143
    tax_category: str | None = None  # BT-95, BT-102
    tax_rate: Decimal | None = None  # BT-96, BT-103, in percent
    reason: str | None = None  # BT-97, BT-104, BT-139, BT-144
    reason_code: str | None = None  # BT-98, BT-105, BT-140, BT-145


@dataclass(frozen=True, slots=True)
class TaxBreakdown:
    """The VAT of one category and rate: BG-23."""

    taxable_amount: Decimal | None = None  # BT-116
    tax_amount: Decimal | None = None  # BT-117
    category: str | None = None  # BT-118
    rate: Decimal | None = None  # BT-119, in percent
    exemption_reason: str | None = None  # BT-120
    exemption_reason_code: str | None = None  # BT-121


@dataclass(frozen=True, slots=True)
class SupportingDocument:
    """A document that the invoice names or carries: BG-24. Its content is not in the model."""

    reference: str | None = None  # BT-122
    description: str | None = None  # BT-123
    location: str | None = None  # BT-124
    media_type: str | None = None  # BT-125-1
    file_name: str | None = None  # BT-125-2


@dataclass(frozen=True, slots=True)
class Line:
    """An invoice line: BG-25."""

    identifier: str | None = None  # BT-126
    parent_identifier: str | None = None  # BT-X-304 of EXTENDED: the line of which this one is a part
    kind: str | None = None  # BT-X-8 of EXTENDED: DETAIL (or None), GROUP, INFORMATION; the last two don't add up
    note: str | None = None  # BT-127
    object_identifier: Identifier | None = None  # BT-128
    quantity: Decimal | None = None  # BT-129
    unit: str | None = None  # BT-130, UN/ECE Recommendation 20 and 21
    net_amount: Decimal | None = None  # BT-131
    order_line_reference: str | None = None  # BT-132
    accounting_reference: str | None = None  # BT-133
    period: Period | None = None  # BG-26
    allowances_charges: tuple[AllowanceCharge, ...] = ()  # BG-27, BG-28
    unit_price: Decimal | None = None  # BT-146, net
    price_discount: Decimal | None = None  # BT-147
    gross_price: Decimal | None = None  # BT-148, before the price discount and without VAT
    price_base_quantity: Decimal | None = None  # BT-149
    price_base_unit: str | None = None  # BT-150
    tax_category: str | None = None  # BT-151
    tax_rate: Decimal | None = None  # BT-152, in percent
    name: str | None = None  # BT-153
    description: str | None = None  # BT-154
    seller_item_id: str | None = None  # BT-155
    buyer_item_id: str | None = None  # BT-156
    standard_item_id: Identifier | None = None  # BT-157
    classifications: tuple[Identifier, ...] = ()  # BT-158
    origin_country: str | None = None  # BT-159
    attributes: tuple[tuple[str, str], ...] = ()  # BG-32: BT-160 and BT-161


@dataclass(frozen=True, slots=True)
class Invoice:
    """An invoice or credit note."""

    number: str | None = None  # BT-1
    issue_date: date | None = None  # BT-2
    type_code: str | None = None  # BT-3, UNTDID 1001
    currency: str | None = None  # BT-5
    tax_currency: str | None = None  # BT-6
    tax_point_date: date | None = None  # BT-7
    tax_point_code: str | None = None  # BT-8
    due_date: date | None = None  # BT-9; the first where the document names several
    due_dates: tuple[date, ...] = ()  # all of them, as EXTENDED allows
    buyer_reference: str | None = None  # BT-10
    project_reference: str | None = None  # BT-11
    contract_reference: str | None = None  # BT-12
    order_reference: str | None = None  # BT-13
    sales_order_reference: str | None = None  # BT-14
    receiving_advice_reference: str | None = None  # BT-15
    despatch_advice_reference: str | None = None  # BT-16
    tender_reference: str | None = None  # BT-17
    object_identifier: Identifier | None = None  # BT-18
    accounting_reference: str | None = None  # BT-19
    payment_terms: str | None = None  # BT-20
    notes: tuple[Note, ...] = ()  # BG-1
    business_process: str | None = None  # BT-23
    specification_identifier: str | None = None  # BT-24
    preceding_invoices: tuple[PrecedingInvoice, ...] = ()  # BG-3

    seller: Party = field(default_factory=Party)  # BG-4
    buyer: Party = field(default_factory=Party)  # BG-7
    payee: Party | None = None  # BG-10
    tax_representative: Party | None = None  # BG-11
    delivery: Delivery | None = None  # BG-13
    period: Period | None = None  # BG-14
    payments: tuple[Payment, ...] = ()  # BG-16
    allowances_charges: tuple[AllowanceCharge, ...] = ()  # BG-20, BG-21

    line_total: Decimal | None = None  # BT-106
    allowance_total: Decimal | None = None  # BT-107
    charge_total: Decimal | None = None  # BT-108
    net_amount: Decimal | None = None  # BT-109
    tax_amount: Decimal | None = None  # BT-110
    tax_amount_in_tax_currency: Decimal | None = None  # BT-111
    gross_amount: Decimal | None = None  # BT-112
    prepaid_amount: Decimal | None = None  # BT-113
    rounding_amount: Decimal | None = None  # BT-114
    payable_amount: Decimal | None = None  # BT-115

    tax_breakdowns: tuple[TaxBreakdown, ...] = ()  # BG-23
    supporting_documents: tuple[SupportingDocument, ...] = ()  # BG-24
    lines: tuple[Line, ...] = ()  # BG-25

    @property
    def iban(self) -> str | None:
        """The first account to pay to (BT-84), without blanks; None where there is none."""
        for payment in self.payments:
            for account in payment.accounts:
                return "".join(account.account_id.split())
        return None
