"""Documents of QuickBooks as values: id, version, instant and synced fields; which version came first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from invoice_pipelines.quickbooks.api.answers import updated_at
from invoice_pipelines.quickbooks.records.fields import UnusableDocument
from invoice_pipelines.quickbooks.records.merge import Fields

_NO_INSTANT = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Remote:
    """A customer or an item as QuickBooks has it."""

    quickbooks_id: str
    sync_token: str
    updated_at: datetime
    fields: Fields
    kept: Mapping[str, Any]
    document: Mapping[str, Any]

    @property
    def is_active(self) -> bool:
        """Whether it can be used there."""
        return bool(self.fields["is_active"])


@dataclass(frozen=True, slots=True)
class Unusable:
    """A document that cannot become a record here, and why; the id is empty where it has none."""

    quickbooks_id: str
    document: Mapping[str, Any]
    why: str


def read_remotes(
    documents: Iterable[Mapping[str, Any]],
    fields_of: Callable[[Mapping[str, Any]], Fields],
    kept_of: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> tuple[dict[str, Remote], list[Unusable]]:
    """The newest version of each document, by id in the order of reading; and those that cannot be used."""
    remotes: dict[str, Remote] = {}
    unusable: dict[str, Unusable] = {}
    for document in documents:
        quickbooks_id = str(document.get("Id") or "")
        try:
            if not quickbooks_id:
                raise UnusableDocument("it has no Id")
            remote = Remote(
                quickbooks_id,
                str(document.get("SyncToken") or "0"),
                updated_at(document) or _NO_INSTANT,
                fields_of(document),
                kept_of(document),
                document,
            )
        except UnusableDocument as error:
            unusable[quickbooks_id] = Unusable(quickbooks_id, document, str(error))
            continue
        earlier = remotes.get(quickbooks_id)
        if earlier is None or is_newer(remote.sync_token, earlier.sync_token):
            remotes[quickbooks_id] = remote
    return remotes, list(unusable.values())


def is_newer(sync_token: str, than: str) -> bool:
    """Whether a version came after another. They are counters; of others only a difference can be told."""
    if sync_token.lstrip("-").isdigit() and than.lstrip("-").isdigit():
        return int(sync_token) > int(than)
    return sync_token != than


def is_older(sync_token: str | None, than: str | None) -> bool:
    """Whether a version certainly came before another."""
    both = (sync_token or "", than or "")
    return all(each.isdigit() for each in both) and is_newer(both[1], both[0])
