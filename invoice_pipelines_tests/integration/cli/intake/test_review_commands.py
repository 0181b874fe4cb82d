"""The review lane on the command line: from an invoice that waits to one that is validated, and how commands exit."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from invoice_pipelines.database.access import open_database
from invoice_pipelines.intake.stages.stages import intake_of, parse_uploads, validate_invoices
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings
from invoice_pipelines_tests.integration.intake.review.pages import page_of
from invoice_pipelines_tests.support.terminal import Terminal, one_line


def waiting(terminal: Terminal, data: bytes, name: str = "holz [bold]wurm.pdf") -> str:
    """The id of an invoice that was uploaded, read, and waits."""
    assert terminal.acme("upload", terminal.file(name, data)).returncode == 0
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in terminal.environment.items():
            patch.setenv(variable, value)
        load_settings.cache_clear()
        settings = load_settings()
        with open_database(settings) as engine:
            intake = intake_of(OrganizationContext.of(engine, "acme", settings, "test"))
            parse_uploads(intake)
            validate_invoices(intake)
    load_settings.cache_clear()
    listed = terminal.acme("review", "list")
    ids = re.findall(r"^([0-9a-f-]{36}) ", listed.stdout, re.MULTILINE)
    assert ids, listed.stdout + listed.stderr
    return str(ids[-1])


def test_from_the_queue_to_a_validated_invoice(terminal: Terminal, tmp_path: Path) -> None:
    invoice = waiting(terminal, page_of("HW-77", "1000.00"))
    listed = terminal.acme("review", "list").stdout
    assert re.search(rf"{invoice} +\d+ min +holz \[bold\]wurm\.pdf +1,190\.00 EUR .* IP-REQ-01 number", listed)

    picture = tmp_path / "page.png"
    shown = terminal.acme("review", "show", invoice[-8:], "--picture", str(picture))
    assert shown.returncode == 0, shown.stderr
    assert re.search(r"number +IP-REQ-01 +The invoice number \(BT-1\) is missing\. +correct or reject", shown.stdout)
    assert re.search(r"gross_amount +1190\.00 +0\.9\d +text +1 +\d+,\d+,\d+,\d+ +1\.190,00 EUR", shown.stdout)
    assert re.search(r"number +\d +HW-77 +1 +450,221,481,232", shown.stdout)
    state = re.search(r"state (2\.0\.[0-9a-f]{6}),", shown.stdout)
    assert state
    assert Image.open(picture).width > 1000

    refused = terminal.acme("review", "accept", invoice)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "IP-REQ-01" in refused.stderr
    assert "cannot be accepted" in refused.stderr

    partly = terminal.acme("review", "correct", invoice, "gross_amount=1.190,01", "number=HW-77", "--seen", state[1])
    assert partly.returncode == 1
    assert f"{invoice} is PARSED." in partly.stdout
    assert re.search(r"IP-TOTAL-01: Net amount 1000\.00 \+ VAT 190\.00", partly.stdout)

    late = terminal.acme("review", "reject", invoice, "--reason", "no", "--seen", state[1])
    assert late.returncode == 2
    assert re.search(r"Somebody else decided first: command line: \S+ corrected at", late.stderr)

    done = terminal.acme("review", "correct", invoice, "gross_amount=1190.00", "--reason", "typed it wrong")
    assert done.returncode == 0, done.stderr
    assert f"{invoice} is VALIDATED." in done.stdout
    assert "Learned for this supplier: where gross_amount stands." in done.stdout

    again = terminal.acme("review", "accept", invoice)
    assert again.returncode == 2
    assert "does not wait for a review: it is validated" in again.stderr


def test_candidates_boxes_and_what_is_absent(terminal: Terminal) -> None:
    seller = {"seller": "Tischlerei Brett GmbH", "vat_id": "DE811569869"}
    invoice = waiting(terminal, page_of("TB-1", "10.00", **seller), "brett.pdf")
    shown = terminal.acme("review", "show", invoice).stdout
    number = re.search(r"number +(\d) +TB-1 ", shown)
    assert number
    done = terminal.acme(
        "review", "correct", invoice, "--candidate", f"number={number[1]}", "--absent", "buyer.name",
        "--box", "issue_date=1:440,235,560,250",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_rejected_invoice_fails(terminal: Terminal) -> None:
    seller = {"seller": "Schreinerei Span GmbH", "vat_id": "DE129273398"}
    invoice = waiting(terminal, page_of("SP-1", "10.00", **seller), "span.pdf")
    rejected = terminal.acme("review", "reject", invoice, "--reason", "not for us")
    assert rejected.returncode == 0, rejected.stderr
    assert f"{invoice} is FAILED." in rejected.stdout
    assert "not for us" in rejected.stdout
    assert "No invoice waits for a review." in terminal.acme("review", "list").stdout


def test_a_decision_is_taken_back_and_reviews_are_shared(terminal: Terminal) -> None:
    seller = {"seller": "Glaserei Scheibe GmbH", "vat_id": "DE129273398"}
    invoice = waiting(terminal, page_of("GS-1", "10.00", **seller), "scheibe.pdf")
    assert terminal.acme("review", "correct", invoice, "number=GS-1").returncode == 0
    undone = terminal.acme("review", "undo", invoice[-8:], "--reason", "a slip")
    assert undone.returncode == 0, undone.stderr
    assert f"{invoice} is PARSED." in undone.stdout
    assert "Forgotten for this supplier: where number stands." in undone.stdout
    nothing = terminal.acme("review", "undo", invoice)
    assert (nothing.returncode, "no decision on this invoice that could be undone" in nothing.stderr) == (2, True)

    assert "It is yours until" in terminal.acme("review", "claim", invoice, "--minutes", "5").stdout
    assert "It is noted." in terminal.acme("review", "note", invoice, "Called them.").stdout
    shown = terminal.acme("review", "show", invoice).stdout
    assert "is at it until" in shown
    assert "Called them." in shown
    assert invoice[-8:] in terminal.acme("review", "list", "--free").stdout
    assert "put off until" in terminal.acme("review", "postpone", invoice).stdout
    assert invoice[-8:] not in terminal.acme("review", "list", "--free").stdout
    assert "not put off any more" in terminal.acme("review", "postpone", invoice, "--hours", "0").stdout
    assert "It is free." in terminal.acme("review", "release", invoice).stdout
    assert terminal.acme("review", "reject", invoice, "--reason", "a test").returncode == 0


def test_thresholds_are_shown_and_changed(terminal: Terminal) -> None:
    shown = terminal.acme("review", "settings").stdout
    assert re.search(r"gross_amount +0\.95", shown)
    assert "48 hours" in shown
    changed = terminal.acme("review", "settings", "--threshold", "issue_date=1", "--within-hours", "24")
    assert changed.returncode == 0, changed.stderr
    assert re.search(r"issue_date +1\.00", changed.stdout)
    seller = {"seller": "Zaunbau Latte GmbH", "vat_id": "DE129273398"}
    invoice = waiting(terminal, page_of("ZL-1", "10.00", **seller), "latte.pdf")
    assert "LOW_CONFIDENCE" in terminal.acme("review", "show", invoice).stdout
    assert terminal.acme("review", "reject", invoice, "--reason", "a test").returncode == 0
    for wrong, message in (
        ("seller.name=2", "review_thresholds.seller_name"),
        ("lines=0.5", "review_thresholds.lines"),
    ):
        refused = terminal.acme("review", "settings", "--threshold", wrong)
        assert refused.returncode == 2
        assert message in refused.stderr
    terminal.acme("review", "settings", "--threshold", "issue_date=0.8")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "zzzz"], "not an id of an invoice"),
        (["show", "ffffffff"], "No invoice 'ffffffff' waits"),
        (["accept", "01a1fdf1-2d86-7724-9eb5-d5f308747938"], "There is no received invoice"),
        (["correct", "ffffffff", "gross_amount"], "is not FIELD=VALUE"),
        (["correct", "ffffffff", "number=1", "--absent", "number"], "is given twice"),
        (["correct", "ffffffff", "--box", "number=1:2"], "PAGE:LEFT,TOP,RIGHT,BOTTOM"),
        (["correct", "ffffffff", "--candidate", "number=x"], "not the number of a candidate"),
        (["reject", "ffffffff", "--reason", "x", "--seen", "yesterday"], "not the state of a review"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(terminal: Terminal, words: list[str], message: str) -> None:
    assert message in one_line(terminal.acme("review", *words))
