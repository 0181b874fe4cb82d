"""Processes that issue invoices over and over, to be killed at any moment.

    python -m invoice_pipelines_tests.system.billing.billing_worker URL ORGANIZATION_ID

Each line on the standard input starts one more such process, whose id is printed; they are forked, with all modules
loaded, so that a kill costs no second of imports.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.database import create_app_engine

CHUNK = 25


def main() -> None:
    url, organization_id = sys.argv[1:]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed ones leave no zombies
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            work(url, UUID(organization_id))
        print(pid, flush=True)


def work(url: str, organization_id: UUID) -> None:
    while True:
        try:
            engine = create_app_engine(url)
            while True:
                process_jobs(engine, organization_id, chunk_size=CHUNK)
                time.sleep(0.01)
        except DBAPIError:
            time.sleep(0.05)  # PostgreSQL was killed, too; it will be back


if __name__ == "__main__":
    main()
