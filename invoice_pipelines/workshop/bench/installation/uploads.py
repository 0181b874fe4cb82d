"""Clients that upload documents by the API, as a timetable says, and what they see: how long each document took from
the first byte sent until it was validated.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Lock, Thread, local
from uuid import UUID

import httpx
from sqlalchemy import text

from invoice_pipelines.accounts.tokens import add_token
from invoice_pipelines.database import organization_scope
from invoice_pipelines.workshop.bench.installation.installation import Installation, Tenant, document
from invoice_pipelines.workshop.bench.result import BenchError

SECONDS_BETWEEN_LOOKS = 0.1
CLIENTS = 8
_SEEN = """select r.upload_id from intake.received_invoice r
           where r.organization_id = any(:tenants) and r.upload_id = any(:uploads)
             and r.status in ('VALIDATED', 'EXPORTED')"""


@dataclass(frozen=True, slots=True)
class Sent:
    """A document that a client uploads: when, in seconds from the beginning, for whom and with which number."""

    at: float
    tenant: Tenant
    number: str


class Clients:
    """Clients of an installation, each with a token of every organization that it uploads for."""

    def __init__(self, here: Installation, tenants: Sequence[Tenant]) -> None:
        self._here = here
        self._tokens = {tenant.slug: _token(here, tenant) for tenant in tenants}
        self._tenants = [tenant.id for tenant in tenants]
        self._kept = local()
        self._lock = Lock()
        self._sent: dict[UUID, float] = {}
        self._seen: dict[UUID, float] = {}
        self.answered: list[float] = []

    def upload(self, timetable: Sequence[Sent]) -> list[float]:
        """Uploads all of them, and waits until each is seen to be validated; returns the seconds of each, in the order
        of its upload. Raises BenchError where the API refuses one, or one does not come to be validated.
        """
        self._sent.clear()
        self._seen.clear()
        began, over = time.monotonic(), Event()
        watcher = Thread(target=self._watch, args=(over,), daemon=True)
        watcher.start()
        try:
            with ThreadPoolExecutor(CLIENTS) as clients:
                done = [clients.submit(self._send, sent, began) for sent in timetable]
                for each in done:
                    each.result()
            self._here.wait("all uploads are validated", lambda: len(self._seen) == len(timetable))
        finally:
            over.set()
            watcher.join()
        return [self._seen[upload] - sent for upload, sent in self._sent.items()]

    def _send(self, sent: Sent, began: float) -> None:
        time.sleep(max(0.0, began + sent.at - time.monotonic()))
        if not hasattr(self._kept, "client"):
            url = f"http://127.0.0.1:{self._here.settings.web_port}"
            self._kept.client = httpx.Client(base_url=url, timeout=60, trust_env=False)
        now = time.monotonic()
        answer = self._kept.client.post(
            f"/api/v1/organizations/{sent.tenant.slug}/uploads",
            headers={"Authorization": f"Bearer {self._tokens[sent.tenant.slug]}"},
            files={"file": (f"{sent.number}.xml", document(sent.number), "application/xml")},
        )
        if answer.status_code != httpx.codes.CREATED:
            raise BenchError(f"the API answered an upload: {answer.status_code} {answer.text[:200]}")
        with self._lock:
            self.answered.append(time.monotonic() - now)
            self._sent[UUID(answer.json()["id"])] = now

    def _watch(self, over: Event) -> None:
        while not over.wait(SECONDS_BETWEEN_LOOKS):
            with self._lock:
                awaited = [upload for upload in self._sent if upload not in self._seen]
            if not awaited:
                continue
            with self._here.owner.connect() as connection:
                found = connection.execute(text(_SEEN), {"tenants": self._tenants, "uploads": awaited}).scalars().all()
            now = time.monotonic()
            self._seen.update((upload, now) for upload in found)


def _token(here: Installation, tenant: Tenant) -> str:
    with organization_scope(here.engine, tenant.id) as connection:
        return add_token(connection, "bench", ["read", "intake:write"], actor="bench", lasts=timedelta(days=1))[1]
