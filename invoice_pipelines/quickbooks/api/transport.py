"""Makes one call: its turn, its token, the sending, and what to do about each kind of fault.

What is asked, and what answers mean, is in `client`.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from sqlalchemy import Engine

from invoice_pipelines.database import organization_scope
from invoice_pipelines.http_clients import open_http_client
from invoice_pipelines.quickbooks.api.answers import TID, read_answer
from invoice_pipelines.quickbooks.api.faults import ACCESS_LOST, Fault, FaultKind, RealmPaused
from invoice_pipelines.quickbooks.api.options import Company
from invoice_pipelines.quickbooks.api.rate import Limiter, Limits
from invoice_pipelines.quickbooks.api.usage import UsageCounter
from invoice_pipelines.quickbooks.connection.connections import Connected, connection_of, store_company
from invoice_pipelines.quickbooks.connection.realm import Realm
from invoice_pipelines.quickbooks.connection.tokens import Access, TokenKeeper
from invoice_pipelines.settings import Settings

MINOR_VERSION = "75"
"""The oldest and newest that there is; sent so that the next one is taken on purpose."""

_CONNECT_SECONDS = 10.0
_MAINTENANCE_PAUSE = timedelta(minutes=15)
_SUBSCRIPTION_PAUSE = timedelta(hours=6)
_SUBSCRIPTION_ENDED = "6190"
_MOST_PAUSES = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that succeeded."""

    document: dict[str, Any]
    headers: Mapping[str, str]

    @property
    def intuit_tid(self) -> str | None:
        """What Intuit's support asks for."""
        return self.headers.get(TID)


