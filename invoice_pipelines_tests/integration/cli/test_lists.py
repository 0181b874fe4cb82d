"""Every noun is listed and shown: for people in terminals of any width, page by page, and for programs as JSON."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text

from invoice_pipelines.cli.output import console
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines_tests.conftest import PROJECT, TestDatabase
from invoice_pipelines_tests.integration.intake.review.pages import page_of
from invoice_pipelines_tests.support.intake.validation.specimens import UBL
from invoice_pipelines_tests.support.terminal import SELLER, Ended, Terminal, one_line

DOCS = (PROJECT / "docs" / "command-line.md").read_text(encoding="utf-8")
SHAPES = dict(re.findall(r"^\| `([^`]+)` \| (`.*`) \|$", DOCS, re.MULTILINE))
"""What a line of JSON of a command holds, as the documentation says it."""
LONG = "Harbour & Hill Handelsgesellschaft für Leuchten, Möbel und Zubehör mbH & Co. KG"
CUSTOMERS = "customer_number;name;country_code;city;email\n" + "".join(
    f"C{n};{LONG} {n};DE;Köln;buchhaltung-{n}@harbour-and-hill-handelsgesellschaft.example\n" for n in range(1, 4)
)
ORDERS = "order_number,customer_number,order_date,description,quantity,unit_price,tax_category,tax_rate\n" + "".join(
    f"ORDER-2026-{n:05},C{n % 2 + 1},2026-01-0{n},Lamps for all cafés of the group,{n},1234567.89,S,19\n"
    for n in range(1, 6)
)


@dataclass
class FullOrganization:
    """An organization with something of everything. `named` are the things that commands take, by their metavar."""

    terminal: Terminal
    named: dict[str, str] = field(default_factory=dict)

    def words(self, command: str) -> list[str]:
        return [self.named.get(word, word) for word in command.split()]

    def lines(self, command: str, *options: str) -> list[dict[str, Any]]:
        ended = self.terminal.acme(*self.words(command), "--json", *options)
        assert ended.returncode in (0, 1), (command, ended.stderr)
        assert ended.stderr == "", command
        return [json.loads(line) for line in ended.stdout.splitlines()]

    def do(self, *words: str, code: int = 0) -> Ended:
        ended = self.terminal.acme(*words)
        assert ended.returncode == code, (words, ended.stdout, ended.stderr)
        return ended


@pytest.fixture(scope="module")
def shop(bare_terminal: Terminal, module_database: TestDatabase, mail: MailServer) -> FullOrganization:
    terminal = bare_terminal
    terminal.environment |= {
        "INVOICE_PIPELINES_SMTP_HOST": "127.0.0.1",
        "INVOICE_PIPELINES_SMTP_PORT": str(mail.smtp_port),
        "INVOICE_PIPELINES_SMTP_SECURITY": "none",
        "INVOICE_PIPELINES_SMTP_USER": str(mail.user),
        "INVOICE_PIPELINES_SMTP_PASSWORD": mail.password,
        "INVOICE_PIPELINES_EMAIL_FROM": "invoices@acme.example",
    }
    terminal.run("organizations", "add", "acme", "--name", LONG, *SELLER)
    shop = FullOrganization(terminal)
    shop.do("tax-rates", "import", terminal.file("rates.csv", "tax_category,rate,name\nS,19,Standard\n"))
    shop.do("customers", "import", terminal.file("customers.csv", CUSTOMERS))
    shop.do(
        "items", "import", terminal.file("items.csv", "sku,name,unit_price\n" + f'LAMP-1,"{LONG}",2.5\nLAMP-2,L,3\n')
    )
    shop.do("orders", "import", terminal.file("orders.csv", ORDERS))
    some = terminal.file("some.txt", "".join(f"ORDER-2026-{n:05}\n" for n in range(1, 5)))
    (asked, done) = shop.lines(f"batch invoices --orders {some} --invoice-date 2026-01-15 --now")
    assert done["id"] == asked["job_id"]
    numbers = [line["invoice_number"] for line in shop.lines("invoices list")]
    shop.do("invoices", "pay", numbers[0], "1000.00")
    shop.do("invoices", "pay", numbers[1], "999999999", "--reference", "statement of the bank, page 7")
    shop.do("invoices", "void", numbers[2], "--reason", "wrong buyer")
    shop.do("overdue", "run")
    good = terminal.file(f"{LONG.replace(' ', '_')}_Rechnung_2026-001.xml", UBL)
    shop.do("upload", good, terminal.file("no invoice at all.bin", "x"))
    shop.do("upload", terminal.file("a page without a number.pdf", page_of("HW-77", "1000.00")))
    uploads = [line["id"] for line in shop.lines("uploads list")]
    shop.do("intake", "process", *uploads, code=1)
    shop.do("messages", "send", numbers[0], "--no-pdf", "--now")
    terminal.run("users", "add", "anna@acme.example", "--name", LONG, "--organization", "acme", "--role", "admin")
    shop.do("tokens", "add", "shop", "--scope", "read", "--scope", "billing:write")
    shop.do("opt-outs", "add", "sms", "+4930123456")
    shop.do("exchange-rates", "set", "EUR", "USD", "1.0823", "--source", "ECB", "--date", "2026-01-15")
    with module_database.superuser.begin() as connection:
        connection.execute(text(BOOKS))
    terminal.environment["INVOICE_PIPELINES_WEBHOOK_LOCAL_ADDRESSES"] = "true"
    (endpoint,) = shop.lines("webhooks add http://localhost:9/hooks-of-the-shop-of-harbour-and-hill")
    with module_database.superuser.begin() as connection:
        connection.execute(text(TOLD))
    shop.named = {
        "ORDER": "ORDER-2026-00001",
        "NUMBER": numbers[0],
        "CUSTOMER": "C1",
        "SKU": "LAMP-1",
        "JOB": asked["job_id"],
        "UPLOAD": uploads[0],
        "INVOICE": shop.lines("intake list")[0]["id"],
        "EXPORT": str(shop.lines("export list")[0]["number"]),
        "RUN": shop.lines("overdue list")[0]["id"],
        "NOTIFICATION": shop.lines("notifications list")[0]["id"],
        "REVIEW": shop.lines("review list")[0]["id"],
        "CONFLICT": shop.lines("conflicts list")[0]["id"],
        "ENDPOINT": endpoint["endpoint_id"],
        "MESSAGE": shop.lines("messages list --all")[0]["id"],
    }
    return shop


BOOKS = f"""
    insert into quickbooks.connection (organization_id, realm_id, status, status_reason, company, connected_by)
    select id, '9130001', 'needs_reconnect', 'The refresh token has expired; connect again.',
           jsonb_build_object('name', '{LONG}', 'country', 'DE', 'home_currency', 'EUR'), 'anna'
    from organizations.organization;
    insert into quickbooks.conflict (organization_id, realm_id, entity_type, kind, status, message, local_id,
                                     quickbooks_id, field, base, ours, theirs)
    select organization_id, '9130001', 'customer', 'field', 'open', 'Both sides changed the email.', id, '58', 'email',
           '"accounting@harbour-and-hill.example"', to_jsonb(email), '"buchhaltung@harbour-and-hill.example"'
    from billing.customer where customer_number = 'C1'
