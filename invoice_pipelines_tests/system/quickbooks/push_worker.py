"""Processes that push and pull one organization over and over, to be killed at any moment.

    python -m invoice_pipelines_tests.system.quickbooks.push_worker URL SETTINGS ORGANIZATION...

SETTINGS is a file with the settings as JSON. Each line on the standard input starts one more such process, whose id is
printed; it ends by itself when its input ends. They are forked, with all modules loaded.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database import create_app_engine
from invoice_pipelines.quickbooks.api.faults import Fault, QuickBooksError
from invoice_pipelines.quickbooks.pull.pull import pull
from invoice_pipelines.quickbooks.push.push import push
from invoice_pipelines.quickbooks.values import KINDS, EntityType
from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.support.quickbooks.pushing import QUICK

PULLED = (EntityType.CUSTOMER, EntityType.ITEM)


def main() -> None:
    url, file, *organizations = sys.argv[1:]
    settings = Settings(**json.loads(Path(file).read_text()))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed ones leave no zombies
    logging.disable(logging.ERROR)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            work(url, settings, [UUID(organization) for organization in organizations])
        print(pid, flush=True)


def work(url: str, settings: Settings, organizations: list[UUID]) -> None:
    parent = os.getppid()
    engine = create_app_engine(url)
    while os.getppid() == parent:
        for organization_id in organizations:
            try:
                if len(organizations) == 1:  # of many, it is the pushes alone that are looked at
                    pull(engine, settings, organization_id, PULLED, limits=QUICK, time_box=timedelta(seconds=2))
                for entity in KINDS if len(organizations) == 1 else [EntityType.INVOICE]:
                    push(engine, settings, organization_id, entity, limits=QUICK, time_box=timedelta(seconds=2))
            except (QuickBooksError, Fault, DBAPIError):
                time.sleep(0.05)  # for what is just not to be had
        time.sleep(0.02)  # between two looks
    os._exit(0)


if __name__ == "__main__":
    main()
