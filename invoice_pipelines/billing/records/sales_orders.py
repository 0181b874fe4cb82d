"""Sales orders that come in. An order number is taken once: `add_orders` leaves what exists as it is, `upsert_orders`
changes it as long as it is open.

Whether an order can be invoiced is decided when it is invoiced, as customers, items and stock change until then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from pydantic import ValidationError, model_validator
from pydantic_core import to_json
from sqlalchemy import Connection, text

from invoice_pipelines.billing.corrections import set_order_status
from invoice_pipelines.billing.errors import RowProblem, RowsRefused, problems_of
from invoice_pipelines.billing.records.rows import (
    Currency,
    IsoDate,
    LongText,
    Percent,
    Price,
    Quantity,
    Result,
    Row,
    RowOutcome,
    TaxCategory,
    Text,
    UnitCode,
    changes_of,
    check,
)


class NewLine(Row):
    """A line of an order. With an item, what is left out is taken from the item as it is now."""

    sku: Text | None = None
    description: LongText | None = None
    quantity: Quantity
    unit_code: UnitCode | None = None
    unit_price: Price | None = None
    discount_percent: Percent = Decimal(0)
    tax_category: TaxCategory | None = None
    tax_rate: Percent | None = None
    period_start: IsoDate | None = None
    """BT-134, the first day of a service that is rendered over a period"""
    period_end: IsoDate | None = None
    """BT-135, the last day"""

    @model_validator(mode="after")
    def _has_a_price_and_a_whole_period(self) -> NewLine:
        if self.sku is None and self.unit_price is None:
            raise ValueError("unit_price is needed where there is no sku")
        _check_period(self.period_start, self.period_end)
        return self


class NewOrder(Row):
    """A sales order. Without a customer it can be taken but not invoiced. `currency` is the customer's by default, or
    else that of the organization.

    The date of supply on its invoice is `delivery_date`, else the end of its period, else the latest end of its lines'
    periods where all have one, else the issue date.
    """

    order_number: Text
    customer_number: Text | None = None
    status: Literal["draft", "pending", "reviewed"] = "pending"
    currency: Currency | None = None
    order_date: IsoDate
    delivery_date: IsoDate | None = None
    period_start: IsoDate | None = None
    """BT-73, the first day of a service that is rendered over a period"""
    period_end: IsoDate | None = None
    """BT-74, the last day"""
    purchase_order_reference: Text | None = None
    discount_percent: Percent = Decimal(0)
    note: LongText | None = None
    lines: tuple[NewLine, ...] = ()

    @model_validator(mode="after")
    def _has_a_whole_period_and_lines_within_it(self) -> NewOrder:
        start, end = self.period_start, self.period_end
        _check_period(start, end)
        if start is None or end is None:
            return self
        for number, line in enumerate(self.lines, start=1):
            if line.period_start is None or line.period_end is None:
                continue
            if line.period_start < start or line.period_end > end:
                raise ValueError(
                    f"line {number}: its period, {line.period_start} to {line.period_end}, is not within that of the "
                    f"order, {start} to {end} (PEPPOL-EN16931-R110, R111)"
                )
        return self


class ChangedOrder(NewOrder):
    """What a change may make of an order."""

    status: Literal["draft", "pending", "reviewed", "cancelled"] = "pending"  # type: ignore[assignment]


class _AnyOrder(NewOrder):
    """An order as it is."""

    status: Literal["draft", "pending", "reviewed", "cancelled", "invoiced"] = "pending"  # type: ignore[assignment]


OrderChanges = changes_of(ChangedOrder, "order_number")
_HEADER = tuple(name for name in NewOrder.model_fields if name not in ("customer_number", "currency", "lines"))
_LINE = tuple(name for name in NewLine.model_fields if name != "sku")


@dataclass(frozen=True, slots=True)
class AddedOrder:
    """An order that is in the database now. `is_new` is false where its number was taken before."""

    id: UUID
    is_new: bool


def add_orders(
    connection: Connection, orders: Iterable[NewOrder | Mapping[str, Any]], *, created_by: str
) -> list[AddedOrder]:
    """Adds orders with their lines; returns them in the order given. An order whose number exists is left as it is.

    Thousands at once are a few statements; the connection must come from `organization_scope`. Raises RowsRefused,
    which names rows and fields (also an unknown customer_number or sku); then none was written.
    """
    outcomes = _write_orders(connection, orders, created_by, change_known=False, all_or_none=True)
    return [AddedOrder(outcome.id, outcome.result is Result.CREATED) for outcome in outcomes if outcome.id is not None]


def upsert_orders(
    connection: Connection,
    orders: Iterable[Row | Mapping[str, Any]],
    *,
    created_by: str,
    change_known: bool = True,
) -> list[RowOutcome]:
    """Adds orders, or changes those whose number exists and that are neither invoiced nor cancelled; what became of
    each, in the order given. A wrong one stops no other.

    What an order leaves out stays as it is; `lines` replace all lines that it had. A change of `status` is noted.
    Without `change_known`, an order whose number exists is left as it is.
    """
    return _write_orders(connection, orders, created_by, change_known=change_known, all_or_none=False)


def _write_orders(
    connection: Connection,
    orders: Iterable[Row | Mapping[str, Any]],
    created_by: str,
    *,
    change_known: bool,
    all_or_none: bool,
) -> list[RowOutcome]:
    checked = check(OrderChanges, orders, ("order_number",))
    outcomes = checked.failed()
    waiting: Mapping[int, Any] = checked.rows
    if all_or_none and not waiting:
        checked.refuse_problems()
    while waiting:
        before = _orders_to_change(connection, [row.order_number for row in waiting.values()])
        whole: dict[int, NewOrder] = {}
        for place, row in waiting.items():
            known = before.get(row.order_number)
            given = row.model_dump(exclude_unset=True)
            if known is not None and not change_known:
                outcomes[place] = RowOutcome(place, row.order_number, Result.UNCHANGED, known.id)
                continue
            try:
                whole[place] = (
                    NewOrder.model_validate(given) if known is None else _AnyOrder.model_validate(known.values | given)
                )
            except ValidationError as error:
                outcomes[place] = _failed(place, row, problems_of(place, error))
        writing = _Writing(connection, whole)
        new: dict[int, NewOrder] = {}
        changed: list[_Change] = []
        for place, order in whole.items():
            known = before.get(order.order_number)
            if wrong := writing.unknown(place, order):
                outcomes[place] = _failed(place, order, wrong)
            elif known is None:
                new[place] = order
            else:
                change = writing.change_of(known, order, has_lines="lines" in waiting[place].model_fields_set)
                if not change.is_one:
                    outcomes[place] = RowOutcome(place, order.order_number, Result.UNCHANGED, known.id)
                elif wrong := known.closed(place, order):
                    outcomes[place] = _failed(place, order, wrong)
                else:
                    changed.append(change)
                    outcomes[place] = RowOutcome(place, order.order_number, Result.CHANGED, known.id)
        if all_or_none and (wrong := [problem for outcome in outcomes.values() for problem in outcome.problems]):
            raise RowsRefused(wrong)
        writing.change(changed, created_by)
        added = writing.add(new, created_by)
        for place, order in new.items():
            if order.order_number in added:
                created = added[order.order_number]
                outcomes[place] = RowOutcome(place, order.order_number, Result.CREATED, created)
        waiting = {place: waiting[place] for place in new if place not in outcomes}  # somebody else was faster
    return [outcomes[place] for place in sorted(outcomes)]


@dataclass(frozen=True, slots=True)
class _Known:
    """An order as it is: as a row would say it, and its lines as they are stored."""

    id: UUID
    customer_id: UUID | None
    values: dict[str, Any]
    lines: list[dict[str, Any]]

    def closed(self, place: int, order: NewOrder) -> list[RowProblem]:
        """Why it cannot be changed: a cancelled order can only be taken up again, as a draft."""
        status = self.values["status"]
        if status == "invoiced" or (status == "cancelled" and order.status == status):
            why = f"the order is {status} and stays as it is"
        elif status == "cancelled" and order.status != "draft":
            why = f"the order is cancelled and can only become a draft, not {order.status}"
        else:
            return []
        return [RowProblem(place, "order_number" if order.status == status else "status", why, "ORDER_CLOSED")]


@dataclass(frozen=True, slots=True)
class _Change:
    """What an order is to be: its header, or None where that stays, and its lines, likewise."""

    before: _Known
    status: str
    header: Mapping[str, Any] | None
    lines: Sequence[Mapping[str, Any]] | None

    @property
    def is_one(self) -> bool:
        return self.header is not None or self.lines is not None or self.status != self.before.values["status"]


class _Writing:
    """Writes orders whose customers and items were looked up at once."""

    def __init__(self, connection: Connection, orders: Mapping[int, NewOrder]) -> None:
        self._connection = connection
        rows = orders.values()
        self.numbers = {row.order_number for row in rows}
        self._customers = _known(connection, "customer", "customer_number", (row.customer_number for row in rows))
        self._items = _known(connection, "item", "sku", (line.sku for row in rows for line in row.lines))
        self._home_currency = connection.execute(
            text("select currency from organizations.organization where id = organizations.current()")
        ).scalar_one()

    def unknown(self, place: int, row: NewOrder) -> list[RowProblem]:
        """The customer and the items of an order that the organization does not have."""
        problems = []
        if row.customer_number is not None and row.customer_number not in self._customers:
            why = f"this organization has no customer {repr(row.customer_number)[:60]}"
            problems.append(RowProblem(place, "customer_number", why, "UNKNOWN_CUSTOMER"))
        for number, line in enumerate(row.lines, start=1):
            if line.sku is not None and line.sku not in self._items:
                why = f"this organization has no item {repr(line.sku)[:60]}"
                problems.append(RowProblem(place, f"lines[{number}].sku", why, "UNKNOWN_ITEM"))
        return problems

    def add(self, orders: Mapping[int, NewOrder], created_by: str) -> dict[str, UUID]:
        """Adds orders; the ids of those that are new, by number."""
        if not orders:
            return {}
        headers = to_json([self._header(row) | {"status": row.status} for row in orders.values()]).decode()
        values = {"rows": headers, "creator": created_by}
        added = {row.order_number: row.id for row in self._connection.execute(text(_ADD_ORDERS), values)}
        self._write_lines(
            {added[row.order_number]: self._lines(row) for row in orders.values() if row.order_number in added}
        )
        return added

    def change_of(self, known: _Known, order: NewOrder, *, has_lines: bool) -> _Change:
        """What an order would be. Without lines it keeps those that it has, whatever their items are now."""
        header = self._header(order)
        stored = known.values | {"customer_id": known.customer_id}
        lines = self._lines(order) if has_lines else known.lines
        return _Change(
            known,
            order.status,
            None if all(stored[name] == value for name, value in header.items()) else header,
            None if lines == known.lines else lines,
        )

    def change(self, changes: Sequence[_Change], changed_by: str) -> None:
        """Changes orders that are locked."""
        headers = [
            {**change.header, "status": change.before.values["status"]}
            for change in changes
            if change.header is not None
        ]
        if headers:
            self._connection.execute(text(_CHANGE_ORDERS), {"rows": to_json(headers).decode(), "creator": changed_by})
        rewritten = {change.before.id: change.lines for change in changes if change.lines is not None}
        if rewritten:
            self._connection.execute(
                text(
                    """delete from billing.sales_order_line
                       where organization_id = organizations.current() and sales_order_id = any(cast(:ids as uuid[]))"""
                ),
                {"ids": list(rewritten)},
            )
            self._write_lines(rewritten)
        for status in ("draft", "pending", "reviewed", "cancelled"):
            ids = [change.before.id for change in changes if change.status == status != change.before.values["status"]]
            if ids:
                set_order_status(self._connection, ids, status, changed_by=changed_by)

    def _header(self, row: NewOrder) -> dict[str, Any]:
        customer = self._customers[row.customer_number] if row.customer_number else None
        return {
            **row.model_dump(include={*_HEADER} - {"status"}),
            "customer_id": customer.id if customer else None,
            "currency": row.currency or (customer.currency if customer else None) or self._home_currency,
        }

    def _lines(self, row: NewOrder) -> list[dict[str, Any]]:
        return [_stored_line(line, self._items[line.sku] if line.sku else None) for line in row.lines]

    def _write_lines(self, orders: Mapping[UUID, Sequence[Mapping[str, Any]]]) -> None:
        lines = [
            {**line, "sales_order_id": order_id, "line_number": number}
            for order_id, given in orders.items()
            for number, line in enumerate(given, start=1)
        ]
        self._connection.execute(text(_ADD_LINES), {"rows": to_json(lines).decode()})


_ORDER_COLUMNS = """order_number, customer_id, status, currency, order_date, delivery_date, period_start, period_end,
    purchase_order_reference, discount_percent, note"""
_ADD_ORDERS = f"""
    insert into billing.sales_order (organization_id, id, {_ORDER_COLUMNS}, created_by)
    select organizations.current(), new_id, {_ORDER_COLUMNS}, :creator
    from (select *, uuidv7() as new_id  -- in the order given, which is that of the invoices of a day
          from jsonb_populate_recordset(null::billing.sales_order, cast(:rows as jsonb))) given
    order by order_number
    on conflict (order_number, organization_id) do nothing
    returning id, order_number
