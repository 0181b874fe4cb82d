"""What operators do from psql alone, with nothing else running."""

from __future__ import annotations

import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text

from invoice_pipelines.database.embedded import EmbeddedServer
from invoice_pipelines.database.roles import APP
from invoice_pipelines_tests.conftest import TestDatabase
from invoice_pipelines_tests.integration.billing.conftest import BillingDesk, line, open_desk
from invoice_pipelines_tests.support.sizes import size
from invoice_pipelines_tests.support.waiting import wait_for


class Psql:
    """A person at the server's own psql."""

    def __init__(self, server: EmbeddedServer, desk: BillingDesk, role: str = APP, *, scoped: bool = True) -> None:
        self.command = [
            *(str(server.binary("psql")), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "-F", "|"),
            *("-v", "ON_ERROR_STOP=1", "-h", str(server.socket_folder), "-U", role, "-d", str(desk.url.database)),
        ]
        self.scope = f"set app.organization_id = '{desk.organization_id}';\n" if scoped else ""

    def __call__(self, statement: str) -> list[list[str]]:
        done = self.run(statement)
        assert done.returncode == 0, done.stderr
        return [row.split("|") for row in done.stdout.splitlines()]

    def run(self, statement: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command, input=self.scope + statement, capture_output=True, text=True, check=False, timeout=280
        )

    def start(self, *statements: str) -> subprocess.Popen[str]:
        """Statements, each a transaction of its own, without waiting for their end; they wait for locks."""
        commands = [
            part for statement in (self.scope, "set lock_timeout = 0", *statements) for part in ("-c", statement)
        ]
        return subprocess.Popen(
            [*self.command, *commands], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )


def test_an_order_is_invoiced_and_says_its_number(server: EmbeddedServer, desk: BillingDesk) -> None:
    psql, order_id = Psql(server, desk), desk.order()
    ask = f"select invoice_number, status, code from create_invoice_from_sales_order_sql('{order_id}')"
    number = f"INV-{desk.today:%Y}-000001"
    assert psql(ask) == [[number, "succeeded", ""]]
    assert psql(ask) == [[number, "skipped", "ALREADY_INVOICED"]]
    wrong = desk.order(line(rate=18))
    assert psql(f"select invoice_number, status, code from create_invoice_from_sales_order_sql('{wrong}')") == [
        ["", "failed", "MISSING_TAX_RATE"]
    ]


def test_documents_and_messages_are_asked_for_with_the_invoices(server: EmbeddedServer, desk: BillingDesk) -> None:
    psql, order_id = Psql(server, desk), desk.order()
    ((job_id,),) = psql(
        f"""select job_id from create_bulk_invoice_job_sql(array['{order_id}'], generate_pdf => true,
                                                           send_immediately => true, communication_method => 'email')"""
    )
    asked = "select parameters - 'invoice_date' - 'due_days' from work.batch_job where id"
    assert psql(f"{asked} = '{job_id}'") == [
        ['{"generate_pdf": true, "send_immediately": true, "communication_method": "email"}']
    ]
    one = f"select status from create_invoice_from_sales_order_sql('{order_id}', generate_pdf => true)"
    assert psql(one) == [["succeeded"]]
    newest = "(select id from work.batch_job where kind = 'invoice_orders' order by id desc limit 1)"
    assert psql(f"{asked} = {newest}") == [['{"generate_pdf": true}']]
    refused = psql.run("select create_bulk_invoice_job_sql(array['x'], send_immediately => true)")
    assert "communication_method: name one of email, sms, whatsapp" in refused.stderr


