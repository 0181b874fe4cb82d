"""What the log of failed attempts is traced by: the Dagster run, or else the process."""

from __future__ import annotations

from uuid import uuid4

PROCESS_TRACE_ID = str(uuid4())
"""What attempts outside of a Dagster run are traced by: one per process, as of a command."""

TRACE_ID_SQL = "coalesce(substring(current_setting('application_name') from '^run (.+)$'), :trace)"
"""The id of the Dagster run that a session works for, as `defs.resources` names its sessions; else `:trace`."""
