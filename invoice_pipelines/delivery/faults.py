"""What keeps documents and messages from being made and sent until somebody mends it, and the way on after that. What
merely waits for its time belongs to `overview`.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.delivery.overview import WaitingReason, waiting_reasons

_NOT_TO_BE_MENDED = frozenset({"QUIET_HOURS", "UNDER_WAY", "NOT_SET_UP", "NO_ANSWER", "TRY_LATER", "TOO_MANY"})
"""Its time has not come, a channel is not wanted so far, the provider is to be asked, or asked to come later."""


def standing_faults(
    connection: Connection, kinds: Sequence[str], job_id: UUID | None = None
) -> tuple[WaitingReason, ...]:
    """Why entries of these kinds (of a job) of the organization in scope wait where something is broken, such as a full
    disk or a login that is refused; the most frequent reason first.
    """
    return tuple(
        reason for reason in waiting_reasons(connection, kinds, job_id) if reason.code not in _NOT_TO_BE_MENDED
    )


def try_again_now(connection: Connection, kinds: Sequence[str]) -> int:
    """Entries of these kinds of the organization in scope that wait for their next attempt after a fault are due at
    once: somebody has mended it. Returns how many.
    """
    made_due = 0
    for kind in kinds:
        codes = [fault.code for fault in standing_faults(connection, [kind])]
        if codes:
            found = connection.execute(text("select work.make_due(:kind, :codes)"), {"kind": kind, "codes": codes})
            made_due += found.scalar_one()
    return made_due