def test_a_job_is_asked_for_processed_and_looked_at(server: EmbeddedServer, desk: BillingDesk) -> None:
    psql = Psql(server, desk)
    orders = desk.many_orders(30)
    ids = "array[" + ",".join(f"'{order_id}'" for order_id in [*orders, "nonsense"]) + "]"
    ((job_id, total, estimate),) = psql(f"select * from create_bulk_invoice_job_sql({ids}, due_days => 14)")
    assert (total, float(estimate) > 0) == ("31", True)
    assert psql(f"select total_items, status from batch_job_queue where id = '{job_id}'") == [["31", "pending"]]
    year = f"{desk.today:%Y}"
    ((*done, seconds),) = psql(f"call process_bulk_invoice_job_sql('{job_id}', 7)")
    assert done == ["completed_with_errors", "30", "1", "0", f"INV-{year}-000001", f"INV-{year}-000030"]
    assert float(seconds) > 0
    ((status, errors),) = psql(f"select status, errors -> 0 ->> 'code' from batch_job_queue where id = '{job_id}'")
    assert (status, errors) == ("completed_with_errors", "NOT_AN_ID")
    of_job = f"where job_id = '{job_id}'"
    counted = psql(f"select status, count(*) from batch_item_queue {of_job} group by status order by 1")
    assert counted == [["failed", "1"], ["succeeded", "30"]]
    named = psql(
        f"""select reference_type, customer_id is not null, count(*),
                   bool_and(customer_id = (select customer_id from billing.sales_order where id::text = subject_id))
            from batch_item_queue {of_job} group by 1, 2 order by 2"""
    )
    assert named == [["sales_order", "f", "1", ""], ["sales_order", "t", "30", "t"]]
    assert psql(f"select action, created_by from batch_job_history {of_job}") == [["created", APP]]
    ((status, successful, *_),) = psql(f"call process_bulk_invoice_job_sql('{job_id}')")
    assert (status, successful) == ("completed_with_errors", "0")
    desk.assert_in_order()


@pytest.mark.parametrize("role", [APP, "postgres"])
def test_without_a_scope_the_jobs_of_all_organizations_are_worked_through(
    server: EmbeddedServer, emptied_database: TestDatabase, role: str
) -> None:
    """Also for the login of the server, for which rows of all organizations are visible."""
    desks = [open_desk(emptied_database) for _ in range(3)]
    for place, desk in enumerate(desks):
        desk.ask(desk.many_orders(10 + place))
        desk.ask([*desk.many_orders(2), *desks[0].many_orders(1)])
    done = Psql(server, desks[0], role, scoped=False).run("call trigger_batch_invoice_processing()")
    assert done.stdout.split() == ["6|40|2|0"], "jobs, invoiced, failed, skipped"
    assert done.stderr.count("NOTICE:  Batch job") == 6
    own, other = "completed", "completed_with_errors"
    found = [
        [str(desk.organization_id), row.status, str(row.successful_items), str(row.failed_items)]
        for desk in desks
        for row in desk.rows("select * from batch_job_queue order by id")
    ]
    assert found == [
        [str(desks[0].organization_id), own, "10", "0"],
        [str(desks[0].organization_id), own, "3", "0"],
        [str(desks[1].organization_id), own, "11", "0"],
        [str(desks[1].organization_id), other, "2", "1"],
        [str(desks[2].organization_id), own, "12", "0"],
        [str(desks[2].organization_id), other, "2", "1"],
    ]
    for desk, issued in zip(desks, (13, 13, 14), strict=True):
        assert desk.numbers() == list(range(1, issued + 1))
        for table in ("invoice", "issued_invoice_line"):
            assert desk.value(f"select count(*) from billing.{table}") > 0
    assert desks[0].value("select count(*) from billing.sales_order where status = 'reviewed'") == 2


@pytest.mark.parametrize("role", [APP, "postgres"])
def test_with_a_scope_the_jobs_of_one_organization_are_worked_through(
    server: EmbeddedServer, emptied_database: TestDatabase, role: str
) -> None:
    desks = [open_desk(emptied_database) for _ in range(2)]
    for desk in desks:
        desk.ask(desk.many_orders(5))
    psql = Psql(server, desks[1], role)
    assert psql("call trigger_batch_invoice_processing()") == [["1", "5", "0", "0"]]
    assert psql("call trigger_batch_invoice_processing();\nselect 1") == [["0", "0", "0", "0"], ["1"]]
    assert (desks[0].numbers(), desks[1].numbers()) == ([], [1, 2, 3, 4, 5])


