"""No document costs more than it may, whatever is in it, and none passes because its judge was ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.rules import judge
from invoice_pipelines.einvoice.rules.judge import Bounds, end_judge
from invoice_pipelines.einvoice.rules.verdict import LISTED, Severity, Verdict, Violation, ViolationClass, listed
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.files.validate_report import validate_report
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.validate import validate
from invoice_pipelines_tests.support.intake.validation import hostile
from invoice_pipelines_tests.support.intake.validation.specimens import CII, TODAY, UBL

APART = Bounds(small=0)


@pytest.fixture(scope="module", autouse=True)
def _no_judge_is_left() -> Iterator[None]:
    yield
    end_judge()


def verdict_on(xml: bytes) -> Verdict:
    return validate(read_document(xml), Expectations(today=TODAY))


def cpu_seconds() -> float:
    """Of this process and of those it has ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def test_empty_lines_cost_little_and_end_at_the_schema() -> None:
    before = cpu_seconds()
    verdict = verdict_on(hostile.with_empty_lines(5000))
    end_judge()
    assert cpu_seconds() - before < 10
    assert not verdict.valid
    assert {violation.rule for violation in verdict.violations} >= {"XSD", "IP-RULES-03", "IP-LIMIT-01"}
    assert not any(violation.rule.startswith("BR-") for violation in verdict.violations)


def test_one_mistake_in_each_of_many_lines_is_told_two_hundred_times_and_counted() -> None:
    before = cpu_seconds()
    verdict = verdict_on(hostile.with_lines(1500, unit="wrong"))
    end_judge()
    assert cpu_seconds() - before < 5
    assert [violation.rule for violation in verdict.violations] == ["BR-CL-23"] * LISTED + ["IP-LIMIT-01"]
    summary = verdict.violations[-1]
    assert summary.severity is Severity.FATAL
    assert summary.message == "1,300 more violations are not listed: BR-CL-23 1,300 times."
    assert summary.message_de == "1.300 weitere Verstöße sind nicht aufgeführt: BR-CL-23 1.300-mal."
    assert verdict.violations[150].location == "/Invoice[1]/cac:InvoiceLine[151]/cbc:InvoicedQuantity[1]"


def test_a_large_invoice_in_order_is_valid() -> None:
    assert verdict_on(hostile.with_lines(400)).violations == ()
    assert judge._kept is not None, "it was judged by a process of its own"


