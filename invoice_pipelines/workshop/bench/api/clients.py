"""The process of the benchmark `api` in which clients are: threads with a connection each, and nothing but sockets.

Each line of its input is {"host": "...", "port": 1, "token": "...", "method": "GET", "path": "...", "body": null,
"clients": 8, "seconds": 3.0, "pause": 0.0, "requests": null}: so many clients ask again and again, with a pause after
each answer, until the time is up or each has asked so often. It answers {"seconds": [...]}, one for each request.
"""

from __future__ import annotations

import json
import sys
import time
from http.client import HTTPConnection
from threading import Thread
from typing import Any


def main() -> None:
    """Answers until its input ends."""
    for line in sys.stdin:
        order = json.loads(line)
        taken: list[float] = []
        failures: list[str] = []
        threads = [Thread(target=_ask, args=(order, taken, failures)) for _ in range(order["clients"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        sys.stdout.write(json.dumps({"seconds": taken, "failures": failures[:3]}) + "\n")
        sys.stdout.flush()


def _ask(order: dict[str, Any], taken: list[float], failures: list[str]) -> None:
    connection = HTTPConnection(order["host"], order["port"], timeout=60)
    headers = {"Authorization": f"Bearer {order['token']}", "Content-Type": "application/json"}
    end, left = time.monotonic() + order["seconds"], order.get("requests")
    while time.monotonic() < end and left != 0:
        began = time.perf_counter()
        connection.request(order["method"], order["path"], body=order.get("body"), headers=headers)
        answer = connection.getresponse()
        said = answer.read()
        taken.append(time.perf_counter() - began)
        if answer.status >= 400:
            failures.append(f"{answer.status} {said[:200]!r}")
            return
        left = None if left is None else left - 1
        if order["pause"]:
            time.sleep(order["pause"])
    connection.close()


if __name__ == "__main__":
    main()
