"""Processes that run the stages of the intake over and over, to be killed at any moment.

    python -m invoice_pipelines_tests.system.intake.worker URL HOME SLUG

Each line on the standard input starts one more such process, whose id is printed; it ends by itself when its input
ends. They are forked, with all modules loaded, so that a kill costs no second of imports.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database import create_app_engine, organization_scope
from invoice_pipelines.intake.stages import parsing, validating  # noqa: F401 (loaded before the fork)
from invoice_pipelines.intake.stages.arrivals import files_by_organization, sight
from invoice_pipelines.intake.stages.stages import (
    export_invoices,
    intake_of,
    parse_uploads,
    take_uploads,
    validate_invoices,
)
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings

LEASE = timedelta(seconds=1)


def main() -> None:
    url, home, slug = sys.argv[1:]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed ones leave no zombies
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            work(url, home, slug)
        print(pid, flush=True)


def work(url: str, home: str, slug: str) -> None:
    settings = Settings(DAGSTER_HOME=Path(home), inbox_settle_seconds=0, intake_chunk_size=4)  # type: ignore[call-arg]
    while True:
        try:
            engine = create_app_engine(url)
            intake = intake_of(OrganizationContext.of(engine, slug, settings, f"worker {os.getpid()}"))
            intake = replace(intake, lease=LEASE, max_attempts=1000)
            while True:
                with organization_scope(engine, intake.organization.id) as connection:
                    sight(connection, files_by_organization(intake.inbox.parent).get(slug, []), intake.settle)
                take_uploads(intake)
                parse_uploads(intake)
                validate_invoices(intake)
                export_invoices(intake)
                time.sleep(0.05)  # between two looks
        except DBAPIError:
            time.sleep(0.1)  # PostgreSQL was killed, too; it will be back


if __name__ == "__main__":
    main()
