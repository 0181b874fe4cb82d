"""Documents and messages in bulk on the command line: asked for with the invoices, afterwards, and done in one go."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines_tests.support.terminal import Terminal, one_line

FILES = {
    "tax_rates": "tax_category,rate,name\nS,19,19 %\n",
    "customers": "customer_number,name,country_code,city,email\nC1,Eins GmbH,DE,Köln,eins@kunde.example\n"
    "C2,Zwei,DE,Bonn,\n",
    "orders": "order_number,customer_number,order_date,description,quantity,unit_price,tax_category,tax_rate\n"
    "O1,C1,2026-01-05,Work,1,80,S,19\nO2,C2,2026-01-05,Work,1,80,S,19\nO3,C1,2026-01-06,Work,2,80,S,19\n",
}


def import_files(terminal: Terminal, **files: str) -> None:
    """Enters what FILES say, or other ones."""
    for name, content in (FILES | files).items():
        imported = terminal.acme(name.replace("_", "-"), "import", terminal.file(f"{name}.csv", content))
        assert imported.returncode == 0, imported.stdout + imported.stderr


@pytest.fixture(scope="module")
def terminal(terminal: Terminal, mail: MailServer) -> Terminal:
    """A terminal of an organization with three orders, one of a customer without an address."""
    terminal.environment |= {**mail.environment, "INVOICE_PIPELINES_DOCUMENT_PROCESSES": "1"}
    import_files(terminal)
    return terminal


def test_invoices_are_issued_made_and_sent_and_what_could_not_be_sent_says_why(
    terminal: Terminal, mail: MailServer, tmp_path: Path
) -> None:
    issued = terminal.acme("batch", "invoices", "--all-open", "--generate-pdf", "--now")
    assert issued.returncode == 0, issued.stderr
    (job,) = re.findall(r"Batch job ([0-9a-f-]{36})", issued.stdout)
    assert '"generate_pdf": true' in terminal.acme("batch", "show", job).stdout
    waiting = re.search(r"acme +3 +none", terminal.run("status").stdout)
    assert waiting, "three documents are to be made"

    made = terminal.acme("batch", "documents", "--job", job, "--combined", "--folder", str(tmp_path), "--now")
    assert made.returncode == 0, made.stderr
    (combined,) = tmp_path.glob("*.pdf")
    (making,) = re.findall(r"Batch job ([0-9a-f-]{36})", made.stdout)
    shown = terminal.acme("batch", "show", making, "--folder", str(tmp_path / "again"))
    assert f"{combined.name}: 3 documents" in shown.stdout
    assert (tmp_path / "again" / combined.name).read_bytes() == combined.read_bytes()
    (file,) = json.loads(terminal.acme("batch", "show", making[-8:], "--json").stdout)["files"]
    assert (file["kind"], file["file_name"], file["documents"]) == ("combined_pdf", combined.name, 3)

    sent = terminal.acme("batch", "communications", "--job", job, "--method", "email", "--no-pdf", "--now")
    assert sent.returncode == 1, sent.stderr
    assert re.search(r"completed_with_errors +3 +2 +1", sent.stdout)
    assert re.search(r"NO_ADDRESS +1", sent.stdout)
    assert mail.count() == 2
    (sending,) = re.findall(r"Batch job ([0-9a-f-]{36})", sent.stdout)
    again = terminal.acme("batch", "communications", "--job", job, "--method", "email", "--now")
    assert re.search(r"completed_with_errors +3 +0 +1 +2", again.stdout)
    assert mail.count() == 2

    better = terminal.file("better.csv", "customer_number,name,country_code,email\nC2,Zwei,DE,zwei@kunde.example\n")
    assert terminal.acme("customers", "import", better).returncode == 0
    retried = terminal.acme("batch", "retry", sending, "--now")
    assert retried.returncode == 0, retried.stdout
    assert [len(mail.messages(f"{who}@kunde.example")) for who in ("eins", "zwei")] == [2, 1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "--invoices FILE or --job JOB"),
        (["--job", "7"], "'7' is not the id of a batch job"),
        (["--job", "00000000-0000-0000-0000-000000000000"], "There is no batch job"),
        (["--invoices", "-", "--now", "--wait"], "--now or --wait"),
        (["--invoices", "/does/not/exist"], "/does/not/exist"),
        (["--job", "7", "--language", "german"], "language"),
        (["--job", "7", "--method", "fax"], "--method"),
    ],
)
def test_what_cannot_be_sent_like_that_is_one_line(terminal: Terminal, words: list[str], expected: str) -> None:
    method = [] if "--method" in words else ["--method", "email"]
    assert expected in one_line(terminal.acme("batch", "communications", *method, *words))
