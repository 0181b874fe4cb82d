"""Processes that send the messages of one organization over and over, to be killed at any moment.

    python -m invoice_pipelines_tests.system.delivery.sender URL SETTINGS SLUG

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

from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database import create_app_engine
from invoice_pipelines.delivery.channels import twilio  # noqa: F401 - before they are forked
from invoice_pipelines.delivery.sending.sending import send_messages
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.settings import Settings


def main() -> None:
    url, file, slug = sys.argv[1:]
    settings = Settings(**json.loads(Path(file).read_text()))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the killed ones leave no zombies
    logging.disable(logging.ERROR)
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            work(url, settings, slug)
        print(pid, flush=True)


def work(url: str, settings: Settings, slug: str) -> None:
    parent = os.getppid()
    engine = create_app_engine(url)
    context = OrganizationContext.of(engine, slug, settings, "sender")
    while os.getppid() == parent:
        try:
            send_messages(context, time_box=timedelta(seconds=5))
        except DBAPIError:
            time.sleep(0.05)  # for a server that was just killed
        time.sleep(0.05)  # between two looks
    os._exit(0)


if __name__ == "__main__":
    main()
