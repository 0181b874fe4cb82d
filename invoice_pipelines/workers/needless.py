"""Ends runs that an upload asked for before they cost a process, where another run has done their work meanwhile.

In a burst of uploads the run of one takes the next ones along, which have asked for a run of their own behind it.
"""

from __future__ import annotations

import logging
from contextlib import closing
from datetime import timedelta
from functools import cache

from dagster import DagsterInstance, DagsterRun
from dagster._core.events import DagsterEvent, DagsterEventType
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from invoice_pipelines.database import create_app_engine, organization_scope
from invoice_pipelines.database.access import database_urls, session_limits
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.intake.overview import organizations_due
from invoice_pipelines.intake.states import INTAKE_RUN
from invoice_pipelines.organizations import find_organization
from invoice_pipelines.settings import Settings, load_settings
from invoice_pipelines.work.launching import ASKED_BY, BY_WHOEVER_MADE_WORK, Launcher

log = logging.getLogger(__name__)

MESSAGE = "Nothing waits any more: another run has taken along what this one was asked for."


def ended_before_it_began(instance: DagsterInstance, run: DagsterRun) -> bool:
    """Ends a run of the intake that an upload asked for, where nothing is due in its organization; returns whether it
    did. Where that cannot be found out, the run begins.

    An upload that is committed meanwhile finds this run waiting and asks for no other. So there is another look behind
    the end, and a new run where it finds one; what is committed behind that look finds no run that waits.
    """
    slug = run.tags.get("organization")
    if run.job_name != INTAKE_RUN or run.tags.get(ASKED_BY) != BY_WHOEVER_MADE_WORK or not slug:
        return False
    try:
        settings = load_settings()
        if _is_due(settings, slug):
            return False
        success = DagsterEventType.PIPELINE_SUCCESS.value
        instance.report_dagster_event(DagsterEvent(success, run.job_name, message=MESSAGE), run.run_id)
    except (SQLAlchemyError, InvoicePipelinesError) as error:
        log.warning("Whether there is work for a run was not found out, so that it begins: %s", type(error).__name__)
        return False
    try:
        if _is_due(settings, slug):
            with closing(Launcher(settings)) as launcher:
                launcher.begin(slug, run.job_name)
    except (SQLAlchemyError, InvoicePipelinesError) as error:
        log.warning("The sensor asks for a run where one is needed: %s", type(error).__name__)
    return True


def _is_due(settings: Settings, slug: str) -> bool:
    engine = _engine(database_urls(settings).app.render_as_string(hide_password=False))
    with organization_scope(engine, find_organization(engine, slug).id) as connection:
        return bool(organizations_due(connection, timedelta(seconds=settings.inbox_settle_seconds)))


@cache
def _engine(url: str) -> Engine:
    """Of this process, which keeps its sessions from run to run, some for threads that launch at the same time."""
    limits = session_limits(load_settings())
    return create_app_engine(url, application_name="invoice_pipelines_launching", limits=limits)
