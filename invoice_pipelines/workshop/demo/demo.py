"""The command `demo`: the main job on the documents and orders of `examples/`, with each outcome checked.

What is done with the orders is in `orders`, with documents and messages in `delivery`, with overdue invoices in
`overdue`, with QuickBooks in `quickbooks`.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import typer
from rich.live import Live
from sqlalchemy import Engine, text

from invoice_pipelines.cli.intake.statuses import status_cells, status_columns
from invoice_pipelines.cli.output import LiteralTable, console, one_line, styled, table
from invoice_pipelines.cli.supervisor import ServiceError, Services, running_services
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import embedded_server, open_database
from invoice_pipelines.intake.overview import duplicate_files, failure_reasons, status_counts, waiting_files
from invoice_pipelines.intake.review.queue import backlog, list_reviews
from invoice_pipelines.intake.states import Status, is_terminal, label
from invoice_pipelines.organizations import Address, OrganizationSettings, add_organization
from invoice_pipelines.settings import Settings, load_settings
from invoice_pipelines.workshop.demo import api as demo_api
from invoice_pipelines.workshop.demo import delivery as demo_delivery
from invoice_pipelines.workshop.demo import orders as demo_orders
from invoice_pipelines.workshop.demo import overdue as demo_overdue
from invoice_pipelines.workshop.demo import quickbooks as demo_quickbooks
from invoice_pipelines.workshop.demo.orders import Batch

EXAMPLES = Path(__file__).parents[3] / "examples"
MARKER = "demo"
SECONDS_AT_MOST = 400.0
PROBLEMS = 1


@dataclass(frozen=True, slots=True)
class Document:
    """A document of the demo and what must become of it."""

    file: str
    kind: str
    state: str
    reason: str | None
    number: str | None
    gross_amount: Decimal | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organization of the demo. `same_again` are the files that the API had already; an inbox notes those itself."""

    id: UUID
    slug: str
    documents: tuple[Document, ...]
    same_again: set[str] = field(default_factory=set)


def register(app: typer.Typer) -> None:
    """Adds the command."""
    app.command()(demo)


