"""What narrows a list: the conditions of the filters that were asked for, and the pattern of a text that is sought; and
how its rows are looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, text


def narrowed(filters: Mapping[str, tuple[str, object]]) -> tuple[str, dict[str, Any]]:
    """The conditions of the filters whose value is not None, each after an `and`, and those values by their parameters.

    A filter is, by the name of its parameter, a condition over it and its value.
    """
    wanted = {name: filter for name, filter in filters.items() if filter[1] is not None}
    conditions = "".join(f" and {condition}" for condition, _ in wanted.values())
    return conditions, {name: value for name, (_, value) in wanted.items()}


def containing(words: str | None) -> str | None:
    """The pattern for `ilike` of what contains a text, each sign of which stands for itself."""
    if words is None:
        return None
    escaped = words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"


@contextmanager
def planned_by_order(connection: Connection) -> Iterator[None]:
    """Meanwhile rows come from the index that has them in the order that is asked for.

    With statistics from a time when there was next to nothing all indexes seem alike, and one that holds the whole
    organization was read for each row of a page. A look-up asks for the order of the index that is meant, and compares
    by a range (`between x and x`): what is equal to something needs no order.
    """
    # demanded by test_a_page_is_read_without_the_rest, test_what_belongs_to_an_invoice_is_read_without_the_rest
    # demanded by test_a_look_at_all_invoices_reads_each_row_a_few_times
    # demanded by test_a_look_at_what_is_promised_reads_each_row_a_few_times
    connection.execute(text("set local enable_sort = off"))
    yield
    connection.execute(text("set local enable_sort to default"))
