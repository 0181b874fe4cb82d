"""What is said when an account, a password or a credential is not as it must be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from invoice_pipelines.database.errors import sqlstate
from invoice_pipelines.errors import InvoicePipelinesError

_CODES = {"IP403": "FORBIDDEN", "IP404": "UNKNOWN", "IP409": "EXISTS_ALREADY", "IPADM": "LAST_ADMIN"}


class AccountError(InvoicePipelinesError):
    """Something about accounts cannot be done. `code` is FORBIDDEN, UNKNOWN, EXISTS_ALREADY, LAST_ADMIN, or
    what is wrong with a value.
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message, code=code)


class NotSignedIn(AccountError):
    """A credential is unknown, ended, expired or revoked."""

    def __init__(self) -> None:
        super().__init__("This credential is invalid or has expired.", "NOT_SIGNED_IN")


@contextmanager
def refusals() -> Iterator[None]:
    """Raises what the functions of `accounts.sql` refuse as AccountError."""
    try:
        yield
    except DBAPIError as error:
        code = _CODES.get(sqlstate(error) or "")
        if code is None:
            raise
        raise AccountError(str(error.orig).splitlines()[0], code) from None