"""
TOLD = """
    with told as (
        insert into events.webhook_delivery (organization_id, endpoint_id, position, event_id, attempts, tries)
        select w.organization_id, w.id, e.position, e.id, 1, 1 from events.webhook_endpoint w, events.event e
        returning organization_id, id
    )
    insert into events.webhook_attempt (organization_id, delivery_id, attempt, ended_at, duration_seconds, error_code,
                                        error_message)
    select organization_id, id, 1, now(), 0.012, 'NO_ANSWER', 'localhost gave no answer: Connection refused' from told
"""
WITHOUT_ORGANIZATION = ("status", "organizations list", "users list", "quickbooks status")


def test_there_is_a_shape_for_every_command_with_json() -> None:
    assert len(SHAPES) > 25


@pytest.mark.parametrize("command", SHAPES)
def test_json_has_the_documented_shape(shop: FullOrganization, command: str) -> None:
    documented = set(re.findall(r"`([a-z0-9_]+)`", SHAPES[command]))
    if command in WITHOUT_ORGANIZATION:
        ended = shop.terminal.run(*command.split(), "--json")
        lines = [json.loads(line) for line in ended.stdout.splitlines()]
    else:
        lines = shop.lines(command)
    assert lines, command
    assert set(lines[0]) == documented
    for value in _leaves(lines):
        assert not re.fullmatch(r"\d{4}-\d\d-\d\d[ T]\d\d:.*(?<!Z)", value), f"{value} is not RFC 3339 in UTC"


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _leaves(each)


@pytest.mark.parametrize("command", [command for command in SHAPES if "list" in command or "show" in command])
def test_nothing_is_wider_than_the_terminal(
    shop: FullOrganization, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That every word is whole and there is looked after by `every_table_fits`."""
    monkeypatch.setattr(console, "_force_terminal", True)
    monkeypatch.setattr(Terminal, "width", 80)
    shown = (shop.terminal.run if command in WITHOUT_ORGANIZATION else shop.terminal.acme)(*shop.words(command))
    lines = shown.stdout.splitlines()
    assert lines, shown.stderr
    assert all(len(line) <= 80 or len(max(line.split(), key=len)) > 72 for line in lines), shown.stdout


