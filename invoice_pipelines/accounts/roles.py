"""What people and programs may do: roles of people in an organization, scopes of the tokens of programs."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from invoice_pipelines.accounts.errors import AccountError

AREAS = ("intake", "billing", "delivery", "quickbooks", "organization")
"""What the scopes of tokens tell apart. `organization` is what only admins do."""

ANY_AREA = "any"
"""Of a route that finds out by what it is about which area that is: no scope of a token."""
READ = "read"
SCOPES = (READ, *(f"{area}:write" for area in AREAS))


class Role(StrEnum):
    """Of a person: the first three in an organization, each of which may do what those before it may; `operator` in the
    deployment, who sees health, counts and queues, and no business record.
    """

    VIEWER = "viewer"
    ACCOUNTANT = "accountant"
    ADMIN = "admin"
    OPERATOR = "operator"

    def reaches(self, needed: Role) -> bool:
        """Whether this role of an organization may do what `needed` may."""
        order = (Role.VIEWER, Role.ACCOUNTANT, Role.ADMIN)
        return self in order and needed in order and order.index(self) >= order.index(needed)


def check_scopes(scopes: Iterable[str]) -> list[str]:
    """The scopes in their order, each once. Raises AccountError for one that is none, and for none at all."""
    given = set(scopes)
    if unknown := sorted(given - set(SCOPES)):
        raise AccountError(f"{unknown[0]!r} is not a scope; choose from {', '.join(SCOPES)}", "WRONG_SCOPE")
    if not given:
        raise AccountError(f"a token needs a scope; choose from {', '.join(SCOPES)}", "WRONG_SCOPE")
    return [scope for scope in SCOPES if scope in given]
