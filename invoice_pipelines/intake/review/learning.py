"""Learns from decisions where values stand on a supplier's documents, by organization and fingerprint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, text

from invoice_pipelines.intake.documents.text_layer.learned import LearnedPlace, fingerprint, learn
from invoice_pipelines.intake.documents.text_layer.page.words import Box, Page
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
    layout = fingerprint(pages)
    known = {place.field: place for place in learned_places(connection, layout)}
    for field, (page, box) in sorted(shown.items()):
        place = learn(pages, field, box, page)
        same = field in known and _is_same(known[field], place)
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
            {
                "fingerprint": layout,
                "field": field,
                "place": json_text(_PLACE.dump_python(place, mode="json")),
                "invoice": invoice_id,
                "decision": decision,
                "same": same,
            },
        )
    return tuple(sorted(shown))


def _is_same(known: LearnedPlace, place: LearnedPlace) -> bool:
    """Whether the label is the same and the value stands where it stood; down the page a value beside a label moves."""
    across = abs(known.box[0] - place.box[0]) <= _SAME_PLACE or abs(known.box[2] - place.box[2]) <= _SAME_PLACE
    down = bool(place.label) or abs(known.box[1] - place.box[1]) <= _SAME_PLACE
    return (known.field, known.page, known.label) == (place.field, place.page, place.label) and across and down
