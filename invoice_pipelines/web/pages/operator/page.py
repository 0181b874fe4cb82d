"""The operator's page. Who is no operator learns nothing of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fastapi import Request, Response
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from invoice_pipelines.accounting.systems import accounting_systems
from invoice_pipelines.accounts.credentials import fingerprint
from invoice_pipelines.accounts.entry import identified
from invoice_pipelines.accounts.errors import NotSignedIn
from invoice_pipelines.organizations.registry import registered_organizations
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.callers import SESSION_COOKIE
from invoice_pipelines.web.pages.batch_operations.words import Words
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.languages import language_of
from invoice_pipelines.web.pages.operator.dagster import DagsterRun, daemon_ages, latest_runs
from invoice_pipelines.web.pages.rendering import render
from invoice_pipelines.web.pages.routing import OpenPageRouter
from invoice_pipelines.web.problems import not_found
from invoice_pipelines.web.sign_in.routing import engine_of
from invoice_pipelines.work import JobStatistics, OpenItems, open_items, organizations_with_work, statistics_of_all

router = OpenPageRouter()

LATE_AFTER = timedelta(hours=1)
"""Work that could be done and waits for longer is trouble."""
SILENT_AFTER = 180.0
"""Seconds after which a daemon that says nothing is taken for dead."""
MOST_RUNS = 25
RUN_STATES = {
    "SUCCESS": ("good", N_("Done")),
    "FAILURE": ("bad", N_("Failed")),
    "CANCELED": ("plain", N_("Cancelled")),
    "CANCELING": ("warn", N_("Is being cancelled")),
    "STARTED": ("info", N_("Running")),
    "STARTING": ("info", N_("Is starting")),
    "QUEUED": ("info", N_("Waits for a worker")),
    "NOT_STARTED": ("info", N_("Waits for a worker")),
    "MANAGED": ("info", N_("Waits for a worker")),
}
"""By Dagster's words: the kind of the badge, and ours."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """How one organization is: how many items could be done, since when the first, and the kinds of those that are
    late.
    """

    slug: str
    name: str
    due_items: int
    oldest_due_at: datetime | None
    late_kinds: tuple[str, ...]


@router.route("GET", "/operator")
def operator_page(request: Request) -> Response:
    """Health, queues, throughput and the last runs."""
    if not (secret := request.cookies.get(SESSION_COOKIE)):
        raise NotSignedIn
    language = language_of(request)
    with identified(engine_of(request), fingerprint(secret)) as (connection, who):
        if not who.is_operator:
            raise not_found()
        queues = open_items(connection)
        figures = statistics_of_all(connection)
        fleet = _fleet(connection, queues)
        systems = [(system.title, system.connection_counts(connection)) for system in accounting_systems()]
    runs, daemons = _of_dagster(request.app.state.dagster)
    settings: Settings = request.app.state.settings
    now = datetime.now(UTC)
    return render(
        request,
        "operator.html",
        {
            "who": who,
            "words": Words(language),
            "fleet": fleet,
            "queues": sorted(queues, key=lambda queue: queue.oldest_due_at or now),
            "late_before": now - LATE_AFTER,
            "figures": sorted(figures, key=_busy_first),
            "systems": [(title, counts) for title, counts in systems if counts],
            "runs": runs,
            "run_states": RUN_STATES,
            "daemons": None if daemons is None else sorted(daemons.items()),
            "silent_after": SILENT_AFTER,
            "dagster_url": dagster_url(settings),
        },
        language=language,
    )


def dagster_url(settings: Settings) -> str:
    """Where people reach Dagster's UI: the address that the operator named, otherwise where `up` serves it."""
    return (settings.ui_url or f"http://{settings.webserver_host}:{settings.webserver_port}").rstrip("/")


def _fleet(connection: Connection, queues: Sequence[OpenItems]) -> list[Fleet]:
    """All organizations, those in which work waits for the longest first."""
    late = datetime.now(UTC) - LATE_AFTER
    due = defaultdict(list)
    for work in organizations_with_work(connection, [queue.kind for queue in queues]):
        due[work.organization_id].append(work)
    found = [
        Fleet(
            slug=organization.slug,
            name=organization.name,
            due_items=sum(work.due_items for work in due[organization.id]),
            oldest_due_at=min((work.oldest_due_at for work in due[organization.id]), default=None),
            late_kinds=tuple(work.kind for work in due[organization.id] if work.oldest_due_at < late),
        )
        for organization in registered_organizations(connection)
    ]
    return sorted(found, key=lambda one: (one.oldest_due_at or datetime.max.replace(tzinfo=UTC), one.slug))


def _busy_first(figure: JobStatistics) -> tuple[int, str]:
    return -figure.successful_items_today, figure.job_type


def _of_dagster(engine: Engine | None) -> tuple[Sequence[DagsterRun] | None, dict[str, float] | None]:
    """None: Dagster's records cannot be read."""
    if engine is None:
        return None, None
    try:
        with engine.connect() as connection:
            return latest_runs(connection, MOST_RUNS), daemon_ages(connection)
    except SQLAlchemyError:
        return None, None
