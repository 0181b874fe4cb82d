"""The only door to PostgreSQL: engines, the scope of one organization, the embedded server, migrations."""

from invoice_pipelines.database.engine import (
    SessionLimits,
    create_app_engine,
    create_login_engine,
    create_web_engine,
    engine_apart,
    enter_organization,
    libpq_url,
    login_session,
    organization_scope,
)

__all__ = [
    "SessionLimits",
    "create_app_engine",
    "create_login_engine",
    "create_web_engine",
    "engine_apart",
    "enter_organization",
    "libpq_url",
    "login_session",
    "organization_scope",
]
