"""A handler whose effects can be counted, also for processes of their own, which load little else."""

from __future__ import annotations

import os

from sqlalchemy import Connection, text

from invoice_pipelines.work import Chunk, Outcome, Succeeded

KIND = "demo"


def leave_effects(connection: Connection, chunk: Chunk) -> list[Outcome]:
    """A handler whose effect is one row per item. Nothing keeps it from doing so twice, so a test would see that."""
    connection.execute(
        text(
            """insert into public.effect (organization_id, subject_id, process)
               select organizations.current(), unnest(cast(:subjects as text[])), :process"""
        ),
        {"subjects": [item.subject_id for item in chunk.items], "process": os.getpid()},
    )
    return [Succeeded() for _ in chunk.items]


EFFECTS = """
    create table if not exists public.effect (organization_id uuid not null, subject_id text not null, process integer);
    grant select, insert on public.effect to invoice_pipelines_app;
"""
