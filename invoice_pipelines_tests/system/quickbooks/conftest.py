"""Fixtures that the tests of killed pushes share with those of pushes."""

from invoice_pipelines_tests.integration.quickbooks.conftest import connected as connected
from invoice_pipelines_tests.integration.quickbooks.conftest import quickbooks_settings as quickbooks_settings
from invoice_pipelines_tests.integration.quickbooks.conftest import sandbox as sandbox
