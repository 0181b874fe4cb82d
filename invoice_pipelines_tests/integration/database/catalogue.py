"""What the catalogue says of tables and functions, and whether a table is closed to other organizations."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from invoice_pipelines.database.roles import ACCOUNTS, APP, OVERVIEW, RECORDER, WEB

REGISTRY = "organizations.organization"
SEEN_FROM_EVERY_SCOPE = {"quickbooks.connection"}
"""Of which a function says by yes or no whether another organization has something."""

NOT_OF_A_DOMAIN = ("pg_catalog", "information_schema", "database", "accounts")
"""Schemas without business data; `database` holds the number of the last migration, `accounts` is closed to
all logins.
"""
OF_NOBODY = ["web.rate", "work.worker", "intake.turnaround"]
"""Tables of no organization in other schemas. No login reads them."""


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    is_generated: bool
    can_be_given: bool
    """Whether the application may choose it when it adds a row."""


@dataclass(frozen=True)
class ForeignKey:
    name: str
    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]


@dataclass
class Table:
    name: str
    columns: list[Column]
    foreign_keys: list[ForeignKey]
    unique_columns: list[tuple[str, ...]]
    key: tuple[str, ...]
    row_security: bool
    forced: bool
    policies: list[Any] = field(default_factory=list)

    @property
    def organization_column(self) -> str:
        return "id" if self.name == REGISTRY else "organization_id"


def read_catalogue(connection: Connection) -> dict[str, Table]:
    """Every table of a domain, whatever its kind."""
    values = {"others": list(NOT_OF_A_DOMAIN), "of_nobody": OF_NOBODY, "app": APP}

    def by_table(query: str) -> dict[int, list[Any]]:
        found = defaultdict(list)
        for row in connection.execute(text(query), values):
            found[row.oid].append(row)
        return found

    columns = by_table(
        """select attrelid as oid, attname, format_type(atttypid, null) as type,
                  attgenerated <> '' or attidentity <> '' as made,
                  has_column_privilege(:app, attrelid, attnum, 'insert') as can_be_given
           from pg_attribute where attnum > 0 and not attisdropped order by attnum"""
    )
    foreign_keys = by_table(
        """select conrelid as oid, conname, n.nspname || '.' || t.relname as target,
                  (select array_agg(a.attname::text order by k.place)
                   from unnest(conkey) with ordinality k(n, place)
                   join pg_attribute a on a.attrelid = conrelid and a.attnum = k.n) as columns,
                  (select array_agg(a.attname::text order by k.place)
                   from unnest(confkey) with ordinality k(n, place)
                   join pg_attribute a on a.attrelid = confrelid and a.attnum = k.n) as target_columns
           from pg_constraint join pg_class t on t.oid = confrelid join pg_namespace n on n.oid = t.relnamespace
           where contype = 'f' order by conname"""
    )
    unique = by_table(
        """select indrelid as oid, indisprimary,
                  (select coalesce(array_agg(a.attname::text order by k.position), '{}')
                   from unnest(indkey::smallint[]) with ordinality k(n, position)
                   join pg_attribute a on a.attrelid = indrelid and a.attnum = k.n) as columns
           from pg_index where indisunique order by indisprimary desc"""
    )
    policies = by_table(
        """select polrelid as oid, polname, polcmd, polpermissive,
                  array(select rolname::text from pg_roles where oid = any(polroles)) as roles,
                  pg_get_expr(polqual, polrelid) as qual, pg_get_expr(polwithcheck, polrelid) as with_check
           from pg_policy"""
    )
    tables = connection.execute(
        text(
            """select c.oid, n.nspname || '.' || c.relname as name, c.relrowsecurity, c.relforcerowsecurity
               from pg_class c join pg_namespace n on n.oid = c.relnamespace
               where c.relkind in ('r', 'p', 'm', 'f') and n.nspname <> all(:others) and n.nspname !~ '^pg_'
                 and n.nspname || '.' || c.relname <> all(:of_nobody)
               order by 2"""
        ),
        values,
    )
    return {
        table.name: Table(
            table.name,
            [Column(c.attname, c.type, c.made, c.can_be_given) for c in columns[table.oid]],
            [
                ForeignKey(k.conname, tuple(k.columns), k.target, tuple(k.target_columns))
                for k in foreign_keys[table.oid]
            ],
            [tuple(index.columns) for index in unique[table.oid]],
            next((tuple(index.columns) for index in unique[table.oid] if index.indisprimary), ()),
            table.relrowsecurity,
            table.relforcerowsecurity,
            policies[table.oid],
        )
        for table in tables
    }


def openings(table: Table) -> list[str]:
    """What leaves a table open to other organizations; nothing where it is closed."""
    found = []
    names = {column.name for column in table.columns}
    if table.organization_column not in names:
        found.append("has no organization_id")
    if not table.row_security:
        found.append("has no row-level security")
    if not table.forced:
        found.append("does not force row-level security on its owner")
    scoped = f"({table.organization_column} = ( SELECT organizations.current()"
    of_app = [policy for policy in table.policies if policy.roles == [APP] and policy.polpermissive]
    if not of_app:
        found.append("has no policy for the application")
    if not any(policy.roles == [WEB] and policy.polname == "entered" for policy in table.policies):
        found.append("does not ask whether the web's credential may enter")
    for policy in table.policies:
        if policy.roles == [ACCOUNTS] and table.name == REGISTRY and policy.polcmd == "r":
            continue
        keeps_to_scope = policy.polcmd == "a" or "organizations.current_or_none()" in str(policy.qual)
        if policy.roles == [OVERVIEW] and not keeps_to_scope and table.name not in SEEN_FROM_EVERY_SCOPE:
            found.append(f"has the policy {policy.polname} that shows others to a function called in a scope")
        if not policy.polpermissive or policy.roles == [OVERVIEW]:
            continue
        # A trigger adds what happened in the organization, and looks up what that names.
        if policy.roles == [RECORDER] and (policy.polcmd == "a" or (policy.polcmd == "r" and keeps_to_scope)):
            continue
        if policy.roles != [APP]:
            found.append(f"has the policy {policy.polname} for {policy.roles or 'everybody'}")
        for expression in (policy.qual, policy.with_check):
            if expression is None or not expression.startswith(scoped):
                found.append(f"has the policy {policy.polname} that does not ask for the organization: {expression}")
    for key in table.foreign_keys:
        if key.target == REGISTRY:
            if key.columns != ("organization_id",):
                found.append(f"points at an organization by {key.columns}")
            continue
        pairs = dict(zip(key.columns, key.target_columns, strict=True))
        if pairs.get("organization_id") != "organization_id":
            found.append(f"has the foreign key {key.name} without organization_id")
    for columns in table.unique_columns:
        if table.name != REGISTRY and columns and "organization_id" not in columns:
            found.append(f"is unique by {columns} across organizations, which tells one what another has")
    return found


def security_definer_functions(connection: Connection) -> list[Any]:
    return list(
        connection.execute(
            text(
                """
                select n.nspname || '.' || p.proname as name, pg_get_userbyid(p.proowner) as owner,
                       coalesce(p.proconfig, '{}') as settings,
                       coalesce((select bool_or(a.grantee = 0) from aclexplode(coalesce(p.proacl,
                                 acldefault('f', p.proowner))) a), false) as is_public,
                       array(select rolname::text from aclexplode(p.proacl) a join pg_roles r on r.oid = a.grantee
                             where r.oid <> p.proowner) as grantees,
                       format_type(p.prorettype, null) as returned, p.pronargs as arguments,
                       coalesce((select array_agg(p.proargnames[i] || ':' || format_type(p.proallargtypes[i], null))
                        from generate_subscripts(p.proallargtypes, 1) i where p.proargmodes[i] in ('t', 'o', 'b')),
                        '{}') as columns
                from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')
                order by 1
                """
            )
        ).all()
    )


def owners_of_functions(connection: Connection) -> list[Any]:
    """Who owns each function, procedure and aggregate outside of the system's schemas."""
    return list(
        connection.execute(
            text(
                """select p.oid::regprocedure::text as name, pg_get_userbyid(p.proowner) as owner,
                          p.prosecdef as is_definer
                   from pg_proc p join pg_namespace n on n.oid = p.pronamespace
                   where n.nspname not in ('pg_catalog', 'information_schema') order by 1"""
            )
        ).all()
    )


def creatable_places(connection: Connection) -> set[tuple[str, str]]:
    """Where somebody but a superuser may create objects, and who: schemas, and the database for temporary ones."""
    rows = connection.execute(
        text(
            """
            with grantee as (
                select r.oid, r.rolname::text as role from pg_roles r where not r.rolsuper and r.rolname !~ '^pg_'
                union all select 0, 'public')
            select n.nspname::text as place, g.role from pg_namespace n, grantee g
            where has_schema_privilege(g.role, n.oid, 'create')
            union all
            select 'database', g.role from grantee g
            where has_database_privilege(g.role, current_database(), 'create')
               or has_database_privilege(g.role, current_database(), 'temporary')
            """
        )
    ).all()
    return {(row.place, row.role) for row in rows}


def inherited_roles(connection: Connection, role: str) -> list[str]:
    """The roles whose rights a role has without asking for them."""
    rows = connection.execute(
        text("select rolname::text from pg_roles where rolname <> :role and pg_has_role(:role, oid, 'usage')"),
        {"role": role},
    )
    return list(rows.scalars())
