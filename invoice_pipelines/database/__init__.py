"""The only door to PostgreSQL: engines, the scope of one organization, the embedded server, migrations."""

from invoice_pipelines.database.engine import (
    create_app_engine,
    create_login_engine,
    driver_url,
    enter_organization,
    organization_scope,
)

__all__ = [
    "create_app_engine",
    "create_login_engine",
    "driver_url",
    "enter_organization",
    "organization_scope",
]
