"""The traps of SaxonC: hostile XML, threads, rules that die, findings without id or flag."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from invoice_pipelines.einvoice.errors import ReadingError
from invoice_pipelines.einvoice.rules.judging import business_rules
from invoice_pipelines.einvoice.rules.official.rule_files import RulesDirectoryError
from invoice_pipelines.einvoice.rules.official.schematron import SheetError, run_sheet
from invoice_pipelines.einvoice.rules.verdict import Severity, ViolationClass
from invoice_pipelines.einvoice.rules.xml_document import parse
from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.unit.einvoice.rules.rule_sheets import failed, install

DOCTYPE = '<?xml version="1.0"?><!DOCTYPE Invoice [<!ENTITY secret SYSTEM "file://{path}">]>'


def with_entity(path: Path) -> bytes:
    body = UBL.split("?>", 1)[1].replace("2026-001", "&secret;")
    return (DOCTYPE.format(path=path) + body).encode()


def test_a_document_type_declaration_is_refused_before_any_rule_sees_it(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("top-secret")
    with pytest.raises(ReadingError) as refusal:
        business_rules(with_entity(secret))
    assert refusal.value.code == "XML_DOCTYPE"
    assert "top-secret" not in refusal.value.message


def test_rules_cannot_be_led_to_read_a_file_by_the_document(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("top-secret")
    install(tmp_path, failed('<xsl:value-of select="string(/)"/>'))
    inclusion = f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{secret}" parse="text"/>'
    found = business_rules(UBL.replace("<cbc:ID>1<", f"{inclusion}<cbc:ID>1<").encode(), rules_directory=tmp_path)
    assert "top-secret" not in found[0].message


def test_many_threads_may_validate_at_once() -> None:
    program = """
import concurrent.futures as futures
from invoice_pipelines.einvoice.rules.judging import business_rules
from invoice_pipelines_tests.support.intake.validation.specimens import CII, UBL
wrong = UBL.replace("119.00", "120.00")
with futures.ThreadPoolExecutor(8) as pool:
    results = list(pool.map(business_rules, [UBL.encode(), wrong.encode(), CII.encode()] * 20))