def test_up_to_ten_jobs_are_worked_through_at_a_time(server: EmbeddedServer, emptied_database: TestDatabase) -> None:
    desks = [open_desk(emptied_database) for _ in range(2)]
    for desk in desks:
        for order_id in desk.many_orders(7):
            desk.ask([order_id])
    psql = Psql(server, desks[0], scoped=False)
    done = [psql("call trigger_batch_invoice_processing()")[0][:2] for _ in range(3)]
    assert done == [["10", "10"], ["4", "4"], ["0", "0"]]
    for desk in desks:
        desk.assert_in_order()


def test_one_organization_that_cannot_work_does_not_stop_the_others(
    server: EmbeddedServer, emptied_database: TestDatabase
) -> None:
    broken, fine = open_desk(emptied_database), open_desk(emptied_database)
    for desk in (broken, fine):
        desk.ask(desk.many_orders(5))
    broken.set_settings(invoice_number={"yearly_reset": "maybe"})
    assert Psql(server, fine, scoped=False)("call trigger_batch_invoice_processing()") == [["2", "5", "5", "0"]]
    assert broken.value("select status from batch_job_queue") == "failed"
    assert fine.value("select status from batch_job_queue") == "completed"


def test_a_job_that_fails_as_a_whole_is_reported_and_stops_no_other_organization(
    server: EmbeddedServer, emptied_database: TestDatabase
) -> None:
    broken, fine = open_desk(emptied_database), open_desk(emptied_database)
    for desk in (broken, fine):
        desk.ask(desk.many_orders(5))
    broken.behind(
        """create function public.break_in_test() returns trigger language plpgsql as $$
           begin
               if new.organization_id = '{organization}' then raise exception 'the disk is full'; end if;
               return new;
           end $$;
           create trigger break_in_test before insert on billing.invoice_number
               for each row execute function public.break_in_test()"""
    )
    done = Psql(server, fine, scoped=False).run("call trigger_batch_invoice_processing()")
    assert done.stdout.split() == ["2|5|0|0"]
    assert f"of organization {broken.organization_id} was stopped: the disk is full" in done.stderr
    assert broken.rows("select id from billing.invoice") == []
    broken.behind("drop function public.break_in_test cascade")
    assert Psql(server, fine, scoped=False)("call trigger_batch_invoice_processing()") == [["1", "5", "0", "0"]]
    broken.assert_in_order()


def test_an_unknown_job_and_another_organizations_job_are_the_same(
    server: EmbeddedServer, emptied_database: TestDatabase
) -> None:
    desk, other = open_desk(emptied_database), open_desk(emptied_database)
    foreign = other.ask(other.many_orders(1))
    for role in (APP, "postgres"):
        done = Psql(server, desk, role).run(f"call process_bulk_invoice_job_sql('{foreign}')")
        assert f"This organization has no batch job {foreign}." in done.stderr
    assert other.numbers() == []


def test_a_login_without_the_role_may_not(server: EmbeddedServer, desk: BillingDesk) -> None:
    desk.behind("do $$ begin create role stranger login; exception when duplicate_object then null; end $$")
    for statement in (
        "call trigger_batch_invoice_processing()",
        f"select create_invoice_from_sales_order_sql('{desk.order()}')",
    ):
        done = Psql(server, desk, "stranger").run(statement)
        assert done.returncode != 0
        assert "permission denied" in done.stderr


