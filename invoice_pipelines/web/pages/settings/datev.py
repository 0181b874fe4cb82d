"""DATEV: what the tax adviser gives, the account rules, and what cannot be booked yet."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import File, Form, Response
from pydantic import ValidationError
from sqlalchemy import Connection

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.errors import BillingError
from invoice_pipelines.billing.imports.csv_rows import read_rows
from invoice_pipelines.intake.exports.datev.accounts.rules import (
    COLUMNS,
    NO_KEY,
    Rule,
    check_rules,
    load_rules,
    replace_rules,
)
from invoice_pipelines.intake.exports.datev.accounts.suppliers import list_suppliers
from invoice_pipelines.intake.exports.datev.choosing import retry_waiting
from invoice_pipelines.intake.exports.datev.errors import DatevError
from invoice_pipelines.intake.exports.datev.settings import (
    DatevSettings,
    Revision,
    load_settings,
    require_settings,
    save_settings,
)
from invoice_pipelines.intake.exports.exporting import waiting_invoices
from invoice_pipelines.intake.exports.formats import lock_exports
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter, seen_tag
from invoice_pipelines.web.pages.settings import datev_words
from invoice_pipelines.web.pages.settings.files import save_as
from invoice_pipelines.web.pages.settings.forms import Filled, Typed, read_typed, said_of
from invoice_pipelines.web.pages.settings.sections import DATEV

router = PageRouter()
_LARGEST_FILE = 2_000_000
_SHOWN = 200
_PREFIX = "datev."


@router.get("/settings/datev", role=Role.VIEWER)
def datev(page: Page) -> Response:
    """The settings, the rules, and a check of both."""
    with page.enter() as at:
        return _show(page, at)


@router.post("/settings/datev", role=Role.ADMIN, area="organization")
def set_datev_up(page: Page, typed: Annotated[Typed, Form()]) -> Response:
    """Sets DATEV up, or changes what the tax adviser gave. What waits to be booked is tried again."""
    values, wrong = read_typed(DATEV, typed, page.language)
    with page.enter() as at:
        lock_exports(at.connection)
        known = load_settings(at.connection)
        written = {each.name: typed.of(each.name) for each in DATEV.settings}
        if typed.seen != _tag(known):
            stored = {
                each.name: each.kind.shown(_value(known, each.name), page.language)
                for each in DATEV.settings
                if each.kind.written(_value(known, each.name), page.language) != written[each.name]
            }
            return _show(page, at, Filled(written, _tag(known), wrong, stored), status=412)
        if not wrong:
            given = {name.removeprefix(_PREFIX): value for name, value in values.items() if value is not None}
            try:
                save_settings(at.connection, DatevSettings.model_validate(given), at.entry.actor)
            except ValidationError as error:
                names = {_PREFIX + str((item["loc"] or ("first_creditor",))[0]) for item in error.errors()}
            except DatevError:
                names = {_PREFIX + "account_length"}
            else:
                again = retry_waiting(at.connection)
                return page.go(page.url("settings", "datev"), _saved(page, again))
            wrong = {each.name: said_of(each, page.language) for each in DATEV.settings if each.name in names}
        return _show(page, at, Filled(written, _tag(known), wrong), status=422)


@router.get("/settings/datev/rules.csv", role=Role.VIEWER, response_class=Response)
def rules_file(page: Page) -> Response:
    """The rules as a file that can be sent back."""
    with page.enter() as at:
        rules = load_rules(at.connection).rules
    written = io.StringIO()
    writer = csv.DictWriter(written, list(COLUMNS), delimiter=";")
    writer.writeheader()
    writer.writerows(_row(rule) for rule in rules)
    return save_as(written.getvalue().encode("utf-8-sig"), "datev-rules.csv", "text/csv")


@router.post("/settings/datev/rules/import", role=Role.ADMIN, area="organization", max_bytes=_LARGEST_FILE)
def import_rules(page: Page, file: Annotated[bytes, File()] = b"") -> Response:
    """Replaces all rules by those of a file, unless one of its rows is wrong."""
    with page.enter() as at:
        chart = require_settings(at.connection).accounts
        stream = io.TextIOWrapper(io.BytesIO(file), encoding="utf-8-sig", newline="")
        try:
            records = list(read_rows(stream, page.gettext("The file"), tuple(COLUMNS), ("account",)))
        except BillingError:
            return _show(page, at, file_problems=[(1, "", datev_words.no_rules_file(page.language))], status=422)
        problems = [(each.line, "row", "") for each in records if each.problem]
        rules, wrong = check_rules([record.values for record in records], chart)
        problems += [(records[each.row - 1].line, each.field, "") for each in wrong]
        if problems:
            shown = [
                (line, datev_words.column(field, page.language), datev_words.must(field, chart, page.language))
                for line, field, _ in problems[:_SHOWN]
            ]
            return _show(page, at, file_problems=shown, status=422)
        replace_rules(at.connection, rules, at.entry.actor)
        again = retry_waiting(at.connection)
    return page.go(page.url("settings", "datev") + "#rules", _saved(page, again))


@router.post("/settings/datev/rules", role=Role.ADMIN, area="organization")
def add_rule(page: Page, typed: Annotated[Typed, Form()]) -> Response:
    """Adds a rule to the others."""
    row = {name: typed.of(name)[0].strip() for name in COLUMNS if typed.of(name) and typed.of(name)[0].strip()}

    def added(rows: list[Mapping[str, str]]) -> list[Mapping[str, str]]:
        return [*rows, row]

    return _change_rules(page, typed, added, row)


@router.post("/settings/datev/rules/{number}/remove", role=Role.ADMIN, area="organization")
def remove_rule(page: Page, number: int, typed: Annotated[Typed, Form()]) -> Response:
    """Takes one rule out, by its place in the list, from 1."""

    def left(rows: list[Mapping[str, str]]) -> list[Mapping[str, str]]:
        return [row for place, row in enumerate(rows, start=1) if place != number]

    return _change_rules(page, typed, left)


def _change_rules(
    page: PageCaller,
    typed: Typed,
    change: Callable[[list[Mapping[str, str]]], list[Mapping[str, str]]],
    row: Mapping[str, str] | None = None,
) -> Response:
    with page.enter() as at:
        lock_exports(at.connection)
        chart = require_settings(at.connection).accounts
        known = load_rules(at.connection)
        page.require_seen(typed.seen, known.number)
        rows = change([_row(rule) for rule in known.rules])
        rules, problems = check_rules(rows, chart)
        wrong = {each.field: datev_words.must(each.field, chart, page.language) for each in problems}
        if wrong:
            return _show(page, at, rule=row or {}, rule_wrong=wrong, status=422)
        replace_rules(at.connection, rules, at.entry.actor)
        again = retry_waiting(at.connection)
    return page.go(page.url("settings", "datev") + "#rules", _saved(page, again))


def _row(rule: Rule) -> dict[str, str]:
    """A rule as a row of a file."""
    key = NO_KEY if rule.tax_key == "" else rule.tax_key
    values = {name: key if name == "tax_key" else getattr(rule, name) for name in COLUMNS}
    return {name: str(value) for name, value in values.items() if value is not None}


def _show(page: PageCaller, at: At, form: Filled | None = None, *, status: int = 200, **values: Any) -> Response:
    known = load_settings(at.connection)
    rules = load_rules(at.connection)
    suppliers = list_suppliers(at.connection)
    shown = {each.name: each.kind.shown(_value(known, each.name), page.language) for each in DATEV.settings}
    if form is None:
        written = {each.name: each.kind.written(_value(known, each.name), page.language) for each in DATEV.settings}
        form = Filled(written, _tag(known))
    given = {"file_problems": [], "rule": {}, "rule_wrong": {}, **values}
    return page.show(
        DATEV.template,
        status=status,
        section=DATEV,
        form=form,
        shown=shown,
        known=known,
        rules=[_row(rule) for rule in rules.rules],
        rules_seen=seen_tag(rules.number),
        columns=[(name, datev_words.column(name, page.language)) for name in COLUMNS],
        regions=datev_words.regions(page.language),
        suppliers=suppliers[:_SHOWN],
        supplier_count=len(suppliers),
        waiting=_waiting(at.connection, page),
        **given,
    )


def _waiting(connection: Connection, page: PageCaller) -> Sequence[tuple[str, int]]:
    """Why invoices are not booked yet, and how many, the most frequent reason first."""
    found: Counter[str] = Counter()
    for invoice in waiting_invoices(connection):
        found.update({reason.code for reason in invoice.reasons})
    return [(datev_words.refusal(code, page.language), count) for code, count in found.most_common()]


def _value(known: Revision | None, name: str) -> Any:
    field = name.removeprefix(_PREFIX)
    default = next(each.default for each in DATEV.settings if each.name == name)
    return default if known is None else getattr(known.settings, field)


def _tag(known: Revision | None) -> str:
    return seen_tag("datev", known.number if known else 0)


def _saved(page: PageCaller, again: int) -> str:
    said = page.gettext("The settings are saved.")
    if not again:
        return said
    more = page.ngettext(
        "%(num)s invoice that could not be booked is tried again by the next export.",
        "%(num)s invoices that could not be booked are tried again by the next export.",
        again,
    )
    return f"{said} {more % {'num': again}}"
