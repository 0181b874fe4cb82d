"""Takes an invoice apart for the books: one part per VAT category, rate and expense account.

Pure: an invoice, the settings and the rules in; parts, or all reasons against it, out. Nothing is rounded or guessed:
the parts of a rate add up to what the invoice says of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from invoice_pipelines.einvoice.model import Invoice, Party, TaxBreakdown
from invoice_pipelines.intake.exports.datev.accounts.charts import EU_COUNTRIES, Chart, load_tax_keys
from invoice_pipelines.intake.exports.datev.accounts.rules import Rule, RuleSet
from invoice_pipelines.intake.exports.datev.errors import Refusal, Refused
from invoice_pipelines.intake.exports.datev.settings import DatevSettings

INVOICE_TYPES = frozenset(
    {
        *("80", "82", "84", "326", "380", "383", "384", "387", "388", "393", "394", "395", "575", "623", "751", "780"),
        *("817", "870", "935"),
    }
)
"""Document types (BT-3, UNTDID 1001) whose amounts we owe."""

CREDIT_TYPES = frozenset({"81", "83", "381", "396", "532"})
"""Document types whose amounts are printed positive and reduce what we owe."""

_UNCLEAR_TYPES = {
    "261": "a self-billed credit note corrects a sale of ours",
    "389": "a self-billed invoice is a sale of ours that the buyer wrote down, not a purchase",
    "386": "a prepayment is no expense and goes to an account of its own",
    "325": "a pro forma invoice is not booked",
}
_CURRENCY = re.compile(r"[A-Z]{3}")
CENT = Decimal("0.01")
LARGEST_AMOUNT = Decimal("9999999999.99")
"""Field 1 has ten digits before the comma."""

_TAX_TOLERANCE = Decimal("0.05")
"""How far the tax of an invoice may be from what the program takes out of the gross amount, besides line rounding."""

_MOST_TOLERANCE = Decimal(1)
"""As EN 16931's own rules allow (BR-S-09)."""


@dataclass(frozen=True, slots=True)
class Part:
    """What goes to one expense account under one VAT category and rate. `gross` is above zero where we owe more."""

    category: str | None
    rate: Decimal | None
    gross: Decimal
    account: str
    tax_key: str
    cost_center: str | None


def take_apart(invoice: Invoice, settings: DatevSettings, rules: RuleSet) -> list[Part]:
    """The parts of an invoice, in the order of its VAT breakdown; parts of nothing are left out.

    Raises Refused with everything that is missing.
    """
    refusals = list(_general_refusals(invoice, settings))
    if refusals:
        raise Refused(*refusals)
    region = region_of(invoice.seller)
    fitting = rules.for_seller(invoice.seller, region)
    sign = -1 if invoice.type_code in CREDIT_TYPES else 1
    parts: list[Part] = []
    for breakdown in invoice.tax_breakdowns:
        try:
            parts += _parts_of(invoice, breakdown, sign, region, settings, fitting)
        except Refused as refused:
            refusals += refused.refusals
    if refusals:
        raise Refused(*dict.fromkeys(refusals))
    return parts


def region_of(seller: Party) -> str | None:
    """Where a seller is taxed: DE, EU or OTHER, by its VAT id, else its address, else a German tax number.

    None where the invoice does not tell.
    """
    prefix = (seller.vat_id or "").strip()[:2].upper()
    country = {"EL": "GR", "XI": "GB"}.get(prefix, prefix) if prefix.isalpha() else ""
    if not country and seller.address is not None:
        country = (seller.address.country_code or "").strip().upper()
    if not country and seller.tax_id:
        from stdnum.de import stnr  # one of two hundred modules, and seldom needed

        country = "DE" if stnr.is_valid(seller.tax_id) else ""
    if not country:
        return None
    if country == "DE":
        return "DE"
    return "EU" if country in EU_COUNTRIES else "OTHER"


