"""How a route says who may use it. A route of an organization that does not say so cannot be written."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import wraps
from inspect import iscoroutinefunction
from types import NoneType
from typing import Any, ClassVar, TypeVar, get_type_hints
from urllib.parse import unquote

from anyio.to_thread import run_sync
from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import Scope

from invoice_pipelines.accounts.roles import ANY_AREA, AREAS, Role
from invoice_pipelines.web import paging
from invoice_pipelines.web.callers import Access, RequestCaller
from invoice_pipelines.web.limits import JSON_BYTES, limit_body
from invoice_pipelines.web.live.polls import Polls
from invoice_pipelines.web.paging import PageRequest
from invoice_pipelines.web.problems import MEDIA_TYPE, Refusal

PREFIX = "/api/v1/organizations/{organization}"
Handler = TypeVar("Handler", bound=Callable[..., Any])

_SLASH = re.compile("%2[Ff]")
_ORGANIZATION = {
    "name": "organization",
    "in": "path",
    "required": True,
    "description": "Slug of the organization",
    "schema": {"type": "string"},
    "example": "acme",
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A new random text for each new request. An equal request with the same key does nothing more, and "
    "gets the same answer for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "example": "1f9a1b52-6d3e-4f62-a1f8-6a3f5c1d2e90",
}
_PROBLEM = {
    "description": "A problem (RFC 9457)",
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}


class OrganizationRoute(APIRoute):
    """A route below an organization: looks at the credential and the size of the body before it reads anything."""

    caller_class: ClassVar[type[RequestCaller]] = RequestCaller

    def __init__(
        self,
        path: str,
        endpoint: Callable[..., Any],
        *,
        access: Access,
        max_bytes: int | None = None,
        is_polled: bool = False,
        **options: Any,
    ) -> None:
        self.access = access
        self._is_polled = is_polled
        self._max_bytes = max_bytes or JSON_BYTES
        self._checks_first = max_bytes is not None
        self._gives_file = options.get("response_class") is Response
        self._resource = path.partition("{organization}")[2].partition("{")[0]
        super().__init__(path, endpoint, **options)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is this one. A request asks a hundred routes, most of which are of other resources.

        A slash that the address writes as %2F belongs to a number or an SKU, and parts nothing.
        """
        if self._resource not in scope["path"]:
            return Match.NONE, {}
        written = scope.get("raw_path", b"").decode("latin-1")
        if "%2" not in written:
            return super().matches(scope)
        # The character NUL stands for it: an address that contains that one came not so far.
        match, found = super().matches({**scope, "path": unquote(_SLASH.sub("%00", written))})
        if match is not Match.NONE:
            found["path_params"] = {name: value.replace("\0", "/") for name, value in found["path_params"].items()}
        return match, found

    def get_route_handler(self) -> Callable[[Request], Any]:
        """As FastAPI calls it, once for each route."""
        handle = super().get_route_handler()
        given, optional = self.dependant, _optional(self.dependant)
        self.dependant = replace(given, query_params=[f for f in given.query_params if f.alias not in optional])
        handle_plain = super().get_route_handler()
        self.dependant = given
        takes = "" if self.body_field is None else _media_type_of(self)
        # A function that is not awaited works in one of the threads that have connections. A form with files is read
        # by FastAPI, as slowly as it comes.
        takes_room = not iscoroutinefunction(self.endpoint) and "multipart" not in takes

        async def answer(request: Request) -> Response:
            organization = request.path_params["organization"]
            caller = self.caller_class(request, self.access, organization)
            request.scope["caller"] = caller
            if self.body_field is not None:
                request = Request(request.scope, limit_body(request, self._max_bytes))
            if "json" in takes:
                require_json(request)
            if self._checks_first and not _is_small(request):
                await run_sync(caller.check)
            if self._is_polled:
                polls: Polls = request.app.state.polls
                return await polls.answer(request, caller, work)
            return await work(request)

        async def work(request: Request) -> Response:
            answered = handle_plain if optional.isdisjoint(request.query_params) else handle
            if not takes_room:
                return await answered(request)
            if takes:
                await read_body(request)  # who sends slowly takes no room meanwhile
            rooms = request.app.state.rooms
            files = rooms.files if self._gives_file else nullcontext()
            async with files, rooms.of(request.path_params["organization"]):
                return await answered(request)

        return answer