def demo() -> None:
    """Send real documents and sales orders of three organizations through everything, on this machine.

    Makes PDFs of the invoices and sends them, looks for overdue ones, syncs with a QuickBooks, and checks what became
    of each. Works in DAGSTER_HOME, which must be empty or hold an earlier demo; that one is replaced.
    """
    _clear_home(load_settings())
    started = time.monotonic()
    console.print("Starting PostgreSQL, Dagster, the API, a local QuickBooks, mail server and Twilio ...")
    with ExitStack() as stack:
        sandbox = stack.enter_context(demo_quickbooks.running_quickbooks())
        outside = stack.enter_context(demo_delivery.running_servers(demo_api.free_ports()))
        settings = load_settings()
        services = stack.enter_context(running_services(settings, webserver=False, api=True))
        engine = stack.enter_context(open_database(settings))
        tenants = [_add_tenant(engine, entry) for entry in _expected()]
        password = demo_api.add_people(engine, settings, [tenant.slug for tenant in tenants])
        (by_api,) = [tenant for tenant in tenants if tenant.slug == demo_api.BY_API]
        program = stack.enter_context(demo_api.program(engine, by_api.id, str(services.api_url)))
        count = sum(len(tenant.documents) for tenant in tenants)
        kinds = len({document.kind for tenant in tenants for document in tenant.documents})
        console.print(
            f"Dropping {count} documents of {kinds} kinds into the inboxes of {len(tenants)} organizations, "
            "one of them by the API."
        )
        books = demo_orders.order_books(EXAMPLES)
        batches: list[Batch] = []
        for tenant in tenants:
            batch = demo_orders.ask_for_invoices(
                engine,
                tenant.id,
                books[tenant.slug],
                days_ago=demo_overdue.DAYS_AGO[tenant.slug],
                post=program.post if tenant is by_api else None,
                **demo_delivery.options_of(tenant.slug),
            )
            if not batches:
                _wait_for_a_run(services, engine, batch)  # of its own: what is due at once, a sweep takes
            batches.append(batch)
        for tenant in tenants:
            if tenant is by_api:
                tenant.same_again.update(demo_api.upload(program, _files(tenant)))
            else:
                _drop(settings, tenant)
        demo_orders.announce(batches)
        _watch(services, engine, tenants, batches)
        demo_delivery.ask(engine, batches)
        problems = [problem for tenant in tenants for problem in _problems(engine, tenant)]
        problems += [problem for batch in batches for problem in demo_orders.problems(engine, batch)]
        _summary(engine, settings, tenants)
        demo_orders.show(engine, batches)
        demo_api.show(program)
        companies = demo_quickbooks.connect(engine, settings, sandbox, {tenant.slug: tenant.id for tenant in tenants})
        stack.callback(demo_quickbooks.end, engine, settings, companies)
        demo_quickbooks.begin_sync(services, companies)
        noticed = demo_overdue.look_twice(services, engine, batches)
        problems += demo_overdue.problems(noticed, batches)
        demo_overdue.show(noticed)
        edited = demo_quickbooks.change_both_sides(services, engine, companies)
        demo_quickbooks.sync_now(services, engine, companies)
        synced = demo_quickbooks.outcome(engine, sandbox, companies, edited)
        problems += demo_quickbooks.problems(engine, synced)
        demo_quickbooks.show(synced)
        demo_delivery.wait(services, engine, batches)
        problems += demo_delivery.problems(engine, outside, batches)
        delivered = demo_delivery.outcome(engine, settings, outside, batches)
        demo_delivery.show(delivered)
        orders = sum(len(batch.orders) for batch in batches)
        (desk,) = [tenant for tenant in tenants if tenant.slug == demo_api.AT_THE_DESK]
        left = demo_orders.leave_a_job(engine, desk.id, books[desk.slug])
    if problems:
        for problem in problems:
            console.print(styled("not as expected", "red"), f" {problem}", soft_wrap=True)
        raise typer.Exit(PROBLEMS)
    console.print(
        f"\nAll {count} documents, {orders} orders and {sum(found.open for found in noticed)} notifications of overdue "
        f"invoices came out as expected, {sum(found.documents for found in delivered)} PDFs were made, "
        f"{sum(sum(found.sent.values()) for found in delivered)} messages sent, "
        f"{sum(found.invoices for found in synced)} invoices are in QuickBooks, "
        f"in {time.monotonic() - started:.0f} s."
    )
    console.print(
        f"\nIn {desk.slug}, {sum(document.state == Status.PARSED for document in desk.documents)} documents and "
        f"1 conflict with QuickBooks wait for a person, and {left} more orders for a worker to invoice them."
    )
    demo_api.leave_sign_in(settings, password)


def _expected() -> Sequence[Mapping[str, Any]]:
    file = EXAMPLES / "expected.json"
    if not file.exists():
        raise ServiceError("the demo needs the folder examples/ of a checkout of this project")
    organizations: Sequence[Mapping[str, Any]] = json.loads(file.read_text(encoding="utf-8"))["organizations"]
    return organizations


def _clear_home(settings: Settings) -> None:
    """Removes an earlier demo. Whatever is not marked as one is left alone."""
    home = settings.home.absolute()
    if embedded_server(settings) is None:
        raise ServiceError("the demo uses the embedded PostgreSQL; unset INVOICE_PIPELINES_DATABASE_URL")
    if home.exists() and any(home.iterdir()):
        if not (home / MARKER).exists():
            raise ServiceError(f"{home} holds something else than a demo; set DAGSTER_HOME to an empty folder")
        server = embedded_server(settings)
        if server is not None and server.is_held():
            raise ServiceError(f"something is running in {home}; stop `invoice-pipelines up` first")
        if server is not None:
            server.acquire()  # a server that a kill left behind is stopped before its data goes
            server.release()
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARKER).write_text("This folder was made by the demo, which may remove it.\n")


