"""Sums: what is booked comes to what the invoices say, per rate and to the cent, whatever is corrected in between."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from invoice_pipelines.einvoice.model import Line, TaxBreakdown
from invoice_pipelines.intake.exports.datev.accounts.rules import RuleSet, check_rules
from invoice_pipelines.intake.exports.datev.parts import CREDIT_TYPES, take_apart
from invoice_pipelines.intake.exports.datev.settings import checked_settings
from invoice_pipelines.intake.promises import exported_without_file
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.received_invoices import ask_for_new_export
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.intake.conftest import open_desk
from invoice_pipelines_tests.support.intake.exports.datev.books import ANYTHING, Books, column, invoice, seller
from invoice_pipelines_tests.support.intake.exports.datev.validator import EXPRESSIONS, read_batch, violations
from invoice_pipelines_tests.support.sizes import example_count

RATES = {"S 19": ("S", 19), "S 7": ("S", 7), "E": ("E", 0), "AE": ("AE", 0)}
KEYS = {"9": "S 19", "8": "S 7", "": "E", "94": "AE"}
CENT = Decimal("0.01")
cents = st.integers(-200_000, 200_000).map(lambda value: Decimal(value) / 100)


def breakdown(kind: str, net: Decimal) -> TaxBreakdown:
    category, rate = RATES[kind]
    return TaxBreakdown(net, (net * rate / 100).quantize(CENT), category, Decimal(rate))


@st.composite
def readings(draw: st.DrawFn) -> dict[str, Any]:
    """What makes an invoice or credit note of one to four rates; not its number, which stays."""
    kinds = draw(st.lists(st.sampled_from(list(RATES)), min_size=1, max_size=4, unique=True))
    taxes = [breakdown(kind, draw(cents)) for kind in kinds]
    kind = draw(st.sampled_from(["380", "381", "384"]))
    gross = sum(((row.taxable_amount or 0) + (row.tax_amount or 0) for row in taxes), Decimal(0))
    if kind == "381" and gross < 0:
        taxes = [
            replace(row, taxable_amount=-(row.taxable_amount or 0), tax_amount=-(row.tax_amount or 0)) for row in taxes
        ]
    return {
        "taxes": taxes,
        "type_code": kind,
        "issue_date": draw(st.dates(date(2025, 11, 1), date(2026, 2, 28))),
        "seller": seller(draw(st.sampled_from(["A", "Ł & Söhne", "株式会社"]))),
    }


def owed(found: dict[str, Any]) -> dict[str, Decimal]:
    """What we owe for an invoice, per rate."""
    sign = -1 if found["type_code"] in CREDIT_TYPES else 1
    kinds = {value: kind for kind, value in RATES.items()}
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in found["taxes"]:
        sums[kinds[row.category, int(row.rate)]] += sign * (row.taxable_amount + row.tax_amount)
    return {kind: amount for kind, amount in sums.items() if amount}


def reading_of(found: dict[str, Any], number: str) -> Reading:
    return invoice(*found["taxes"], number=number, **{name: found[name] for name in found if name != "taxes"})


def booked(folder: Path) -> dict[str, dict[str, Decimal]]:
    """What all batches that lie there come to, by invoice number and rate: credit less debit of the creditor."""
    sums: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for path in folder.rglob("EXTF_*.csv"):
        data = path.read_bytes()
        assert not EXPRESSIONS.exists() or violations(data) == []
        for row in read_batch(data).rows:
            amount = Decimal(row[0].replace(",", "."))
            sums[column(row, 11)][KEYS[column(row, 9)]] += amount if column(row, 2) == "H" else -amount
    return {number: {kind: amount for kind, amount in rates.items() if amount} for number, rates in sums.items()}


@settings(max_examples=example_count(6))
@given(st.lists(st.lists(readings(), min_size=1, max_size=3), min_size=1, max_size=4), st.data())
def test_the_batches_come_to_what_the_invoices_say_last(
    intake_database: TestDatabase, tmp_path_factory: Any, lives: list[list[dict[str, Any]]], data: st.DataObject
) -> None:
    books = Books(open_desk(intake_database, tmp_path_factory.mktemp("sums")))
    books.set_up()
    books.rules(ANYTHING)
    ids = [books.desk.validated(reading_of(life[0], f"R-{number}")).id for number, life in enumerate(lives, start=1)]
    books.export()
    folder = books.desk.folder / "exports"
    for step in range(max(map(len, lives))):
        for number, (invoice_id, life) in enumerate(zip(ids, lives, strict=True), start=1):
            if 0 < step < len(life):
                books.read_again(invoice_id, reading_of(life[step], f"R-{number}"))
            elif data.draw(st.booleans()):
                with books.desk.scope() as connection:
                    ask_for_new_export(connection, [invoice_id])
        books.export()
        expected = {f"R-{number}": owed(life[min(step, len(life) - 1)]) for number, life in enumerate(lives, start=1)}
        found = booked(folder)
        assert {number: found.get(number, {}) for number in expected} == expected
    assert books.refusals() == {}
    ledger: dict[str, Decimal] = defaultdict(Decimal)
    for row in books.ledger():
        ledger[row.document_field] += row.invoice_amount
    assert dict(ledger) == {
        number: sum(rates.values(), Decimal(0)) for number, rates in expected.items() if number in ledger
    }
    with books.desk.scope() as connection:
        assert exported_without_file(connection).kept


@settings(max_examples=example_count(200))
@given(st.lists(st.tuples(st.sampled_from(["Toner", "Papier", "Schere"]), cents), min_size=1, max_size=12))
def test_a_rate_that_goes_to_several_accounts_comes_to_its_gross_amount(pieces: list[tuple[str, Decimal]]) -> None:
    chosen = checked_settings(consultant=1001, client=1, chart="SKR03")
    rules, _ = check_rules(
        [{"account": "4930", "line_text": "toner"}, {"account": "4940", "line_text": "papier"}, {"account": "4980"}],
        chosen.accounts,
    )
    net = sum((amount for _, amount in pieces), Decimal(0))
    row = breakdown("S 19", net)
    lines = tuple(Line(name=name, net_amount=net, tax_category="S", tax_rate=Decimal(19)) for name, net in pieces)
    if not net:
        return
    parts = take_apart(invoice(row, lines=lines), chosen, RuleSet(1, tuple(rules)))
    assert sum((part.gross for part in parts), Decimal(0)) == net + (row.tax_amount or 0)
    for account, word in (("4930", "Toner"), ("4940", "Papier"), ("4980", "Schere")):
        of_account = sum((amount for name, amount in pieces if name == word), Decimal(0))
        gross = sum((part.gross for part in parts if part.account == account), Decimal(0))
        # To the cent, and a cent per account for what rounding leaves over.
        assert abs(gross - of_account * Decimal("1.19")) <= 3 * CENT
