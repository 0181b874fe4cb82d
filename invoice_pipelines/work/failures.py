"""How an exception becomes the reason of a failed item: a code and one line, without secrets."""

from __future__ import annotations

import re

from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database.errors import code_of, explain, sqlstate
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.work.values import Failed

_SECRETS = (
    # user:password@ in a URL; up to the last @, as passwords may hold one
    (re.compile(r"(?<=://)\S*@"), ""),
    # the whole header, and what follows "Bearer" or "Basic" without its name
    (re.compile(r"(authorization[\"']?\s*[:=]\s*).+", re.IGNORECASE), r"\1***"),
    (re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]+", re.IGNORECASE), r"\1 ***"),
    # password=..., "access_token": "...", api-key: ...
    (
        re.compile(
            r"((?:password|passwd|pwd|secret|token|api[_-]?key|credential)[\w-]*[\"']?\s*[:=]\s*)"
            r"(\"[^\"]*\"|'[^']*'|[^\s,;&}]+)",
            re.IGNORECASE,
        ),
        r"\1***",
    ),
)


class ItemError(InvoicePipelinesError):
    """Raised by a handler: an item cannot be done, for a reason that is fit to be shown.

    Where a handler does a whole chunk at once it need not know which item it was: the chunk is rolled back and done
    again one by one. See `Failed` for the parts.
    """

    def __init__(self, code: str, message: str, *, retry: bool = False) -> None:
        super().__init__(message)
        self.failed = Failed(code, message, retry)


def reason_of(error: Exception) -> Failed:
    """The failure an exception stands for. What is not an ItemError may pass by itself, so it is tried again.

    Of database errors only the server's own message is taken, as the driver's text repeats the statement's values.
    """
    if isinstance(error, ItemError):
        return error.failed
    if isinstance(error, DBAPIError):
        diagnosis = getattr(error.orig, "diag", None)
        message = explain(error) or getattr(diagnosis, "message_primary", None) or "The database could not be reached."
        state = sqlstate(error)
        return Failed(code_of(error), without_secrets(f"{message} ({state})" if state else message), retry=True)
    lines = str(error).strip().splitlines()
    described = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
    return Failed("UNEXPECTED_ERROR", without_secrets(described), retry=True)


def without_secrets(text: str) -> str:
    """The text with passwords, tokens and keys blotted out, as far as they can be recognized by what precedes them."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
