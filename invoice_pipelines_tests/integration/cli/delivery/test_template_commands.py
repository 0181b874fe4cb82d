"""Templates on the command line: from the project's file to an organization's own, and back."""

from __future__ import annotations

import pytest

from invoice_pipelines_tests.support.terminal import Terminal


@pytest.mark.slow
def test_a_template_is_shown_changed_checked_and_taken_back(terminal: Terminal) -> None:
    catalogue = terminal.home / "de.toml"
    assert terminal.acme("templates", "show", "texts/de.toml", "-o", str(catalogue)).returncode == 0
    content = catalogue.read_text(encoding="utf-8")
    assert terminal.acme("templates", "show", "texts/de.toml").stdout == content

    catalogue.write_text(content.replace('invoice = "Rechnung"', 'invoice = "Faktura"'), encoding="utf-8")
    stored = terminal.acme("templates", "set", str(catalogue))
    assert (stored.returncode, stored.stderr) == (0, "")
    listed = terminal.acme("templates", "list").stdout.splitlines()
    (line,) = [line for line in listed if line.startswith("texts/de.toml")]
    assert "own, instead of the project's" in line
    assert "command line" in line

    folder = terminal.home / "samples"
    checked = terminal.acme("templates", "check", "-o", str(folder))
    assert "8 samples are made" in checked.stdout
    assert "PDF/UA" not in checked.stdout
    assert {file.name for file in folder.iterdir()} >= {"invoice-de.pdf", "many-pages-en.pdf", "credit-note-de.pdf"}

    assert terminal.acme("templates", "remove", "texts/de.toml").returncode == 0
    again = terminal.acme("templates", "remove", "texts/de.toml")
    assert (again.returncode, again.stderr) == (
        2,
        "invoice-pipelines: the organization has no template file 'texts/de.toml', the project has one\n",
    )


@pytest.mark.slow
def test_a_broken_template_is_one_line_with_its_place(terminal: Terminal) -> None:
    broken = terminal.home / "notes.typ"
    broken.write_text('#import "style.typ": *\n\n#let notes(data) = say(data.nothing)\n', encoding="utf-8")
    ended = terminal.acme("templates", "set", str(broken))
    assert ended.returncode == 2
    assert ended.stderr.startswith("invoice-pipelines: notes.typ, line 3: ")
    assert len(ended.stderr.splitlines()) == 1
    assert "project" in terminal.acme("templates", "list").stdout