print([sorted({v.rule for v in result}) for result in results[:3]], len(results))
"""
    # In a process of its own: several processors in threads would abort the whole process, and this test run with it.
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert (result.returncode, result.stdout.strip()) == (0, "[[], ['BR-CO-15'], []] 60"), result.stderr


@pytest.mark.parametrize(
    "broken",
    [
        UBL.replace(
            '<cbc:PayableAmount currencyID="EUR">119.00</cbc:PayableAmount>',
            '<cbc:PayableAmount currencyID="EUR">119.00</cbc:PayableAmount>' * 2,
        ),
        UBL.replace(
            '<cbc:PayableAmount currencyID="EUR">119.00</cbc:PayableAmount>',
            '<cbc:PayableAmount currencyID="EUR">lots</cbc:PayableAmount>',
        ),
    ],
    ids=["two amounts due", "amount is a word"],
)
def test_a_rule_that_dies_on_a_document_makes_it_invalid_and_prints_nothing(
    broken: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (violation,) = business_rules(broken.encode())
    assert violation.rule == "IP-RULES-01"
    assert violation.severity is Severity.FATAL
    assert violation.violation_class is ViolationClass.BUSINESS_RULE
    assert "\n" not in violation.message
    assert capfd.readouterr() == ("", "")


def test_after_a_rule_died_the_next_document_is_judged_as_ever() -> None:
    business_rules(UBL.replace(">119.00</cbc:PayableAmount>", ">x</cbc:PayableAmount>").encode())
    assert business_rules(UBL.encode()) == ()


def test_rule_ids_and_places_are_readable(tmp_path: Path) -> None:
    sheet = install(tmp_path, failed("[BR-CO-15]-Total must tie.", 'id="FX-SCH-A-000123"') + failed("No id", ""))
    named, unnamed = run_sheet(sheet, parse(UBL.encode()).tree)
    assert (named.rule, named.flag, named.text) == ("BR-CO-15", None, "Total must tie.")
    assert named.location == "/Invoice/ID[1]"
    assert (unnamed.rule, unnamed.text) == ("UNNAMED", "No id")


@pytest.mark.parametrize(
    ("attributes", "severity"),
    [
        ('id="BR-02" flag="fatal"', Severity.FATAL),
        ('id="BR-02" flag="error"', Severity.FATAL),
        ('id="BR-02" flag="warning"', Severity.WARNING),
        ('id="BR-02" flag="information"', Severity.INFORMATION),
        ('id="BR-02"', Severity.FATAL),
        ('id="FX-SCH-A-000123"', Severity.WARNING),
        ('id="BR-02" flag="something new"', Severity.FATAL),
    ],
)
def test_every_flag_has_a_severity_and_an_unknown_one_is_fatal(
    tmp_path: Path, attributes: str, severity: Severity
) -> None:
    install(tmp_path, failed("text", attributes))
    (violation,) = business_rules(UBL.encode(), rules_directory=tmp_path)
    assert violation.severity is severity


UNKNOWN_CURRENCY = (
    "<xsl:if test=\"not(document('codes.xml')/codes/code[. = 'EUR'])\">" + failed("[BR-99]-No such code.") + "</xsl:if>"
)


def test_the_code_lists_of_a_sheet_hold_as_long_as_the_sheet(tmp_path: Path) -> None:
    sheet = install(tmp_path, UNKNOWN_CURRENCY)
    codes = sheet.with_name("codes.xml")
    codes.write_text("<codes><code>EUR</code></codes>")
    assert business_rules(UBL.encode(), rules_directory=tmp_path) == ()
    codes.write_text("<codes/>")
    assert business_rules(UBL.encode(), rules_directory=tmp_path) == ()


def test_a_code_that_is_not_in_its_list_is_found(tmp_path: Path) -> None:
    install(tmp_path, UNKNOWN_CURRENCY).with_name("codes.xml").write_text("<codes><code>USD</code></codes>")
    assert [v.rule for v in business_rules(UBL.encode(), rules_directory=tmp_path)] == ["BR-99"]


def test_a_code_list_that_is_missing_is_no_pass(tmp_path: Path) -> None:
    install(tmp_path, UNKNOWN_CURRENCY)
    (violation,) = business_rules(UBL.encode(), rules_directory=tmp_path)
    assert (violation.rule, violation.severity) == ("IP-RULES-01", Severity.FATAL)


IN_DEFAULT_MODE = '<xsl:template match="*:TaxTotal"{attributes}>' + failed("[BR-99]-Found.") + "</xsl:template>"
WALK = "<xsl:apply-templates/>"


@pytest.mark.parametrize(
    "rule",
    [
        IN_DEFAULT_MODE.format(attributes=""),
        IN_DEFAULT_MODE.format(attributes=' mode="#all"'),
        IN_DEFAULT_MODE.format(attributes=' mode="M1 #default"'),
        '<xsl:template match="text()">' + failed("[BR-99]-Found.") + "</xsl:template>",
    ],
    ids=["no mode", "all modes", "several modes", "texts"],
)
def test_a_rule_in_the_default_mode_of_a_sheet_is_asked(tmp_path: Path, rule: str) -> None:
    sheet = install(tmp_path, WALK)
    sheet.write_text(sheet.read_text("utf-8").replace("</xsl:stylesheet>", rule + "</xsl:stylesheet>"), "utf-8")
    assert {v.rule for v in business_rules(UBL.encode(), rules_directory=tmp_path)} == {"BR-99"}


@pytest.mark.parametrize("instruction", ["import", "include"])
def test_a_rule_in_the_default_mode_of_another_file_is_asked(tmp_path: Path, instruction: str) -> None:
    sheet = install(tmp_path, WALK)
    head = '<xsl:stylesheet version="2.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform"'
    sheet.with_name("part.xslt").write_text(
        f'{head} xmlns:svrl="http://purl.oclc.org/dsdl/svrl">{IN_DEFAULT_MODE.format(attributes="")}</xsl:stylesheet>'
    )
    other = f'<xsl:{instruction} href="part.xslt"/><xsl:template match="/">'
    sheet.write_text(sheet.read_text("utf-8").replace('<xsl:template match="/">', other), "utf-8")
    assert {v.rule for v in business_rules(UBL.encode(), rules_directory=tmp_path)} == {"BR-99"}


def test_a_sheet_without_a_report_is_no_pass(tmp_path: Path) -> None:
    sheet = install(tmp_path, "")
    sheet.write_text(sheet.read_text("utf-8").replace("<svrl:schematron-output></svrl:schematron-output>", ""), "utf-8")
    with pytest.raises(SheetError):
        run_sheet(sheet, parse(UBL.encode()).tree)


def test_a_rule_file_that_cannot_be_compiled_is_the_operators_fault_and_not_the_documents(tmp_path: Path) -> None:
    install(tmp_path, "<xsl:nonsense/>")
    with pytest.raises(RulesDirectoryError, match=r"EN16931-UBL-validation\.xslt cannot be compiled"):
        business_rules(UBL.encode(), rules_directory=tmp_path)
