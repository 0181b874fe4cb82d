"""Processes that make documents over and over, to be killed at any moment.

    python -m invoice_pipelines_tests.system.delivery.document_worker URL SLUG HOME

Each line on the standard input starts one more such process, whose id is printed; they are forked, with all modules
loaded, so that a kill costs no second of imports.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database import create_app_engine
from invoice_pipelines.delivery.documents.making import make_documents
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings

LEASE_SECONDS = 5


def main() -> None:
    url, slug, home = sys.argv[1:]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed ones leave no zombies
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            work(url, slug, Path(home))
        print(pid, flush=True)


def work(url: str, slug: str, home: Path) -> None:
    own: dict[str, Any] = {"DAGSTER_HOME": home, "document_processes": 1, "lease_seconds": LEASE_SECONDS}
    settings = Settings(**own)
    while True:
        try:
            engine = create_app_engine(url)
            context = OrganizationContext.of(engine, slug, settings, "worker")
            while True:
                make_documents(context, time_box=timedelta(days=1))
                time.sleep(0.1)  # between two looks
        except DBAPIError:
            time.sleep(0.05)  # PostgreSQL was killed, too; it will be back


if __name__ == "__main__":
    main()
