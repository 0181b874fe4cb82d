"""What a step hands on to the next one stands in the events of its run, where every machine finds it.

Dagster's own way is a file in the home folder of whoever did the step: a run that failed, or lost its worker, could go
on from there on the same machine alone.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import dagster as dg
from dagster._core.events import HandledOutputData

from invoice_pipelines.errors import InvoicePipelinesError

HANDED_ON = "handed on"


class HandedOnByEvents(dg.IOManager):
    """Keeps what steps return as metadata of their outputs, as long as the events of the run are kept. It is for
    dataclasses of a few plain values, such as the id of a batch job; documents are in PostgreSQL and in storage.
    """

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Writes it down."""
        context.add_output_metadata({HANDED_ON: dg.MetadataValue.json(asdict(obj))})

    def load_input(self, context: dg.InputContext) -> Any:
        """Reads it from the run that did the step, which is an earlier one where this run began behind it."""
        step = context.upstream_output
        assert step is not None, "only inputs from outside have none"
        events = context.instance.get_records_for_run(step.run_id, of_type=dg.DagsterEventType.HANDLED_OUTPUT).records
        for event in (record.event_log_entry.get_dagster_event() for record in reversed(events)):
            told = event.event_specific_data
            if event.step_key != step.step_key or not isinstance(told, HandledOutputData):
                continue
            handed = told.metadata.get(HANDED_ON)
            if isinstance(handed, dg.JsonMetadataValue) and isinstance(handed.data, dict):
                return context.dagster_type.typing_type(**handed.data)
        raise InvoicePipelinesError(
            f"What the step {step.step_key} of the run {step.run_id} handed on is not in its events: execute the whole "
            "run again."
        )


@dg.definitions
def handed_on() -> dg.Definitions:
    return dg.Definitions(resources={"io_manager": HandedOnByEvents()})
