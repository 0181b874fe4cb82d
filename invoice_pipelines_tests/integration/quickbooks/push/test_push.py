"""What is issued and changed here arrives in QuickBooks, once, and what stands against that is told."""

from __future__ import annotations

from invoice_pipelines_tests.support.quickbooks.pushing import CUSTOMER, House


def test_an_issued_invoice_arrives_with_its_customer(house: House) -> None:
    invoice = house.issue()

    report = house.push()

    assert report.created == 1
    (there,) = house.invoices()
    assert there["TotalAmt"] == house.total_of(invoice)
    assert house.mapping(invoice).quickbooks_id == there["Id"]
    assert house.mappings(CUSTOMER) == 1
