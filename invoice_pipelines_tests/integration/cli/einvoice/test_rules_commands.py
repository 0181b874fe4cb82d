"""The commands of `rules`, as a person types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.support.terminal import Terminal
from invoice_pipelines_tests.unit.einvoice.rules.rule_sheets import failed, install


@pytest.fixture
def nowhere(tmp_path: Path) -> Terminal:
    """A terminal in an empty home, without a database."""
    return Terminal(tmp_path)


@pytest.fixture
def invoices(tmp_path: Path) -> Path:
    folder = tmp_path / "inbox"
    folder.mkdir()
    (folder / "right.xml").write_text(UBL, encoding="utf-8")
    (folder / "wrong.xml").write_text(UBL.replace("119.00", "120.00"), encoding="utf-8")
    (folder / "notes.txt").write_text("no invoice", encoding="utf-8")
    return folder


def test_compare_shows_every_difference_and_how_many_documents_agree(nowhere, invoices, tmp_path):
    pytest.importorskip("saxonche", reason="official files need the extra rules")
    install(tmp_path / "official", failed("no number"))
    shown = nowhere.run("rules", "compare", str(invoices), "--official", str(tmp_path / "official"))
    assert shown.returncode == 1
    assert "BR-02: only the official rules find (fatal): no number" in shown.stdout
    assert "BR-CO-15: only our rules find (fatal)" in shown.stdout
    assert "2 documents: the same verdict on 1" in shown.stdout

    # A folder of the paths that holds official files is taken for them.
    as_json = nowhere.run("rules", "compare", str(invoices), str(tmp_path / "official"), "--json")
    *differences, total = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert {(each["file"].rpartition("/")[2], each["rule"], each["found_by"]) for each in differences} >= {
        ("right.xml", "BR-02", "official"),
        ("wrong.xml", "BR-02", "official"),
        ("wrong.xml", "BR-CO-15", "ours"),
    }
    assert total["documents"] == 2
    assert {"rule": "BR-02", "found_by": "official", "documents": 2} in total["rules"]


def test_compare_says_what_it_misses(nowhere, invoices, tmp_path):
    without = nowhere.run("rules", "compare", str(invoices))
    assert without.returncode == 2
    assert "name the folder with the official rule files" in without.stderr
    (tmp_path / "none").mkdir()
    empty = nowhere.run("rules", "compare", str(invoices), "--official", str(tmp_path / "none"))
    assert empty.returncode == 2
    assert "holds none of" in empty.stderr


def test_rules_are_listed_and_explained_without_a_file(nowhere):
    shown = nowhere.run("rules", "list", "--rule", "br-co-1", "--json")
    found = [json.loads(line) for line in shown.stdout.splitlines()]
    assert {each["rule"] for each in found} == {f"BR-CO-{number}" for number in range(10, 20)}
    assert all(
        {"severity", "class", "rules_of", "syntaxes", "source", "message", "message_de"} <= set(e) for e in found
    )
    assert "10 rules" in nowhere.run("rules", "list", "--rule", "BR-CO-1").stdout
    assert nowhere.run("rules", "list", "--rule", "BR-CO-15").stdout.rstrip().endswith("1 rule")

    explained = nowhere.run("validate", "--explain", "BR-CO-15", "--language", "de")
    assert explained.returncode == 0
    assert "Geschäftsregelfehler" in explained.stdout
    unknown = nowhere.run("validate", "--explain", "BR-CO-99")
    assert (unknown.returncode, "there is no rule 'BR-CO-99'" in unknown.stderr) == (2, True)
    without = nowhere.run("validate")
    assert (without.returncode, "name the files or folders" in without.stderr) == (2, True)
