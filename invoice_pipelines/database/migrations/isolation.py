"""How a migration closes a table: to other organizations, to changes, and to backdated rows.

Every migration that makes a table of a tenant calls `isolate`. What a function or view may see is not decided here.
"""

from __future__ import annotations

from alembic import op

from invoice_pipelines.database.roles import APP, OVERVIEW, RECORDER, WEB

IN_SCOPE = """(select organizations.current_or_none()) is null
    or {column} = (select organizations.current_or_none())"""
"""What a function across organizations may see: in the scope of one organization that one, else all."""


def create_schema(schema: str) -> None:
    """Makes the schema of a domain, usable by the application, by functions across organizations and by history."""
    op.execute(f"create schema if not exists {schema}")
    op.execute(f"grant usage on schema {schema} to {APP}, {OVERVIEW}, {RECORDER}")


def isolate(
    table: str,
    grants: str = "select, insert, update, delete",
    *,
    stamped: str | None = None,
    column: str = "organization_id",
) -> None:
    """Forces row-level security on a table and lets the application role in, within its organization.

    `grants` are the rights of the application role: an append-only table gets "select, insert". `stamped` are the
    columns of a new row that it cannot choose (all others it can): they begin as their defaults say, so that nothing is
    backdated and nothing begins at its end. The organization is asked for in a sub-select, which is evaluated once per
    statement, not once per row.
    """
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(
        f"""create policy organization on {table} to {APP}
            using ({column} = (select organizations.current()))
            with check ({column} = (select organizations.current()))"""
    )
    op.execute(f"grant {grants} on {table} to {APP}")
    if stamped is not None:
        columns = op.get_bind().exec_driver_sql(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 and not attisdropped "
            "and attgenerated = '' and attname <> all(%s) order by attnum",
            (table, [name.strip() for name in stamped.split(",")]),
        )
        op.execute(f"grant insert ({', '.join(columns.scalars())}) on {table} to {APP}")


def show_to_overview(
    table: str, columns: str, *, update: str | None = None, condition: str = IN_SCOPE, column: str = "organization_id"
) -> None:
    """Lets the functions that look across organizations read the named columns (and update those in `update`)."""
    condition = condition.format(column=column)
    op.execute(f"create policy overview_reads on {table} for select to {OVERVIEW} using ({condition})")
    op.execute(f"grant select ({columns}) on {table} to {OVERVIEW}")
    if update is not None:
        op.execute(f"create policy overview_updates on {table} for update to {OVERVIEW} using ({condition})")
        op.execute(f"grant update ({update}) on {table} to {OVERVIEW}")


def let_recorder_add(table: str) -> None:
    """Lets triggers add to a table of history, whichever organization they work for."""
    op.execute(f"create policy recorder_adds on {table} for insert to {RECORDER} with check (true)")
    op.execute(f"grant insert on {table} to {RECORDER}")


def show_to_recorder(table: str, columns: str) -> None:
    """Lets triggers look up what an entry names, such as a number, or where it comes; in the scope if there is one."""
    condition = IN_SCOPE.format(column="organization_id")
    op.execute(f"create policy recorder_reads on {table} for select to {RECORDER} using ({condition})")
    op.execute(f"grant select ({columns}) on {table} to {RECORDER}")


def delete_only(table: str, condition: str) -> None:
    """Lets the application delete only rows of which a condition holds."""
    op.execute(f"create policy deletable on {table} as restrictive for delete to {APP} using ({condition})")


def refuse_change(table: str, condition: str, message: str) -> None:
    """Refuses the application an update of a row where a condition over `old` and `new` holds, with a message.

    Whoever else may change the table mends it by hand.
    """
    op.execute(
        f"""create trigger refuse_change before update on {table} for each row
            when (current_user in ('{APP}', '{WEB}') and ({condition}))
            execute function database.refuse_change('{message}')"""
    )
