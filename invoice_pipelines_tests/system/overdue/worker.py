"""Processes that look for overdue invoices, to be killed at any moment.

    python -m invoice_pipelines_tests.system.overdue.worker URL ORGANIZATION BATCH_SIZE

Each line on the standard input starts one more process, whose id is printed once it is about to begin. They are forked,
with all modules loaded, so that a kill costs no second of imports.
"""

from __future__ import annotations

import os
import signal
import sys

from invoice_pipelines.database import create_app_engine
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.overdue import AlreadyRunning, notify_overdue
from invoice_pipelines.settings import load_settings


def main() -> None:
    url, slug, batch_size = sys.argv[1:]
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed ones leave no zombies
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            organization = OrganizationContext.of(create_app_engine(url), slug, load_settings(), "test")
            while True:
                try:
                    notify_overdue(organization, batch_size=int(batch_size), progress_seconds=0.03)
                    os._exit(0)
                except AlreadyRunning:  # the server has not seen yet that the one before is dead
                    continue
        print(pid, flush=True)


if __name__ == "__main__":
    main()
