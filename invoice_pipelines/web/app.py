"""The web application: its routes, and what goes around them. Run as a program, it writes docs/openapi.json."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from sqlalchemy import Engine, create_engine

from invoice_pipelines.settings import Settings
from invoice_pipelines.web.api import (
    batch_operations,
    batch_requests,
    events,
    overdue,
    receivables,
    webhooks,
)
from invoice_pipelines.web.api.billing import customers, invoices, items, sales_orders, tax_rates
from invoice_pipelines.web.api.delivery import documents, messages, opt_outs
from invoice_pipelines.web.api.intake import exports, received_invoices, review_decisions, reviews, uploads
from invoice_pipelines.web.api.organization import members, tokens
from invoice_pipelines.web.api.organization import settings as organization_settings
from invoice_pipelines.web.api.quickbooks import connection, landing, syncs
from invoice_pipelines.web.documentation import add_documentation, as_json, document
from invoice_pipelines.web.limits import Rooms
from invoice_pipelines.web.live.hub import Hub
from invoice_pipelines.web.live.polls import Polls
from invoice_pipelines.web.measures import Measures
from invoice_pipelines.web.outermost import Outermost
from invoice_pipelines.web.pages import assets, sign_in, today
from invoice_pipelines.web.pages import events as page_events
from invoice_pipelines.web.pages import overdue as overdue_pages
from invoice_pipelines.web.pages.batch_operations.routers import ROUTERS as batch_pages
from invoice_pipelines.web.pages.billing import customers as customer_pages
from invoice_pipelines.web.pages.billing import decisions, imports, invoice_bulk, invoicing, orders
from invoice_pipelines.web.pages.billing import invoices as invoice_pages
from invoice_pipelines.web.pages.messages import log as message_pages
from invoice_pipelines.web.pages.messages import opt_outs as opt_out_pages
from invoice_pipelines.web.pages.messages import texts as text_pages
from invoice_pipelines.web.pages.operator import page as operator_page
from invoice_pipelines.web.pages.quickbooks import conflicts as quickbooks_conflicts
from invoice_pipelines.web.pages.quickbooks import connection as quickbooks_connection
from invoice_pipelines.web.pages.quickbooks import options as quickbooks_options
from invoice_pipelines.web.pages.received.routers import ROUTERS as received_pages
from invoice_pipelines.web.pages.reviews import decisions as review_page_decisions
from invoice_pipelines.web.pages.reviews import page as review_page
from invoice_pipelines.web.pages.reviews import queue as review_queue
from invoice_pipelines.web.pages.reviews import reading as review_reading
from invoice_pipelines.web.pages.reviews import sharing as review_sharing
from invoice_pipelines.web.pages.settings.routers import ROUTERS as settings_pages
from invoice_pipelines.web.problems import handle_problems
from invoice_pipelines.web.routing import OrganizationRouter
from invoice_pipelines.web.sign_in import oidc, session
from invoice_pipelines.web.sign_in.routing import OpenRouter
from invoice_pipelines.work.launching import Launcher

ROUTERS: tuple[OrganizationRouter | OpenRouter, ...] = (
    uploads.router,
    received_invoices.router,
    reviews.router,
    review_decisions.router,
    exports.router,
    customers.router,
    items.router,
    tax_rates.router,
    sales_orders.router,
    invoices.router,
    documents.router,
    messages.router,
    opt_outs.router,
    batch_requests.router,
    batch_operations.router,
    receivables.router,
    overdue.router,
    connection.router,
    landing.router,
    syncs.router,
    events.router,
    webhooks.router,
    members.router,
    tokens.router,
    organization_settings.router,
)
"""The resources of an organization, in the order of the documentation."""

OPEN_ROUTERS: tuple[OrganizationRouter | OpenRouter, ...] = (session.router, oidc.router)
"""How people get in."""

PAGES = (
    sign_in.router,
    today.router,
    *received_pages,
    review_queue.router,
    review_page.router,
    review_page_decisions.router,
    review_sharing.router,
    invoicing.router,
    imports.router,
    orders.router,
    invoice_bulk.router,
    decisions.router,
    invoice_pages.router,
    customer_pages.router,
    review_reading.router,
    *batch_pages,
    page_events.router,
    operator_page.router,
    quickbooks_connection.router,
    quickbooks_conflicts.router,
    quickbooks_options.router,
    overdue_pages.router,
    opt_out_pages.router,
    text_pages.router,
    message_pages.router,
    *settings_pages,
)
"""The desk, in the order of its menu."""


def create_app(
    engine: Engine, settings: Settings, measures: Measures | None = None, *, dagster: Engine | None = None
) -> FastAPI:
    """The application. `engine` is that of `database.access.open_web_database`, with a connection for each thread;
    `dagster` reads Dagster's records.
    """

    launcher = Launcher(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        # A thread without a connection would wait for one that others hold, and could hold them up in turn.
        current_default_thread_limiter().total_tokens = settings.web_connections
        yield
        launcher.close()

    app = FastAPI(
        title="invoice_pipelines",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.engine = engine
    app.state.settings = settings
    app.state.provider = oidc.open_provider(settings)
    app.state.rooms = Rooms(settings.web_connections)
    app.state.hub = Hub(engine)
    app.state.polls = Polls()
    app.state.dagster = dagster
    app.state.launcher = launcher
    for router in (*OPEN_ROUTERS, *ROUTERS, *PAGES):
        app.router.routes.extend(router.routes)
    app.add_route(assets.PATH, assets.give_asset, include_in_schema=False)
    add_documentation(app)
    handle_problems(app)
    if settings.web_allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.web_allowed_origins,
            allow_methods=["*"],
            allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "If-Match"],
            expose_headers=["ETag", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Trace-Id"],
        )
    app.add_middleware(Outermost, measures=measures or Measures())
    app.openapi = lambda: document(app)  # type: ignore[method-assign]
    return app


def openapi_json() -> str:
    """What the API is, as it is committed."""
    return as_json(document(create_app(create_engine("postgresql+psycopg://"), Settings())))


if __name__ == "__main__":
    sys.stdout.write(openapi_json())
