"""The claimed entries of the push queue while a thread works on them, and what those come to that it gives up."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Connection

from invoice_pipelines.quickbooks.api.faults import STALE, Fault, FaultKind
from invoice_pipelines.work import Claim, Failed, Item, LeaseLost, Outcome, finish

log = logging.getLogger(__name__)

MOST_ATTEMPTS = 5
"""After so many attempts a fault of QuickBooks itself is final."""

Outcomes = Mapping[UUID, Outcome] | Mapping[str, Outcome]
"""By subject."""


@dataclass(frozen=True, slots=True)
class _Entry:
    claimed: Claim
    item: Item


class Entries:
    """The claimed entries of a turn, by subject: it may be in a job and in the continuous queue."""

    def __init__(self, claims: Sequence[Claim]) -> None:
        # In one order for all, as each finish locks its job.
        self.claims = sorted(claims, key=lambda each: (str(each.job_id), str(each.lease_token)))
        self._open: dict[str, list[_Entry]] = {}
        self._lost: set[UUID] = set()
        for claimed in self.claims:
            for item in claimed.items:
                self._open.setdefault(item.subject_id, []).append(_Entry(claimed, item))

    def subjects(self) -> list[str]:
        """Those without an outcome yet, in the order in which they waited."""
        return list(self._open)

    def attempts(self, subject: UUID) -> int:
        """The most attempts of an entry of the subject."""
        return max((entry.item.attempts for entry in self._open.get(str(subject), ())), default=1)

    def finish(self, connection: Connection, outcomes: Outcomes) -> dict[str, Outcome]:
        """Ends the entries of subjects; returns one outcome for each that had any.

        A lease that was lost is no reason not to record what was done.
        """
        by_lease: dict[UUID, tuple[Claim, list[Item], list[Outcome]]] = {}
        ended: dict[str, Outcome] = {}
        for subject, outcome in outcomes.items():
            entries = self._open.pop(str(subject), [])
            if entries:  # counted once, though it may be in a job and in the continuous queue
                ended[str(subject)] = outcome
            for entry in entries:
                of_lease = by_lease.setdefault(entry.claimed.lease_token, (entry.claimed, [], []))
                of_lease[1].append(entry.item)
                of_lease[2].append(outcome)
        for claimed in self.claims:
            if claimed.lease_token not in by_lease or claimed.lease_token in self._lost:
                continue
            _, items, results = by_lease[claimed.lease_token]
            try:
                with connection.begin_nested():
                    finish(connection, replace(claimed, items=tuple(items)), results)
            except LeaseLost as lost:
                log.warning("%s", lost)
                self._lost.add(claimed.lease_token)
        return ended


def given_up(fault: Fault | None, attempts: int) -> Outcome:
    """The outcome of an entry after all rounds of a turn; `fault` is that of the last one."""
    if fault is None:
        return Failed("UNDECIDED", "It kept changing while it was decided.", retry=True)
    if fault.kind is FaultKind.WAIT:
        return Failed("THROTTLED", str(fault), retry=True)
    code = f"QBO_{fault.code}" if fault.code else "QBO_FAULT"
    if fault.code == STALE:
        return Failed(code, f"It keeps changing in QuickBooks. {fault}")
    return Failed(code, str(fault), retry=True).at_last(attempts, MOST_ATTEMPTS)
