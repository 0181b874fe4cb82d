"""QuickBooks in the demo: a local one, with which two organizations are connected.

All that they have is pushed as a backlog, by Dagster. Then both sides change something, the accountant books payments,
and a second sync brings the two together; a field that both changed is a conflict.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, text

from invoice_pipelines.accounting.reports import SystemState
from invoice_pipelines.billing.exchange_rates import add_exchange_rates
from invoice_pipelines.cli.output import console, styled, table
from invoice_pipelines.cli.supervisor import ServiceError, Services
from invoice_pipelines.database import organization_scope
from invoice_pipelines.promises import Finding
from invoice_pipelines.quickbooks import promises
from invoice_pipelines.quickbooks.connection.connections import change_options, connect_with_tokens, disconnect
from invoice_pipelines.quickbooks.overview import sync_state
from invoice_pipelines.quickbooks.payments.promises import allocations_that_differ, paid_and_due_that_do_not_tie
from invoice_pipelines.quickbooks.push.requests import enqueue_backlog
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.settings import PREFIX, Settings, load_settings
from invoice_pipelines.workshop.sandbox.quickbooks import Accountant, Sandbox, Switches

COMPANIES: Mapping[str, Mapping[str, Any]] = {
    "harbour-and-hill": {
        "realm": "9130001",
        "country": "IE",
        "home_currency": "EUR",
        "tax_percents": [Decimal("23"), Decimal("13.5"), Decimal("9"), Decimal("0")],
        "tax_codes": {"S:23.00": "1", "S:13.50": "2", "S:9.00": "3", "Z:0.00": "4", "AE:0.00": "4", "K:0.00": "4",
                      "G:0.00": "4"},
        "exchange_rates": {"GBP": "1.1644"},
        "conflict_policy": "review",
    },
    "maple-ridge": {
        "realm": "9130002",
        "country": "CA",
        "home_currency": "CAD",
        "tax_percents": [Decimal("13"), Decimal("5"), Decimal("0")],
        "tax_codes": {"S:13.00": "1", "S:5.00": "2", "Z:0.00": "3"},
        "exchange_rates": {"USD": "1.3914", "JPY": "0.0093"},
        "conflict_policy": "newest",
    },
}  # fmt: skip
"""The companies, what their organizations chose for the sync, and what foreign money is worth in their own."""

SECONDS_AT_MOST = 180.0
PAID = ("paid", "paid", "paid", "partially_paid")
"""What the invoices become for which the accountant books payments."""


@dataclass(frozen=True, slots=True)
class Company:
    """An organization of the demo and its company."""

    organization_id: UUID
    slug: str
    accountant: Accountant


@dataclass(frozen=True, slots=True)
class Edited:
    """A customer that both sides changed: his name, what each wrote for his phone, and that they have the same e-mail
    of the accountant afterwards.
    """

    name: str
    ours: str
    theirs: str
    email: str


@dataclass(frozen=True, slots=True)
class Synced:
    """How a company and its organization stand at the end."""

    company: Company
    edited: Edited
    state: SystemState
    invoices: int
    voided: int
    statuses: Mapping[str, int]
    throttled: int


@contextmanager
def running_quickbooks() -> Iterator[Sandbox]:
    """A QuickBooks of its own, to which the settings of this process and of those that it starts lead, whatever they
    were: the demo never speaks to the real one.
    """
    with Sandbox(switches=Switches(latency_per_call=0.02, latency_per_item=0.005)) as sandbox:
        variables = {
            "CLIENT_ID": "demo",
            "CLIENT_SECRET": "demo",
            "API_URL": sandbox.url,
            "AUTHORIZATION_URL": f"{sandbox.url}/connect/oauth2",
            "TOKEN_URL": f"{sandbox.url}/oauth2/v1/tokens/bearer",
            "REVOKE_URL": f"{sandbox.url}/v2/oauth2/tokens/revoke",
        }
        before = {name: os.environ.get(f"{PREFIX}QUICKBOOKS_{name}") for name in variables}
        _set_environment(variables)
        try:
            yield sandbox
        finally:
            _set_environment(before)


def connect(engine: Engine, settings: Settings, sandbox: Sandbox, organizations: Mapping[str, UUID]) -> list[Company]:
    """Connects the organizations of `COMPANIES` among those given by slug, each with a new company that has one of our
    customers and one whom we do not know, and asks for the push of all that ours have.
    """
    companies = []
    for slug, chosen in COMPANIES.items():
        if slug not in organizations:
            continue
        realm = chosen["realm"]
        accountant = sandbox.add_company(
            realm,
            name=slug.replace("-", " ").title(),
            country=chosen["country"],
            home_currency=chosen["home_currency"],
            tax_percents=chosen["tax_percents"],
            multi_currency=True,
        )
        accountant.customer("Walk-in customer")
        tokens = sandbox.tokens(realm)
        connect_with_tokens(
            engine,
            settings,
            organizations[slug],
            realm_id=realm,
            access_token=tokens.access_token,
            refresh_token=tokens.refresh_token,
            connected_by="demo",
        )
        options = {name: chosen[name] for name in ("tax_codes", "conflict_policy")}
        options["default_item"] = accountant.item("Other sales")["Id"]  # discounts on a whole invoice have none here
        change_options(engine, organizations[slug], options, changed_by="demo")
        with organization_scope(engine, organizations[slug]) as connection:
            _add_rates(connection, chosen["home_currency"], chosen["exchange_rates"])
            known = connection.execute(
                text(
                    """select name, email, coalesce(currency, :home) as currency from billing.customer
                       where is_active order by customer_number desc limit 1"""
                ),
                {"home": chosen["home_currency"]},
            ).one()
            accountant.customer(
                known.name, PrimaryEmailAddr={"Address": known.email}, CurrencyRef={"value": known.currency}
            )
            for entity in KINDS:
                enqueue_backlog(connection, entity, created_by="demo")
        companies.append(Company(organizations[slug], slug, accountant))
    return companies


def _add_rates(connection: Connection, home_currency: str, rates: Mapping[str, str]) -> None:
    """Exchange rates of the days of the foreign invoices, without which these would wait."""
    days = connection.execute(
        text("select distinct currency, issue_date from billing.invoice where currency = any (:currencies)"),
        {"currencies": list(rates)},
    )
    added = [
        {
            "base_currency": row.currency,
            "currency": home_currency,
            "rate_date": row.issue_date.isoformat(),
            "rate": rates[row.currency],
            "source": "demo",
        }
        for row in days
    ]
    add_exchange_rates(connection, added, created_by="demo")


def begin_sync(services: Services, companies: Sequence[Company]) -> None:
    """Starts `quickbooks_sync` as a person does in the launchpad, and waits for nothing: should it not come about, the
    sensor sees to the push.
    """
    _launch(services, companies, wait=False)


def change_both_sides(services: Services, engine: Engine, companies: Sequence[Company]) -> list[Edited]:
    """Once the backlog is pushed, changes customers here and there and pays invoices there."""
    _wait(services, "the push of the backlog", lambda: not any(_open_jobs(engine, company) for company in companies))
    edited = [_edit(engine, company) for company in companies]
    for company in companies:
        if company.slug == "maple-ridge":
            _pay(engine, company)
    return edited


def sync_now(services: Services, engine: Engine, companies: Sequence[Company]) -> None:
    """Starts `quickbooks_sync` once more, and waits until it has pulled and pushed all."""
    with engine.connect() as connection:
        since = connection.execute(text("select clock_timestamp()")).scalar_one()
    _launch(services, companies)

    def is_done() -> bool:
        for company in companies:
            with organization_scope(engine, company.organization_id) as connection:
                ended = connection.execute(
                    text("select count(*) from quickbooks.pull where started_at > :since and finished_at > :since"),
                    {"since": since},
                ).scalar_one()
            if ended < len(EntityType) or _waiting(engine, company):
                return False
        return True

    _wait(services, "the sync", is_done)


def outcome(engine: Engine, sandbox: Sandbox, companies: Sequence[Company], edited: Sequence[Edited]) -> list[Synced]:
    """How all stands at the end."""
    synced = []
    for company, changed in zip(companies, edited, strict=True):
        with organization_scope(engine, company.organization_id) as connection:
            state = sync_state(connection)
            assert state is not None
            statuses = connection.execute(
                text(
                    """select status, count(*) from billing.invoice where document_kind = 'invoice'
                       group by status order by status"""
                )
            )
            by_status = dict(statuses.tuples().all())
        there = company.accountant.documents("Invoice")
        voided = sum(not Decimal(document["TotalAmt"]) for document in there)
        throttled = sandbox.count_throttled(company.accountant.realm)
        synced.append(Synced(company, changed, state, len(there), voided, by_status, throttled))
    return synced


def end(engine: Engine, settings: Settings, companies: Sequence[Company]) -> None:
    """Ends the connections: the sandbox ends with the demo, and nobody may take the real QuickBooks for it."""
    for company in companies:
        disconnect(engine, settings, company.organization_id, disconnected_by="demo")


def problems(engine: Engine, synced: Sequence[Synced]) -> Iterator[str]:
    """What is not the same on both sides, and which promise does not hold, in words."""
    for found in synced:
        slug = found.company.slug
        with organization_scope(engine, found.company.organization_id) as connection:
            yield from (f"{slug}: {problem}" for problem in _invoice_problems(connection, found))
            yield from (f"{slug}: {problem}" for problem in _customer_problems(connection, found))
            for name, finding in _promises(connection):
                if not finding.kept:
                    yield f"{slug}: {name}: {', '.join(finding.sample)}"
        if found.throttled:
            yield f"{slug}: {found.throttled} calls were throttled"
        if slug == "maple-ridge":
            paid = {status: found.statuses.get(status, 0) for status in set(PAID)}
            expected = {status: PAID.count(status) for status in set(PAID)}
            if paid != expected:
                yield f"{slug}: expected {expected} after the payments, found {paid}"


def show(synced: Sequence[Synced]) -> None:
    """Prints what is on the other side, and the conflicts."""
    shown = table(None, "organization", "company", "#invoices", "#void", "#paid", "#partly", "#calls", "#conflicts")
    conflicts = table(None, "organization", "both changed the phone of", "ours", "theirs", "outcome")
    for found in synced:
        shown.add_row(
            found.company.slug,
            found.company.accountant.realm,
            str(found.invoices),
            str(found.voided),
            str(found.statuses.get("paid", 0)),
            str(found.statuses.get("partially_paid", 0)),
            str(found.state.calls),
            str(found.state.open_conflicts),
        )
        waits = COMPANIES[found.company.slug]["conflict_policy"] == "review"
        edited = found.edited
        conflicts.add_row(
            found.company.slug,
            edited.name,
            edited.ours,
            edited.theirs,
            "waits for a person" if waits else "ours, as it is the newer one",
        )
    console.print()
    console.print(styled("QuickBooks", "bold"), "(a local one; all else that either side changed is on both)")
    console.print(shown)
    console.print()
    console.print(conflicts)


def _edit(engine: Engine, company: Company) -> Edited:
    """The accountant and then somebody here change the same customer: both his phone, the accountant his e-mail too."""
    with organization_scope(engine, company.organization_id) as connection:
        row = connection.execute(
            text(
                """select c.id, c.name, m.quickbooks_id from billing.customer c
                   join quickbooks.mapping m on m.local_id = c.id and m.entity_type = 'customer'
                   where c.customer_number not like 'QB-%' order by c.customer_number limit 1"""
            )
        ).one()
    edited = Edited(row.name, "+1 555 0100", "+1 555 0199", "accounts@new-address.example")
    company.accountant.edit(
        "Customer",
        row.quickbooks_id,
        PrimaryPhone={"FreeFormNumber": edited.theirs},
        PrimaryEmailAddr={"Address": edited.email},
    )
    time.sleep(1.1)  # QuickBooks knows seconds, and of two changes within one the older cannot be told
    with organization_scope(engine, company.organization_id) as connection:
        connection.execute(
            text("update billing.customer set phone = :phone, updated_at = clock_timestamp() where id = :id"),
            {"phone": edited.ours, "id": row.id},
        )
    return edited


def _pay(engine: Engine, company: Company) -> None:
    """Four invoices of one customer: one payment for one, one for two, and half of the last."""
    with organization_scope(engine, company.organization_id) as connection:
        rows = connection.execute(
            text(
                """select m.quickbooks_id, i.gross_amount
                   from billing.invoice i
                   join quickbooks.mapping m on m.local_id = i.id and m.entity_type = 'invoice'
                   where i.status = 'issued' and i.currency = 'CAD' and i.amount_credited = 0
                     and i.customer_id = (
                         select customer_id from billing.invoice where status = 'issued' and currency = 'CAD'
                         group by customer_id order by count(*) desc, customer_id limit 1)
                   order by i.id limit 4"""
            )
        ).all()
    first, second, third, last = rows
    accountant = company.accountant
    accountant.pay(first.quickbooks_id)
    accountant.pay({second.quickbooks_id: second.gross_amount, third.quickbooks_id: third.gross_amount})
    half = (last.gross_amount / 2).quantize(Decimal("0.01"), ROUND_HALF_UP)
    accountant.pay({last.quickbooks_id: half})


def _invoice_problems(connection: Connection, found: Synced) -> Iterator[str]:
    """Each issued invoice is there once, over the same amount, or void on both sides."""
    ours = {
        row.invoice_number: Decimal(0) if row.status == "void" else row.gross_amount
        for row in connection.execute(
            text(
                """select invoice_number, status, gross_amount from billing.issued_invoice
                   where document_kind = 'invoice'"""
            )
        )
    }
    there = [(document["DocNumber"], Decimal(document["TotalAmt"])) for document in _documents(found, "Invoice")]
    # One that was voided before its turn came is never sent.
    if missing := {number for number, amount in ours.items() if amount} - {number for number, _ in there}:
        yield f"invoices that are not in QuickBooks: {', '.join(sorted(missing))}"
    if len(there) != len(dict(there)):
        yield f"{len(there)} invoices in QuickBooks, with {len(dict(there))} numbers"
    for number, amount in there:
        if ours.get(number) != amount:
            yield f"{number} is over {ours.get(number)} here, over {amount} in QuickBooks"


def _customer_problems(connection: Connection, found: Synced) -> Iterator[str]:
    edited = found.edited
    here = connection.execute(
        text("select phone, email from billing.customer where name = :name"), {"name": edited.name}
    ).one()
    (there,) = [one for one in _documents(found, "Customer") if one["DisplayName"] == edited.name]
    waits = COMPANIES[found.company.slug]["conflict_policy"] == "review"
    sides = {
        "e-mail here": (here.email, edited.email),
        "e-mail in QuickBooks": (there["PrimaryEmailAddr"]["Address"], edited.email),
        "phone here": (here.phone, edited.ours),
        "phone in QuickBooks": (there["PrimaryPhone"]["FreeFormNumber"], edited.theirs if waits else edited.ours),
    }
    for what, (is_found, is_expected) in sides.items():
        if is_found != is_expected:
            yield f"{edited.name}: expected {is_expected} as {what}, found {is_found}"
    here_names = set(connection.execute(text("select name from billing.customer where is_active")).scalars())
    if missing := here_names ^ {one["DisplayName"] for one in _documents(found, "Customer") if one["Active"]}:
        yield f"customers that are on one side only: {', '.join(sorted(missing))}"
    statuses = connection.execute(text("select status from quickbooks.conflict where field = 'phone'")).scalars().all()
    if statuses != (["open"] if waits else ["resolved"]):
        yield f"expected one conflict that {'is open' if waits else 'was decided'}, found {list(statuses)}"


def _promises(connection: Connection) -> Iterator[tuple[str, Finding]]:
    yield "sent invoices without mapping", promises.sent_invoices_without_mapping(connection)
    yield "invoices that are lost", promises.lost_invoices(connection)
    for entity in (EntityType.CUSTOMER, EntityType.ITEM, EntityType.INVOICE):
        yield f"ambiguous mappings of {entity}s", promises.ambiguous_mappings(connection, entity)
    yield "paid and due are not the total", paid_and_due_that_do_not_tie(connection)
    yield "payments that differ", allocations_that_differ(connection)


def _documents(found: Synced, entity: str) -> list[Any]:
    return list(found.company.accountant.documents(entity))


def _waiting(engine: Engine, company: Company) -> int:
    with organization_scope(engine, company.organization_id) as connection:
        state = sync_state(connection)
    return 0 if state is None else state.waiting


def _open_jobs(engine: Engine, company: Company) -> int:
    with organization_scope(engine, company.organization_id) as connection:
        count = connection.execute(
            text("select count(*) from work.batch_job where completed_at is null and kind = any(:kinds)"),
            {"kinds": list(KINDS.values())},
        ).scalar_one()
    return int(count)


def _launch(services: Services, companies: Sequence[Company], *, wait: bool = True) -> None:
    config = {"ops": {"sync_now": {"config": {"organizations": [company.slug for company in companies]}}}}
    launch = ["job", "launch", "-w", str(services.workspace), "-j", "quickbooks_sync", "--config-json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dagster", *launch, json.dumps(config)],
        env=services.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE if wait else subprocess.DEVNULL,
        text=True,
    )
    if not wait:
        return
    _, stderr = process.communicate()
    if process.returncode != 0:
        last = (stderr.strip().splitlines() or ["no message"])[-1]
        raise ServiceError(f"the sync with QuickBooks could not be started: {last}")


def _wait(services: Services, what: str, is_done: Any) -> None:
    deadline = time.monotonic() + SECONDS_AT_MOST
    while time.monotonic() < deadline:
        services.check()
        if is_done():
            return
        time.sleep(0.5)
    raise ServiceError(f"{what} was not done after {SECONDS_AT_MOST:.0f} s; see {services.log_of('daemon')}")


def _set_environment(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(f"{PREFIX}QUICKBOOKS_{name}", None)
        else:
            os.environ[f"{PREFIX}QUICKBOOKS_{name}"] = value
    load_settings.cache_clear()
