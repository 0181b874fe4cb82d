"""A shop whose changes are told, and the settings and receivers of webhooks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from invoice_pipelines.settings import Settings
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.support.billing.shop import Shop, open_shop
from invoice_pipelines_tests.support.receiver import Receiver


@pytest.fixture
def shop(shared_database: TestDatabase) -> Shop:
    return open_shop(shared_database)


@pytest.fixture
def webhook_settings(tmp_path: Path) -> Settings:
    """Settings by which webhooks may go to this machine."""
    fields = {"home": tmp_path, "webhook_local_addresses": True, "webhook_timeout_seconds": 1.0, "lease_seconds": 5}
    return Settings().model_copy(update=fields)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver
