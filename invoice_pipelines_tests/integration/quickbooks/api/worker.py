"""A process that sends batches for an organization as fast as it may; a minute of the limits lasts 12 seconds.

Arguments: database URL, organization, name for the request ids, how many. Its settings come from the environment.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from uuid import UUID

from invoice_pipelines.database import create_app_engine
from invoice_pipelines.quickbooks.api.client import QuickBooks
from invoice_pipelines.quickbooks.api.rate import Limits
from invoice_pipelines.settings import load_settings

if __name__ == "__main__":
    url, organization, name, batches = sys.argv[1:]
    engine = create_app_engine(url)
    limits = Limits(minute=timedelta(seconds=12))
    with QuickBooks(engine, load_settings(), UUID(organization), limits=limits) as quickbooks:
        for number in range(int(batches)):
            body = f'{{"BatchItemRequest":[{{"bId":"{number}","Query":"select count(*) from Item"}}]}}'
            quickbooks.batch(body, f"{name}-{number}")
