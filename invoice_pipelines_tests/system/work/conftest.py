"""Fixtures that the tests of several processes share with those of one."""

from invoice_pipelines_tests.integration.work.conftest import common_database as common_database
from invoice_pipelines_tests.integration.work.conftest import desk as desk
from invoice_pipelines_tests.integration.work.conftest import desks as desks
