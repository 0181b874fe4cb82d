"""An organization as an accountant finds it in the morning, in German and in English, and the workers of its day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing import add_customers, add_items, add_orders, add_tax_rates, process_jobs
from invoice_pipelines.billing.imports.batch import import_asked_rows
from invoice_pipelines.billing.requests import batch_invoice_orders, order_ids
from invoice_pipelines.delivery.documents.making import make_documents
from invoice_pipelines.delivery.sending.sending import send_messages
from invoice_pipelines.intake.stages.stages import export_invoices, parse_uploads, validate_invoices
from invoice_pipelines.organizations import Address, change_organization
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.overdue import notify_overdue
from invoice_pipelines.overdue.asked import look_as_asked
from invoice_pipelines.quickbooks.connection.connections import change_options
from invoice_pipelines.quickbooks.sync import sync
from invoice_pipelines.quickbooks.values import EntityType
from invoice_pipelines.web.pages.languages import LANGUAGES, Language
from invoice_pipelines.workshop.sandbox.mail import MailServer
from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Sandbox, Switches
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.intake.conftest import IntakeDesk
from invoice_pipelines_tests.integration.web.pages.day import papers
from invoice_pipelines_tests.support.desk.visitors import Visitor, visiting
from invoice_pipelines_tests.support.intake.exports.datev.books import Books
from invoice_pipelines_tests.support.quickbooks.companies import connect_organization, settings_for
from invoice_pipelines_tests.support.web import Site, Tenant, open_tenant, running_site

TODAY = datetime.now(UTC).date()
BOX = timedelta(minutes=2)
SAME_IN_GERMAN = frozenset({"QuickBooks", "PDF", "Name", "Text", "Status"})
FAT = "<b>Fett</b> & Söhne KG"
CUSTOMERS = [
    ("C-1001", "Bauhaus Schmidt GmbH", "DE", "EUR"),
    ("C-1002", "Miller & Sons Ltd", "DE", "EUR"),
    ("C-1003", FAT, "DE", "EUR"),
    ("C-1004", "Alpine Wares Inc", "DE", "USD"),
]


@dataclass
class Day:
    """The organization, its workers, and the accountant, who reads one language."""

    site: Site
    tenant: Tenant
    intake: IntakeDesk
    mail: MailServer
    there: Accountant
    """in QuickBooks"""
    language: Language
    me: Visitor

    @property
    def page(self) -> Page:
        return self.me.page

    @property
    def context(self) -> OrganizationContext:
        """As a run of Dagster has it."""
        return OrganizationContext.of(self.site.database.engine, self.tenant.slug, self.site.settings, "a run")

    def rows(self, statement: str, **values: Any) -> list[tuple[Any, ...]]:
        """What the database has."""
        return [tuple(row) for row in self.tenant.view.rows(statement, **values)]

    def value(self, statement: str, **values: Any) -> Any:
        return self.tenant.view.value(statement, **values)

    # What is on the screen, named in English as it stands in the code and looked for as the reader reads it.

    def t(self, text: str, **values: Any) -> str:
        """A text of the desk."""
        found = self.language.gettext(text)
        assert self.language.code == "en" or found != text or text in SAME_IN_GERMAN, f"no German: {text}"
        return found % values if values else found

    def n(self, one: str, many: str, num: int, **values: Any) -> str:
        return self.language.ngettext(one, many, num) % {"num": num, **values}

    def open(self, address: str = "") -> None:
        self.me.open(f"/desk/{self.tenant.slug}{address}")

    def follow(self, name: str) -> None:
        """A link; one of the menu, where it has the name."""
        self.page.get_by_role("link", name=self.t(name)).first.click()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=self.t(name)).first.click()

    def press_of(self, one: str, many: str, num: int) -> None:
        """A button that says of how many."""
        self.page.get_by_role("button", name=self.n(one, many, num)).click()

    def fill(self, label: str, words: str, **values: Any) -> None:
        self.page.get_by_label(self.t(label, **values)).first.fill(words)

    def sees(self, *texts: str) -> None:
        """These texts are on the screen, or come within seconds."""
        for text in texts:
            expect(self.page.get_by_text(text).first).to_be_visible()

    def reads(self, *texts: str) -> None:
        """Likewise, of texts of the desk."""
        self.sees(*(self.t(text) for text in texts))

    def waits(self) -> None:
        """What was asked for waits for a worker, and the page is told from now on how far it is."""
        self.reads("Waits for a worker")
        expect(self.page.locator("nav.side [data-live-text='counts.jobs']")).not_to_be_empty()

    def row(self, *texts: str) -> Locator:
        """The row of a table, or of a list, in which these texts stand."""
        found = self.page.locator("tbody tr, main li")
        for text in texts:
            found = found.filter(has_text=text)
        return found.first

    def sees_row(self, *texts: str) -> None:
        expect(self.row(*texts)).to_be_visible()

    # Workers, as Dagster runs them.

    def read(self) -> None:
        """Reads and validates what was received."""
        parse_uploads(self.intake.intake())
        validate_invoices(self.intake.intake())

    def export(self) -> None:
        export_invoices(self.intake.intake())

    def bill(self) -> None:
        """Issues invoices, and writes imports."""
        process_jobs(self.context)
        import_asked_rows(self.context)

    def deliver(self) -> None:
        """Makes documents, and sends messages."""
        make_documents(self.context, time_box=BOX)
        send_messages(self.context, time_box=BOX)

    def pass_time(self) -> None:
        """What waits for its next attempt is due."""
        self.intake.behind(
            """update work.batch_item set available_at = now()
               where organization_id = :organization and status = 'pending'"""
        )

    def look(self) -> None:
        """For overdue invoices."""
        look_as_asked(self.context, lambda day: notify_overdue(self.context, as_of=day), timedelta(minutes=1))

    def sync(self, *, pull: bool = False) -> None:
        sync(self.context, [EntityType.CUSTOMER], pull=pull, time_box=timedelta(seconds=30))

    def address(self, customer: str) -> str:
        """Where a customer gets emails."""
        return f"ap@{customer.lower()}.{self.tenant.slug}.example"

    # What was there before.

    def orders(self, numbers: list[str], **fields: Any) -> None:
        """New orders over 1,000.00 net at 19 %, of one customer after the other."""
        rows = [
            {
                "order_number": number,
                "customer_number": CUSTOMERS[place % 3][0],
                "order_date": TODAY - timedelta(days=50),
                "lines": [{"sku": "LAMP-1", "quantity": "20"}],
                **fields,
            }
            for place, number in enumerate(numbers)
        ]
        with self.tenant.view.scope() as connection:
            add_orders(connection, rows, created_by="shop")

    def issue(self, numbers: list[str], *, orders: dict[str, Any] | None = None, **request: Any) -> list[UUID]:
        """Ids of new invoices of new orders."""
        self.orders(numbers, **(orders or {}))
        with self.tenant.view.scope() as connection:
            asked = batch_invoice_orders(connection, order_ids(connection, numbers), created_by="anna", **request)
        process_jobs(self.context, job_id=asked.job_id)
        found = self.rows(
            "select i.id from billing.invoice i join billing.sales_order o on o.id = i.sales_order_id "
            "where o.order_number = any(:numbers) order by o.order_number",
            numbers=numbers,
        )
        assert len(found) == len(numbers)
        return [row[0] for row in found]


@pytest.fixture(scope="module")
def outside() -> Iterator[tuple[MailServer, Sandbox]]:
    """A mail server, and QuickBooks."""
    with (
        MailServer() as mail,
        Sandbox(switches=Switches(throttled=False, latency_per_call=0)) as sandbox,
    ):
        yield mail, sandbox


@pytest.fixture(scope="module")
def town(
    shared_database: TestDatabase, outside: tuple[MailServer, Sandbox], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """The web, with all that it may lead to. What became of an email cannot be looked up."""
    mail, sandbox = outside
    folder = tmp_path_factory.mktemp("day")
    quickbooks = settings_for(sandbox, folder)
    named = {name: getattr(quickbooks, name) for name in quickbooks.model_fields_set - {"home"}}
    places = {name: str(folder / name) for name in ("inbox", "originals", "exports", "documents")}
    post = {
        "email_from": "invoices@nordlicht.example",
        "smtp_host": "127.0.0.1",
        "smtp_port": mail.smtp_port,
        "smtp_security": mail.tls,
        "smtp_user": mail.user,
        "smtp_password": mail.password,
        "smtp_timeout_seconds": 5.0,
        "look_up_after_seconds": 0.0,
    }
    with running_site(shared_database, DAGSTER_HOME=folder, document_processes=1, **named, **places, **post) as site:
        yield site


@pytest.fixture(scope="module", params=list(LANGUAGES))
def whole_day(
    request: pytest.FixtureRequest, town: Site, outside: tuple[MailServer, Sandbox], browser: Browser
) -> Iterator[Day]:
    """The organization of the accountant who reads a language; all jobs of a day are done there."""
    mail, sandbox = outside
    code = request.param
    name = "Nordlicht Werkstätten GmbH"
    tenant = open_tenant(town.database, name=name, time_zone="Europe/Berlin")
    realm = f"9191{list(LANGUAGES).index(code)}"
    intake = IntakeDesk(town.database, tenant.id, tenant.slug, town.settings.home)
    with visiting(browser, town.url, tenant.sessions[Role.ACCOUNTANT], language=code, is_new=True) as me:
        me.page.set_default_timeout(20_000)
        day = Day(town, tenant, intake, mail, sandbox.accountant(realm), Language(code), me)
        begin(day, sandbox, realm)
        day.open()
        yield day


@pytest.fixture
def day(whole_day: Day) -> Iterator[Day]:
    """The same; fails where the browser complained of something in this job."""
    yield whole_day
    said, whole_day.me.complaints[:] = list(whole_day.me.complaints), []
    # Chromium notes each form that was not right.
    assert [words for words in said if "status of 422" not in words] == []


def begin(day: Day, sandbox: Sandbox, realm: str) -> None:
    """Books, papers and a company in QuickBooks, as they stand in the morning."""
    engine = day.site.database.engine
    change_organization(
        engine,
        day.tenant.slug,
        vat_id="DE123456788",
        iban="DE02120300000000202051",
        address=Address(street="Hafenweg 1", city="Bremen", post_code="28195"),
        settings={"overdue_levels": [1, 14], "overdue_channels": ["email"]},
    )
    with day.tenant.view.scope() as connection:
        add_tax_rates(connection, [{"tax_category": "S", "rate": "19", "name": "19 %"}])
        lamp = {"sku": "LAMP-1", "name": "Schreibtischlampe", "unit_price": "50", "tax_category": "S", "tax_rate": 19}
        add_items(connection, [lamp], created_by="anna")
        rows = [
            {
                "customer_number": number,
                "name": name,
                "country_code": country,
                "currency": currency,
                "city": "Hamburg",
                "email": day.address(number),
            }
            for number, name, country, currency in CUSTOMERS
        ]
        add_customers(connection, rows, created_by="anna")
    day.issue(["4001", "4002", "4003", "4004"], invoice_date=TODAY - timedelta(days=40), due_days=14)
    day.orders(["4101", "4102"])
    seven = {"description": "Fachbuch", "quantity": 2, "unit_price": "50", "tax_category": "S", "tax_rate": 7}
    day.orders(["4103"], lines=[seven])
    day.orders(["4104"], status="draft")
    Books(day.intake).set_up()
    Books(day.intake).rules({"account": "4980"})
    connect_organization(
        day.site.database, sandbox, day.site.settings, day.tenant.id, realm, country="DE", name="Nordlicht Bücher"
    )
    change_options(engine, day.tenant.id, {"conflict_policy": "review"}, changed_by="test")
    address = {"Line1": "Hafenweg 1", "City": "Bremen", "PostalCode": "28195", "Country": "DE"}
    made = day.there.customer("Acme", PrimaryEmailAddr={"Address": "info@acme.example"}, BillAddr=address)
    day.sync(pull=True)
    day.there.edit(
        "Customer", made["Id"], PrimaryEmailAddr={"Address": "office@acme.example"}, BillAddr=address | {"City": "Kiel"}
    )
    day.rows(
        "update billing.customers set email = 'ap@acme.example', city = 'Bonn', updated_at = now() where name = 'Acme'"
    )
    day.sync(pull=True)
    for number, net in (("HW-77", "1000.00"), ("HW-78", "2000.00"), ("HW-79", "3000.00")):
        day.intake.upload(papers.paper(number, net), f"{number}.pdf")
    turn_over(day, day.intake.upload(papers.e_invoice("F-1"), "kaputt.xml"))
    day.read()


def turn_over(day: Day, upload: UUID) -> None:
    """The stored original of an upload is damaged, as by a disk; once more, and it is whole again."""
    name = day.value("select sha256 from intake.upload where id = :id", id=upload)
    (file,) = (day.intake.folder / "originals" / str(day.tenant.id)).rglob(name)
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[::-1])