def _general_refusals(invoice: Invoice, settings: DatevSettings) -> Iterator[Refusal]:
    kind = invoice.type_code
    if invoice.issue_date is None or not 2000 <= invoice.issue_date.year <= 2099:
        yield Refusal("NO_DATE", "The invoice has no date between 2000 and 2099.")
    if kind is None:
        yield Refusal("TYPE", "The document does not say whether it is an invoice or a credit note (BT-3).")
    elif kind not in INVOICE_TYPES | CREDIT_TYPES and kind not in settings.also_booked_types:
        why = _UNCLEAR_TYPES.get(kind, "what it states may be owed already")
        yield Refusal(
            "TYPE",
            f"Documents of type {kind[:9]} (BT-3) are not booked: {why}. `datev set-up --also-book` would do it.",
        )
    if not _CURRENCY.fullmatch(invoice.currency or ""):
        yield Refusal("NO_CURRENCY", "The invoice names no currency of ISO 4217 (BT-5).")
    gross = invoice.gross_amount
    if gross is None:
        yield Refusal("NO_AMOUNT", "The invoice has no gross amount (BT-112).")
        return
    if kind in CREDIT_TYPES and gross < 0:
        yield Refusal("SIGN", f"A credit note over a negative amount ({gross}) may be meant either way.")
    if not invoice.tax_breakdowns and gross:
        yield Refusal("NO_BREAKDOWN", "The invoice does not split its amounts by VAT rate (BG-23).")
        return
    amounts = [
        amount for row in invoice.tax_breakdowns for amount in (row.taxable_amount, row.tax_amount or Decimal(0))
    ]
    known = [amount for amount in amounts if amount is not None]
    if len(known) < len(amounts) or sum(known, Decimal(0)) != gross:
        yield Refusal(
            "BREAKDOWN", f"The amounts by VAT rate (BG-23) do not add up to the gross amount {gross} (BT-112)."
        )
    for amount in (gross, *known):
        if abs(amount) > LARGEST_AMOUNT:
            yield Refusal("TOO_LARGE", f"The amount {amount:.3g} has more than ten digits before the decimals.")
        elif amount != amount.quantize(CENT):
            yield Refusal("DECIMALS", f"The amount {amount} has more than two decimals.")
    if any(row.rate is not None and not 0 <= row.rate <= 100 for row in invoice.tax_breakdowns):
        yield Refusal("BREAKDOWN", "A VAT rate (BT-119) is not a percentage from 0 to 100.")


def _parts_of(
    invoice: Invoice,
    breakdown: TaxBreakdown,
    sign: int,
    region: str | None,
    settings: DatevSettings,
    rules: RuleSet,
) -> list[Part]:
    """The parts of one row of the VAT breakdown."""
    taxable, tax = breakdown.taxable_amount or Decimal(0), breakdown.tax_amount or Decimal(0)
    if not taxable and not tax:
        return []
    assert invoice.issue_date is not None
    pieces = list(_pieces(invoice, breakdown)) if rules.ask_for_line_texts else []
    breakdown = _with_category(breakdown)
    nets = _nets_by_account(pieces, breakdown, settings, rules)
    taxes = _shares(tax, breakdown.rate, list(nets.values()))
    parts = []
    for ((account, own_key, cost_center), net), share in zip(nets.items(), taxes, strict=True):
        key = _tax_key(settings.accounts, account, own_key, breakdown, region, invoice.issue_date, len(invoice.lines))
        gross = sign * (net + share)
        if gross:
            parts.append(Part(breakdown.category, breakdown.rate, gross.quantize(CENT), account, key, cost_center))
    return parts


def _with_category(breakdown: TaxBreakdown) -> TaxBreakdown:
    """A text layer or scan does not print the VAT category, but tax at a rate is S (UNTDID 5305)."""
    is_standard = breakdown.category is None and breakdown.rate and breakdown.tax_amount
    return replace(breakdown, category="S") if is_standard else breakdown


_Target = tuple[str, str | None, str | None]
"""Account, tax key of the rule (None: by the chart), cost centre."""


def _nets_by_account(
    pieces: Sequence[tuple[str, Decimal]], breakdown: TaxBreakdown, settings: DatevSettings, rules: RuleSet
) -> dict[_Target, Decimal]:
    taxable = breakdown.taxable_amount or Decimal(0)
    targets = [
        _target(rules.first(breakdown.category, breakdown.rate, text), settings, breakdown, text)
        for text, _ in pieces or [("", taxable)]
    ]
    if len(set(targets)) == 1:
        return {targets[0]: taxable}
    if sum((net for _, net in pieces), Decimal(0)) != taxable:
        raise Refused.because(
            "LINES",
            f"The rules send lines {_of(breakdown)} to different accounts, but the lines do not add up "
            f"to {taxable}; a rule for the seller with a lower priority number would send them to one.",
        )
    nets: dict[_Target, Decimal] = {}
    for target, (_, net) in zip(targets, pieces, strict=True):
        nets[target] = nets.get(target, Decimal(0)) + net
    for net in nets.values():
        if abs(net) > LARGEST_AMOUNT / 2 or net != net.quantize(CENT):
            raise Refused.because("LINES", f"The lines {_of(breakdown)} of an account come to {net:.14g}.")
    return nets