@pytest.mark.parametrize(
    ("command", "cursor"),
    [
        ("orders list", "id"),
        ("customers list", "customer_number"),
        ("items list", "sku"),
        ("invoices list", "invoice_number"),
        ("intake list", "id"),
        ("uploads list", "id"),
        ("notifications list", "id"),
        ("overdue list", "id"),
    ],
)
def test_a_list_is_read_page_by_page(shop: FullOrganization, command: str, cursor: str) -> None:
    whole = [line[cursor] for line in shop.lines(command)]
    seen: list[str] = []
    page: list[str] = []
    while lines := shop.lines(command, "--limit", "1", *page):
        seen += [line[cursor] for line in lines]
        page = ["--after", seen[-1]]
    assert seen == whole
    shown = shop.do(*command.split(), "--limit", "1").stdout
    assert f"There may be more: add --after {whole[0]}" in shown


def test_lists_are_narrowed_by_what_matters(shop: FullOrganization) -> None:
    def numbers(command: str, key: str) -> list[str]:
        return [line[key] for line in shop.lines(command)]

    standings = {line["standing"]: line for line in shop.lines("invoices list")}
    assert set(standings) == {"overdue", "paid", "void"}
    assert numbers("invoices list --status paid", "invoice_number") == [standings["paid"]["invoice_number"]]
    assert standings["overdue"]["days_overdue"] > 0
    assert [line["invoice_number"] for line in shop.lines("invoices list") if line["sent_at"]] == [shop.named["NUMBER"]]
    assert standings["paid"]["amount_due"] == "0.00"
    assert numbers("orders list --status pending", "order_number") == ["ORDER-2026-00005"]
    assert set(numbers("orders list --customer C2", "customer_number")) == {"C2"}
    assert numbers("orders list --text 00005", "order_number") == ["ORDER-2026-00005"]
    assert numbers("orders list --until 2000-01-01", "order_number") == []
    assert numbers("customers list --text nobody", "customer_number") == []
    assert numbers("items list --text lamp-2", "sku") == ["LAMP-2"]
    assert numbers("invoices list --from 2999-01-01", "invoice_number") == []
    assert numbers("invoices list --text order-2026-00001", "order_number") == ["ORDER-2026-00001"]
    assert numbers("intake list --status FAILED", "code") == ["UNKNOWN_TYPE"]
    assert len(numbers("intake list --status EXPORTED", "id")) == 1
    assert numbers("export list --format DATEV", "number") == []
    assert set(numbers("notifications list --status open", "status")) == {"open"}
    assert numbers("overdue list --status SUCCESS", "status") == ["SUCCESS"]


