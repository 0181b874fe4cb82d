"""The processes that make documents: one that hangs or dies costs the document that it was making, at most."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest

from invoice_pipelines.billing.issued_invoices import IssuedInvoice
from invoice_pipelines.delivery.documents.pool import (
    PROCESS_DIED,
    TIMEOUT,
    DocumentPool,
    PoolBounds,
    PoolError,
    warm_pool,
)
from invoice_pipelines.delivery.documents.writing import Made, NotMade, Stationery, Task, input_sha256
from invoice_pipelines.delivery.rendering.bundle import bundle_of
from invoice_pipelines.delivery.rendering.samples import sample_invoice, sample_organization
from invoice_pipelines.delivery.values import DocumentFormat

KEPT_IN = TemporaryDirectory(prefix="invoice-pipelines-test-")
LATE = b"#for a in range(100000) { for b in range(100000) { let c = a + b } }\n"


def stationery(**files: bytes) -> Stationery:
    bundle = bundle_of({f"{name}.typ": content for name, content in files.items()})
    return Stationery.of(sample_organization(), bundle, KEPT_IN.name)


def task(number: str) -> Task:
    return Task(replace(sample_invoice(), id=uuid4(), invoice_number=number), DocumentFormat.ZUGFERD, "de")


@pytest.fixture(scope="module")
def pool() -> Iterator[DocumentPool]:
    with DocumentPool(1, PoolBounds(document_seconds=1.0)) as made:
        yield made


def test_a_document_that_takes_too_long_fails_and_the_others_are_made(pool: DocumentPool) -> None:
    list(pool.make(stationery(), [task("warm")]))
    ((_, late),) = pool.make(stationery(invoice=LATE), [task("late")])  # left alone, it would take hours
    assert isinstance(late, NotMade)
    assert (late.code, late.retry) == (TIMEOUT, False)
    assert pool.process_ids() == []
    ((_, made),) = pool.make(stationery(), [task("next")])
    assert isinstance(made, Made)


def test_a_document_whose_process_dies_is_tried_once_more(pool: DocumentPool) -> None:
    list(pool.make(stationery(), [task("warm")]))
    tasks = [task(str(number)) for number in range(8)]
    answers = []
    for of_task, answer in pool.make(stationery(), tasks):
        answers.append((of_task, answer))
        if len(answers) == 3:
            os.kill(pool.process_ids()[0], signal.SIGKILL)
    assert all(isinstance(answer, Made) for _, answer in answers)
    assert {id(of_task) for of_task, _ in answers} == set(map(id, tasks))


@pytest.mark.slow
def test_a_document_that_wants_too_much_memory_fails_twice_and_may_be_tried_later() -> None:
    hungry = stationery(invoice=b'#let s = "x" * 1000\n#for a in range(100) { s = s + s }\n')
    with DocumentPool(1, PoolBounds(most_memory=800_000_000)) as pool:
        answers = list(pool.make(hungry, [task("hungry")]))
        ((_, made),) = pool.make(stationery(), [task("next")])
    ((_, died),) = answers
    assert isinstance(died, NotMade)
    assert (died.code, died.retry) == (PROCESS_DIED, True)
    assert isinstance(made, Made)


def test_a_process_that_never_starts_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    with DocumentPool(1) as pool, pytest.raises(PoolError, match="does not start"):
        list(pool.make(stationery(), [task("none")]))


def test_what_decides_a_document_is_all_that_was_issued_and_not_how_far_it_is_paid() -> None:
    given, known = task("RE-1"), stationery()
    ways = {name: replace(given.invoice, **{name: "another"}) for name in IssuedInvoice.__slots__}
    differing = {
        name
        for name, invoice in ways.items()
        if input_sha256(known, replace(given, invoice=invoice)) != input_sha256(known, given)
    }
    assert set(ways) - differing == {
        *("status", "amount_paid", "amount_credited", "amount_due"),
        *("void_reason", "voided_at", "voided_by", "created_at", "created_by", "batch_job_id"),
    }
    line = replace(given.invoice.lines[0], description="another")
    changed = replace(given.invoice, lines=(line, *given.invoice.lines[1:]))
    assert input_sha256(known, replace(given, invoice=changed)) != input_sha256(known, given)
    assert input_sha256(stationery(totals=b"// ours"), given) != input_sha256(known, given)
    assert input_sha256(known, replace(given, language="en")) != input_sha256(known, given)


def test_a_warm_pool_serves_one_after_the_other_never_two_at_once_and_its_processes_end_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Tests that ran before in this process may have left any number of pools.
    monkeypatch.setattr("invoice_pipelines.delivery.documents.pool._idle", [])
    with warm_pool(1) as first:
        list(first.make(stationery(), [task("one")]))
        pids = first.process_ids()
        with warm_pool(1) as second:
            assert second is not first
    with warm_pool(1) as again, warm_pool(1) as other:
        assert pids in (again.process_ids(), other.process_ids())
        for pool in (again, other):
            pool.end()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
