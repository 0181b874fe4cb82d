"""DATEV on the command line: from the set-up to files, what is printed, and how each command exits."""

from __future__ import annotations

import csv
import io
import shutil
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, text
from upath import UPath

from invoice_pipelines.database import organization_scope
from invoice_pipelines.intake.reading import Reading
from invoice_pipelines.intake.received_invoices import InvoiceVersion, mark_parsed, mark_validated
from invoice_pipelines.intake.stages.uploads import StoredFile, record_uploads
from invoice_pipelines.organizations import find_organization
from invoice_pipelines.storage import root_path, store_blob
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.intake.exports.datev.books import invoice, seller, tax
from invoice_pipelines_tests.support.terminal import Terminal

FILES = {
    "rules.csv": "priority;seller;account;tax_key\n;;4980;\n10;*Telefon*;4920;\n",
    "wrong_rules.csv": "account,category,rate\n4980,S,19\n49,S,190\n3400,standard,\n",
    "suppliers.csv": "account,vat_id,name\n71234,DE136695976,Muster GmbH\n",
    "moved_suppliers.csv": "account,vat_id\n71235,DE136695976\n",
    "rates.csv": 'currency,valid_from,valid_until,rate\nUSD,2026-03-01,2026-03-31,"1,0812"\n',
    "wrong_rates.csv": "currency,valid_from,rate\nEUR,2026-03-01,1\nUSD,1.3.2026,1\n",
}


def receive(engine: Engine, organization_id: UUID, originals: UPath, number: int, reading: Reading) -> None:
    """A received invoice that waits for its export."""

    def version(connection: Connection) -> InvoiceVersion:
        row = connection.execute(
            text("select id, processing_version from intake.received_invoice order by id desc limit 1")
        ).one()
        return InvoiceVersion(row.id, row.processing_version)

    sha256, size = store_blob(originals, organization_id, b"%PDF " + bytes([number]))
    with organization_scope(engine, organization_id) as connection:
        stored = [StoredFile(f"{number}.pdf", sha256, size)]
        record_uploads(connection, stored, source="command line", created_by="test")
        mark_parsed(connection, [(version(connection), reading)])
        mark_validated(connection, [version(connection)])


@pytest.fixture(scope="module")
def terminal(terminal: Terminal, module_database: TestDatabase) -> Terminal:
    """A terminal in a home with an organization, four validated invoices and the files."""
    for name, content in FILES.items():
        terminal.file(name, content)
    engine = module_database.engine
    organization = find_organization(engine, "acme")
    readings = [
        invoice(number="R-1"),
        invoice(number="R-2", seller=seller("Telefon AG", "DE129273398")),
        invoice(tax("100.00", "20.00", rate="20"), number="R-3 [bold]", seller=seller("Ltd", "FR83404833048")),
        invoice(number="R-4", currency="USD"),
    ]
    for number, reading in enumerate(readings):
        receive(engine, organization.id, root_path(str(terminal.home / "originals")), number, reading)
    return terminal


