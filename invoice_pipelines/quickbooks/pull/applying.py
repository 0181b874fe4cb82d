"""How customers and items that were read become records here: merged, linked or made, a chunk at a time.

What the two differ in is a `Kind` (see `kinds`). A chunk is a fixed number of statements, whatever its
size; what is decided in between is decided on values, by `merge`. It all happens in the transaction of the connection,
with the mappings and our rows locked, so that an edit made here meanwhile comes before it or after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, text

from invoice_pipelines.quickbooks.conflicts.conflicts import NewConflict, close_conflicts, record_conflicts, undecided
from invoice_pipelines.quickbooks.events import Event, record_events
from invoice_pipelines.quickbooks.records import records
from invoice_pipelines.quickbooks.records.documents import Remote, is_newer, read_remotes
from invoice_pipelines.quickbooks.records.fields import (
    RECORDS,
    base_of,
    changed_here,
    in_our_form,
    load_records,
    rules,
    store_fields,
)
from invoice_pipelines.quickbooks.records.mappings import Mapped, move_mappings
from invoice_pipelines.quickbooks.records.merge import FieldConflict, Fields, merge
from invoice_pipelines.quickbooks.records.names import restore_fields
from invoice_pipelines.quickbooks.records.records import Candidate
from invoice_pipelines.quickbooks.values import KINDS, Applied, EntityType
from invoice_pipelines.work import enqueue

if TYPE_CHECKING:
    from invoice_pipelines.quickbooks.connection.connections import Connected
    from invoice_pipelines.quickbooks.values import Deleted

_SKEW_THAT_MATTERS = timedelta(seconds=30)
"""Between our clock and theirs; less is the time that an answer takes."""


@dataclass(frozen=True, slots=True)
class Link:
    """Which record of ours an unknown record of QuickBooks is: `local_id`, or none, or a person has to say."""

    local_id: UUID | None = None
    snapshot: Mapping[str, Any] = field(default_factory=dict)
    """what was sent, where it is there because we sent it and the answer was lost"""
    candidates: tuple[Candidate, ...] = ()
    """not empty: it is not certain which"""


@dataclass(frozen=True, slots=True)
class Kind:
    """What customers and items differ in."""

    entity: EntityType
    is_read: Callable[[Mapping[str, Any]], bool]
    """Documents for which this is False are none of ours."""
    kept_of: Callable[[Mapping[str, Any]], dict[str, Any]]
    find_links: Callable[[Connection, Connected, Sequence[Remote]], list[Link]]
    new_row: Callable[[Remote, Connected], dict[str, Any]]
    """The columns of a new record, without its key."""


def apply(
    kind: Kind,
    connection: Connection,
    connected: Connected,
    documents: Sequence[Mapping[str, Any]],
    deleted: Sequence[Deleted],
    *,
    server_time: datetime | None,
    merged: Mapping[str, str] | None = None,
    decided: Mapping[str, UUID | None] | None = None,
) -> Applied:
    """Brings documents that were read together with our records; doing it again changes nothing.

    `server_time` is when they were read, by the clock of QuickBooks: it tells how far ours is from that. None: they
    were read at another time, and the clocks are taken for equal.

    `merged` are the ids of records that QuickBooks merged into another, with the id of the survivor. `decided` says
    for unknown records which of ours they are (None: a new one), where a person decided that.
    """
    chunk = _Chunk(kind, connection, connected, server_time)
    read = [document for document in documents if kind.is_read(document)]
    chunk.counts["skipped"] = len(documents) - len(read)
    remotes, unusable = read_remotes(read, RECORDS[kind.entity].fields_of, kind.kept_of)
    chunk.quarantine([(each.quickbooks_id, each.document, each.why) for each in unusable])

    merged, gone = merged or {}, {tombstone.quickbooks_id for tombstone in deleted}
    known = records.mappings_of(
        connection, connected.realm_id, kind.entity, {*remotes, *gone, *merged, *merged.values()}
    )
    for loser, survivor in merged.items():
        remotes.pop(loser, None)
        chunk.move_to_survivor(known, loser, survivor)
    chunk.forget([known[key] for key in sorted(gone - merged.keys()) if key in known])
    fresh = [remote for key, remote in remotes.items() if _is_news(remote, known.get(key))]
    chunk.counts["unchanged"] += len(remotes) - len(fresh)
    chunk.merge_known([(remote, known[remote.quickbooks_id]) for remote in fresh if remote.quickbooks_id in known])
    chunk.link_or_add([remote for remote in fresh if remote.quickbooks_id not in known], decided or {})
    return chunk.write([remote.quickbooks_id for remote in fresh])


def _is_news(remote: Remote, known: Mapped | None) -> bool:
    if known is None:
        return True
    if "merged_into" in known.snapshot:
        return False
    if known.state == "deleted":
        return remote.is_active
    return is_newer(remote.sync_token, known.sync_token)


class _Chunk:
    """What one chunk reads and decides; it is written at the end, all at once."""

    def __init__(self, kind: Kind, connection: Connection, connected: Connected, server_time: datetime | None) -> None:
        self._kind = kind
        self._entity = kind.entity
        self._record = RECORDS[kind.entity]
        self._connection = connection
        self._connected = connected
        self._realm = connected.realm_id
        self._rules = rules(kind.entity, description_from=connected.options.description_from)
        self.counts: Counter[str] = Counter()
        self._fields: dict[UUID, Fields] = {}
        self._mappings: dict[UUID, Mapped] = {}
        self._conflicts: list[NewConflict] = []
        self._settled: dict[str, list[tuple[UUID, str]]] = {}
        self._events: list[Event] = []
        self._push: set[UUID] = set()
        self._linked: list[UUID] = []
        self._keys: dict[str, UUID | None] = {}
        now = connection.execute(text("select clock_timestamp()")).scalar_one()
        skew = timedelta() if server_time is None else server_time - now
        self._skew = skew if abs(skew) > _SKEW_THAT_MATTERS else timedelta()

    def quarantine(self, unusable: Iterable[tuple[str, Mapping[str, Any], str]]) -> None:
        """Keeps what cannot become a record for a person to look at; the others go on."""
        for quickbooks_id, document, why in unusable:
            message = f"The {self._entity} with the id {quickbooks_id or '(none)'} cannot be used here: {why}."
            self._conflicts.append(
                NewConflict(self._entity, "unusable", message, quickbooks_id=quickbooks_id, theirs=document)
            )
            self.counts["quarantined"] += 1

    def move_to_survivor(self, known: dict[str, Mapped], loser: str, survivor: str) -> None:
        """Two records became one in QuickBooks: ours follows the survivor, or is set aside where it has one of ours."""
        ours = known.pop(loser, None)
        if ours is None or "merged_into" in ours.snapshot:
            return
        if survivor in known:
            snapshot = {**ours.snapshot, "merged_into": survivor, "is_active": False}
            mapping = Mapped(ours.local_id, loser, ours.sync_token, snapshot, "deleted")
            self._fields.setdefault(ours.local_id, {})["is_active"] = False
        else:
            # No version of the survivor was seen yet, so whichever is read is news.
            mapping = Mapped(ours.local_id, survivor, "-1", ours.snapshot)
            known[survivor] = mapping
        self._mappings[ours.local_id] = mapping
        self.counts["updated"] += 1
        self._event(
            "MERGED_IN_QUICKBOOKS",
            f"The {self._entity} {ours.snapshot.get('name')} was merged into another in QuickBooks.",
            ours.local_id,
            loser,
            {"survivor": survivor},
        )

    def forget(self, gone: Sequence[Mapped]) -> None:
        """Records that are deleted in QuickBooks are made inactive here, never deleted."""
        for known in gone:
            if known.state == "deleted":
                continue
            snapshot = {**known.snapshot, "is_active": False}
            self._fields.setdefault(known.local_id, {})["is_active"] = False
            self._mappings[known.local_id] = Mapped(
                known.local_id, known.quickbooks_id, known.sync_token, snapshot, "deleted"
            )
            self.counts["updated"] += 1
            message = f"The {self._entity} {known.snapshot.get('name')} was deleted in QuickBooks; here it is inactive."
            self._event("DELETED_IN_QUICKBOOKS", message, known.local_id, known.quickbooks_id)

    def merge_known(self, pairs: Sequence[tuple[Remote, Mapped]]) -> None:
        """Merges records that both sides have."""
        self._merge_all([(remote, known.local_id, known.snapshot) for remote, known in pairs])

    def link_or_add(self, remotes: Sequence[Remote], decided: Mapping[str, UUID | None]) -> None:
        """Links what is unknown to ours by the exact rule, makes what is new; what is not certain is for a person."""
        if not remotes:
            return
        open_remotes = [remote for remote in remotes if remote.quickbooks_id not in decided]
        links = dict(
            zip(
                (remote.quickbooks_id for remote in open_remotes),
                self._kind.find_links(self._connection, self._connected, open_remotes),
                strict=True,
            )
        )
        links.update({key: Link(local_id) for key, local_id in decided.items()})
        pairs, new = [], []
        for remote in remotes:
            link = links[remote.quickbooks_id]
            if link.candidates:
                self._ask_which(remote, link.candidates)
            elif link.local_id is None:
                new.append(remote)
            else:
                pairs.append((remote, link.local_id, link.snapshot))
                message = (
                    f"The {self._entity} {remote.fields['name']} is the one of QuickBooks with the same name or key."
                )
                if remote.quickbooks_id in decided:
                    message = f"The {self._entity} {remote.fields['name']} is one of ours, as a person decided."
                self._event("LINKED", message, link.local_id, remote.quickbooks_id)
        self._linked += [local_id for _, local_id, _ in pairs]
        self._merge_all(pairs)
        self._add(new)

    def _ask_which(self, remote: Remote, candidates: Sequence[Candidate]) -> None:
        named = ", ".join(candidate.key for candidate in candidates[:5])
        message = f"{remote.fields['name']} of QuickBooks may be {named}, or another {self._entity}: say which."
        self._ask(
            "ambiguous",
            message,
            remote,
            ours=[{"id": c.id, self._record.key: c.key, "name": c.name, "email": c.email} for c in candidates],
            theirs=remote.document,
            theirs_changed_at=remote.updated_at,
        )

    def _merge_all(self, entries: Sequence[tuple[Remote, UUID, Mapping[str, Any]]]) -> None:
        if not entries:
            return
        ids = [local_id for _, local_id, _ in entries]
        rows = {row["id"]: row for row in load_records(self._connection, self._entity, ids, lock=True)}
        noted = records.changed_at(self._connection, self._entity, ids)
        parked = undecided(self._connection, ids)
        sent = records.updates_under_way(self._connection, self._entity, ids)
        self._find_keys(remote for remote, _, _ in entries)
        for remote, local_id, snapshot in entries:
            if local_id in rows:  # nobody deletes them; should one be gone, it stays gone
                self._merge(
                    remote,
                    rows[local_id],
                    snapshot,
                    noted.get(local_id, {}),
                    set(parked.get(local_id, ())),
                    sent.get(local_id, {}),
                )

    def _merge(
        self,
        remote: Remote,
        row: Mapping[str, Any],
        snapshot: Mapping[str, Any],
        noted: Mapping[str, datetime],
        parked: set[str],
        sent: Mapping[str, Any],
    ) -> None:
        local_id: UUID = row["id"]
        ours = self._record.fields(row)
        base = base_of(self._entity, snapshot)
        restored = restore_fields(self._entity, remote.fields, base, self._connected.company)
        theirs = in_our_form(in_our_form(restored, snapshot), sent)
        # What they have from us, although the answer did not come yet, is what both sides had last: no edit of theirs.
        base |= {name: value for name, value in base_of(self._entity, sent).items() if theirs.get(name, ...) == value}
        forms = {name: form for name, form in (snapshot.get("theirs") or {}).items() if remote.fields.get(name) == form}
        self._compare_types(local_id, remote, ours, theirs)
        result = merge(
            base,
            {name: value for name, value in ours.items() if name != "item_type"},
            theirs,
            policy=self._connected.options.conflict_policy,
            ours_changed_at={name: noted.get(name, row["updated_at"]) + self._skew for name in ours},
            theirs_changed_at=remote.updated_at,
            rules=self._rules,
        )
        kept, apply, push = dict(result.base), set(result.apply), set(result.push)
        found = {conflict.field: conflict for conflict in result.conflicts}
        for name in parked & found.keys():  # whoever would win: a person was asked
            found[name] = replace(found[name], winner=None)
            apply.discard(name)
            push.discard(name)
            kept.pop(name)
            kept.update({name: base[name]} if name in base else {})
        self._settled.setdefault("field", []).extend((local_id, name) for name in parked - found.keys())
        if "sku" in apply and not self._takes_key(local_id, row["sku"], str(theirs["sku"])):
            apply.discard("sku")
            kept["sku"], forms["sku"] = ours["sku"], theirs["sku"]
            sku = remote.fields["sku"]
            message = f"{remote.fields['name']} has the SKU {sku} in QuickBooks, which another item has here."
            self._ask("sku_taken", message, remote, local_id, field="sku", theirs=sku)
        elif "sku" in ours and "sku" not in forms:
            self._settled.setdefault("sku_taken", []).append((local_id, "sku"))
        for conflict in found.values():
            self._note_conflict(local_id, remote, conflict)
        changes = {name: theirs[name] for name in apply}
        if changes:
            self._fields.setdefault(local_id, {}).update(changes)
        self.counts["updated" if changes else "unchanged"] += 1
        new_snapshot = {**kept, **_extra(ours, theirs, forms, remote.kept)}
        self._mappings[local_id] = Mapped(
            local_id, remote.quickbooks_id, remote.sync_token, new_snapshot, "active", remote.updated_at
        )
        options = self._connected.options
        to_send = changed_here(
            self._entity,
            {**ours, **changes},
            new_snapshot,
            description_from=options.description_from,
            push_descriptions=options.push_descriptions,
        )
        if push & to_send:
            self._push.add(local_id)

    def _add(self, remotes: Sequence[Remote]) -> None:
        self._find_keys(remotes)
        rows, by_key = [], {}
        for remote in remotes:
            key = next(key for key in self._key_choices(remote) if key not in self._keys)
            self._keys[key] = None
            row = {self._record.key: key, **self._kind.new_row(remote, self._connected)}
            rows.append(row)
            by_key[key] = (remote, row)
        for key, local_id in records.add_records(self._connection, self._entity, rows).items():
            remote, row = by_key[key]
            ours = self._record.fields(row)
            forms = {"sku": remote.fields["sku"]} if remote.fields.get("sku", key) != key else {}
            snapshot = {**ours, **_extra(ours, remote.fields, forms, remote.kept)}
            self._mappings[local_id] = Mapped(
                local_id, remote.quickbooks_id, remote.sync_token, snapshot, "active", remote.updated_at
            )
            self.counts["created"] += 1

    def _find_keys(self, remotes: Iterable[Remote]) -> None:
        choices = {key for remote in remotes for key in self._key_choices(remote)}
        if choices - self._keys.keys():
            self._keys |= records.keys_in_use(self._connection, self._entity, choices)

    def _key_choices(self, remote: Remote) -> list[str]:
        own = remote.fields.get("sku")
        number = f"QB-{remote.quickbooks_id}"
        longer = f"QB-{self._realm}-{remote.quickbooks_id}"  # the organization was connected to another company before
        return [*([str(own)] if own else []), number, longer, f"{longer}-{remote.updated_at:%Y%m%d%H%M%S}"]

    def _takes_key(self, local_id: UUID, old: str, new: str) -> bool:
        if new in self._keys and self._keys[new] != local_id:
            return False
        self._keys[new] = local_id
        return True

    def _compare_types(self, local_id: UUID, remote: Remote, ours: Fields, theirs: Fields) -> None:
        if "item_type" not in ours:
            return
        if ours["item_type"] == theirs["item_type"]:
            self._settled.setdefault("item_type", []).append((local_id, "item_type"))
            return
        here, there = ours["item_type"], theirs["item_type"]
        types = f"{_TYPES[str(here)]} here and {_TYPES[str(there)]} in QuickBooks"
        message = f"Item {ours['sku']} is {types}: change one of them."
        self._ask("item_type", message, remote, local_id, field="item_type", ours=here, theirs=there)

    def _ask(self, kind: str, message: str, remote: Remote, local_id: UUID | None = None, **values: Any) -> None:
        values |= {"quickbooks_id": remote.quickbooks_id, "sync_token": remote.sync_token}
        self._conflicts.append(NewConflict(self._entity, kind, message, local_id, **values))

    def _note_conflict(self, local_id: UUID, remote: Remote, conflict: FieldConflict) -> None:
        rule = self._rules.get(conflict.field, "merge")
        by = f"rule: {conflict.field}" if rule != "merge" else f"policy: {self._connected.options.conflict_policy}"
        outcome = {
            "ours": "ours counts",
            "theirs": "that of QuickBooks counts",
            None: "a person decides",
        }[conflict.winner]
        message = (
            f"{conflict.field} of {remote.fields['name']} is {_shown(conflict.ours)} here and "
            f"{_shown(conflict.theirs)} in QuickBooks: {outcome}."
        )
        decided_by = by if conflict.winner else None
        self._ask("field", message, remote, local_id, **asdict(conflict), decided_by=decided_by)

    def _event(
        self, code: str, message: str, local_id: UUID, quickbooks_id: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        self._events.append(Event(code, message, "info", self._entity, local_id, quickbooks_id, detail))

    def write(self, fresh: Sequence[str]) -> Applied:
        """Writes all of it."""
        connection, realm = self._connection, self._realm
        store_fields(connection, self._entity, self._fields)
        move_mappings(connection, realm, self._entity, list(self._mappings.values()))
        found = record_conflicts(connection, realm, self._conflicts)
        still_open = {conflict.quickbooks_id for conflict in self._conflicts if conflict.local_id is None}
        close_conflicts(
            connection,
            realm,
            self._entity,
            ("ambiguous", "unusable"),
            quickbooks_ids=[key for key in fresh if key not in still_open],
        )
        close_conflicts(connection, realm, self._entity, ("name_in_use",), local_ids=self._linked)
        for kind, fields in self._settled.items():
            close_conflicts(connection, realm, self._entity, (kind,), fields=fields)
        record_events(connection, realm, self._events)
        if self._push:
            enqueue(connection, KINDS[self._entity], sorted(self._push))
        return Applied(conflicts=found, **self.counts)


_TYPES = {"Inventory": "one whose stock is counted", "NonInventory": "one without stock"}


def _extra(ours: Fields, theirs: Fields, forms: Mapping[str, Any], kept: Mapping[str, Any]) -> dict[str, Any]:
    extra: dict[str, Any] = {"item_type": theirs["item_type"]} if "item_type" in ours else {}
    if forms:
        extra["theirs"] = dict(forms)
    return {**extra, **kept}


def _shown(value: object) -> str:
    return "empty" if value is None else str(value)[:80]
