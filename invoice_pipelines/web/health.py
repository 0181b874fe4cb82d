"""Whether the installation works, for those who watch it: on a port of its own, without account.

Figures are counts and ages over all organizations. No name and no business record is among them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from invoice_pipelines.database.errors import DatabaseError
from invoice_pipelines.database.schema import Comparison, read_state
from invoice_pipelines.settings import Settings
from invoice_pipelines.web.figures import queues
from invoice_pipelines.web.figures.collector import Figures, Part
from invoice_pipelines.web.figures.runs import RunFigures, daemons
from invoice_pipelines.web.measures import Measures


def create_health_app(
    web: Engine,
    application: Engine,
    dagster: Engine,
    measures: Measures,
    settings: Settings,
    takes_requests: Callable[[], bool],
) -> Starlette:
    """The application. It is ready while the API beside it `takes_requests` and its engine `web` answers;
    `application` sees the queues of all organizations, `dagster` the records of Dagster.
    """
    registry = measures.registry
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    figures = Figures(
        (
            Part("queues", application, queues.queues),
            Part("workers", application, partial(queues.workers, expected=settings.broker_url is not None)),
            Part("documents", application, queues.documents),
            Part("accounting", application, queues.connections),
            Part("postgresql", application, queues.postgresql),
            Part("runs", dagster, RunFigures().look),
            Part("daemons", dagster, daemons),
        ),
        partial(queues.disk, settings.home),
    )
    registry.register(figures)

    def live(_: Request) -> Response:
        return JSONResponse({"status": "live"})

    def ready(_: Request) -> Response:
        problem = _problem_of(web) if takes_requests() else "it is starting or stopping"
        return JSONResponse(
            {"status": "ready"} if problem is None else {"status": "not ready", "problem": problem},
            200 if problem is None else 503,
        )

    def metrics(_: Request) -> Response:
        return Response(generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        figures.close()

    return Starlette(
        routes=[Route("/health/live", live), Route("/health/ready", ready), Route("/metrics", metrics)],
        lifespan=lifespan,
    )


def _problem_of(web: Engine) -> str | None:
    try:
        with web.connect() as connection:
            state = read_state(connection)
    except (SQLAlchemyError, DatabaseError):
        return "the database does not answer"
    if state.comparison is not Comparison.SAME:
        return "the schema of the database is not the one of this program"
    return None