"""
_CHANGE_ORDERS = f"""
    insert into billing.sales_order (organization_id, {_ORDER_COLUMNS}, created_by)
    select organizations.current(), {_ORDER_COLUMNS}, :creator
    from jsonb_populate_recordset(null::billing.sales_order, cast(:rows as jsonb))
    order by order_number
    on conflict (order_number, organization_id) do update
    set customer_id = excluded.customer_id, currency = excluded.currency, order_date = excluded.order_date,
        delivery_date = excluded.delivery_date, period_start = excluded.period_start,
        period_end = excluded.period_end, purchase_order_reference = excluded.purchase_order_reference,
        discount_percent = excluded.discount_percent, note = excluded.note, updated_at = now()
"""
_LINE_COLUMNS = ", ".join(("item_id", *_LINE))
_ADD_LINES = f"""
    insert into billing.sales_order_line (organization_id, sales_order_id, line_number, {_LINE_COLUMNS})
    select organizations.current(), sales_order_id, line_number, {_LINE_COLUMNS}
    from jsonb_populate_recordset(null::billing.sales_order_line, cast(:rows as jsonb))
"""
_WANTED = {
    "customer": "id, customer_number as key, currency",
    "item": "id, sku as key, unit_price, tax_category, tax_rate",
    "sales_order": "id, order_number as key",
}


def _check_period(start: date | None, end: date | None) -> None:
    if (start is None) != (end is None):
        raise ValueError("period_start and period_end go together")
    if start is not None and end is not None and start > end:
        raise ValueError(f"period_end {end} is before period_start {start} (BR-29, BR-30)")


def _known(connection: Connection, table: str, key: str, names: Iterable[str | None]) -> dict[str, Any]:
    wanted = sorted({name for name in names if name is not None})
    if not wanted:
        return {}
    # demanded by test_rows_are_looked_up_by_their_keys
    rows = connection.execute(
        text(
            f"""select t.* from unnest(cast(:wanted as text[])) k (key)
                cross join lateral (
                    select {_WANTED[table]} from billing.{table} t
                    where t.organization_id = organizations.current() and t.{key} = k.key offset 0) t"""
        ),
        {"wanted": wanted},
    )
    return {row.key: row for row in rows}


def _orders_to_change(connection: Connection, numbers: Sequence[str]) -> dict[str, _Known]:
    """The orders that exist, locked by id as everywhere, with their lines."""
    # demanded by test_rows_are_looked_up_by_their_keys
    rows = connection.execute(
        text(
            f"""with known as materialized (
                    select o.id from unnest(cast(:numbers as text[])) k (order_number)
                    cross join lateral (
                        select o.id from billing.sales_order o
                        where o.organization_id = organizations.current() and o.order_number = k.order_number
                        offset 0) o
                )
                select o.*
                from (select k.id from known k order by k.id) k
                cross join lateral (
                    select o.id, {", ".join(f"o.{name.strip()}" for name in _ORDER_COLUMNS.split(","))}
                    from billing.sales_order o
                    where o.organization_id = organizations.current() and o.id = k.id for no key update) o"""
        ),
        {"numbers": list(numbers)},
    ).all()
    header = [name for name in NewOrder.model_fields if name not in ("customer_number", "lines")]
    found = {
        row.id: _Known(row.id, row.customer_id, {name: row._mapping[name] for name in header} | {"lines": []}, [])
        for row in rows
    }
    # demanded by test_rows_are_looked_up_by_their_keys
    customers = connection.execute(
        text(
            """select c.id, c.customer_number from unnest(cast(:ids as uuid[])) k (id)
               cross join lateral (
                   select * from billing.customer c
                   where c.organization_id = organizations.current() and c.id = k.id offset 0) c"""
        ),
        {"ids": list({row.customer_id for row in rows if row.customer_id is not None})},
    )
    customer_numbers = {row.id: row.customer_number for row in customers}
    lines = connection.execute(
        text(
            f"""select l.sales_order_id, i.sku, {", ".join(f"l.{name.strip()}" for name in _LINE_COLUMNS.split(","))}
                from billing.sales_order_line l
                left join billing.item i on i.organization_id = l.organization_id and i.id = l.item_id
                where l.organization_id = organizations.current() and l.sales_order_id = any(cast(:ids as uuid[]))
                order by l.sales_order_id, l.line_number"""
        ),
        {"ids": list(found)},
    )
    for line in lines:
        values = dict(line._mapping)
        order = found[values.pop("sales_order_id")]
        sku = values.pop("sku")
        order.lines.append(values)
        order.values["lines"].append({**{name: values[name] for name in _LINE}, "sku": sku})
    for order in found.values():
        order.values["customer_number"] = customer_numbers[order.customer_id] if order.customer_id else None
    return {order.values["order_number"]: order for order in found.values()}


def _failed(place: int, row: Row, problems: Sequence[RowProblem]) -> RowOutcome:
    return RowOutcome(place, getattr(row, "order_number", None), Result.FAILED, problems=tuple(problems))


def _stored_line(line: NewLine, item: Any) -> dict[str, Any]:
    """A line with what it takes from its item."""
    values = {"item_id": None, **line.model_dump(include={*_LINE})}
    if item is not None:
        values["item_id"] = item.id
        if values["unit_price"] is None:
            values["unit_price"] = item.unit_price
        if line.tax_category is None and line.tax_rate is None and item.tax_category is not None:
            values.update(tax_category=item.tax_category, tax_rate=item.tax_rate or Decimal(0))
    return values
