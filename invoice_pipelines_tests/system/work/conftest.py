"""Fixtures that the tests of several processes share with those of one."""

from invoice_pipelines_tests.integration.work.conftest import desk as desk
from invoice_pipelines_tests.integration.work.conftest import desks as desks
from invoice_pipelines_tests.integration.work.conftest import work_database as work_database
