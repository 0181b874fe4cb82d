"""Where failed attempts were, for their log: the id of the Dagster run, or else of the process; and the stack."""

from __future__ import annotations

import traceback
from uuid import uuid4

PROCESS_TRACE_ID = str(uuid4())
"""The trace id of attempts outside of a Dagster run, such as those of a command: one per process."""

TRACE_ID_SQL = "coalesce(substring(current_setting('application_name') from '^run (.+)$'), :trace)"
"""The id of the Dagster run that a session works for, as `defs.resources` names its sessions; else `:trace`."""

_LONGEST_STACK = 20_000


def stack_of(error: BaseException) -> str:
    """The stack of an exception and of what caused it, innermost call last; without their messages, in which values of
    documents or of the database may stand.
    """
    parts = []
    cause: BaseException | None = error
    while cause is not None:
        parts.append("".join(traceback.format_tb(cause.__traceback__)) + type(cause).__qualname__)
        cause = cause.__cause__
    return "\n\n".join(reversed(parts))[-_LONGEST_STACK:]
