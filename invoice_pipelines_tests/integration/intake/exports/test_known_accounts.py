"""An account that is new for a known seller is seen by a person before it is paid to, whatever it was read from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from invoice_pipelines.einvoice.model import Party, Payment, PaymentAccount
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.received_invoices import ProcessingError, mark_exported, mark_failed
from invoice_pipelines.intake.stages.stages import parse_uploads, validate_invoices
from invoice_pipelines.intake.stages.validating import judge_parsed
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.support.intake.review.lane import STANDARD, accept, codes, correct, on_paper, reject
from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.support.sizes import example_count

KNOWN = "DE02120300000000202051"
NEW = "DE02500105170137075030"
CHANGED = [("IP-IBAN-02", "iban")]


def paid_to(*ibans: str, **changes: Any) -> Reading:
    """An invoice on paper of always the same seller, to be paid to these accounts."""
    payments = (Payment(accounts=tuple(PaymentAccount(iban) for iban in ibans)),) if ibans else ()
    reading = on_paper(changes={"payments": payments, **changes})
    place = reading.provenance["number"]
    return replace(reading, provenance={**reading.provenance, "payments[0].accounts[0].account_id": place})


def judge(desk: IntakeDesk, *ids: UUID) -> list[str]:
    with desk.scope() as connection:
        judge_parsed(connection, list(ids), STANDARD)
    return [desk.status(invoice_id) for invoice_id in ids]


def passed(desk: IntakeDesk, *ibans: str, **changes: Any) -> UUID:
    invoice = desk.parsed(paid_to(*ibans, **changes))
    assert judge(desk, invoice.id) == ["VALIDATED"]
    return invoice.id


def warned(desk: IntakeDesk, invoice_id: UUID) -> bool:
    found = desk.one(
        "select count(*) from public.invoice_violations where received_invoice_id = :id and rule = 'IP-IBAN-02'",
        id=invoice_id,
    )
    return bool(found)


def e_invoice(number: str, iban: str) -> bytes:
    means = f"""<cac:PaymentMeans><cbc:PaymentMeansCode>58</cbc:PaymentMeansCode>
        <cac:PayeeFinancialAccount><cbc:ID>{iban}</cbc:ID></cac:PayeeFinancialAccount></cac:PaymentMeans>"""
    start = UBL.index("<cac:TaxTotal>")
    return (UBL[:start] + means + UBL[start:]).replace("<cbc:ID>2026-001<", f"<cbc:ID>{number}<").encode()


def test_the_first_invoice_of_a_seller_gets_no_warning_and_makes_its_account_known(desk: IntakeDesk) -> None:
    assert not warned(desk, passed(desk, KNOWN))
    assert not warned(desk, passed(desk, KNOWN))


def test_another_account_of_a_known_seller_waits_for_a_person_and_is_known_once_accepted(desk: IntakeDesk) -> None:
    first = passed(desk, KNOWN)
    changed = desk.parsed(paid_to(NEW))
    assert judge(desk, changed.id) == ["PARSED"]
    assert codes(desk, changed.id) == CHANGED
    message = desk.one(
        "select message from public.invoice_violations where received_invoice_id = :id and rule = 'IP-IBAN-02'",
        id=changed.id,
    )
    name = desk.one("select file_name from public.received_invoice where id = :id", id=first)
    assert NEW in message
    assert KNOWN in message
    assert name in message
    assert accept(desk, changed.id).status == "VALIDATED"
    assert not warned(desk, passed(desk, NEW))
    assert not warned(desk, passed(desk, KNOWN))


def test_a_rejected_account_stays_unknown(desk: IntakeDesk) -> None:
    passed(desk, KNOWN)
    for _ in range(2):
        fraud = desk.parsed(paid_to(NEW))
        assert judge(desk, fraud.id) == ["PARSED"]
        reject(desk, fraud.id, "The seller knows nothing of it.")


def test_an_e_invoice_waits_as_well_although_its_xml_leaves_no_doubt(desk: IntakeDesk) -> None:
    desk.upload(e_invoice("E-1", KNOWN), "1.xml")
    parse_uploads(desk.intake())
    validate_invoices(desk.intake())
    desk.upload(e_invoice("E-2", NEW), "2.xml")
    parse_uploads(desk.intake())
    validate_invoices(desk.intake())
    assert desk.statuses() == {"1.xml": "VALIDATED", "2.xml": "PARSED"}
    waiting = desk.one("select id from public.invoice_review_queue")
    assert codes(desk, waiting) == CHANGED
    assert accept(desk, waiting).status == "VALIDATED"


def test_of_invoices_that_are_validated_together_none_makes_a_new_account_known_for_the_next(desk: IntakeDesk) -> None:
    passed(desk, KNOWN)
    together = [desk.parsed(paid_to(NEW)).id for _ in range(3)]
    assert judge(desk, *together) == ["PARSED"] * 3
    accept(desk, together[1])
    # What waits is not let through by that alone, but it needs no second look when it is validated again.
    assert judge(desk, together[0], together[2]) == ["VALIDATED", "VALIDATED"]


def test_two_first_invoices_with_different_accounts_that_are_validated_together_are_pointed_out(
    desk: IntakeDesk,
) -> None:
    first, second, third = (desk.parsed(paid_to(iban)).id for iban in (KNOWN, NEW, KNOWN))
    assert judge(desk, first, second, third) == ["VALIDATED", "PARSED", "VALIDATED"]


def test_of_two_workers_at_once_neither_makes_a_new_account_known_for_the_other(desk: IntakeDesk) -> None:
    passed(desk, KNOWN)
    first, second = desk.parsed(paid_to(NEW)), desk.parsed(paid_to(NEW))
    with desk.scope() as one, desk.scope() as other:
        judge_parsed(one, [first.id], STANDARD)
        judge_parsed(other, [second.id], STANDARD)
    assert [desk.status(invoice.id) for invoice in (first, second)] == ["PARSED", "PARSED"]


def test_an_exported_invoice_makes_its_account_known_and_a_failed_one_does_not(desk: IntakeDesk) -> None:
    exported, failed = passed(desk, KNOWN), passed(desk, KNOWN, seller=Party(name="Andere AG"))
    with desk.scope() as connection:
        mark_exported(connection, [desk.version(exported)])
        mark_failed(connection, [(desk.version(failed), ProcessingError("export", "WITHDRAWN", "Taken back."))])
    assert judge(desk, desk.parsed(paid_to(NEW)).id) == ["PARSED"]
    passed(desk, NEW, seller=Party(name="Andere AG"))


@pytest.mark.parametrize(
    "accounts",
    [(), ("de02 1203 0000 0000 2020 51",), (KNOWN, NEW)],
    ids=["none", "written otherwise", "the known one first"],
)
def test_what_is_no_other_account_is_not_pointed_out(desk: IntakeDesk, accounts: tuple[str, ...]) -> None:
    passed(desk, KNOWN)
    assert not warned(desk, passed(desk, *accounts))


def test_another_seller_and_another_organization_may_have_the_account(desk: IntakeDesk, other_desk: IntakeDesk) -> None:
    passed(desk, KNOWN)
    assert not warned(desk, passed(desk, NEW, seller=Party(name="Andere AG", vat_id="DE811569869")))
    assert not warned(other_desk, passed(other_desk, NEW))


def test_an_account_that_a_person_typed_is_still_pointed_out(desk: IntakeDesk) -> None:
    passed(desk, KNOWN)
    doubtful = desk.parsed(replace(paid_to(KNOWN), number=None))
    assert judge(desk, doubtful.id) == ["PARSED"]
    decided = correct(desk, doubtful.id, number="R-77", iban=NEW)
    assert [(reason.code, reason.field) for reason in decided.reasons] == CHANGED


def test_an_account_of_absurd_length_passes_through(desk: IntakeDesk) -> None:
    passed(desk, KNOWN)
    absurd = desk.parsed(paid_to("X" * 100_000))
    assert judge(desk, absurd.id) == ["PARSED"]


@pytest.mark.parametrize("others", [0, 3_000], ids=["next to nothing", "invoices of other totals"])
def test_looking_for_what_came_before_reads_a_few_rows_of_a_seller_with_thousands(
    desk: IntakeDesk, others: int
) -> None:
    """Whatever there was when statistics were taken, as autovacuum takes them at any moment."""
    passed(desk, KNOWN)
    add_many(desk, others, gross_amount="row_number() over ()", seller_key="'another' || id")
    desk.behind("analyze intake.received_invoice")
    add_many(
        desk,
        3_000,
        gross_amount="119.00",
        seller_key="(select seller_key from intake.received_invoice where organization_id = :organization limit 1)",
    )
    desk.behind("select pg_stat_force_next_flush()")  # else what it read is counted at any time within a minute
    for iban in (KNOWN, NEW):
        invoice = desk.parsed(paid_to(iban))
        with desk.scope() as connection:
            connection.execute(text("select pg_stat_force_next_flush()"))
        with desk.scope() as connection:
            before = _rows_fetched(connection)
            judge_parsed(connection, [invoice.id], STANDARD)
            assert _rows_fetched(connection) - before < 300


def add_many(desk: IntakeDesk, count: int, *, gross_amount: str, seller_key: str) -> None:
    """Invoices of one day that have passed; the expressions are of SQL, over uploads."""
    desk.behind(
        f"""
        with uploads as (
            insert into intake.upload (organization_id, sha256, size_bytes, file_name, source, created_by)
            select :organization, encode(sha256(gen_random_uuid()::text::bytea), 'hex'), 1, i || '.xml', 'inbox', 'x'
            from generate_series(1, :count) i returning id)
        insert into intake.received_invoice (organization_id, upload_id, created_by, status, reading_json, seller_key,
                                             iban, invoice_key, invoice_number, gross_amount, issue_date, currency)
        select :organization, id, 'x', 'VALIDATED', '{{}}', {seller_key}, :iban, id::text, id::text, {gross_amount},
               '2026-03-01', 'EUR' from uploads
        """,
        count=count,
        iban=KNOWN,
    )


def _rows_fetched(connection: Any) -> int:
    return int(
        connection.execute(
            text(
                """select pg_stat_get_xact_tuples_fetched('intake.received_invoice'::regclass)
                        + pg_stat_get_xact_tuples_returned('intake.received_invoice'::regclass)
                        + (select coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0)
                           from pg_index where indrelid = 'intake.received_invoice'::regclass)"""
            )
        ).scalar_one()
    )


@settings(max_examples=example_count(12))
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([KNOWN, NEW, "GB33BUKB20201555555555"]), st.sampled_from(["accept", "reject", "leave"])
        ),
        max_size=8,
    )
)
def test_an_account_is_pointed_out_as_long_as_no_invoice_that_passed_named_it_and_another_did(
    desk: IntakeDesk, steps: list[tuple[str, str]]
) -> None:
    seller = Party(name=f"Verkäufer {uuid4()}")
    known: set[str] = set()
    for account, decision in steps:
        invoice = desk.parsed(paid_to(account, seller=seller))
        (status,) = judge(desk, invoice.id)
        assert (status == "PARSED") == warned(desk, invoice.id) == bool(known and account not in known)
        if status == "VALIDATED":
            known.add(account)
        elif decision == "accept":
            accept(desk, invoice.id)
            known.add(account)
        elif decision == "reject":
            reject(desk, invoice.id, "No.")
