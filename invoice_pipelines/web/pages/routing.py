"""Routes of pages. Those of an organization say who may use them, as those of the API do; errors are pages as well."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import quote
from uuid import UUID, uuid4

from fastapi import Depends, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel
from sqlalchemy import text

from invoice_pipelines.accounts.entry import Entry, Identity, identifying, identity_of
from invoice_pipelines.database.opening import First
from invoice_pipelines.organizations.registry import Organization
from invoice_pipelines.web import etags
from invoice_pipelines.web.callers import Access, At, RequestCaller
from invoice_pipelines.web.idempotency import KeptAnswer, keep_answer, kept_answer, request_hash
from invoice_pipelines.web.live.hub import Hub, Watch
from invoice_pipelines.web.pages.errors import as_page
from invoice_pipelines.web.pages.languages import language_of
from invoice_pipelines.web.pages.navigation import menu_of
from invoice_pipelines.web.pages.rendering import redirect, render
from invoice_pipelines.web.problems import Refusal
from invoice_pipelines.web.routing import OrganizationRoute, OrganizationRouter
from invoice_pipelines.web.sign_in.routing import OpenRoute

PREFIX = "/desk/{organization}"
Handler = TypeVar("Handler", bound=Callable[..., Any])
Shown = TypeVar("Shown")


class PageCaller(RequestCaller):
    """The person who looks at a page. Between `enter` and `show` there is an organization, and a menu."""

    def __init__(self, request: Request, access: Access, organization: str) -> None:
        super().__init__(request, access, organization)
        self.language = language_of(request)
        self.who: Identity | None = None
        self._entered: tuple[At, Organization] | None = None
        self._standing: dict[str, Any] | None = None

    @contextmanager
    def enter(self) -> Iterator[At]:
        """As of the API."""
        with super().enter() as at:
            organization = at.organization.organization
            self.language = language_of(self._request, organization.time_zone)
            self._entered = at, organization
            if self._request.headers.get("sec-fetch-dest") == "document" and self._request.method == "GET":
                # Before what the page shows is read, so that its script notices whatever changes after this.
                self._standing = at.connection.execute(text("select web.standing()")).scalar_one()
            yield at

    def show(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page, or a part of one, of `templates/desk/`; in the language of the reader, after `enter`."""
        assert self._entered is not None, "a page is shown to whom the organization let in"
        return render(self._request, template, {**self.frame(), **values}, language=self.language, status=status)

    def frame(self) -> dict[str, Any]:
        """What stands around a page: the organization and its menu, or nothing for whom it did not let in."""
        if self._entered is None:
            return {}
        at, organization = self._entered
        return {
            "who": self.who,
            "entry": at.entry,
            "may": at.entry.may,
            "organization": organization,
            "home": f"/desk/{at.entry.slug}",
            "menu": menu_of(at.entry, self.language),
            "live_standing": self._standing,
            "new_key": uuid4,
        }

    def url(self, *parts: object) -> str:
        """The address of a page of the organization."""
        return "/".join(["/desk", quote(self._organization, safe=""), *(quote(str(part), safe="") for part in parts)])

    def go(self, address: str, said: str | None = None, kind: str = "good") -> Response:
        """Sends the browser on, after a form was taken; see `rendering.redirect`."""
        return redirect(address, said, kind)

    def once_to(self, key: str, form: BaseModel | str | None, effect: Callable[[At], str], said: str) -> Response:
        """Does something in one transaction and goes to the page that `effect` names. A form that is sent twice, with
        the same `key` (`new_key()` in its template), does it once; both get there, also at the same instant.
        """
        request = self._request
        with self.enter() as at:
            sent = request_hash(request.method, request.url.path, form)
            kept = kept_answer(at.connection, at.entry.actor, key, sent, waits=True)
            if kept is not None:
                return redirect(kept.location or self.url(), said)
            address = effect(at)
            keep_answer(at.connection, at.entry.actor, key, sent, KeptAnswer(200, address, ""))
        return redirect(address, said)

    def once_shown(self, key: str, form: BaseModel | str | None, effect: Callable[[At], Shown]) -> Shown | None:
        """Does something in one transaction, for a page that shows once what came of it, such as a secret. None for a
        form that is sent twice, with the same `key`: nothing is done, and what was shown is kept nowhere.
        """
        request = self._request
        with self.enter() as at:
            sent = request_hash(request.method, request.url.path, form)
            if kept_answer(at.connection, at.entry.actor, key, sent, waits=True) is not None:
                return None
            made = effect(at)
            keep_answer(at.connection, at.entry.actor, key, sent, KeptAnswer(200, None, ""))
        return made

    def require_seen(self, given: str, *state: object) -> None:
        """Raises Refusal (412) unless a form was made for this state: `seen_tag` of the same state was in it."""
        if given != seen_tag(*state):
            raise Refusal(412, "STALE", "This has changed since you looked at it. Look again, then decide.")

    def watch(self, job: UUID | None) -> AsyncIterator[bytes]:
        """What the open page is told from now on, and of a job; after `check`. See `live.hub.Stream`."""
        hub: Hub = self._request.app.state.hub
        return hub.stream(Watch(self._fingerprint, self._organization, job))

    def gettext(self, message: str) -> str:
        """A text in the reader's language."""
        return self.language.gettext(message)

    def ngettext(self, one: str, many: str, number: int) -> str:
        """Likewise, of so many things."""
        return self.language.ngettext(one, many, number)

    def _first(self) -> tuple[First, ...]:
        return (identifying(self._fingerprint), *super()._first())

    def _entry_of(self, answers: Sequence[Sequence[Any]]) -> Entry | None:
        self.who = identity_of(answers[0])
        return super()._entry_of(answers)


