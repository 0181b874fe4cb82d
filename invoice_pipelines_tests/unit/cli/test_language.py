"""The terminal speaks English or German about documents: as asked, else as the environment says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.support.terminal import Terminal


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("language")
    (folder / "wrong.xml").write_text(UBL.replace(">119.00</cbc:TaxInc", ">120.00</cbc:TaxInc"), encoding="utf-8")
    (folder / "empty.xml").write_bytes(b"")
    return folder


def said(folder: Path, *words: str, **variables: str) -> str:
    done = Terminal(folder).run(*words, str(folder), **{"LC_ALL": "", "LC_MESSAGES": "", "LANG": "", **variables})
    assert done.returncode == 1, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("words", "variables", "german"),
    [
        (["--language", "de"], {}, True),
        ([], {"LANG": "de_DE.UTF-8"}, True),
        ([], {"LANG": "en_US.UTF-8", "LC_ALL": "de_AT"}, True),
        ([], {"LANG": "de_DE.UTF-8", "LC_MESSAGES": "C"}, False),
        (["--language", "en"], {"LANG": "de_DE.UTF-8"}, False),
        ([], {}, False),
    ],
)
def test_validate_and_read_speak_as_asked(
    folder: Path, words: list[str], variables: dict[str, str], german: bool
) -> None:
    validated = said(folder, "validate", *words, **variables)
    assert ("nicht gültig  wrong.xml" in validated) == german
    assert ("Fehler IP-TOTAL-01 (Inhaltsfehler): Nettobetrag 100,00" in validated) == german
    assert ("Die Datei ist leer" in validated) == german
    assert ("The file is empty" in validated) != german
    assert ("EMPTY_FILE: Die Datei ist leer" in said(folder, "read", *words, **variables)) == german


def test_programs_get_english_unless_they_ask(folder: Path) -> None:
    by_default = said(folder, "validate", "--jsonl", LANG="de_DE.UTF-8")
    assert "Net amount 100.00" in by_default
    asked = said(folder, "validate", "--jsonl", "--language", "de")
    assert "Nettobetrag 100,00" in asked
    rules = [[v["rule"] for v in json.loads(line)["violations"]] for line in asked.splitlines()]
    assert rules == [[v["rule"] for v in json.loads(line)["violations"]] for line in by_default.splitlines()]
