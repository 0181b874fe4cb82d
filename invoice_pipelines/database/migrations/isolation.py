"""Holds how a tenant table is closed to other organizations. Every migration that makes one calls `isolate`."""

from __future__ import annotations

from alembic import op

from invoice_pipelines.database.roles import APP, OVERVIEW, RECORDER

IN_SCOPE = """(select nullif(current_setting('app.organization_id', true), '')) is null
    or {column} = (select nullif(current_setting('app.organization_id', true), '')::uuid)"""
"""What a function across organizations may see: in the scope of one organization that one, else all."""


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


def show_to_overview(table: str, columns: str, *, update: str | None = None, column: str = "organization_id") -> None:
    """Lets the functions that look across organizations read the named columns (and update those in `update`)."""
    condition = IN_SCOPE.format(column=column)
    op.execute(f"create policy overview_reads on {table} for select to {OVERVIEW} using ({condition})")
    op.execute(f"grant select ({columns}) on {table} to {OVERVIEW}")
    if update is not None:
        op.execute(f"create policy overview_updates on {table} for update to {OVERVIEW} using ({condition})")
        op.execute(f"grant update ({update}) on {table} to {OVERVIEW}")


def see_scope_only(condition: str) -> None:
    """Gives all policies of the functions that look across organizations another condition, on `{column}`."""
    policies = op.get_bind().exec_driver_sql(
        f"""select polname, polrelid::regclass::text as relation,
                   case when polrelid = 'organizations.organization'::regclass then 'id' else 'organization_id' end
                       as column_name
            from pg_policy where polroles = array['{OVERVIEW}'::regrole::oid] and polcmd in ('r', 'w')"""
    )
    for policy in policies.all():
        using = condition.format(column=policy.column_name)
        op.execute(f"alter policy {policy.polname} on {policy.relation} using ({using})")


def add_only(table: str, stamped: str) -> None:
    """Lets the application choose the columns of a new row except `stamped`, which begin as their defaults say.

    So nothing is backdated, and nothing begins at its end. Columns that a later migration adds are granted there.
    """
    left_out = [name.strip() for name in stamped.split(",")]
    columns = op.get_bind().exec_driver_sql(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped "
        "and attgenerated = '' and attname <> all(%s) order by attnum",
        (table, left_out),
    )
    op.execute(f"revoke insert on {table} from {APP}")
    op.execute(f"grant insert ({', '.join(columns.scalars())}) on {table} to {APP}")


def let_recorder_add(table: str) -> None:
    """Lets triggers add to a table of history, whichever organization they work for."""
    op.execute(f"drop policy if exists recorder_adds on {table}")
    op.execute(f"create policy recorder_adds on {table} for insert to {RECORDER} with check (true)")
    op.execute(f"grant insert on {table} to {RECORDER}")


def refuse_change(table: str, condition: str, message: str) -> None:
    """Refuses the application an update of a row where a condition over `old` and `new` holds, with a message.

    Whoever else may change the table mends it by hand.
    """
    op.execute(
        f"""create trigger refuse_change before update on {table} for each row
            when (current_user = '{APP}' and ({condition})) execute function database.refuse_change('{message}')"""
    )


def create_schema(schema: str) -> None:
    """Makes the schema of a domain, usable by the application, by functions across organizations and by history."""
    op.execute(f"create schema if not exists {schema}")
    op.execute(f"grant usage on schema {schema} to {APP}, {OVERVIEW}, {RECORDER}")
