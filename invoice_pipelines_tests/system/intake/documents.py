"""The documents of the crash tests and what must have become of them at the end, however often anything was killed."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import Engine, text

from invoice_pipelines.database import organization_scope
from invoice_pipelines.intake.overview import waiting_files
from invoice_pipelines.organizations import add_organization
from invoice_pipelines.workshop.bench.documents import EXAMPLES, copies, valid_e_invoices

STAGES_OF = {"EXPORTED": ["UPLOADED", "PARSED", "VALIDATED", "EXPORTED"]}


@dataclass(frozen=True)
class Dropped:
    """A file that was put into an inbox. `state` is the status its invoice must end in (PARSED: it waits for a
    person), or DUPLICATE."""

    name: str
    data: bytes
    state: str
    reason: str | None


@dataclass(frozen=True)
class Found:
    """What became of a file: status of its invoice, why it failed, and all fatal rules it broke."""

    status: str
    codes: list[str]
    rules: list[str]

    def is_what_becomes_of(self, file: Dropped) -> bool:
        """Failed once, for the expected reason; otherwise never failed in between either."""
        if file.state != "FAILED":
            return self.status == file.state and not self.codes
        return self.status == file.state and len(self.codes) == 1 and file.reason in (*self.codes, *self.rules)


def examples_of(slug: str) -> list[Dropped]:
    """The documents of one organization of the examples, each once, good and broken ones."""
    (organization,) = [
        entry
        for entry in json.loads((EXAMPLES / "expected.json").read_text("utf-8"))["organizations"]
        if entry["slug"] == slug
    ]
    return [
        Dropped(
            document["file"],
            (EXAMPLES / slug / document["file"]).read_bytes(),
            document["state"],
            document["reason"] if document["state"] == "FAILED" else None,
        )
        for document in sorted(organization["documents"], key=lambda document: document["file"])
        # Which of a seller's two accounts is the new one depends on what was validated first.
        if document["reason"] != "IP-IBAN-02"
    ]


def more(count: int, prefix: str) -> list[Dropped]:
    """Copies of all valid e-invoices, and of each copy one that lost its end and cannot be read."""
    whole = [
        Dropped(f"{prefix}-{copy.name}", copy.data, "EXPORTED", None) for copy in copies(valid_e_invoices(), count)
    ]
    broken = [
        Dropped(f"{prefix}-cut-{file.name}", file.data[: len(file.data) // 2], "FAILED", "XML_MALFORMED")
        for file in whole
        if file.data.startswith(b"<")
    ]
    return whole + broken[::4]


def make_organization(engine: Engine, slug: str) -> UUID:
    return add_organization(
        engine, slug, slug.title(), country_code="DE", time_zone="Europe/Berlin", currency="EUR", created_by="test"
    )


def is_quiet(engine: Engine, organization_id: UUID, dropped: list[Dropped]) -> bool:
    """Whether everything that was dropped has come to its end."""
    with organization_scope(engine, organization_id) as connection:
        if waiting_files(connection):
            return False
        finished, total, taken, pending = connection.execute(
            text(
                """select (select count(*) from intake.received_invoice r
                           where r.status in ('EXPORTED', 'FAILED') or r.status = 'PARSED' and exists (
                               select from intake.review_reason w
                               where w.received_invoice_id = r.id and w.processing_version = r.processing_version)),
                          (select count(*) from intake.received_invoice),
                          (select count(*) from intake.arrival where outcome is not null and removed_at is not null),
                          (select count(*) from intake.export where status = 'pending')"""
            )
        ).one()
    return bool(finished == total and taken >= len(dropped) and not pending)


def interrupted_items(engine: Engine, organization_id: UUID) -> int:
    """Work items that a dead process had begun."""
    with organization_scope(engine, organization_id) as connection:
        return int(connection.execute(text("select count(*) from work.batch_item where claim_alone")).scalar_one())


def assert_all_came_out_right(
    engine: Engine, organization_id: UUID, dropped: list[Dropped], inbox: Path, exports: Path
) -> None:
    """Every upload is in exactly one right state; none is lost, none is doubled, none is exported twice."""
    assert [path.name for path in inbox.rglob("*") if path.is_file()] == [], "everything was taken out of the inbox"
    with organization_scope(engine, organization_id) as connection:

        def rows(statement: str) -> list[tuple[object, ...]]:
            return [tuple(row) for row in connection.execute(text(statement))]

        expected = {hashlib.sha256(file.data).hexdigest(): file for file in dropped if file.state != "DUPLICATE"}
        assert Counter(sha256 for (sha256,) in rows("select sha256 from intake.upload")) == Counter(expected.keys()), (
            "each file is an upload, once"
        )
        found = {
            str(sha256): Found(str(status), codes or [], rules or [])
            for sha256, status, codes, rules in rows(
                """select u.sha256, r.status,
                          (select array_agg(e.code) from intake.processing_error e
                           where e.received_invoice_id = r.id),
                          (select array_agg(v.rule) from intake.violation v
                           join intake.verdict d on d.id = v.verdict_id
                           where d.received_invoice_id = r.id and v.severity = 'fatal')
                   from intake.upload u join intake.received_invoice r on r.upload_id = u.id"""
            )
        }
        wrong = {
            file.name: found.get(sha256)
            for sha256, file in expected.items()
            if sha256 not in found or not found[sha256].is_what_becomes_of(file)
        }
        assert not wrong, f"{len(wrong)} of {len(expected)} came out wrong: {dict(list(wrong.items())[:5])}"
        assert rows("select count(*) from intake.received_invoice") == [(len(expected),)], "one invoice per upload"
        assert rows("select count(*) from intake.arrival where outcome = 'duplicate'") == [
            (sum(file.state == "DUPLICATE" for file in dropped),)
        ]

        for status, path in rows(
            """select r.status, array_agg(c.to_status order by c.processing_version)
               from intake.received_invoice r join intake.status_change c on c.received_invoice_id = r.id
               group by r.id, r.status"""
        ):
            assert path == STAGES_OF.get(str(status), path), "each step was made once"
        assert rows(
            """select count(*) from intake.received_invoice r
               where (select count(*) from intake.verdict v where v.received_invoice_id = r.id) > 1"""
        ) == [(0,)], "no invoice was judged twice"
        assert rows("select count(*) from work.batch_item where status in ('pending', 'processing')") == [(0,)]
        assert rows("select count(*) from work.batch_item where status = 'failed' and error_code = 'WORKER_DIED'") == [
            (0,)
        ]

        exported = Counter(str(row[0]) for row in rows("select received_invoice_id from intake.export_invoice"))
        assert exported == Counter(
            str(row[0]) for row in rows("select id from intake.received_invoice where status = 'EXPORTED'")
        ), "each exported invoice stands in exactly one export"
        in_files: Counter[str] = Counter()
        for number, (status, files) in enumerate(
            rows("select status, files from intake.export order by export_number"), start=1
        ):
            assert status == "completed", f"export {number}"
            for file in files:  # type: ignore[attr-defined]
                data = (exports / file["path"]).read_bytes()
                assert hashlib.sha256(data).hexdigest() == file["sha256"], file["path"]
                if file["path"].endswith("_invoices.csv"):
                    in_files.update(row["invoice_record_id"] for row in csv.DictReader(io.StringIO(data.decode())))
        assert in_files == exported, "each exported invoice is one row of one file"
        numbers = [row[0] for row in rows("select export_number from intake.export order by export_number")]
        assert numbers == list(range(1, len(numbers) + 1)), "exports are numbered without gaps"
    names = {path.relative_to(exports).as_posix() for path in exports.rglob("*") if path.is_file()}
    with organization_scope(engine, organization_id) as connection:
        recorded = connection.execute(text("select f ->> 'path' from intake.export, jsonb_array_elements(files) f"))
        mine = {str(path) for path in recorded.scalars()}
    assert mine <= names, "the recorded files are there"
