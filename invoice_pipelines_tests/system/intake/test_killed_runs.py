"""Dagster's run processes and PostgreSQL are killed at random moments, 20 times, while documents go through.

Everything is real: the daemon's sensors ask for the runs, the code server starts their processes, PostgreSQL is the
embedded one; whatever recovers does so by itself.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database import create_app_engine, create_login_engine, organization_scope
from invoice_pipelines.database.access import database_urls
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.support.waiting import wait_for
from invoice_pipelines_tests.system.intake.documents import (
    Dropped,
    assert_all_came_out_right,
    examples_of,
    interrupted_items,
    is_quiet,
    make_organization,
    more,
)

KILLS = size(4, 20)
SLUGS = ("nordwind-handel", "harbour-and-hill")
QUICK = {
    "INVOICE_PIPELINES_LEASE_SECONDS": "5",
    "INVOICE_PIPELINES_INBOX_SETTLE_SECONDS": "0.5",
    "INVOICE_PIPELINES_INTAKE_CHUNK_SIZE": "5",
    "INVOICE_PIPELINES_INTAKE_MAX_ATTEMPTS": "100",
    "INVOICE_PIPELINES_REST_AFTER_FAILURE_SECONDS": "0.5",
}
"""So that it recovers fast; a document is not given up for being where the lightning strikes several times."""


def run_processes(installation: int) -> list[int]:
    """Processes of Dagster runs: what the code server of the installation has spawned."""
    parents: dict[int, int] = {}
    commands: dict[int, str] = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            pid = int(process.name)
            parents[pid] = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
            commands[pid] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    code_servers = [pid for pid, parent in parents.items() if parent == installation and "api grpc" in commands[pid]]
    return [pid for pid, parent in parents.items() if parent in code_servers and "spawn_main" in commands[pid]]


def postmaster(home: Path) -> int | None:
    try:
        return int((home / "postgresql" / "data" / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


T = TypeVar("T")


def answered(condition: Callable[[], T]) -> Callable[[], T | None]:
    """The condition, where a PostgreSQL that is just being restarted is no answer."""

    def ask() -> T | None:
        with suppress(DBAPIError):
            return condition()
        return None

    return ask


def wait_a_while(condition: Callable[[], object], seconds: float) -> None:
    """Until the condition is true, which it is for a moment alone, or for so long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not answered(condition)():
        time.sleep(0.02)


def at_work(engine: Engine, organization_id: UUID) -> bool:
    """Whether a run has items in hand at this moment."""
    with organization_scope(engine, organization_id) as connection:
        return bool(
            connection.execute(
                text("select exists (select from work.batch_item where lease_expires_at > now())")
            ).scalar_one()
        )


def drop(inbox: Path, files: list[Dropped]) -> None:
    for file in files:
        (inbox / file.name).write_bytes(file.data)


def unfinished(engine: Engine, dagster: Engine, organization_id: UUID) -> str:
    """What is still under way, for the message of a test that waited in vain."""
    with organization_scope(engine, organization_id) as connection:
        facts = {
            name: [tuple(row) for row in connection.execute(text(statement))]
            for name, statement in {
                "invoices": "select status, count(*) from intake.received_invoice group by 1",
                "items": """select kind, status, attempts, error_code, available_at, lease_expires_at, count(*)
                            from work.batch_item where status in ('pending', 'processing')
                            group by 1, 2, 3, 4, 5, 6""",
                "arrivals": "select outcome, removed_at is null, count(*) from intake.arrival group by 1, 2",
                "exports": "select status, count(*) from intake.export group by 1",
                "now": "select now()",
            }.items()
        }
    with dagster.connect() as connection:
        facts["runs"] = [
            tuple(row)
            for row in connection.execute(text("select pipeline_name, status, count(*) from runs group by 1, 2"))
        ]
    return str(facts)


def open_runs(dagster: Engine) -> int:
    with dagster.connect() as connection:
        return int(
            connection.execute(
                text("select count(*) from runs where status not in ('SUCCESS', 'FAILURE', 'CANCELED')")
            ).scalar_one()
        )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_kills_of_runs_and_of_postgresql_lose_and_double_nothing(tmp_path: Path) -> None:
    moments = random.Random(20260601)
    home = tmp_path / "home"
    settings = Settings(DAGSTER_HOME=home)  # type: ignore[call-arg]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INVOICE_PIPELINES_")}
    installation = subprocess.Popen(
        [sys.executable, "-m", "invoice_pipelines_tests.system.services"],
        env={**clean, **QUICK, "DAGSTER_HOME": str(home)},
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    urls = database_urls(settings)
    engine, dagster = (
        create_app_engine(urls.app),
        create_login_engine(urls.dagster.set(drivername="postgresql+psycopg")),
    )
    try:
        assert installation.stdout is not None
        assert installation.stdout.readline().startswith(b"ready")
        dropped: dict[str, list[Dropped]] = {}
        waiting: dict[str, list[Dropped]] = {}
        organizations = {slug: make_organization(engine, slug) for slug in SLUGS}
        for slug in SLUGS:
            (home / "inbox" / slug).mkdir(parents=True)
            waiting[slug] = more(4, "more")
            dropped[slug] = examples_of(slug) + waiting[slug]
            drop(home / "inbox" / slug, examples_of(slug))

        killed = {"run": 0, "postgresql": 0}
        while sum(killed.values()) < KILLS:
            assert installation.poll() is None, "the installation lives on"
            for slug, files in waiting.items():
                share = -(-len(files) // max(KILLS - sum(killed.values()), 1))
                drop(home / "inbox" / slug, [files.pop() for _ in range(share)])
            runs = wait_for("a run", lambda: run_processes(installation.pid), 90)
            if sum(killed.values()) % 2:
                time.sleep(moments.uniform(0, 8))  # a run takes 4 s to start, and about as long to work
            else:
                wait_a_while(lambda: any(at_work(engine, each) for each in organizations.values()), 30)
            if sum(killed.values()) % 4 == 3:
                pid = wait_for("PostgreSQL", lambda: postmaster(home), 30)
                killed["postgresql"] += kill(pid)
            else:
                runs = run_processes(installation.pid)
                killed["run"] += bool(runs) and kill(moments.choice(runs))

        for slug, organization_id in organizations.items():
            drop(home / "inbox" / slug, waiting[slug])
            wait_for(
                f"the end of {slug}",
                answered(
                    lambda organization_id=organization_id, slug=slug: is_quiet(engine, organization_id, dropped[slug])
                ),
                300,
                instead=lambda organization_id=organization_id: unfinished(engine, dagster, organization_id),
            )
        wait_for("the end of all runs", answered(lambda: open_runs(dagster) == 0), 60)
        for slug, organization_id in organizations.items():
            assert_all_came_out_right(engine, organization_id, dropped[slug], home / "inbox" / slug, home / "exports")
        assert killed["postgresql"] >= KILLS // 4
        assert sum(interrupted_items(engine, organization_id) for organization_id in organizations.values()) > 0
    finally:
        engine.dispose()
        dagster.dispose()
        installation.communicate(timeout=60)
    assert postmaster(home) is None, "nothing is left running"
