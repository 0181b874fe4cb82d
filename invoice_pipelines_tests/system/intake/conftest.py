"""Fixtures that the tests of killed exports share with those of the intake."""

from invoice_pipelines_tests.integration.intake.conftest import desk as desk
from invoice_pipelines_tests.integration.intake.conftest import intake_database as intake_database