def test_each_chunk_counts_at_once_and_what_is_ended_in_the_middle_loses_nothing(
    server: EmbeddedServer, desk: BillingDesk
) -> None:
    """Meanwhile others see how far it is, and an invoice between two chunks waits for none of the others."""
    orders, single = desk.many_orders(40), desk.order()
    job_id = desk.ask(orders)
    with desk.scope() as holder:  # the third chunk waits for this order
        holder.execute(text("select from billing.sales_order where id = :id for update"), {"id": orders[25]})
        with Psql(server, desk).start(f"call process_bulk_invoice_job_sql('{job_id}', 10)") as process:
            waiting = wait_for("the third chunk", lambda: waiting_for_a_lock(desk))
            assert desk.value("select successful_items from batch_job_queue where id = :id", id=job_id) == 20
            assert desk.one(single).status == "succeeded"
            desk.behind(f"select pg_terminate_backend({waiting[0]})")
            assert process.wait() != 0
    ((status, successful, *_),) = Psql(server, desk)(f"call process_bulk_invoice_job_sql('{job_id}', 10)")
    assert (status, successful) == ("completed", "20")
    assert desk.numbers() == list(range(1, 42))
    desk.assert_in_order()


def waiting_for_a_lock(desk: BillingDesk) -> list[int]:
    """Server processes of psql that wait."""
    with desk.superuser.connect() as connection:
        found = connection.execute(
            text(
                """select pid from pg_stat_activity where datname = current_database()
                   and application_name = 'psql' and wait_event_type = 'Lock'"""
            )
        )
        return list(found.scalars())


def test_a_job_that_is_cancelled_meanwhile_stops_after_the_chunk(server: EmbeddedServer, desk: BillingDesk) -> None:
    job_id = desk.ask(desk.many_orders(30))
    with desk.scope() as holder:
        holder.execute(text("select from billing.sales_order for update"))
        with Psql(server, desk).start(f"call process_bulk_invoice_job_sql('{job_id}', 10)") as process:
            wait_for("the chunk", lambda: waiting_for_a_lock(desk))
            with ThreadPoolExecutor(1) as person:  # who waits for the chunk
                cancelling = person.submit(
                    Psql(server, desk), f"update batch_job_queue set status = 'cancelled' where id = '{job_id}'"
                )
                wait_for("the person", lambda: len(waiting_for_a_lock(desk)) == 2)
                holder.rollback()
                cancelling.result()
            assert process.stdout is not None
            status, successful, *_ = process.stdout.read().split("|")
    assert (status, successful) == ("cancelled", "10")
    assert desk.numbers() == list(range(1, 11))
    desk.assert_in_order()


def test_within_a_transaction_a_person_is_told_why_not(server: EmbeddedServer, desk: BillingDesk) -> None:
    job_id = desk.ask([desk.order()])
    for call in (f"call process_bulk_invoice_job_sql('{job_id}')", "call trigger_batch_invoice_processing()"):
        done = Psql(server, desk).run(f"begin;\n{call};\ncommit;")
        assert "Each chunk is committed, which is not possible inside of a transaction." in done.stderr
        assert "HINT:  Call it outside of BEGIN ... COMMIT" in done.stderr
    assert desk.numbers() == []


@pytest.mark.slow
def test_a_very_large_job_in_one_call(server: EmbeddedServer, database: TestDatabase) -> None:
    desk = open_desk(database)
    thousands = size(20, 150)
    for _ in range(thousands // 10):
        desk.many_orders(10_000)
    ((total,),) = Psql(server, desk)("select total_items from billing.batch_invoice_open_orders()")
    assert total == f"{thousands}000"
    started, highest = time.monotonic(), 0
    process = Psql(server, desk).start("select pg_backend_pid()", "call trigger_batch_invoice_processing()")
    assert process.stdout is not None
    backend = int(process.stdout.readline())
    early = 0
    while process.poll() is None:
        highest = max(highest, private_memory(backend))
        if early == 0 and time.monotonic() - started > 5:
            early = highest
        time.sleep(0.2)  # between two looks at its memory
    seconds = time.monotonic() - started
    print(f"{thousands},000 orders in {seconds:.1f} s, {early} MB after 5 s, {highest} MB at most")
    assert process.stdout.read().strip() == f"1|{thousands}000|0|0"
    assert highest < early + 100
    assert desk.numbers() == list(range(1, thousands * 1000 + 1))


def private_memory(pid: int) -> int:
    """Megabytes of a process that it shares with no other."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return int(next((entry.split()[1] for entry in status.splitlines() if entry.startswith("RssAnon:")), "0")) // 1024