def test_customers_are_invoiced_over_the_same_items(shop: FullOrganization) -> None:
    whom = shop.terminal.file("whom.txt", "C1\nC3\n")
    header = "sku;description;quantity;unit_price;tax_category;tax_rate\n"
    items = shop.terminal.file("fees.csv", f"{header}LAMP-2;;2;;S;19\n;Membership 2026;1;1000000.00;S;19\n")
    asked, done = shop.lines(f"batch invoices --customers {whom} --items {items} --now")
    assert (asked["total"], done["successful_items"]) == (2, 2), done
    newest, other, *_ = shop.lines("invoices list")
    assert {newest["gross_amount"], other["gross_amount"]} == {"1190007.14"}
    unknown = shop.terminal.file("unknown.csv", "sku,quantity\nLAMP-9,1\n")
    assert "LAMP-9" in one_line(
        shop.terminal.acme("batch", "invoices", "--customers", whom, "--items", unknown, "--now")
    )
    assert "go together" in one_line(shop.terminal.acme("batch", "invoices", "--customers", whom))


def test_work_reports_as_json_too(shop: FullOrganization) -> None:
    (exported,) = shop.lines("intake list --status EXPORTED")
    shop.do("export", "again", exported["id"][-8:])
    (previewed,) = shop.lines("export preview")
    assert previewed["invoices"] == {"CSV": 1}
    (report,) = shop.lines("export run")
    assert [export["newly_exported"] for export in report["exports"]] == [1]
    assert report["refused"] == []
    (sending,) = shop.lines("messages run")
    assert (sending["failed"], sending["waiting"], sending["ended"]) == (0, [], "empty")


def test_what_is_not_there_is_said_in_one_line(shop: FullOrganization) -> None:
    for command in ("orders show", "customers show", "items show", "invoices show"):
        assert "no " in one_line(shop.terminal.acme(*command.split(), "X-9"))
    for command in ("intake show", "uploads show", "overdue show", "notifications show", "batch show"):
        assert "shows them" in one_line(shop.terminal.acme(*command.split(), "ffffffff"))
        assert "is not the id of" in one_line(shop.terminal.acme(*command.split(), "nonsense"))
    assert "no export 99" in one_line(shop.terminal.acme("export", "show", "99"))


def test_ids_are_known_by_the_characters_that_are_shown(shop: FullOrganization) -> None:
    for command, name in (("intake show", "INVOICE"), ("uploads show", "UPLOAD"), ("overdue show", "RUN")):
        (shown,) = shop.lines(f"{command} {shop.named[name][-8:]}")
        assert shown["id"] == shop.named[name]


RECIPES = re.findall(r"^```\n((?:invoice-pipelines [^\n]*\n)+)```$", DOCS.split("## Recipes")[1], re.MULTILINE)


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize("recipe", [line for block in RECIPES for line in block.splitlines()])
def test_recipes_with_jq_work(shop: FullOrganization, recipe: str) -> None:
    command, _, program = recipe.partition(" | jq ")
    words = [word for word in command.split() if word not in ("invoice-pipelines", "--organization", "acme")]
    ended = (shop.terminal.run if "acme" not in command else shop.terminal.acme)(*words)
    assert ended.returncode in (0, 1), ended.stderr
    assert ended.stdout, recipe
    options, _, expression = program.rpartition(" '")
    filtered = subprocess.run(
        ["jq", *options.split(), expression.rstrip("'")],
        input=ended.stdout,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert filtered.returncode == 0, filtered.stderr
    assert filtered.stdout.strip(), recipe
