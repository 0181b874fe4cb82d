"""Processes that issue invoices over and over, to be killed at any moment.

    python -m invoice_pipelines_tests.system.billing.billing_worker URL ORGANIZATION

Each line on the standard input starts one more such process, whose id is printed; they are forked, with all modules
loaded, so that a kill costs no second of imports.
"""

from __future__ import annotations

import os
import signal
import sys
import time

from sqlalchemy.exc import DBAPIError

from invoice_pipelines.billing.processing import process_jobs
from invoice_pipelines.database import create_app_engine
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import load_settings

CHUNK = 25


def main() -> None:
    url, slug = sys.argv[1:]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed ones leave no zombies
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            work(url, slug)
        print(pid, flush=True)


def work(url: str, slug: str) -> None:
    while True:
        try:
            organization = OrganizationContext.of(create_app_engine(url), slug, load_settings(), "test")
            while True:
                process_jobs(organization, chunk_size=CHUNK)
                time.sleep(0.01)  # between two looks
        except DBAPIError:
            time.sleep(0.05)  # PostgreSQL was killed, too; it will be back


if __name__ == "__main__":
    main()
