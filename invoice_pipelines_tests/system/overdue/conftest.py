"""Fixtures that the tests of killed runs share with those of runs."""

from invoice_pipelines_tests.integration.overdue.conftest import common_overdue_database as common_overdue_database