def from_the_set_up_to_files(terminal: Terminal) -> None:
    def file(name: str) -> str:
        return str(terminal.home / name)

    ended = terminal.acme("datev", "rules", "import", file("rules.csv"))
    assert (ended.returncode, "datev set-up" in ended.stderr) == (2, True)
    ended = terminal.acme("datev", "set-up", "--consultant", "7", "--client", "0", "--chart", "SKR99")
    assert ended.returncode == 2
    assert all(word in ended.stderr for word in ("consultant", "client", "chart"))
    ended = terminal.acme("datev", "set-up", "--consultant", "29098", "--client", "55003", "--chart", "SKR03")
    assert ended.returncode == 0
    assert "29098" in ended.stdout

    ended = terminal.acme("datev", "rules", "import", file("wrong_rules.csv"))
    assert ended.returncode == 1
    assert all(word in ended.stdout for word in ("3  account", "190", "standard", "nothing was changed"))
    ended = terminal.acme("datev", "rules", "import", file("rules.csv"))
    assert (ended.returncode, ended.stdout.splitlines()[0]) == (0, "2 rules apply from now on.")
    listed = terminal.acme("datev", "rules", "list").stdout
    assert listed.index("4920") < listed.index("4980")

    assert terminal.acme("datev", "suppliers", "import", file("suppliers.csv")).returncode == 0
    assert terminal.acme("datev", "suppliers", "import", file("suppliers.csv")).returncode == 0
    ended = terminal.acme("datev", "suppliers", "import", file("moved_suppliers.csv"))
    assert (ended.returncode, "71234" in ended.stdout) == (1, True)
    assert terminal.acme("datev", "rates", "import", file("wrong_rates.csv")).returncode == 1

    for words in (("export", "preview"), ("export", "run", "--dry-run")):
        ended = terminal.acme(*words)
        assert ended.returncode == 1
        assert "DATEV: 2 invoices, 2 bookings." in ended.stdout
        assert all(word in ended.stdout for word in ("71234", "70000", "TAX_KEY", "NO_RATE", "R-3 [bold]"))
    assert not (terminal.home / "exports").exists()

    ended = terminal.acme("export", "run")
    assert ended.returncode == 1
    assert "4 invoices exported." in ended.stdout
    assert "2 invoices cannot be booked" in ended.stdout
    ended = terminal.acme("datev", "waiting")
    assert (ended.returncode, "NO_RATE" in ended.stdout) == (1, True)
    ended = terminal.acme("datev", "rates", "import", file("rates.csv"))
    assert (ended.returncode, "2 invoices" in ended.stdout) == (0, True)
    ended = terminal.acme("export", "run")
    assert "0 invoices exported." in ended.stdout
    names = sorted(path.name for path in (terminal.home / "exports" / "acme").iterdir())
    assert [name.split("_")[0] for name in names] == ["EXTF", "EXTF", "acme", "acme", "acme", "acme"]
    assert "Telefon AG" in terminal.acme("datev", "suppliers", "list").stdout


def lost_files_are_written_again_as_they_were(terminal: Terminal) -> None:
    folder = terminal.home / "exports"
    before = {path.name: path.read_bytes() for path in folder.rglob("*000002*")}
    assert len(before) == 2
    shutil.move(folder, terminal.home / "lost")
    assert terminal.acme("export", "rewrite", "2").returncode == 0
    assert {path.name: path.read_bytes() for path in folder.rglob("*.*")} == before
    shutil.rmtree(folder)
    shutil.move(terminal.home / "lost", folder)
    ended = terminal.acme("export", "rewrite", "1")
    assert (ended.returncode, "no completed DATEV export 1" in ended.stderr) == (2, True)


def invoices_are_exported_again_by_their_ids(terminal: Terminal) -> None:
    path = next((terminal.home / "exports").rglob("*_invoices.csv"))
    rows = csv.DictReader(io.StringIO(path.read_bytes().decode(), newline=""))
    ids = [row["invoice_record_id"] for row in rows]
    ended = terminal.acme("export", "again", *ids[:1])
    assert (ended.returncode, "1 invoices wait" in ended.stdout) == (0, True)
    ended = terminal.acme("export", "again", *ids[:1])
    assert ended.returncode == 1
    ended = terminal.acme("export", "formats", "CSV")
    assert ended.returncode == 0
    assert "1 invoices exported." in terminal.acme("export", "run").stdout
    assert terminal.acme("export", "formats").returncode == 0
    assert terminal.acme("datev", "book", "--since", "2026-01-01").returncode == 0


def test_the_life_of_exports_from_set_up_to_rewriting(terminal: Terminal) -> None:
    """Each part goes on where the one before it ended."""
    from_the_set_up_to_files(terminal)
    lost_files_are_written_again_as_they_were(terminal)
    invoices_are_exported_again_by_their_ids(terminal)
