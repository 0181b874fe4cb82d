"""Learns from decisions where values stand on a supplier's documents, by organization and fingerprint; and forgets it
where a decision is taken back.

Each time that a place is shown is kept, so that what is left of them, in their order, makes the layout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, Row, text

from invoice_pipelines.intake.documents.text_layer.learned import LearnedPlace, fingerprint, learn
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page
from invoice_pipelines.intake.documents.text_layer.ranking.known_sellers import FIELD, known_as, signs_of
from invoice_pipelines.intake.rows import json_text

_PLACE = TypeAdapter(LearnedPlace)
_SAME_PLACE = 0.02
"""Share of the page's width and height by which a place may be off and still be the same."""


def learned_places(connection: Connection, fingerprint: str) -> list[LearnedPlace]:
    """The places that people have shown on documents with this fingerprint, those confirmed most often first."""
    rows = connection.execute(
        text(
            """select place from intake.supplier_layout where fingerprint = :fingerprint
               order by times_confirmed desc, field"""
        ),
        {"fingerprint": fingerprint},
    )
    return [_PLACE.validate_python(place) for (place,) in rows]


def teach(
    connection: Connection, pages: Sequence[Page], shown: Mapping[str, tuple[int, Box]], invoice_id: UUID, decision: int
) -> tuple[str, ...]:
    """Keeps where fields stand on these pages, by page and box in points. Returns the fields.

    A place that was known is confirmed; another one takes its place, as people have seen the newer document.
    """
    if not pages or not shown:
        return ()
    places = [learn(pages, field, box, page) for field, (page, box) in sorted(shown.items())]
    _keep(connection, fingerprint(pages), places, invoice_id, decision)
    return tuple(sorted(shown))


def teach_seller(connection: Connection, pages: Sequence[Page], name: str, invoice_id: UUID, decision: int) -> None:
    """Keeps what the seller is called of whom these pages bear identifiers."""
    for sign in sorted(signs_of(pages)):
        _keep(connection, sign, [known_as(name)], invoice_id, decision)


def _keep(connection: Connection, layout: str, places: Sequence[LearnedPlace], invoice_id: UUID, decision: int) -> None:
    _keep_earlier(connection, layout, [place.field for place in places])
    known = {place.field: place for place in learned_places(connection, layout)}
    for place in places:
        field = place.field
        same = field in known and _is_same(known[field], place)
        values = {
            "fingerprint": layout,
            "field": field,
            "place": json_text(_PLACE.dump_python(place, mode="json")),
            "invoice": invoice_id,
            "decision": decision,
        }
        connection.execute(
            text(
                """
                insert into intake.supplier_teaching (organization_id, fingerprint, field, place, received_invoice_id,
                                                      decision_number)
                values (organizations.current(), :fingerprint, :field, cast(:place as jsonb), :invoice, :decision)
                """
            ),
            values,
        )
        connection.execute(
            text(
                """
                insert into intake.supplier_layout as l (organization_id, fingerprint, field, place,
                                                         received_invoice_id, decision_number)
                values (organizations.current(), :fingerprint, :field, cast(:place as jsonb),
                        :invoice, :decision)
                on conflict (fingerprint, field, organization_id) do update
                set place = excluded.place, received_invoice_id = excluded.received_invoice_id,
                    decision_number = excluded.decision_number, taught_at = clock_timestamp(),
                    times_confirmed = case when :same then l.times_confirmed + 1 else 1 end
                """
            ),
            values | {"same": same},
        )


def forget(connection: Connection, invoice_id: UUID, decision: int) -> tuple[str, ...]:
    """Forgets what a decision taught, as if it had never been. Returns the fields."""
    taught = connection.execute(
        text(
            """delete from intake.supplier_teaching where received_invoice_id = :invoice and decision_number = :decision
               returning fingerprint, field"""
        ),
        {"invoice": invoice_id, "decision": decision},
    ).all()
    for layout, field in taught:
        # Locked first: whoever teaches the same field now has to wait, or the layout would not be what is left.
        connection.execute(
            text("select from intake.supplier_layout where fingerprint = :layout and field = :field for update"),
            {"layout": layout, "field": field},
        )
        left = connection.execute(
            text(
                """select place, times, received_invoice_id, decision_number, taught_at from intake.supplier_teaching
                   where fingerprint = :layout and field = :field order by id desc"""
            ),
            {"layout": layout, "field": field},
        ).all()
        _relearn(connection, layout, field, left)
    return tuple(sorted({row.field for row in taught} - {FIELD}))


def _relearn(connection: Connection, layout: str, field: str, left: Sequence[Row[Any]]) -> None:
    """The layout as it is by the teachings that are left, the newest first."""
    if not left:
        connection.execute(
            text("delete from intake.supplier_layout where fingerprint = :layout and field = :field"),
            {"layout": layout, "field": field},
        )
        return
    newest = left[0]
    times = newest.times
    for later, earlier in pairwise(left):
        if not _is_same(_PLACE.validate_python(earlier.place), _PLACE.validate_python(later.place)):
            break
        times += earlier.times
    connection.execute(
        text(
            """update intake.supplier_layout
               set place = cast(:place as jsonb), times_confirmed = :times, received_invoice_id = :invoice,
                   decision_number = :decision, taught_at = :taught_at
               where fingerprint = :layout and field = :field"""
        ),
        {
            "layout": layout,
            "field": field,
            "place": json_text(newest.place),
            "times": times,
            "invoice": newest.received_invoice_id,
            "decision": newest.decision_number,
            "taught_at": newest.taught_at,
        },
    )


def _keep_earlier(connection: Connection, layout: str, fields: Sequence[str]) -> None:
    """Makes a teaching of what is known from the time before each was kept."""
    connection.execute(
        text(
            """
            insert into intake.supplier_teaching (organization_id, fingerprint, field, place, times,
                                                  received_invoice_id, decision_number, taught_at)
            select l.organization_id, l.fingerprint, l.field, l.place, l.times_confirmed, l.received_invoice_id,
                   l.decision_number, l.taught_at
            from intake.supplier_layout l
            where l.fingerprint = :layout and l.field = any(:fields)
              and not exists (select from intake.supplier_teaching t
                              where t.organization_id = l.organization_id and t.fingerprint = l.fingerprint
                                and t.field = l.field)
            """
        ),
        {"layout": layout, "fields": fields},
    )


def _is_same(known: LearnedPlace, place: LearnedPlace) -> bool:
    """Whether the label is the same and the value stands where it stood; down the page a value beside a label moves."""
    across = abs(known.box[0] - place.box[0]) <= _SAME_PLACE or abs(known.box[2] - place.box[2]) <= _SAME_PLACE
    down = bool(place.label) or abs(known.box[1] - place.box[1]) <= _SAME_PLACE
    said = (known.field, known.page, known.label, known.value)
    return said == (place.field, place.page, place.label, place.value) and across and down
