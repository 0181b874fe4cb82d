"""Migrations: repeatable, safe when two run at once, and reversible."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from invoice_pipelines.database import create_app_engine
from invoice_pipelines_tests.support.programs import Program

MIGRATE = "import sys; from invoice_pipelines.database.migrate import migrate; print(migrate(sys.argv[1]))"


def test_two_processes_at_once_both_end_well(empty_database):
    url = empty_database.render_as_string(hide_password=False)
    both = [Program(MIGRATE, url) for _ in range(2)]
    outputs = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0] != ""


@pytest.mark.direct
def test_a_superuser_login_works_as_the_application_role(shared_database):
    engine = create_app_engine(shared_database.owner_url)
    with engine.connect() as connection:
        assert connection.execute(text("select current_user")).scalar_one() == "invoice_pipelines_app"
        connection.execute(text("reset role"))
        assert connection.execute(text("select current_user")).scalar_one() == "invoice_pipelines_app"
    engine.dispose()
