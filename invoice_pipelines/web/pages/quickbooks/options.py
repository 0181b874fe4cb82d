"""What an organization chooses for its sync: which side wins, names that are taken, accounts, items and taxes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Form, Response
from sqlalchemy import Connection

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.billing.records.lists import TaxRate, list_tax_rates
from invoice_pipelines.quickbooks.api.options import ConnectionOptions
from invoice_pipelines.quickbooks.connection.connections import change_options_in_scope, connection_of, find_connection
from invoice_pipelines.quickbooks.invoices.chosen_items import CHOSEN, linked_items
from invoice_pipelines.web.callers import At
from invoice_pipelines.web.pages.errors import N_
from invoice_pipelines.web.pages.routing import Page, PageCaller, PageRouter, seen_tag
from invoice_pipelines.web.pages.settings.forms import Typed

router = PageRouter()

CHOICES: Mapping[str, tuple[str, str, Mapping[str, str]]] = {
    "conflict_policy": (
        N_("Both sides changed the same field"),
        N_("Changes made on one side only are copied automatically."),
        {
            "newest": N_("the later change wins"),
            "ours": N_("ours wins"),
            "theirs": N_("that of QuickBooks wins"),
            "review": N_("it waits for a person"),
        },
    ),
    "description_from": (
        N_("Whose descriptions of items count"),
        "",
        {"ours": N_("ours"), "quickbooks": N_("those of QuickBooks")},
    ),
    "push_descriptions": (
        N_("Our descriptions of items are sent to QuickBooks"),
        N_("Where ours count; if not, each side keeps its own."),
        {"true": N_("yes"), "false": N_("no")},
    ),
    "name_in_use": (
        N_("A vendor or employee has the name of a customer there"),
        "",
        {"suffix": N_("the customer gets (C) behind the name there"), "conflict": N_("it waits for a person")},
    ),
    "inactive_name": (
        N_("An inactive record there has the name"),
        "",
        {"reactivate": N_("it is made active again"), "new_name": N_("ours gets another name there")},
    ),
    "exchange_rates": (
        N_("No exchange rate is known here for a foreign invoice"),
        "",
        {"ours": N_("it waits for one"), "quickbooks": N_("QuickBooks takes its own")},
    ),
}
"""What is chosen from a list: its label, a hint, and the words of each value."""
_LONGEST = 36
_TAX_CODE = "tax_codes."


@router.get("/quickbooks/options", role=Role.VIEWER)
def quickbooks_options(page: Page) -> Response:
    """What was chosen."""
    with page.enter() as at:
        if find_connection(at.connection) is None:
            return page.go(page.url("quickbooks"), page.gettext("Connect QuickBooks first, then choose."), "warn")
        return _show(page, at)


@router.post("/quickbooks/options", role=Role.ADMIN, area="organization")
def change_quickbooks_options(page: Page, typed: Annotated[Typed, Form()]) -> Response:
    """Chooses otherwise."""
    with page.enter() as at:
        known = connection_of(at.connection, to_change=True).options
        rates = _rates(at.connection, known)
        written = {name: (typed.of(name) or [""])[0].strip() for name in (*_written(at.connection, known), *rates)}
        changes, wrong = _read(page, at.connection, known, written, rates)
        if typed.seen != _tag(known):
            error = page.gettext(
                "Somebody else changed these options meanwhile. What you typed is still here: save again."
            )
            return _show(page, at, written, wrong | {"": error}, status=412)
        if wrong:
            return _show(page, at, written, wrong, status=422)
        change_options_in_scope(at.connection, changes, changed_by=at.entry.actor)
    return page.go(
        page.url("quickbooks", "options"), page.gettext("The options are saved. The next sync goes by them.")
    )


def _read(
    page: PageCaller,
    connection: Connection,
    known: ConnectionOptions,
    written: Mapping[str, str],
    rates: Mapping[str, str],
) -> tuple[dict[str, Any], dict[str, str]]:
    """The changes that were typed, and what is wrong with others."""
    changes: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name, (_, _, words) in CHOICES.items():
        if written[name] in words:
            changes[name] = {"true": True, "false": False}.get(written[name], written[name])
        else:
            wrong[name] = page.gettext("Choose one of the list.")
    before = _written(connection, known)
    for name in CHOSEN:
        if written[name] == before[name]:
            continue
        found = linked_items(connection, sku=written[name]) if written[name] else {}
        changes[name] = next(iter(found), None)
        if written[name] and not found:
            wrong[name] = page.gettext("No active item with this number is in QuickBooks yet. Sync the items first.")
    ids = {"income_account": written["income_account"], **{name: written[name] for name in rates}}
    for name, value in ids.items():
        if value and not (value.isascii() and value.isdigit() and len(value) <= _LONGEST):
            wrong[name] = page.gettext("Write the number that QuickBooks has for it, such as 79.")
    changes["income_account"] = written["income_account"] or None
    changes["tax_codes"] = {name.removeprefix(_TAX_CODE): written[name] for name in rates if written[name]}
    return changes, wrong


def _rates(connection: Connection, known: ConnectionOptions) -> dict[str, str]:
    """The names of the fields of tax codes, and of which rate they are: those that there are, and those with a code."""

    def called(rate: TaxRate) -> str:
        return f"{rate.name} ({rate.tax_category} {rate.rate} %)"

    found = {f"{each.tax_category}:{each.rate:.2f}": called(each) for each in list_tax_rates(connection)}
    return {_TAX_CODE + key: found.get(key, key) for key in (*found, *(set(known.tax_codes) - set(found)))}


def _written(connection: Connection, known: ConnectionOptions) -> dict[str, str]:
    """What was chosen, as it would be typed."""
    chosen = known.model_dump()
    found = {name: str(chosen[name]).lower() for name in CHOICES}
    for name in CHOSEN:
        there = chosen[name] or ""
        found[name] = linked_items(connection, quickbooks_id=there).get(there, there)
    codes = {_TAX_CODE + key: code for key, code in known.tax_codes.items()}
    return found | {"income_account": known.income_account or ""} | codes


def _tag(known: ConnectionOptions) -> str:
    return seen_tag(known.model_dump_json())


def _show(
    page: PageCaller,
    at: At,
    written: Mapping[str, str] | None = None,
    wrong: Mapping[str, str] | None = None,
    *,
    status: int = 200,
) -> Response:
    known = connection_of(at.connection).options
    return page.show(
        "quickbooks/options.html",
        status=status,
        choices=CHOICES,
        rates=_rates(at.connection, known),
        written=written or _written(at.connection, known),
        wrong=wrong or {},
        seen=_tag(known),
    )
