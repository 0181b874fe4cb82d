"""How what this project refuses, and what PostgreSQL cannot do for now, becomes a run that failed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from sqlalchemy.exc import OperationalError

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.work.failures import reason_of

REPEATABLE = dg.RetryPolicy(max_retries=2, delay=5, backoff=dg.Backoff.EXPONENTIAL)
"""Of an op that may be repeated, as what it did is not done again."""


@contextmanager
def refusals_fail_the_run() -> Iterator[None]:
    """Lets a run fail with the one line that says what is wrong, instead of a traceback. Each op is decorated with it.
    What is refused is not tried again; what PostgreSQL cannot do for now is, where the op has a retry policy.
    """
    try:
        yield
    except InvoicePipelinesError as error:
        raise dg.Failure(" ".join(error.for_operators.split()), allow_retries=False) from None
    except OperationalError as error:
        raise dg.Failure(reason_of(error).message) from None