def seen_tag(*state: object) -> str:
    """What a form says of the state that its reader looked at."""
    return etags.etag(*state).strip('"')


class PageRoute(OrganizationRoute):
    """A page of an organization."""

    caller_class: ClassVar[type[RequestCaller]] = PageCaller

    def get_route_handler(self) -> Callable[[Request], Any]:
        """As FastAPI calls it, once for each route."""
        return _with_pages_for_errors(super().get_route_handler())


class PageRouter(OrganizationRouter):
    """Pages of an organization, for `app.PAGES`; handlers take a `Page` and answer with a Response of its."""

    prefix: ClassVar[str] = PREFIX
    route_class: ClassVar[type[OrganizationRoute]] = PageRoute

    def __init__(self) -> None:
        super().__init__(tags=["desk"])

    def _route(self, method: str, path: str, access: Access, options: dict[str, Any]) -> Callable[[Handler], Handler]:
        return super()._route(
            method, path, access, {"include_in_schema": False, "response_class": HTMLResponse, **options}
        )


class OpenPageRoute(OpenRoute):
    """A page that needs no organization, and may need no session."""

    room_segment: ClassVar[int] = 1
    takes_json: ClassVar[bool] = False

    def get_route_handler(self) -> Callable[[Request], Any]:
        """As FastAPI calls it, once for each route."""
        return _with_pages_for_errors(super().get_route_handler())


class OpenPageRouter:
    """Pages that need no organization, for `app.PAGES`."""

    def __init__(self) -> None:
        self.routes: list[OpenPageRoute] = []

    def route(self, method: str, path: str) -> Callable[[Handler], Handler]:
        """A page. Its handler answers with a Response."""

        def add(handler: Handler) -> Handler:
            made = OpenPageRoute(path, handler, methods=[method], include_in_schema=False, response_class=HTMLResponse)
            self.routes.append(made)
            return handler

        return add


def _with_pages_for_errors(handle: Callable[[Request], Any]) -> Callable[[Request], Any]:
    async def answer(request: Request) -> Response:
        try:
            found: Response = await handle(request)
        except Exception as error:  # noqa: BLE001 - what nobody expected is logged there
            caller = request.scope.get("caller")
            return await as_page(request, error, caller.frame() if isinstance(caller, PageCaller) else {})
        return found

    return answer


async def _page(request: Request) -> Any:
    return request.scope["caller"]


Page = Annotated[PageCaller, Depends(_page)]
"""Who looks at a page of an organization, and how it is shown."""