@pytest.mark.slow
def test_the_largest_invoice_stays_below_a_gigabyte() -> None:
    program = f"""
import resource, sys
from datetime import date
from invoice_pipelines.intake.documents import read_document
from invoice_pipelines.intake.validation.content import Expectations
from invoice_pipelines.intake.validation.validate import validate
from invoice_pipelines.einvoice.rules.judge import end_judge
from invoice_pipelines_tests.support.intake.validation.hostile import with_lines
verdict = validate(read_document(with_lines(19_000)), Expectations(today=date({TODAY.year}, 3, 31)))
end_judge()
own, judge = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(verdict.valid, own + judge < 1_000_000)
"""
    # By way of a shell: Linux counts the memory of whoever starts a process as its peak, and tests hold a lot of it.
    shell = ["sh", "-c", '"$0" -c "$1"; exit $?', sys.executable, program]
    done = subprocess.run(shell, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.split() == ["True", "True"]


@pytest.mark.parametrize(
    ("xml", "says"),
    [
        (hostile.with_total(1_000_000), "cbc:TaxInclusiveAmount has 1,000,000 characters; at most 100"),
        (hostile.with_total(101), "cbc:TaxInclusiveAmount has 101 characters"),
        (hostile.with_telephone("0" * 60_000), "cac:Contact/cbc:Telephone has 60,000 characters; at most 4,000"),
        (hostile.with_telephone("0<!-- -->" * 5000), "cbc:Telephone has 5,000 characters"),
        (UBL.replace("Schrauben", "<![CDATA[" + "x" * 4001 + "]]>").encode(), "cbc:Name has 4,001 characters"),
        (UBL.replace('unitCode="C62"', f'unitCode="{"x" * 5000}"').encode(), "attribute unitCode"),
        (UBL.replace("UTF-8", "UTF-16").replace(">119.00</cbc:Pay", f">{'1' * 101}</cbc:Pay").encode("utf-16"), "101"),
        (CII.replace("Schrauben", "x" * 5000).encode(), "ram:SpecifiedTradeProduct/ram:Name has 5,000"),
    ],
    ids=["1 MB of digits", "101 digits", "telephone", "comments between", "CDATA", "attribute", "UTF-16", "CII"],
)
def test_a_text_that_is_too_long_is_refused_before_anything_is_stored(xml: bytes, says: str) -> None:
    began = time.process_time()
    with pytest.raises(ReadingError) as refusal:
        read_document(xml)
    assert time.process_time() - began < 1
    assert refusal.value.code == "XML_TEXT_TOO_LONG"
    assert says in refusal.value.message


def test_notes_and_attachments_may_be_long() -> None:
    note = f"<cbc:Note>{'Lieferbedingungen. ' * 5000}</cbc:Note>"
    attachment = (
        "<cac:AdditionalDocumentReference><cbc:ID>1</cbc:ID><cac:Attachment><cbc:EmbeddedDocumentBinaryObject "
        f'mimeCode="application/pdf" filename="a.pdf">{"QUJD" * 100_000}</cbc:EmbeddedDocumentBinaryObject>'
        "</cac:Attachment></cac:AdditionalDocumentReference>"
    )
    xml = UBL.replace("<cbc:DocumentCurrency", note + "<cbc:DocumentCurrency")
    assert verdict_on(xml.replace("<cac:AccountingSupplier", attachment + "<cac:AccountingSupplier").encode()).valid


@pytest.mark.parametrize("length", [4000, 300])
def test_a_long_account_and_vat_identifier_are_wrong_ones(length: int) -> None:
    reading = read_document(UBL.replace("DE136695976", "DE" + "1" * (length - 2)).encode())
    found = {violation.rule for violation in validate(reading, Expectations(today=TODAY)).violations}
    assert "IP-VAT-01" in found


def test_a_document_that_takes_too_long_is_not_passed_and_the_next_one_is_judged() -> None:
    bounds = replace(APART, seconds=1)
    (violation,) = judge.judge(hostile.with_lines(30_000), None, bounds).violations
    assert (violation.rule, violation.severity) == ("IP-RULES-02", Severity.FATAL)
    assert violation.violation_class is ViolationClass.BUSINESS_RULE
    assert "within 1 seconds" in violation.message
    assert "innerhalb von 1 Sekunden" in violation.message_de
    assert judge.judge(UBL.encode(), None, bounds).violations == ()


def test_a_document_that_takes_too_much_memory_is_not_passed() -> None:
    (violation,) = judge.judge(hostile.with_lines(4000), None, replace(APART, memory=70_000_000)).violations
    assert (violation.rule, violation.severity) == ("IP-RULES-02", Severity.FATAL)
    assert "70 MB" in violation.message


def test_the_process_says_what_this_process_says_and_is_started_again_when_somebody_kills_it() -> None:
    wrong = UBL.replace(">119.00</cbc:TaxInc", ">118.00</cbc:TaxInc").encode()
    assert judge.judge(wrong, None, APART) == judge.judge(wrong, None)
    assert judge.judge(CII.encode(), None, APART) == judge.judge(CII.encode(), None)
    with pytest.raises(ReadingError) as refusal:
        judge.judge(b"<a", None, APART)
    assert refusal.value.code == "XML_MALFORMED"
    assert judge._kept is not None
    os.kill(judge._kept[0].pid, signal.SIGKILL)
    assert judge.judge(UBL.encode(), None, APART).violations == ()


def test_a_fatal_violation_is_listed_before_any_number_of_others() -> None:
    def violation(rule: str, severity: Severity, times: int = 1) -> Violation:
        return Violation(rule, severity, ViolationClass.CONTENT, "a" * 5000, "b", times=times)

    many = [violation("W", Severity.WARNING) for _ in range(300)]
    told = listed([*many, violation("F", Severity.FATAL)])
    assert [each.rule for each in told].count("F") == 1
    assert len(told) == LISTED + 1
    assert told[-1].severity is Severity.WARNING
    assert all(len(each.message) < 1100 for each in told)
    assert listed([*[violation("F", Severity.FATAL)] * 300, *many])[-1].severity is Severity.FATAL
    assert [each.times for each in listed([violation("F", Severity.FATAL, times=3)])] == [1, 2]


def test_every_door_says_so(tmp_path: Path) -> None:
    path = tmp_path / "long.xml"
    path.write_bytes(hostile.with_total(1000))
    (violation,) = validate_report(path, "long.xml", today=date(2026, 3, 31))["violations"]
    assert (violation["rule"], violation["class"]) == ("XML_TEXT_TOO_LONG", "format")
