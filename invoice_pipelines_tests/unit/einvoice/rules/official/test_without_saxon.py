"""Whoever has no official files needs neither Saxon nor another judge, and whoever has is told what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from invoice_pipelines.einvoice import Profile, Syntax, write
from invoice_pipelines_tests.support.einvoice.sound import sound_invoice
from invoice_pipelines_tests.unit.einvoice.rules.rule_sheets import failed, install

_MISSING = """
import sys
sys.modules["saxonche"] = sys.modules["einvoice"] = None  # as where the extra is not installed
"""
_VALIDATE = f"""{_MISSING}
from datetime import date
from pathlib import Path
from invoice_pipelines.intake.files.validate_report import validate_report
for name in sys.argv[1:]:
    report = validate_report(Path(name), name, today=date(2026, 2, 2))
    assert report["officially_valid"] or "1p0" in Path(name).read_text("utf-8"), report
    assert "IP-RULES-01" not in {{violation["rule"] for violation in report["violations"]}}
loaded = {{"sqlalchemy", "psycopg", "dagster"}} & set(sys.modules)
assert not loaded, loaded
"""
_WITH_FILES = f"""{_MISSING}
from pathlib import Path
from invoice_pipelines.einvoice import validate
from invoice_pipelines.einvoice.rules.official.rule_files import RulesDirectoryError
try:
    validate(Path(sys.argv[1]).read_bytes(), rules_directory=Path(sys.argv[2]))
except RulesDirectoryError as error:
    print(error)
"""
PEPPOL = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0"


@pytest.fixture
def documents(tmp_path: Path) -> list[Path]:
    """One of each usage and syntax; those in profiles of Factur-X have more in them than their profile takes."""
    made = []
    for syntax in (Syntax.UBL, Syntax.CII):
        for profile in Profile:
            xml = write(sound_invoice("S", profile), syntax)
            made.append(tmp_path / f"{profile.name}.{syntax}.xml")
            made[-1].write_bytes(xml)
    peppol = tmp_path / "peppol.xml"
    xrechnung = made[1].read_text("utf-8")
    peppol.write_text(xrechnung.replace(Profile.XRECHNUNG, PEPPOL).replace('schemeID="EM"', 'schemeID="9930"'), "utf-8")
    for name in ("minimum", "basicwl", "extended"):
        made.append(tmp_path / f"{name}.xml")
        made[-1].write_text(_as_profile(made[2].read_text("utf-8"), name), "utf-8")
    return [*made, peppol]


def _as_profile(xml: str, profile: str) -> str:
    return xml.replace(f">{Profile.EN16931}<", f">urn:factur-x.eu:1p0:{profile}<")


def test_e_invoices_are_judged_without_the_extra_and_without_the_database(documents: list[Path]) -> None:
    subprocess.run([sys.executable, "-c", _VALIDATE, *map(str, documents)], check=True)


def test_who_has_official_files_and_no_extra_is_told_how_to_install_it(documents: list[Path], tmp_path: Path) -> None:
    install(tmp_path / "official", failed("no number"))
    command = [sys.executable, "-c", _WITH_FILES, str(documents[0]), str(tmp_path / "official")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "pip install 'invoice-pipelines[rules]'" in said
