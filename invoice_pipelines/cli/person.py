"""Holds who the audit trail says did what the command line did."""

from __future__ import annotations

import getpass


def person() -> str:
    """The person at the command line, by the name of the login."""
    try:
        return f"command line: {getpass.getuser()}"
    except (KeyError, OSError):  # a user without a name, as in containers
        return "command line"
