"""A run that whoever made work has begun at once: Dagster's webserver is asked for it behind the commit.

This spares the wait for the sensor, and no more: where Dagster cannot be reached or does not want to, the sensor asks
for the run a few seconds later, and nobody is told.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

import httpx
from sqlalchemy import Connection, text

from invoice_pipelines.http_clients import open_http_client
from invoice_pipelines.settings import Settings

log = logging.getLogger("invoice_pipelines.launching")

WITHIN = timedelta(seconds=6)
"""So long the sensor leaves an organization to whoever has asked for its run."""
SECONDS_TO_ANSWER = 4.0
PAUSE = 30.0
"""Seconds for which Dagster is not asked again after it did not answer."""
ASKED_BY = "asked_by"
BY_WHOEVER_MADE_WORK = "upload"
"""The tag of runs that are asked for here: they may end before they begin, where nothing waits for them any more."""
AT_ONCE = 4
MOST_WAITING = 100

_REPOSITORIES = """{ repositoriesOrError { ... on RepositoryConnection {
  nodes { name location { name } jobs { name } } } } }"""
_RUNS = """query($waiting: RunsFilter!, $stopped: RunsFilter!, $stoppedSweeps: RunsFilter!) {
  waiting: runsOrError(filter: $waiting, limit: 1) { ... on Runs { results { id } } }
  stopped: runsOrError(filter: $stopped, limit: 1) { ... on Runs { results { id } } }
  stoppedSweeps: runsOrError(filter: $stoppedSweeps, limit: 1) { ... on Runs { results { id } } }
}"""
_LAUNCH = """mutation($parameters: ExecutionParams!) { launchRun(executionParams: $parameters) { __typename } }"""


class Launcher:
    """Asks Dagster for runs of single organizations. One for a process; its threads end with `close`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: httpx.Client | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._waiting: set[tuple[str, str]] = set()
        self._places: dict[str, Mapping[str, str]] = {}
        self._lock = Lock()
        self._silent_until = 0.0

    def expects(self, connection: Connection, job: str) -> bool:
        """Whether a run of the organization in scope is to be asked for after this transaction, which makes work for
        it; notes so, so that no sensor does. Not for an organization that rests after failures.
        """
        if self._url() is None or time.monotonic() < self._silent_until:
            return False
        asked = text("select work.expect_run(:job, :within)")
        return bool(connection.execute(asked, {"job": job, "within": WITHIN}).scalar_one())

    def begin_soon(self, slug: str, job: str) -> None:
        """Asks for a run in another thread, for servers. What is waited for already is not asked for twice."""
        with self._lock:
            if (slug, job) in self._waiting or len(self._waiting) >= MOST_WAITING:
                return
            self._waiting.add((slug, job))
            if self._threads is None:
                self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="launcher")
        with suppress(RuntimeError):  # the process ends
            self._threads.submit(self._begin_waiting, slug, job)

    def begin(self, slug: str, job: str) -> bool:
        """Asks for a run of an organization, unless one waits to begin or a person stopped one lately; returns whether
        one begins soon. Never raises.
        """
        url = self._url()
        if url is None or time.monotonic() < self._silent_until:
            return False
        try:
            return self._begin(f"{url}/graphql", slug, job)
        except (httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            self._silent_until = time.monotonic() + PAUSE
            self._places.clear()
            log.warning("Dagster was not asked for a run, so that its sensor does it: %s", type(error).__name__)
            return False

    def close(self) -> None:
        """Ends its threads and connections."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client is not None:
            self._client.close()

    def _begin_waiting(self, slug: str, job: str) -> None:
        with self._lock:
            self._waiting.discard((slug, job))  # what is committed from now on needs another look
        self.begin(slug, job)

    def _url(self) -> str | None:
        if self._settings.dagster_url is not None:
            return self._settings.dagster_url.rstrip("/")
        try:
            return self._settings.dagster_url_file.read_text("utf-8").strip() or None
        except OSError:
            return None

    def _begin(self, url: str, slug: str, job: str) -> bool:
        found = self._ask(url, _RUNS, self._filters(slug, job))
        if found["waiting"]["results"]:
            return True
        if found["stopped"]["results"] or found["stoppedSweeps"]["results"]:
            return False  # the sensor knows whether it is held
        tags = {"dagster/partition": slug, "organization": slug, "lane": "express", ASKED_BY: BY_WHOEVER_MADE_WORK}
        parameters = {
            "selector": self._place_of(url, job),
            "runConfigData": {},
            "mode": "default",
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in tags.items()]},
        }
        answer = self._ask(url, _LAUNCH, {"parameters": parameters})["launchRun"]["__typename"]
        if answer != "LaunchRunSuccess":
            raise ValueError(answer)
        return True

    def _filters(self, slug: str, job: str) -> dict[str, Any]:
        held = timedelta(minutes=self._settings.hold_after_terminate_minutes)
        stopped = {"statuses": ["CANCELING", "CANCELED"], "updatedAfter": (datetime.now(UTC) - held).timestamp()}
        own = {"pipelineName": job, "tags": [{"key": "organization", "value": slug}]}
        return {
            "waiting": {**own, "statuses": ["NOT_STARTED", "QUEUED", "STARTING"]},
            "stopped": {**own, **stopped},
            "stoppedSweeps": {"pipelineName": f"{job}_sweep", **stopped},
        }

    def _place_of(self, url: str, job: str) -> Mapping[str, str]:
        """Where the webserver has a job, as it wants to be told."""
        if job not in self._places:
            nodes: Sequence[Any] = self._ask(url, _REPOSITORIES, {})["repositoriesOrError"]["nodes"]
            (node,) = [node for node in nodes if {"name": job} in node["jobs"]][:1]
            self._places[job] = {
                "repositoryLocationName": node["location"]["name"],
                "repositoryName": node["name"],
                "jobName": job,
            }
        return self._places[job]

    def _ask(self, url: str, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            if self._client is None:
                self._client = open_http_client(timeout=SECONDS_TO_ANSWER, trust_env=False)
        answer = self._client.post(url, json={"query": query, "variables": variables})
        answer.raise_for_status()
        data: dict[str, Any] = answer.json()["data"]
        return data
