"""What is written is what is read: any invoice, in each syntax, and every e-invoice that others wrote."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from invoice_pipelines.einvoice import Invoice, ReadingError, Syntax, read, write
from invoice_pipelines.einvoice.reading.xml_invoice import read_xml
from invoice_pipelines_tests.support.delivery.einvoice.judge import rules
from invoice_pipelines_tests.support.intake.documents import samples
from invoice_pipelines_tests.support.sizes import example_count, only_at_full_size
from invoice_pipelines_tests.unit.einvoice.invoices import invoices

CORPUS = Path(__file__).parents[4] / "shared" / "corpus" / "einvoice"
SYNTAXES = pytest.mark.parametrize("syntax", [Syntax.UBL, Syntax.CII])


@SYNTAXES
@settings(max_examples=example_count(40), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_any_invoice_is_read_as_it_was_written(syntax: Syntax, data: st.DataObject) -> None:
    invoice = data.draw(invoices(syntax))
    found = read_xml(write(invoice, syntax))
    assert (found.invoice, found.syntax, found.warnings) == (invoice, syntax, ())


@SYNTAXES
@pytest.mark.parametrize("sample", [samples.UBL, samples.CII])
def test_every_business_term_is_written_where_the_schema_wants_it(sample: str, syntax: Syntax) -> None:
    invoice = read(sample.encode())
    for field in fields(Invoice):
        assert getattr(invoice, field.name) or field.name == "tax_point_code", f"the sample lacks {field.name}"
    xml = write(invoice, syntax)
    assert read(xml) == invoice
    assert not {rule for rule in rules(xml, date(2025, 6, 1)) if "XSD" in rule}


@SYNTAXES
def test_what_a_credit_note_says_elsewhere_is_read_again(syntax: Syntax) -> None:
    invoice = read(samples.CREDIT_NOTE.encode())
    xml = write(invoice, syntax)
    assert read(xml) == invoice
    assert (b"<CreditNote" in xml) is (syntax is Syntax.UBL)


def test_zugferd_1_is_written_as_its_successor() -> None:
    invoice = read(samples.ZUGFERD1.encode())
    assert read(write(invoice, Syntax.CII)) == invoice
    with pytest.raises(ValueError, match="only read"):
        write(invoice, Syntax.ZUGFERD1)


@pytest.mark.corpus
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real e-invoices is not on this machine")
@pytest.mark.parametrize(
    ("every", "at_least"),
    [(4, 50), pytest.param(1, 235, marks=[pytest.mark.slow, only_at_full_size])],
    ids=["every fourth", "all"],
)
def test_real_e_invoices_are_written_as_they_were_read(every: int, at_least: int) -> None:
    """But for what the syntax asks for: a code before a note with a number sign, an order beside that of the seller."""
    written, changed = 0, []
    for path in sorted(CORPUS.rglob("*.xml"))[::every]:
        try:
            document = read_xml(path.read_bytes())
        except ReadingError:
            continue
        written += 1
        invoice, syntax = document.invoice, document.syntax
        again = read(write(invoice, Syntax.UBL if syntax is Syntax.UBL else Syntax.CII))
        names = (field.name for field in fields(Invoice))
        different = {name for name in names if getattr(again, name) != getattr(invoice, name)}
        if different and not (syntax is Syntax.UBL and different <= {"notes", "order_reference"}):
            changed.append((path.name, different))
    assert changed == []
    assert written >= at_least
