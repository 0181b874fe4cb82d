"""The commands of `conflicts`: what both sides of a sync with QuickBooks changed, and who decides it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from invoice_pipelines.cli.options import After, AsJson, Limit, OrganizationOption, examples
from invoice_pipelines.cli.output import console, moment, print_json, print_json_lines, print_list, say, table
from invoice_pipelines.cli.person import person, scope_of
from invoice_pipelines.quickbooks.conflicts.conflicts import Conflict, ConflictError, find_conflict, list_conflicts
from invoice_pipelines.quickbooks.connection.connections import find_connection

app = typer.Typer(
    help="Conflicts between changes here and in QuickBooks: list, show, resolve.",
    epilog=examples(
        "conflicts list --organization acme",
        "conflicts resolve 456789ab --take ours --organization acme",
    ),
)

Id = Annotated[
    str, typer.Argument(help="Id of the conflict; its first or last characters are enough.", metavar="CONFLICT")
]


@app.command("list")
def list_(
    organization: OrganizationOption,
    all_: Annotated[bool, typer.Option("--all", help="Also decided ones.")] = False,
    limit: Limit = 50,
    after: After = None,
    as_json: AsJson = False,
) -> None:
    """List the conflicts that wait for a person, the oldest first."""
    with scope_of(organization) as connection:
        last = find_conflict(connection, after).id if after else None
        found = list_conflicts(connection, status=None if all_ else "open", after=last, limit=limit)
    if as_json:
        print_json_lines(found)
        return
    rows = [
        {
            "conflict": conflict,
            "what": f"{conflict.entity_type} {conflict.kind}",
            "record": conflict.record or f"QuickBooks {conflict.quickbooks_id}",
            "ours": _short(conflict.ours) if conflict.kind == "field" else "",
            "theirs": _short(conflict.theirs) if conflict.kind == "field" else "",
            "counts": conflict.winner or ("open" if conflict.status == "open" else ""),
            "id": conflict.id,
        }
        for conflict in found
    ]
    columns = "~conflict=id what record !field=conflict.field ours QuickBooks=theirs !counts found=conflict.created_at"
    none = "There is no conflict." if all_ else "No conflict waits for a person."
    print_list(rows, columns, as_json=False, limit=limit, none=none)


@app.command()
def show(organization: OrganizationOption, conflict: Id, as_json: AsJson = False) -> None:
    """Show a conflict: what both sides had last, what each has now, since when, and who decided."""
    with scope_of(organization) as connection:
        found = find_conflict(connection, conflict)
    if as_json:
        print_json(found)
    else:
        _show(found)


@app.command()
def resolve(
    organization: OrganizationOption,
    conflict: Id,
    take: Annotated[
        str | None, typer.Option(help="Which value wins: ours or theirs (QuickBooks').", metavar="SIDE")
    ] = None,
    edit: Annotated[str | None, typer.Option(help="Another value, for both sides.", metavar="VALUE")] = None,
    link: Annotated[
        str | None,
        typer.Option(help="With --take ours: customer number or SKU of our record.", metavar="KEY"),
    ] = None,
) -> None:
    """Decide a conflict. What QuickBooks has to learn of is sent with the next push."""
    from invoice_pipelines.quickbooks.conflicts.decisions import resolve as decide

    if (take is None) == (edit is None):
        raise typer.BadParameter("give --take ours, --take theirs or --edit VALUE")
    if take not in (None, "ours", "theirs"):
        raise typer.BadParameter(f"--take is ours or theirs, not {take!r}")
    with scope_of(organization) as connection:
        connected = find_connection(connection)
        if connected is None:
            raise ConflictError(f"organization {organization!r} is not connected with QuickBooks")
        decided = decide(
            connection,
            connected,
            conflict,
            "edited" if edit is not None else "ours" if take == "ours" else "theirs",
            decided_by=person(),
            value=edit,
            link=link,
        )
    console.print(f"Conflict {decided.id} is decided: {decided.winner}.")


def _show(conflict: Conflict) -> None:
    say(conflict.message)
    console.print(f"{conflict.id}  {conflict.entity_type} {conflict.kind}, {conflict.status}")
    if conflict.kind == "field":
        values = table(None, "side", "value", "changed")
        values.add_row("last the same", _short(conflict.base), "")
        values.add_row("ours", _short(conflict.ours), moment(conflict.ours_changed_at, seconds=True))
        values.add_row("QuickBooks", _short(conflict.theirs), moment(conflict.theirs_changed_at, seconds=True))
        console.print(values)
    elif conflict.kind == "ambiguous":
        candidates = table("It may be", "record", "name", "email")
        for each in conflict.ours or []:
            candidates.add_row(each.get("customer_number") or each.get("sku"), each["name"], each.get("email"))
        console.print(candidates)
    if conflict.status != "open":
        when = moment(conflict.resolved_at, seconds=True)
        console.print(f"{conflict.winner or 'went away'}, by {conflict.decided_by}, {when}")


def _short(value: Any) -> str:
    return "" if value is None else str(value)
