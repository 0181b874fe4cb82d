"""Master data and orders from files in storage, in real runs: dry first, each row once, and from nowhere else."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import dagster as dg

from invoice_pipelines.billing.imports.batch import ask_for_import
from invoice_pipelines.storage import root_path, write_file_atomically
from invoice_pipelines.work import get_job
from invoice_pipelines_tests.integration.defs.conftest import DagsterHouse, failure_of, outputs

CUSTOMERS = """customer_number;name;country_code
C1;Müller GmbH;DE
C2;Dupont;Frankreich
C3;Rossi;IT
"""
FILES = {
    "tax_rates": "tax_category,rate,name\nS,19,Normal\n",
    "items": "sku,name,unit_price,tax_category,tax_rate\nLAMP-1,Lampe,18.75,S,19\n",
    "orders": """order_number,customer_number,order_date,sku,quantity
4711,C1,2026-03-01,LAMP-1,2
4711,C1,2026-03-01,LAMP-1,1
4712,C9,2026-03-01,LAMP-1,1
""",
}


def put(house: DagsterHouse, slug: str, path: str, text: str) -> None:
    """Puts a file into the imports of an organization."""
    file = house.folder / "imports" / slug / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def run_import(house: DagsterHouse, kind: str, file: str, **more: Any) -> dg.ExecuteInProcessResult:
    config = {"organization": "acme", "kind": kind, "file": file, **more}
    return house.run("import_master_data", config={"ops": {"import_file": {"config": config}}})


def numbers(house: DagsterHouse, slug: str) -> list[str]:
    rows = house.rows(slug, "select customer_number from billing.customer order by 1")
    return [number for (number,) in rows]


def test_a_file_is_tried_dry_and_imported_once_however_often_it_is(house: DagsterHouse) -> None:
    house.add("acme", "beta")
    put(house, "acme", "2026/customers.csv", CUSTOMERS)
    for write, added, known in ((False, 2, []), (True, 2, ["C1", "C3"]), (True, 0, ["C1", "C3"])):
        result = run_import(house, "customers", "2026/customers.csv", write=write)
        shown = outputs(result)
        (wrong,) = shown["rows left out"]
        assert (shown["written"], shown["added or changed"], shown["left out"]) == (write, added, 1)
        assert (int(wrong["line"]), wrong["field"]) == (3, "country_code")
        assert numbers(house, "acme") == known
    assert numbers(house, "beta") == []
    ((author,),) = house.rows("acme", "select distinct created_by from billing.customer")
    assert author.startswith("run ")
    assert all(run.tags["organization"] == "acme" for run in house.instance.get_runs())


def test_items_rates_and_orders_are_imported_as_well(house: DagsterHouse) -> None:
    house.add("acme")
    put(house, "acme", "customers.csv", CUSTOMERS)
    assert run_import(house, "customers", "customers.csv", write=True).success
    for kind, text in FILES.items():
        put(house, "acme", f"{kind}.csv", text)
        shown = outputs(run_import(house, kind, f"{kind}.csv", write=True))
        assert shown["added or changed"] == 1, shown.get("rows left out")
    again = outputs(run_import(house, "orders", "orders.csv", write=True))
    assert (again["added or changed"], again["known and left as they are"], again["left out"]) == (0, 1, 1)
    assert again["rows left out"][0]["field"] == "customer_number"
    assert house.rows("acme", "select order_number from billing.sales_order") == [("4711",)]
    assert len(house.rows("acme", "select * from billing.sales_order_line")) == 2


def test_files_may_lie_in_an_object_store(house: DagsterHouse, configure: Callable[..., None], s3_server: None) -> None:
    house.add("acme")
    bucket = root_path(f"s3://bucket-{uuid4().hex}")
    bucket.fs.mkdir(bucket.path)
    write_file_atomically(bucket / "acme" / "a" / "customers.csv", CUSTOMERS.encode())
    write_file_atomically(bucket / "acme-2" / "secret.csv", CUSTOMERS.encode())
    configure(imports=str(bucket))
    assert outputs(run_import(house, "customers", "a/customers.csv", write=True))["added or changed"] == 2
    assert "leads out of" in failure_of(run_import(house, "customers", "../acme-2/secret.csv"))


def test_no_other_file_is_read_and_a_wrong_one_is_refused_in_one_line(house: DagsterHouse) -> None:
    house.add("acme")
    put(house, "beta", "secret.csv", "customer_number,name,country_code\nGEHEIM,Geheim,DE\n")
    put(house, "acme", "wrong.csv", "customer_number,iban_of_boss\nC1,DE00\n")
    imports = house.folder / "imports"
    (imports / "acme" / "binary.csv").write_bytes(b"customer_number,name\nC1,\xff\xfe\n")
    (imports / "acme" / "link.csv").symlink_to(imports / "beta" / "secret.csv")
    (imports / "acme" / "linked").symlink_to(imports / "beta", target_is_directory=True)
    for path, line in (
        ("../beta/secret.csv", "leads out of the imports of acme"),
        ("2026/../../beta/secret.csv", "leads out of the imports of acme"),
        ("/etc/passwd", "leads out of the imports of acme"),
        ("file:///etc/passwd", "leads out of the imports of acme"),
        ("link.csv", "there is no 'link.csv'"),
        ("linked/secret.csv", "there is no 'linked/secret.csv'"),
        ("secret.csv", "there is no 'secret.csv'"),
        ("", "there is no ''"),
        ("wrong.csv", "there is no column 'iban_of_boss'"),
        ("binary.csv", "is not a text file in UTF-8"),
    ):
        told = failure_of(run_import(house, "customers", path, write=True))
        assert line in told
        assert "GEHEIM" not in told
    assert numbers(house, "acme") == []


def test_a_file_that_was_sent_is_imported_by_the_run_that_the_sensor_asks_for(house: DagsterHouse) -> None:
    house.add("acme")
    with house.context("acme", "anna").scope() as connection:
        asked = ask_for_import(connection, "customers", io.StringIO(CUSTOMERS), "c.csv", created_by="anna")
    assert house.wanted("pending_imports") == ["acme"]
    result = house.run("imports", "acme")
    (shown,) = result.asset_materializations_for_node("billing__imported_records")
    assert shown.metadata["added or changed"].value == 2
    assert shown.metadata["left out"].value == 1
    with house.context("acme").scope() as connection:
        assert get_job(connection, asked.job_id).status == "completed_with_errors"
    assert house.wanted("pending_imports") == []