def _add_tenant(engine: Engine, entry: Mapping[str, Any]) -> Tenant:
    organization_id = add_organization(
        engine,
        entry["slug"],
        entry["name"],
        country_code=entry["country"],
        time_zone=entry["time_zone"],
        currency=entry["currency"],
        vat_id=entry["vat_id"],
        tax_number=entry["tax_number"],
        address=Address(street=entry["street"], post_code=entry["post_code"], city=entry["city"]),
        iban=entry["iban"],
        settings=OrganizationSettings(
            overdue_levels=demo_overdue.LEVELS[entry["slug"]],
            overdue_channels=demo_delivery.REMINDED_BY[entry["slug"]],
            documents=demo_delivery.LOOKS[entry["slug"]],
            messages=demo_delivery.SENDERS[entry["slug"]],
        ),
        created_by="demo",
    )
    documents = tuple(
        Document(
            file=item["file"],
            kind=item["kind"],
            state=item["state"],
            reason=item["reason"],
            number=item["number"],
            gross_amount=None if item["gross_amount"] is None else Decimal(item["gross_amount"]),
            currency=item["currency"],
        )
        for item in entry["documents"]
    )
    return Tenant(organization_id, entry["slug"], documents)


def _drop(settings: Settings, tenant: Tenant) -> None:
    inbox = Path(settings.inbox_root) / tenant.slug
    inbox.mkdir(parents=True, exist_ok=True)
    for file in _files(tenant):
        shutil.copyfile(file, inbox / file.name)


def _files(tenant: Tenant) -> list[Path]:
    return [EXAMPLES / tenant.slug / name for name in sorted(document.file for document in tenant.documents)]


def _wait_for_a_run(services: Services, engine: Engine, batch: Batch) -> None:
    deadline = time.monotonic() + SECONDS_AT_MOST
    while demo_orders.job_of(engine, batch).started_at is None:
        services.check()
        if time.monotonic() > deadline:
            raise ServiceError(f"no run began after {SECONDS_AT_MOST:.0f} s; see {services.log_of('daemon')}")
        time.sleep(0.5)


def _watch(services: Services, engine: Engine, tenants: Sequence[Tenant], batches: Sequence[Batch]) -> None:
    """Shows progress until every document and every order has come to its end."""
    deadline = time.monotonic() + SECONDS_AT_MOST
    shown = ""
    with Live(console=console, refresh_per_second=4, transient=True) as live:
        while time.monotonic() < deadline:
            services.check()
            counts = status_counts(engine)
            invoiced = {batch.organization_id: demo_orders.job_of(engine, batch).processed_items for batch in batches}
            live.update(_progress(tenants, counts, invoiced))
            if not console.is_terminal and (line := _progress_line(tenants, counts, invoiced)) != shown:
                console.print(line)
                shown = line
            quiet = all(_is_quiet(engine, tenant, counts) for tenant in tenants)
            if quiet and all(demo_orders.is_done(engine, batch) for batch in batches):
                return
            time.sleep(1)
    raise ServiceError(f"the demo was not done after {SECONDS_AT_MOST:.0f} s; see {services.log_of('daemon')}")


def _is_quiet(engine: Engine, tenant: Tenant, counts: Mapping[UUID, Mapping[Status, int]]) -> bool:
    by_status = counts.get(tenant.id, {})
    with organization_scope(engine, tenant.id) as connection:
        finished = sum(count for status, count in by_status.items() if is_terminal(status))
        finished += backlog(connection).invoices
        if finished != sum(by_status.values()):
            return False
        finished += duplicate_files(connection) + len(tenant.same_again)
        return waiting_files(connection) == 0 and finished == len(tenant.documents)


def _progress(
    tenants: Sequence[Tenant], counts: Mapping[UUID, Mapping[Status, int]], invoiced: Mapping[UUID, int]
) -> LiteralTable:
    shown = table(None, "organization", "#dropped", *status_columns(), "#orders done")
    for tenant in tenants:
        by_status = status_cells(counts.get(tenant.id, dict.fromkeys(Status, 0)))
        shown.add_row(tenant.slug, len(tenant.documents), *by_status, invoiced[tenant.id])
    return shown


def _progress_line(
    tenants: Sequence[Tenant], counts: Mapping[UUID, Mapping[Status, int]], invoiced: Mapping[UUID, int]
) -> str:
    total = dict.fromkeys(Status, 0)
    for tenant in tenants:
        for status, count in counts.get(tenant.id, {}).items():
            total[status] += count
    documents = ", ".join(f"{label(status).lower()} {count}" for status, count in total.items())
    return f"{documents}; orders done {sum(invoiced.values())}"


