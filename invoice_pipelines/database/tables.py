"""Tables and views as people read about them elsewhere: their columns, and how many rows an organization has in them.

The columns lie in a file beside this module, for whoever must not ask the database, such as Dagster while it loads. A
migration that changes them is followed by `python -m invoice_pipelines.database.tables`, which reads them from a
migrated database; a table that is new there gets its name into the file first, with `{}`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection, func, select, table, text

FILE = Path(__file__).with_suffix(".json")
COLUMNS: dict[str, dict[str, str]] = json.loads(FILE.read_text(encoding="utf-8"))
"""The type of each column by its name, of tables such as `intake.upload`."""


def count_rows(connection: Connection, name: str) -> int:
    """Rows of the organization in scope in a table or view."""
    schema, _, relation = name.partition(".")
    return int(connection.execute(select(func.count()).select_from(table(relation, schema=schema))).scalar_one())


def read_columns(connection: Connection, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """The columns of tables and views as they are in the database, in their order."""
    rows = connection.execute(
        text(
            """select t.name, a.attname, format_type(a.atttypid, a.atttypmod)
               from unnest(cast(:names as text[])) with ordinality as t (name, place)
               join pg_attribute a on a.attrelid = to_regclass(t.name) and a.attnum > 0 and not a.attisdropped
               order by t.place, a.attnum"""
        ),
        {"names": list(names)},
    )
    found: dict[str, dict[str, str]] = {}
    for name, column, type_name in rows:
        found.setdefault(name, {})[column] = type_name
    return found


if __name__ == "__main__":
    from invoice_pipelines.database.access import open_database
    from invoice_pipelines.settings import load_settings

    with open_database(load_settings(), application_name="columns") as engine, engine.connect() as opened:
        FILE.write_text(json.dumps(read_columns(opened, sorted(COLUMNS)), indent=1) + "\n", encoding="utf-8")
