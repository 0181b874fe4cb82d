"""How large a request may be, how often one may come, and how many of an organization at the same time: all is known
before anything is done for it.
"""

from __future__ import annotations

import hashlib
from asyncio import Semaphore
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from math import ceil
from typing import Any
from uuid import UUID
from weakref import WeakValueDictionary

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive

from invoice_pipelines.database.opening import First
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.problems import Refusal

JSON_BYTES = 1_000_000
_WINDOW_SECONDS = 60


def limit_body(request: Request, most: int) -> Receive:
    """The body of a request, of which no more than so many bytes are read. Raises HTTPException, at once where the
    request says how long it is.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(most)
    receive, taken = request.receive, 0

    async def limited() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise _too_large(most)
        return message

    return limited


def _too_large(most: int) -> HTTPException:
    size = f"{most // 2**20} MiB" if most >= 2**20 else f"{most // 1000} kB"
    # What follows of the body is not read.
    return HTTPException(413, f"The body is larger than {size}.", {"Connection": "close"})


class Rooms:
    """How many requests to one organization are worked on at the same time: two thirds of those to all. Whatever holds
    them up, such as a lock on a row that they need, leaves the rest to the others. `files` is the room of all that
    give files, as they may wait for a storage that is away: a third.
    """

    def __init__(self, of_all: int) -> None:
        self._most = max(of_all * 2 // 3, 1)
        self.files = Semaphore(max(of_all // 3, 1))
        self._of: WeakValueDictionary[str, Semaphore] = WeakValueDictionary()

    def of(self, organization: str) -> Semaphore:
        """The room of an organization, which is forgotten when nobody is in it."""
        return self._of.setdefault(organization, Semaphore(self._most))


@dataclass(frozen=True, slots=True)
class Standing:
    """How many requests are left to a credential at the moment, and in how many seconds it has all of them again."""

    quota: int
    left: int
    full_in: int

    @property
    def headers(self) -> dict[str, str]:
        """As draft-ietf-httpapi-ratelimit-headers writes it; none where there is no limit."""
        if not self.quota:
            return {}
        return {
            "RateLimit-Policy": f'"credential";q={self.quota};w={_WINDOW_SECONDS}',
            "RateLimit": f'"credential";r={self.left};t={self.full_in}',
        }


def turn_of(settings: Settings, fingerprint: str | None, address: str) -> First:
    """Counts a request of a credential (None: it needs none) from an address. It is committed alone, so that nobody
    waits for the end of a request. What comes of it is for `standing_of`.
    """
    quota = 0 if fingerprint is None else settings.web_requests_per_minute
    of_address = _key("address", network_of(address))
    return First(
        b"select * from web.take_turn($1, $2, $3, $4)",
        (
            str(_key("credential", fingerprint or "")),
            str(quota),
            str(of_address),
            str(settings.web_address_requests_per_minute),
        ),
    )


def standing_of(row: Sequence[Any], quota: int) -> Standing:
    """What is left to a credential with such a quota. Raises Refusal where there were too many requests."""
    turns_left, full_in_seconds, wait_seconds = row
    standing = Standing(quota, turns_left, ceil(full_in_seconds))
    if wait_seconds > 0:
        wait = str(ceil(wait_seconds))
        detail = f"There were too many requests. The next one is taken in {wait} s."
        raise Refusal(429, "TOO_MANY_REQUESTS", detail, headers={"Retry-After": wait, **standing.headers})
    return standing


def network_of(address: str) -> str:
    """What counts as one address: of IPv6, a network of 64 bits, as a house has all of those."""
    try:
        found = ip_address(address)
    except ValueError:
        return "none"
    if found.version == 6 and found.ipv4_mapped is not None:  # as a socket for both kinds sees IPv4
        found = found.ipv4_mapped
    return str(found if found.version == 4 else ip_network((found, 64), strict=False))


def _key(kind: str, name: str) -> UUID:
    """As the table has it: what stands there lets nobody in."""
    return UUID(bytes=hashlib.sha256(f"{kind} {name}".encode()).digest()[:16])
