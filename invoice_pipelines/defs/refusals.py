"""How what this project refuses becomes a run that failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from invoice_pipelines.errors import InvoicePipelinesError


@contextmanager
def refusals_fail_the_run() -> Iterator[None]:
    """Lets a run fail with the one line that says what is wrong, instead of a traceback; it is not tried again."""
    try:
        yield
    except InvoicePipelinesError as error:
        raise dg.Failure(str(error), allow_retries=False) from None