def _pieces(invoice: Invoice, breakdown: TaxBreakdown) -> Iterator[tuple[str, Decimal]]:
    """Texts and net amounts of all that makes up a row of the breakdown: lines, discounts and surcharges."""
    wanted = (breakdown.category, breakdown.rate or Decimal(0))
    for line in invoice.lines:
        if line.kind in (None, "DETAIL") and (line.tax_category, line.tax_rate or Decimal(0)) == wanted:
            yield " ".join(filter(None, (line.name, line.description))), line.net_amount or Decimal(0)
    for item in invoice.allowances_charges:
        if (item.tax_category, item.tax_rate or Decimal(0)) == wanted:
            amount = item.amount or Decimal(0)
            yield item.reason or "", amount if item.is_charge else -amount


def _target(rule: Rule | None, settings: DatevSettings, breakdown: TaxBreakdown, text: str) -> _Target:
    if rule is not None:
        return rule.account, rule.tax_key, rule.cost_center
    if settings.chart_account:
        return settings.accounts.expense_account, None, None
    line = f" and the line {text[:60]!r}" if text else ""
    raise Refused.because("NO_RULE", f"No rule names an expense account for VAT {_of(breakdown)}{line} of this seller.")


def _shares(tax: Decimal, rate: Decimal | None, nets: list[Decimal]) -> list[Decimal]:
    """The tax of each net amount at a rate, to the cent; what the rounding of the document adds goes to the largest.

    The shares add up to the tax.
    """
    if len(nets) == 1:
        return [tax]
    shares = [(net * (rate or 0) / 100).quantize(CENT, ROUND_HALF_UP) for net in nets]
    largest = max(range(len(nets)), key=lambda place: (abs(nets[place]), -place))
    shares[largest] += tax - sum(shares, Decimal(0))
    return shares


def _tax_key(
    chart: Chart,
    account: str,
    own_key: str | None,
    breakdown: TaxBreakdown,
    region: str | None,
    day: date,
    lines: int,
) -> str:
    automatic = chart.automatic_account(account)
    if automatic is not None:
        if automatic.category != breakdown.category or (
            automatic.rate is not None and automatic.rate != breakdown.rate
        ):
            raise Refused.because(
                "AUTOMATIC_ACCOUNT",
                f"Account {account} computes the tax itself, at another rate than the one {_of(breakdown)}.",
            )
        if automatic.category == "S":
            _check_seller_is_german(region, breakdown)
        _check_tax(breakdown, automatic.rate or Decimal(0), lines)
        return ""
    keys = load_tax_keys()
    if own_key is not None:
        known = [key for key in keys if key.key == own_key and own_key]
        if known and own_key:
            _check_tax(breakdown, known[0].books_rate, lines)
        return own_key
    category, rate = breakdown.category, breakdown.rate
    fitting = [key for key in keys if category is not None and key.fits(category, rate, region, day)]
    if len(fitting) == 1:
        _check_tax(breakdown, fitting[0].books_rate, lines)
        return fitting[0].key
    if fitting:
        choices = " or ".join(f"{key.key} ({key.meaning})" for key in fitting)
        raise Refused.because("TAX_KEY", f"For VAT {_of(breakdown)} a rule has to choose the BU-Schlüssel: {choices}.")
    if region is None:
        raise Refused.because(
            "COUNTRY",
            "Where the seller is taxed does not show (no VAT id, country or German tax number); a rule for the "
            "seller can name the BU-Schlüssel.",
        )
    raise Refused.because(
        "TAX_KEY",
        f"There is no BU-Schlüssel for VAT {_of(breakdown)} of a seller in "
        f"{'another country' if region == 'OTHER' else region} on {day}; a rule can name one, or `none`.",
    )


def _check_seller_is_german(region: str | None, breakdown: TaxBreakdown) -> None:
    if region != "DE":
        raise Refused.because(
            "COUNTRY",
            f"VAT {_of(breakdown)} of a seller that is not known to be taxed in Germany is no German "
            "input tax; a rule can name another account.",
        )


def _check_tax(breakdown: TaxBreakdown, rate: Decimal, lines: int) -> None:
    """The program takes the tax out of the gross amount by itself, so that must come to what the invoice states."""
    tax = breakdown.tax_amount or Decimal(0)
    gross = (breakdown.taxable_amount or Decimal(0)) + tax
    computed = (gross * rate / (100 + rate)).quantize(CENT)
    if abs(tax - computed) > min(_TAX_TOLERANCE + lines * CENT / 2, _MOST_TOLERANCE):
        raise Refused.because(
            "TAX_DIFFERS",
            f"The invoice states {tax} VAT {_of(breakdown)}, but the BU-Schlüssel takes {computed} out of {gross}.",
        )


def _of(breakdown: TaxBreakdown) -> str:
    rate = "without a rate" if breakdown.rate is None else f"at {breakdown.rate.normalize():f} %"
    return f"{rate} ({breakdown.category or 'no category'})"
