"""Fixtures that the tests of killed senders share with those of sending."""

from invoice_pipelines_tests.integration.delivery.messages.conftest import message_database as message_database