def _problems(engine: Engine, tenant: Tenant) -> Iterator[str]:
    """What did not come out as `expected.json` has it, in words."""
    with organization_scope(engine, tenant.id) as connection:
        rows = connection.execute(
            text(
                """select r.file_name, r.status, r.invoice_number, r.gross_amount, r.currency,
                          (select array_agg(distinct e.code) from intake.processing_error e
                           where e.received_invoice_id = r.id) as codes,
                          (select array_agg(distinct v.rule) from intake.violation v
                           join intake.verdict d on d.id = v.verdict_id
                           where d.received_invoice_id = r.id) as rules,
                          (select array_agg(distinct w.code) from intake.review_reason w
                           where w.received_invoice_id = r.id) as reviews
                   from public.received_invoice r"""
            )
        )
        found = {row.file_name: row for row in rows}
        duplicates = set(
            connection.execute(text("select path from intake.arrival where outcome = 'duplicate'")).scalars()
        )
    duplicates |= tenant.same_again
    for document in tenant.documents:
        where = f"{tenant.slug}/{document.file}"
        row = found.get(document.file)
        if document.state == "DUPLICATE":
            if document.file not in duplicates:
                yield f"{where}: expected to be reported as duplicate"
        elif row is None:
            yield f"{where}: was lost"
        elif row.status != document.state:
            yield f"{where}: expected {document.state}, is {row.status} {row.codes or row.reviews or ''}"
        elif document.reason and document.reason not in [
            *(row.codes or []),
            *(row.rules or []),
            *(row.reviews or []),
        ]:
            yield f"{where}: expected {document.reason}, found {row.codes} {row.rules} {row.reviews}"
        elif document.state == "EXPORTED" and (row.invoice_number, row.gross_amount, row.currency) != (
            document.number,
            document.gross_amount,
            document.currency,
        ):
            yield f"{where}: read as {row.invoice_number}, {row.gross_amount} {row.currency}"


def _summary(engine: Engine, settings: Settings, tenants: Sequence[Tenant]) -> None:
    """Counts and reasons per organization, and where the files are. Each column counts who came that far."""
    shown = table(
        None, "organization", "#uploaded", "#parsed", "#validated", "#exported", "#failed", "#to review", "#duplicates"
    )
    for tenant in tenants:
        with organization_scope(engine, tenant.id) as connection:
            row = connection.execute(
                text(
                    """select count(*) as uploaded,
                              count(*) filter (where exists (select from intake.status_change c
                                  where c.received_invoice_id = r.id and c.to_status = 'PARSED')) as parsed,
                              count(*) filter (where exists (select from intake.status_change c
                                  where c.received_invoice_id = r.id and c.to_status = 'VALIDATED')) as validated,
                              count(*) filter (where r.status = 'EXPORTED') as exported,
                              count(*) filter (where r.status = 'FAILED') as failed
                       from intake.received_invoice r"""
                )
            ).one()
            waiting = backlog(connection).invoices
            shown.add_row(tenant.slug, *(str(value) for value in row), str(waiting), str(duplicate_files(connection)))
    console.print(shown)
    for tenant in tenants:
        with organization_scope(engine, tenant.id) as connection:
            reasons = failure_reasons(connection)
            to_review = list_reviews(connection)
            files = connection.execute(text("select files from intake.export order by export_number")).scalars().all()
        console.print(f"\n{tenant.slug}", style="bold")
        why = table(None, "failed because", "#documents", "for example")
        for reason in reasons:
            why.add_row(reason.code, str(reason.invoices), reason.message)
        console.print(why)
        if to_review:
            lane = table(None, "to review", "why")
            for one in to_review:
                lane.add_row(one_line(one.file_name), ", ".join(one.reasons))
            console.print(lane)
        for file in [item for export in files for item in export]:
            console.print(f"  {settings.exports_root}/{file['path']}  ({file['rows']} rows)", soft_wrap=True)