class Transport:
    """The way to one company. Thread safe."""

    def __init__(self, engine: Engine, settings: Settings, organization_id: UUID, limits: Limits) -> None:
        with organization_scope(engine, organization_id) as connection:
            connected = connection_of(connection)
        if connected.status != "connected":
            raise RealmPaused(connected.status_reason or f"The connection with QuickBooks is {connected.status}.")
        self.connected: Connected = connected
        self._realm = Realm(engine, organization_id, connected.realm_id)
        self._limits = limits
        self._address = f"{settings.quickbooks_api_url.rstrip('/')}/v3/company/{connected.realm_id}"
        self._seconds = settings.quickbooks_timeout_seconds
        self._http = open_http_client(
            timeout=httpx.Timeout(self._seconds, connect=min(_CONNECT_SECONDS, self._seconds)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=limits.in_flight),
            headers={"Accept": "application/json"},
        )
        self._limiter = Limiter(self._realm, limits)
        self._tokens = TokenKeeper(self._realm, settings, self._http)
        self._usage = UsageCounter(self._realm)
        self._was_refused = connected.access_refused_since is not None

    def remember(self, company: Company) -> None:
        """Stores what the company is set to now, for the clients to come."""
        with self._realm.scope() as connection:
            store_company(connection, self._realm.realm_id, company)

    def close(self) -> None:
        """Ends all connections and writes down what was used."""
        self._http.close()
        self._limiter.close()
        self._usage.write()

    def call(
        self,
        method: str,
        path: str,
        *,
        parameters: Mapping[str, str] | None = None,
        body: str | None = None,
        content_type: str = "application/json",
        is_batch: bool = False,
        is_write: bool = False,
    ) -> Answer:
        """Makes a call. Raises Fault and RealmPaused.

        Repeated here: anything that was refused for its token, its rate or by a fault of the system (once), as it was
        not done; and reads that got no answer. A write goes out with the same request id each time.
        """
        refreshed = repeated = False
        pauses = 0
        while True:
            access = self._tokens.access()
            with self._limiter.turn(is_batch=is_batch):
                try:
                    answer = self._send(access, method, path, parameters, body, content_type, is_batch, is_write)
                except Fault as fault:
                    problem = fault
                else:
                    self._access_works()
                    return answer
            if problem.kind is FaultKind.REFRESH or problem.code in ACCESS_LOST:
                if refreshed:
                    self._was_refused = True
                    reason = f"QuickBooks refuses access ({problem.code or problem.status}: {problem.message})."
                    raise self._tokens.refused(reason, problem.intuit_tid) from None
                self._tokens.renew(access)  # which tells whether the company still lets us in at all
                refreshed = True
            elif problem.kind is FaultKind.WAIT:
                self._pause_throttled(problem)
                pauses += 1
                if pauses == _MOST_PAUSES:
                    raise RealmPaused(f"Throttled {pauses} times in a row. {problem}") from None
            elif problem.kind is FaultKind.PAUSED:
                raise self._stop(problem) from None
            elif not repeated and (
                problem.kind is FaultKind.RETRY or (problem.kind is FaultKind.UNKNOWN and not is_write)
            ):
                repeated = True
                time.sleep(self._limits.second.total_seconds() * random.uniform(0.5, 1.0))
            else:
                raise problem

    def _send(
        self,
        access: Access,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None,
        body: str | None,
        content_type: str,
        is_batch: bool,
        is_write: bool,
    ) -> Answer:
        headers = {"Authorization": f"Bearer {access.token}"}
        if body is not None:
            headers["Content-Type"] = content_type
        started = time.monotonic()
        fault: Fault | None = None
        status: int | None = None
        tid: str | None = None
        try:
            response = self._http.request(
                method,
                f"{self._address}/{path}",
                params={"minorversion": MINOR_VERSION, **(parameters or {})},
                content=body.encode() if body is not None else None,
                headers=headers,
            )
            status, tid = response.status_code, response.headers.get(TID)
            return Answer(read_answer(status, response.headers, response.content), response.headers)
        except Fault as refused:
            fault = refused
            raise
        except httpx.RequestError as lost:
            fault = _lost(lost, self._seconds)
            raise fault from None
        finally:
            self._usage.count(
                is_batch=is_batch,
                is_read=not is_write,
                throttled=fault is not None and fault.kind is FaultKind.WAIT,
                fault=fault is not None and fault.kind is not FaultKind.WAIT,
            )
            _log.log(
                logging.WARNING if fault is not None else logging.INFO,
                "quickbooks %s %s realm=%s status=%s intuit_tid=%s request_id=%s ms=%.0f fault=%s",
                method,
                path,
                self.connected.realm_id,
                status,
                tid,
                (parameters or {}).get("requestid"),
                (time.monotonic() - started) * 1000,
                f"{fault.kind.value}/{fault.code}" if fault is not None else None,
            )

    def _pause_throttled(self, fault: Fault) -> None:
        seconds = fault.retry_after
        duration = self._limits.minute if seconds is None else self._limits.second * seconds
        reason = "QuickBooks throttled the calls of this company."
        self._realm.pause(duration, reason, code="THROTTLED", intuit_tid=fault.intuit_tid)

    def _access_works(self) -> None:
        if self._was_refused:
            self._was_refused = False
            self._realm.access_works()

    def _stop(self, fault: Fault) -> RealmPaused:
        ended = fault.code == _SUBSCRIPTION_ENDED
        until = self._realm.pause(
            _SUBSCRIPTION_PAUSE if ended else _MAINTENANCE_PAUSE,
            fault.message,
            code="SUBSCRIPTION_ENDED" if ended else "COMPANY_AWAY",
            severity="error",
            intuit_tid=fault.intuit_tid,
        )
        return RealmPaused(fault.message, until)


def _lost(error: httpx.RequestError, seconds: float) -> Fault:
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)):
        return Fault(FaultKind.RETRY, f"The service cannot be reached ({type(error).__name__}).")
    if isinstance(error, httpx.TimeoutException):
        return Fault(FaultKind.UNKNOWN, f"No answer within {seconds:g} seconds.")
    return Fault(FaultKind.UNKNOWN, f"The connection was lost before the answer came ({type(error).__name__}).")
