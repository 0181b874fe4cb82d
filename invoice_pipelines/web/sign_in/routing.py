"""Routes that need no credential: each counts the requests of an address, and takes changes from our own pages only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from anyio.to_thread import run_sync
from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import Engine

from invoice_pipelines.database.opening import opened
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.callers import require_same_site
from invoice_pipelines.web.limits import JSON_BYTES, limit_body, network_of, standing_of, turn_of
from invoice_pipelines.web.routing import described, read_body, require_json

Handler = TypeVar("Handler", bound=Callable[..., Any])


class OpenRoute(APIRoute):
    """A route that needs no credential."""

    room_segment: ClassVar[int] = 3
    """Which part of the path names the room in which its requests wait for a place, from 1. By it, a provider that does
    not answer holds up nobody with a password."""
    takes_json: ClassVar[bool] = True
    """Whether a body is JSON; else it is a form."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """As FastAPI calls it, once for each route."""
        handle = super().get_route_handler()
        room = ":" + self.path.split("/")[self.room_segment]  # no organization is called like that

        async def answer(request: Request) -> Response:
            require_same_site(request)
            if self.body_field is not None:
                request = Request(request.scope, limit_body(request, JSON_BYTES))
                if self.takes_json:
                    require_json(request)
                await read_body(request)  # who sends slowly takes no room meanwhile
            async with request.app.state.rooms.of(room):
                await run_sync(count, request)
                return await handle(request)

        return answer


class OpenRouter:
    """Routes below /api/v1 that need no credential, for `app.ROUTERS`. Options are those of FastAPI."""

    def __init__(self, *, tags: list[str]) -> None:
        self.routes: list[OpenRoute] = []
        self._tags = tags

    def route(self, method: str, path: str, **options: Any) -> Callable[[Handler], Handler]:
        """A route; see `routing.OrganizationRouter` for what is made of the handler's name and docstring."""

        def add(handler: Handler) -> Handler:
            options["openapi_extra"] = {"security": [], **options.get("openapi_extra", {})}
            made = OpenRoute("/api/v1" + path, handler, methods=[method], **described(handler, self._tags, options))
            self.routes.append(made)
            return handler

        return add


def engine_of(request: Request) -> Engine:
    """The engine of the web."""
    engine: Engine = request.app.state.engine
    return engine


def settings_of(request: Request) -> Settings:
    """The settings of the web."""
    settings: Settings = request.app.state.settings
    return settings


def address_of(request: Request) -> str:
    """Where a request comes from, as tries to sign in are counted; behind trusted proxies, what they say."""
    return network_of(request.client.host if request.client is not None else "")


def count(request: Request) -> None:
    """Counts a request of an address. Raises Refusal where there were too many."""
    turn = turn_of(settings_of(request), None, address_of(request))
    with opened(engine_of(request), turn) as (_, ((row,),)):
        pass
    standing_of(row, 0)