class OrganizationRouter:
    """Routes below an organization, for `app.ROUTERS`.

    Options are those of FastAPI. `max_bytes` is for a route that takes more than others: the database checks the
    credential then before a body is read that is larger than those of others, or does not say how large it is. The
    function's name becomes the id of the operation in OpenAPI, the first line of its docstring the summary.
    """

    prefix: ClassVar[str] = PREFIX
    route_class: ClassVar[type[OrganizationRoute]] = OrganizationRoute

    def __init__(self, *, tags: list[str]) -> None:
        self.routes: list[OrganizationRoute] = []
        self._tags = tags

    def get(self, path: str, *, role: Role, area: str | None = None, **options: Any) -> Callable[[Handler], Handler]:
        """A route that changes nothing. With an area, a token sees it that may write there, as `read` is not enough.
        `is_polled`: equal requests that wait are answered together, see `live.polls`.
        """
        return self._route("GET", path, Access(role, area), options)

    def post(
        self, path: str, *, role: Role, area: str, people_only: bool = False, once: bool = True, **options: Any
    ) -> Callable[[Handler], Handler]:
        """A route that changes something in an area. `people_only`: for no token, whatever its scopes. `once`: its
        handler works by `Caller.once`.
        """
        if once:
            extra = options.get("openapi_extra", {})
            parameters = [*extra.get("parameters", ()), _IDEMPOTENCY_KEY]
            options["openapi_extra"] = {**extra, "parameters": parameters}
        return self._route("POST", path, Access(role, area, people_only), options)

    def put(self, path: str, *, role: Role, area: str, **options: Any) -> Callable[[Handler], Handler]:
        """A route that changes something in an area."""
        return self._route("PUT", path, Access(role, area), options)

    def patch(
        self, path: str, *, role: Role, area: str, people_only: bool = False, **options: Any
    ) -> Callable[[Handler], Handler]:
        """A route that changes something in an area; see `post`."""
        return self._route("PATCH", path, Access(role, area, people_only), options)

    def delete(
        self, path: str, *, role: Role, area: str, people_only: bool = False, **options: Any
    ) -> Callable[[Handler], Handler]:
        """A route that changes something in an area; see `post`."""
        return self._route("DELETE", path, Access(role, area, people_only), options)

    def _route(self, method: str, path: str, access: Access, options: dict[str, Any]) -> Callable[[Handler], Handler]:
        if access.area not in (None, ANY_AREA, *AREAS):
            raise ValueError(f"{method} {path}: {access.area!r} is none of the areas {', '.join(AREAS)}")

        def add(handler: Handler) -> Handler:
            made = _options_of(handler, access, self._tags, dict(options))
            if not iscoroutinefunction(handler):
                made["response_model"] = answers = _answers_of(handler)
                called: Callable[..., Any] = _answering(handler, answers, made.get("status_code", 200))
            else:
                called = handler
            self.routes.append(self.route_class(self.prefix + path, called, access=access, methods=[method], **made))
            return handler

        return add


def _options_of(
    handler: Callable[..., Any], access: Access, tags: list[str], options: dict[str, Any]
) -> dict[str, Any]:
    said: dict[str, Any] = {"x-role": str(access.role)} | ({"x-area": access.area} if access.area else {})
    said |= {"x-people-only": True} if access.people_only else {}
    extra = options.get("openapi_extra", {})
    of_page = paging.PARAMETERS if PageRequest in get_type_hints(handler).values() else []
    parameters = [_ORGANIZATION, *of_page, *extra.get("parameters", ())]
    options["openapi_extra"] = {**said, **extra, "parameters": parameters}
    return described(handler, tags, options)


def described(handler: Callable[..., Any], tags: list[str], options: dict[str, Any]) -> dict[str, Any]:
    """The options of a route, with what OpenAPI says of it: the name of its function, and its docstring."""
    summary, _, description = (handler.__doc__ or "").strip().partition("\n\n")
    return {
        **options,
        "tags": list(tags),
        "operation_id": handler.__name__,
        "summary": " ".join(summary.split()).rstrip("."),
        "description": " ".join(description.split()),
        "responses": {**options.get("responses", {}), "4XX": _PROBLEM, "5XX": _PROBLEM},
    }


def _answers_of(handler: Callable[..., Any]) -> Any:
    """What becomes the JSON of an answer; None where there is none."""
    found = get_type_hints(handler).get("return")
    return None if found is NoneType or (isinstance(found, type) and issubclass(found, Response)) else found


def _answering(handler: Callable[..., Any], answers: Any, status: int) -> Callable[..., Any]:
    """The handler with its answer as JSON, made in the thread of the handler, as that of all requests is busy."""
    adapter = None if answers is None else TypeAdapter(answers)

    @wraps(handler)
    def answer(*values: Any, **named: Any) -> Response:
        said = handler(*values, **named)
        if isinstance(said, Response):
            return said
        if adapter is None:
            return Response(status_code=204)
        content = adapter.dump_json(adapter.validate_python(said, from_attributes=True), by_alias=True)
        return Response(content, status, media_type="application/json")

    return answer


def _optional(given: Dependant) -> set[str]:
    """The names of what a query may leave out. A list has many of these, and FastAPI takes ten microseconds for each
    that is not given; of a model of parameters it knows the names itself.
    """
    parameters = given.query_params
    if any(isinstance(kind := each.field_info.annotation, type) and issubclass(kind, BaseModel) for each in parameters):
        return set()
    return {each.alias for each in parameters if not each.field_info.is_required()}


def _media_type_of(route: APIRoute) -> str:
    assert route.body_field is not None
    return str(getattr(route.body_field.field_info, "media_type", "application/json"))


async def read_body(request: Request) -> None:
    """Takes all of a body, for `request.body()`. Raises Refusal for one that breaks off."""
    try:
        await request.body()
    except ClientDisconnect:
        raise Refusal(400, "BROKEN_OFF", "The request broke off before its end; nothing was done.") from None


def _is_small(request: Request) -> bool:
    length = request.headers.get("content-length", "")
    return length.isdecimal() and int(length) <= JSON_BYTES


def require_json(request: Request) -> None:
    """Raises Refusal for a body that is not sent as JSON."""
    length, kind = request.headers.get("content-length"), request.headers.get("content-type", "")
    has_body = length not in (None, "0") or "transfer-encoding" in request.headers
    media_type = kind.partition(";")[0].strip().lower()
    if has_body and media_type != "application/json" and not media_type.endswith("+json"):
        raise Refusal(415, "UNSUPPORTED_MEDIA_TYPE", "The body must be JSON, sent as `Content-Type: application/json`.")
