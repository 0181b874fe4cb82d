"""Billing: turns sales orders into issued invoices with gapless numbers.

`master_data`, `exchange_rates` and `sales_orders` take in what people and programs give. `requests` turns a request for
invoices into a batch job, `processing` works through it, `corrections` voids and credits, `payments` settles. Other
domains read `issued_invoices`, reports read `overview`, and checks read `promises`. The rules themselves are SQL
(`*.sql`), so that psql, Python and Dagster apply the same ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from invoice_pipelines.billing.errors import BillingError, InvoiceNotFound, RowsRefused
from invoice_pipelines.billing.issued_invoices import (
    DocumentKind,
    InvoiceStatus,
    IssuedInvoice,
    IssuedInvoiceLine,
    IssuedInvoiceTax,
    Party,
    find_invoice,
    get_issued_invoice,
    issued_invoices,
)
from invoice_pipelines.lazy import loaded_when_asked_for

if TYPE_CHECKING:
    from invoice_pipelines.billing.corrections import credit_invoice, set_order_status, void_invoice
    from invoice_pipelines.billing.exchange_rates import NewExchangeRate, add_exchange_rates
    from invoice_pipelines.billing.processing import process_jobs
    from invoice_pipelines.billing.records.master_data import (
        NewCustomer,
        NewItem,
        NewTaxRate,
        add_customers,
        add_items,
        add_tax_rates,
    )
    from invoice_pipelines.billing.records.sales_orders import add_orders
    from invoice_pipelines.billing.requests import (
        batch_invoice_customers,
        batch_invoice_open_orders,
        batch_invoice_orders,
    )

__all__ = [
    "BillingError",
    "DocumentKind",
    "InvoiceNotFound",
    "InvoiceStatus",
    "IssuedInvoice",
    "IssuedInvoiceLine",
    "IssuedInvoiceTax",
    "NewCustomer",
    "NewExchangeRate",
    "NewItem",
    "NewTaxRate",
    "Party",
    "RowsRefused",
    "add_customers",
    "add_exchange_rates",
    "add_items",
    "add_orders",
    "add_tax_rates",
    "batch_invoice_customers",
    "batch_invoice_open_orders",
    "batch_invoice_orders",
    "credit_invoice",
    "find_invoice",
    "get_issued_invoice",
    "issued_invoices",
    "process_jobs",
    "set_order_status",
    "void_invoice",
]

# A process that makes documents knows what an issued invoice is, and need not wait for what makes one.
__getattr__ = loaded_when_asked_for(
    __name__,
    {
        "corrections": ("credit_invoice", "set_order_status", "void_invoice"),
        "exchange_rates": ("NewExchangeRate", "add_exchange_rates"),
        "processing": ("process_jobs",),
        "records.master_data": ("NewCustomer", "NewItem", "NewTaxRate", "add_customers", "add_items", "add_tax_rates"),
        "records.sales_orders": ("add_orders",),
        "requests": ("batch_invoice_customers", "batch_invoice_open_orders", "batch_invoice_orders"),
    },
)
