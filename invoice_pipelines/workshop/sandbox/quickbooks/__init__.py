"""A QuickBooks Online of our own on this machine: its protocol over a real socket, with its rules, limits and faults.

`Sandbox` runs it in a thread, `invoice-pipelines sandbox quickbooks` as a process. What of the real service is not
confirmed is a switch.
"""

from invoice_pipelines.workshop.sandbox.quickbooks.books.accountant import Accountant
from invoice_pipelines.workshop.sandbox.quickbooks.books.companies import Company
from invoice_pipelines.workshop.sandbox.quickbooks.books.sample import add_sample
from invoice_pipelines.workshop.sandbox.quickbooks.books.seeding import Seeded
from invoice_pipelines.workshop.sandbox.quickbooks.clock import Clock
from invoice_pipelines.workshop.sandbox.quickbooks.injection import Fault, Faults, Injection
from invoice_pipelines.workshop.sandbox.quickbooks.oauth import Tokens
from invoice_pipelines.workshop.sandbox.quickbooks.remote import RemoteSandbox
from invoice_pipelines.workshop.sandbox.quickbooks.sandbox import Sandbox
from invoice_pipelines.workshop.sandbox.quickbooks.switches import Switches
from invoice_pipelines.workshop.sandbox.quickbooks.traffic import Seen
from invoice_pipelines.workshop.sandbox.quickbooks.wire.refusals import Refusal

__all__ = [
    "Accountant",
    "Clock",
    "Company",
    "Fault",
    "Faults",
    "Injection",
    "Refusal",
    "RemoteSandbox",
    "Sandbox",
    "Seeded",
    "Seen",
    "Switches",
    "Tokens",
    "add_sample",
]
