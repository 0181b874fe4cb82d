"""A worker process for tests: drains one organization's queue and says so, or comes to grief on the way.

    python -m invoice_pipelines_tests.system.work.worker URL ORGANIZATION CHUNK_SIZE LEASE_SECONDS MAX_ATTEMPTS [FATE]

FATE `hang` stops for good in the middle of the third chunk, after its effects; `exit-on=SUBJECT` kills the process
when it meets that subject, after the effects on the chunk.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection

from invoice_pipelines.database import create_app_engine
from invoice_pipelines.work import Chunk, Outcome, drain
from invoice_pipelines_tests.integration.work.effects import KIND, leave_effects


def main() -> None:
    url, organization, chunk_size, lease, max_attempts, *fate = sys.argv[1:]
    chunks = 0

    def handler(connection: Connection, chunk: Chunk) -> list[Outcome]:
        nonlocal chunks
        chunks += 1
        outcomes = leave_effects(connection, chunk)
        if fate == ["hang"] and chunks == 3:
            print("in the middle of a chunk", flush=True)
            time.sleep(600)  # until it is killed
        if fate and fate[0].startswith("exit-on=") and fate[0][8:] in (item.subject_id for item in chunk.items):
            os._exit(9)
        return outcomes

    engine = create_app_engine(url)
    with engine.connect():  # or who connects first may have done all before the others are there
        pass
    print("ready", flush=True)
    sys.stdin.readline()
    report = drain(
        engine,
        UUID(organization),
        KIND,
        handler,
        chunk_size=int(chunk_size),
        lease=timedelta(seconds=float(lease)),
        max_attempts=int(max_attempts),
    )
    print(json.dumps({"succeeded": report.succeeded, "seconds": report.seconds, "died": report.died}), flush=True)


if __name__ == "__main__":
    main()
