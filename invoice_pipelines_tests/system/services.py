"""A process with an installation in it: PostgreSQL, Dagster's code server and daemon, as `up` runs them.

    python -m invoice_pipelines_tests.system.services

Everything is set by the environment. Says `ready`, and stops all when its input ends.
"""

from __future__ import annotations

import select
import signal
import sys

from invoice_pipelines.cli.supervisor import running_services
from invoice_pipelines.settings import load_settings


def main() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running_services(load_settings(), webserver=False, api=False) as services:
        print(f"ready {services.processes['daemon'].pid}", flush=True)
        while not select.select([sys.stdin], [], [], 0.5)[0]:
            services.check()


if __name__ == "__main__":
    main()
