"""Holds how a tenant table is closed to other organizations. Every migration that makes one calls `isolate`."""

from __future__ import annotations

from alembic import op

from invoice_pipelines.database.roles import APP, OVERVIEW, RECORDER


def isolate(table: str, *, column: str = "organization_id", grants: str = "select, insert, update, delete") -> None:
    """Forces row-level security on a table and lets the application role in, within its organization.

    `grants` are the rights of the application role: an append-only table gets "select, insert". The setting is read
    in a sub-select so that it is evaluated once per statement, not once per row.
    """
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(
        f"""create policy organization on {table} to {APP}
            using ({column} = (select current_setting('app.organization_id')::uuid))
            with check ({column} = (select current_setting('app.organization_id')::uuid))"""
    )
    op.execute(f"grant {grants} on {table} to {APP}")


def show_to_overview(table: str, columns: str, *, update: str | None = None) -> None:
    """Lets the functions that look across organizations read the named columns (and update those in `update`)."""
    op.execute(f"create policy overview_reads on {table} for select to {OVERVIEW} using (true)")
    op.execute(f"grant select ({columns}) on {table} to {OVERVIEW}")
    if update is not None:
        op.execute(f"create policy overview_updates on {table} for update to {OVERVIEW} using (true)")
        op.execute(f"grant update ({update}) on {table} to {OVERVIEW}")


def create_schema(schema: str) -> None:
    """Makes the schema of a domain, usable by the application, by functions across organizations and by history."""
    op.execute(f"create schema if not exists {schema}")
    op.execute(f"grant usage on schema {schema} to {APP}, {OVERVIEW}, {RECORDER}")
