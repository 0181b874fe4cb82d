"""The trace id in the log of failed attempts: that of the Dagster run, or else of the process."""

from __future__ import annotations

from uuid import uuid4

PROCESS_TRACE_ID = str(uuid4())
"""The trace id of attempts outside of a Dagster run, such as those of a command: one per process."""

TRACE_ID_SQL = "coalesce(substring(current_setting('application_name') from '^run (.+)$'), :trace)"
"""The id of the Dagster run that a session works for, as `defs.resources` names its sessions; else `:trace`."""
