"""Lists in pages: a cursor says where the page before ended, and means nothing to whoever passes it on."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from pydantic import BaseModel, Field

from invoice_pipelines.web.problems import Refusal, wrong_field
from invoice_pipelines.web.values import Answer

LARGEST_PAGE = 200
_CHECK = 6
Item = TypeVar("Item", bound=BaseModel)
Row = TypeVar("Row")


class Page(Answer, Generic[Item]):
    """A part of a list. `next` goes into `after` of the next request; null on the last page."""

    items: list[Item]
    next: str | None = Field(examples=[None])


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which part of a list is asked for. `after` is the key of the last row of the page before, as `of` was given it;
    None: from the beginning.
    """

    limit: int
    after: str | None
    list_name: str

    @property
    def after_id(self) -> UUID | None:
        """The key, of a list whose keys are ids."""
        if self.after is None:
            return None
        try:
            return UUID(self.after)
        except ValueError:
            raise _no_cursor() from None

    @property
    def after_number(self) -> tuple[str, int] | None:
        """The key, of a list whose keys are a period and a number, written like `2026/17`."""
        if self.after is None:
            return None
        period, _, number = self.after.partition("/")
        if not number.isdecimal():
            raise _no_cursor()
        return period, int(number)

    @property
    def one_more(self) -> int:
        """How many rows to ask a domain for, to learn whether there is a next page."""
        return self.limit + 1

    def of(self, rows: Sequence[Row], key: Callable[[Row], str | UUID]) -> Page[Any]:
        """The page, of at most `one_more` rows."""
        shown = rows[: self.limit]
        next_after = cursor(self.list_name, str(key(shown[-1]))) if len(rows) > self.limit else None
        return Page[Any].model_construct(items=list(shown), next=next_after)


def cursor(list_name: str, key: str) -> str:
    """A cursor of a list. It tells who wrote it no secret and lets nobody in: the check is against mistakes."""
    content = json.dumps(key, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(_check(list_name, content) + content).decode().rstrip("=")


def _key_of(list_name: str, written: str) -> str:
    try:
        raw = base64.b64decode(written + "=" * (-len(written) % 4), altchars=b"-_", validate=True)
        key = json.loads(raw[_CHECK:])
    except ValueError:
        raise _no_cursor() from None
    if raw[:_CHECK] != _check(list_name, raw[_CHECK:]) or not isinstance(key, str):
        raise _no_cursor()
    return key


def _check(list_name: str, content: bytes) -> bytes:
    return hashlib.sha256(list_name.encode() + b"\x00" + content).digest()[:_CHECK]


def _no_cursor() -> Refusal:
    return wrong_field("after", "is not a cursor of this list; take `next` of the page before", "INVALID_CURSOR")


async def read_page(request: Request) -> PageRequest:
    """Which part is asked for. FastAPI would take ten times as long to read it. Raises Refusal."""
    name = request.scope["route"].operation_id
    limit, after = request.query_params.get("limit", "50"), request.query_params.get("after")
    if not (limit.isascii() and limit.isdecimal() and 1 <= int(limit[:4]) <= LARGEST_PAGE):
        raise wrong_field("limit", f"must be a whole number from 1 to {LARGEST_PAGE}")
    return PageRequest(int(limit), None if after is None else _key_of(name, after), name)


PageQuery = Annotated[PageRequest, Depends(read_page)]
"""The parameters `limit` and `after` of a list."""

PARAMETERS = [
    {
        "name": "limit",
        "in": "query",
        "required": False,
        "description": "Most items of the page",
        "schema": {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": 50},
    },
    {
        "name": "after",
        "in": "query",
        "required": False,
        "description": "`next` of the page before",
        "schema": {"type": "string"},
    },
]
"""The same for OpenAPI."""
