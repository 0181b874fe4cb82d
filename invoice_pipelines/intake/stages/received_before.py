"""What was received before an invoice and counts against it, as parts of the statement that locks it for
validation: `r` is the invoice, `:days` how far apart invoices over the same amount are alike.

What came before is what has passed, and what waits with a smaller id, which follows the order of arrival. What waits
for a person does not count. Each part reads a few rows of an index, however much a seller sends; all comparisons are
of texts, dates and ids, since PostgreSQL searches an index under row-level security by leakproof operators only.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import Connection, text

from invoice_pipelines.intake.validation.accounts import KnownAccount
from invoice_pipelines.intake.validation.duplicates import EarlierInvoice


@dataclass(frozen=True, slots=True)
class Earlier:
    """An invoice that came before, and its id."""

    id: UUID
    invoice: EarlierInvoice


@dataclass(frozen=True, slots=True)
class OtherAccount:
    """Another account that an invoice of the same seller named, and the id of that invoice."""

    id: UUID
    known: KnownAccount


EARLIER = TypeAdapter(tuple[Earlier, ...])
OTHER_ACCOUNTS = TypeAdapter(tuple[OtherAccount, ...])


def plan_by_order(connection: Connection) -> None:
    """For the rest of the transaction, rows come from the index that has them in the order that is asked for.

    With statistics from a time when there was next to nothing all indexes seem alike, and one that holds the whole
    organization was taken. Each part below asks for an order that one index has, and compares by ranges: what is equal
    to something needs no order.
    """
    # demanded by test_looking_for_what_came_before_reads_a_few_rows_of_a_seller_with_thousands
    connection.execute(text("select set_config('enable_sort', 'off', true)"))


_CAME_BEFORE = """e.id <> r.id
    and (e.status in ('VALIDATED', 'EXPORTED')
         or e.status = 'PARSED' and e.id < r.id
            and not exists (select from intake.review_reason w
                            where w.organization_id = e.organization_id and w.received_invoice_id = e.id
                              and w.processing_version = e.processing_version))"""

# Only received_invoice_receipt has any part of this order. Others would be read whole, to be sorted part by part.
_OF_THE_DAY = f"""e.amount_key = r.amount_key and e.issue_date between r.issue_date and r.issue_date and {_CAME_BEFORE}
    order by e.issue_date, e.invoice_key limit 5"""

_UPLOAD_OF = """(
    select u.file_name from intake.upload u
    where u.organization_id = e.organization_id and u.id between e.upload_id and e.upload_id order by u.id) eu"""

_SAME_RECEIPT = f"(e.source <> 'xml' or r.source <> 'xml') and {_OF_THE_DAY}"

EARLIER_INVOICES_SQL = f"""
    (select coalesce(jsonb_agg(distinct jsonb_build_object('id', e.id, 'invoice', jsonb_build_object(
                'number', e.invoice_number, 'issue_date', e.issue_date, 'gross_amount', e.gross_amount::text,
                'currency', e.currency, 'label', eu.file_name,
                'same_content', coalesce(e.content_sha256 = r.content_sha256, false),
                'same_seller', coalesce(e.seller_key = r.seller_key, false),
                'sure_seller', e.unconfirmed_seller is null))), '[]')
     from ((select e.* from intake.received_invoice e
            where e.seller_key = r.seller_key and e.invoice_key between r.invoice_key and r.invoice_key
              and {_CAME_BEFORE} order by e.invoice_key)
           union all
           (select e.* from intake.received_invoice e
            where e.seller_key = r.seller_key and e.amount_key = r.amount_key
              and e.issue_date between r.issue_date - cast(:days as integer) and r.issue_date + cast(:days as integer)
              and {_CAME_BEFORE} order by e.issue_date limit 5)
           union all
           (select e.* from intake.received_invoice e
            where r.source <> 'xml' and e.seller_key is not null and {_OF_THE_DAY})
           union all
           (select e.* from intake.received_invoice e where e.invoice_key is null and {_SAME_RECEIPT})
           union all
           (select e.* from intake.received_invoice e where e.invoice_key = r.invoice_key and {_SAME_RECEIPT})
           union all
           (select e.* from intake.received_invoice e
            where e.content_sha256 between r.content_sha256 and r.content_sha256 and {_CAME_BEFORE}
            order by e.content_sha256 limit 5)) e
     cross join lateral {_UPLOAD_OF})"""
"""With the same number, with the same total a few days apart, with the same total of the same day whoever made it
(pages only, as a receipt may have no number and an unsure name; and where one of two is on pages, those without a
number and those with the same one), with the same content. A few do for a warning."""

_OF_SELLER = f"""e.seller_key = r.seller_key and e.status in ('PARSED', 'VALIDATED', 'EXPORTED') and {_CAME_BEFORE}
    order by e.account_key, e.id limit 5"""

# demanded by test_looking_for_what_came_before_reads_a_few_rows_of_a_seller_with_thousands
OTHER_ACCOUNTS_SQL = f"""
    case when not exists (select from intake.received_invoice e
                          where e.seller_key = r.seller_key and e.account_key between r.account_key and r.account_key
                            and e.status in ('PARSED', 'VALIDATED', 'EXPORTED') and e.status <> 'PARSED'
                            and e.id <> r.id
                          order by e.account_key, e.id offset 0)
    then (select jsonb_agg(jsonb_build_object('id', e.id, 'known', jsonb_build_object(
                     'account', e.iban, 'label', eu.file_name)) order by e.id)
          from ((select e.* from intake.received_invoice e where e.account_key < r.account_key and {_OF_SELLER})
                union all
                (select e.* from intake.received_invoice e where e.account_key > r.account_key and {_OF_SELLER})) e
          cross join lateral {_UPLOAD_OF})
    end"""
"""Accounts that invoices of the seller named, where none that passed named this one. Only what has passed makes an
account known: of two with the same new one at once, each is pointed out. Two ranges of an index instead of one `<>`,
which would read all that name this account."""
