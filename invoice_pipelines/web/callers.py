"""Who calls: the credential of a request, and the one transaction in which an organization is entered with it.

No session of the database is open before a handler enters, nor while its answer is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, TypeVar, cast
from urllib.parse import quote

from fastapi import Depends, Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection, Engine

from invoice_pipelines.accounts import credentials
from invoice_pipelines.accounts.entry import Entry, entering, entry_of
from invoice_pipelines.accounts.roles import ANY_AREA, Role
from invoice_pipelines.database.opening import First, opened
from invoice_pipelines.organizations.context import OrganizationContext
from invoice_pipelines.organizations.registry import organization_in_scope
from invoice_pipelines.settings import Settings
from invoice_pipelines.web import etags
from invoice_pipelines.web.idempotency import KeptAnswer, find_answer, keep_answer, kept_answer, request_hash
from invoice_pipelines.web.limits import standing_of, turn_of
from invoice_pipelines.web.problems import SAFE, Refusal, not_found, not_signed_in
from invoice_pipelines.web.values import Answer

SESSION_COOKIE = "__Host-session"
AnswerT = TypeVar("AnswerT", bound=Answer | None)


@dataclass(frozen=True, slots=True)
class Access:
    """The least role of a route and, for what changes something, the area that a token must be allowed to write;
    `people_only`: no token may.
    """

    role: Role
    area: str | None
    people_only: bool = False


@dataclass(frozen=True)
class At:
    """An organization that a caller has entered, until the end of the transaction of `connection`."""

    connection: Connection
    entry: Entry
    _engine: Engine
    _settings: Settings
    _fingerprint: str

    def require(self, role: Role, area: str | None) -> None:
        """Raises Refusal unless the caller may do what needs a role, of a token the scope of an area."""
        if self.entry.may(role, area):
            return
        needed = f"the role {role}"
        if self.entry.scopes is not None:
            needed = "the scope read" if area is None else f"the scope {area}:write"
            needed = "a scope to write" if area == ANY_AREA else needed
        raise Refusal(403, "FORBIDDEN", f"This needs {needed} in the organization.")

    @cached_property
    def organization(self) -> OrganizationContext:
        """The organization as domains take it. Its `scope()` is a transaction of its own, which needs a second
        connection: for such functions there is `Caller.organization`.
        """
        engine = self._engine.execution_options(credential=self._fingerprint, actor=self.entry.actor)
        found = organization_in_scope(self.connection)
        return OrganizationContext(engine, found, self._settings, self.entry.actor)

    @property
    def public_url(self) -> str:
        """Where people reach the web, for links that they are sent."""
        return self._settings.web_url.rstrip("/")

    def url(self, *parts: object) -> str:
        """The address of a resource of the organization."""
        return "/".join(["/api/v1/organizations", self.entry.slug, *(quote(str(part), safe="") for part in parts)])


class RequestCaller:
    """The caller of one request to an organization (its slug). Raises Refusal where the request brings no credential,
    or brings it in a way in which a foreign page could have made a browser bring it.
    """

    def __init__(self, request: Request, access: Access, organization: str) -> None:
        self._request = request
        self._organization = organization
        self._access = access
        self._fingerprint = credentials.fingerprint(_secret_of(request))
        self._turn: Sequence[Any] | None = None
        self._headers: dict[str, str] = {}
        request.scope["answer_headers"] = self._headers
        self.others: Sequence[RequestCaller] = ()
        """Equal requests of the same caller that this one is answered for as well."""

    @contextmanager
    def enter(self) -> Iterator[At]:
        """One transaction in the organization: committed at the end, rolled back on an exception.

        Raises Refusal: 401, 403, 404 (there is none, or not for this credential) or 429.
        """
        state = self._request.app.state
        engine: Engine = state.engine
        settings: Settings = state.settings
        turns = self._turns(settings)
        with opened(engine, *self._first(), alone=turns) as (connection, answers):
            for caller, (turn,) in zip((self, *self.others)[: len(turns)], answers, strict=False):
                caller._turn = turn
            self._take_turn()
            entry = self._entry_of(answers[len(turns) :])
            if entry is None:
                raise not_found()
            if self._access.people_only and entry.scopes is not None:
                raise Refusal(403, "FORBIDDEN", "A token cannot do this, whatever its scopes; a person does.")
            at = At(connection, entry, engine, settings, self._fingerprint)
            at.require(self._access.role, self._access.area)
            yield at

    @property
    def same_caller(self) -> tuple[str, str]:
        """Fingerprint and address: what is equal in requests of the same caller."""
        return self._fingerprint, self._request.client.host if self._request.client is not None else ""

    def follow(self, other: RequestCaller) -> None:
        """Takes the headers of an equal request, which was answered for this one as well. Raises Refusal where this one
        was one too many.
        """
        self._headers.update(other._headers)
        self._take_turn()

    def _take_turn(self) -> None:
        if self._turn is not None:
            settings: Settings = self._request.app.state.settings
            self._headers.update(standing_of(self._turn, settings.web_requests_per_minute).headers)

    def _first(self) -> tuple[First, ...]:
        """What the transaction begins with, and `_entry_of` understands."""
        return (entering(self._fingerprint, self._organization),)

    def _entry_of(self, answers: Sequence[Sequence[Any]]) -> Entry | None:
        (row,) = answers[-1]
        return entry_of(row, self._organization)

    def check(self) -> None:
        """Enters and leaves again. Raises what `enter` raises."""
        with self.enter():
            pass

    def organization(self) -> OrganizationContext:
        """The organization for functions that open transactions of their own, each of which is checked as this one."""
        with self.enter() as at:
            return at.organization

    def once(self, body: BaseModel | str | None, effect: Callable[[At], AnswerT]) -> AnswerT:
        """Does something in one transaction and answers. With the header `Idempotency-Key`, an equal request gets the
        same answer for a day and does nothing more.

        `body` is what tells one request from another besides its address. An answer with a `url` names it as `Location`
        as well. What is kept of an answer is its `to_keep`.
        """
        request = self._request
        key = request.headers.get("idempotency-key")
        with self.enter() as at:
            sent = self._hash(body) if key is not None else b""
            if key is not None and (kept := kept_answer(at.connection, at.entry.actor, key, sent)) is not None:
                return cast(AnswerT, self._again(kept))
            answer = effect(at)
            location = getattr(answer, "url", None)
            if key is not None:
                said = answer.to_keep().model_dump_json(by_alias=True) if isinstance(answer, Answer) else ""
                keep_answer(at.connection, at.entry.actor, key, sent, KeptAnswer(self._status, location, said))
        if location is not None:
            self._headers["Location"] = str(location)
        return answer

    def check_key(self, body: BaseModel | str | None) -> None:
        """Raises Refusal where the header `Idempotency-Key` belongs to another request, before something is done that
        no transaction takes back.
        """
        key = self._request.headers.get("idempotency-key")
        if key is not None:
            with self.enter() as at:
                find_answer(at.connection, at.entry.actor, key, self._hash(body))

    def tag(self, *state: object) -> None:
        """Gives the answer the ETag of a state."""
        self._headers["ETag"] = etags.etag(*state)

    def require_match(self, *state: object) -> None:
        """Raises Refusal unless the caller looked at this state: 428 where it does not say, 412 where it changed."""
        etags.require_match(self._request, etags.etag(*state))

    @property
    def _status(self) -> int:
        return self._request.scope["route"].status_code or 200

    def _hash(self, body: BaseModel | str | None) -> bytes:
        url = self._request.url
        return request_hash(self._request.method, f"{url.path}?{url.query}", body)

    def _again(self, kept: KeptAnswer) -> Response:
        self._headers["Idempotent-Replayed"] = "true"
        if kept.location is not None:
            self._headers["Location"] = kept.location
        return Response(kept.body, kept.status, media_type="application/json" if kept.body else None)

    def _turns(self, settings: Settings) -> list[First]:
        """What counts the requests: nothing where there is no limit, or they were counted before."""
        if self._turn is not None or not (settings.web_requests_per_minute or settings.web_address_requests_per_minute):
            return []
        return [turn_of(settings, *self.same_caller)] * (1 + len(self.others))


def _secret_of(request: Request) -> str:
    given = request.headers.get("authorization")
    if given is not None:
        scheme, _, secret = given.partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            raise not_signed_in()
        return secret.strip()
    session = request.cookies.get(SESSION_COOKIE)
    if not session:
        raise not_signed_in()
    require_same_site(request)
    return session


def require_same_site(request: Request) -> None:
    """Raises Refusal for a change that a page of another site may have made a browser ask for."""
    if request.method not in SAFE and not _is_of_this_site(request):
        raise Refusal(
            403,
            "CROSS_SITE",
            "A session changes nothing for a page of another site: the request needs `Sec-Fetch-Site: same-origin` or "
            "an Origin of this server.",
        )


def _is_of_this_site(request: Request) -> bool:
    """Whether a browser says that a page of ours made the request."""
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    if site is not None:
        return site == "same-origin"
    if origin is None and not request.cookies:
        return True  # no browser, which says where a page comes from: it has no session that could be misused
    return origin == f"{request.url.scheme}://{request.headers.get('host', '')}"


async def _caller(request: Request) -> Any:
    return request.scope["caller"]


Caller = Annotated[RequestCaller, Depends(_caller)]
"""The caller of a route of an organization."""
