"""The control interface under /sandbox: what tests and the demo do from another process, as JSON over HTTP.

| request | meaning |
|---|---|
| `GET /sandbox` | address, companies, switches, clock |
| `POST /sandbox/companies` | `{"realm": ..., fields of Company}` |
| `POST /sandbox/companies/ID/tokens` | first tokens of a new grant |
| `POST /sandbox/companies/ID/accountant/METHOD` | `{"args": [...], "kwargs": {...}}` of `Accountant` |
| `POST /sandbox/companies/ID/seed` | counts of `seeding.seed` |
| `GET /sandbox/companies/ID/documents?entity=E` | all documents |
| `POST`, `DELETE /sandbox/faults` | fields of `Injection`; none any more |
| `PATCH /sandbox/switches` | fields of `Switches` |
| `POST /sandbox/clock` | `{"shift": seconds}` or `{"set": instant, "stopped": bool}` or `{"run": true}` |
| `GET`, `DELETE /sandbox/log?realm=ID&operation=O` | calls that were seen, without bodies; forget them |
| `GET /sandbox/counts?realm=ID` | calls, batches, throttled, metered, by status and by operation |
| `POST /sandbox/tokens/expire`, `/revoke` | `{"realm": ..., "kind": "access" or "refresh"}` |
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from pydantic import ValidationError

from invoice_pipelines.workshop.sandbox.http_server import Request, Response
from invoice_pipelines.workshop.sandbox.quickbooks.parts import SandboxParts
from invoice_pipelines.workshop.sandbox.quickbooks.traffic import Seen
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document, dumps, loads
from invoice_pipelines.workshop.sandbox.quickbooks.wire.refusals import Refusal


def control(sandbox: SandboxParts, request: Request) -> Response:
    """The response to a request under /sandbox; refusals of the books are 409 with code and detail."""
    parts = request.path.strip("/").split("/")[1:]
    try:
        body = loads(request.body) if request.body else {}
        answer = _route(sandbox, request, parts, body)
    except Refusal as refusal:
        return _json(409, {"code": refusal.code, "detail": refusal.detail, "message": refusal.message})
    except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
        return _json(400, {"error": f"{type(error).__name__}: {error}"})
    return _json(404, {"error": "there is no such thing"}) if answer is None else _json(200, answer)


def _route(sandbox: SandboxParts, request: Request, parts: list[str], body: Document) -> Any:
    if parts and parts[0] == "companies" and len(parts) > 1:
        return _company(sandbox, request, parts[1], parts[2:], body)
    actions: dict[tuple[str, str], Callable[[], Any]] = {
        ("GET", ""): lambda: _state(sandbox),
        ("POST", "companies"): lambda: _add_company(sandbox, body),
        ("POST", "faults"): lambda: sandbox.faults.inject(**_plain(body)).model_dump(mode="json"),
        ("DELETE", "faults"): lambda: _done(sandbox.faults.clear),
        ("PATCH", "switches"): lambda: _set_switches(sandbox, _plain(body)),
        ("POST", "clock"): lambda: _set_clock(sandbox, body),
        ("GET", "log"): lambda: [_seen(call) for call in _calls(sandbox, request)],
        ("DELETE", "log"): lambda: _done(sandbox.traffic.clear),
        ("GET", "counts"): lambda: _counts(sandbox, request),
        ("POST", "tokens/expire"): lambda: sandbox.oauth.expire(body["realm"], body.get("kind", "access")),
        ("POST", "tokens/revoke"): lambda: _done(lambda: sandbox.oauth.revoke_all(body["realm"])),
    }
    action = actions.get((request.method, "/".join(parts)))
    return None if action is None else action()


def _company(sandbox: SandboxParts, request: Request, realm: str, parts: list[str], body: Document) -> Any:
    if parts == ["tokens"]:
        return asdict(sandbox.tokens(realm))
    if parts == ["seed"]:
        made = sandbox.seed(realm, **_plain_but_amount(body))
        return {name: [ids.start, ids.stop] for name, ids in vars(made).items()}
    accountant = sandbox.accountant(realm)
    if parts == ["documents"]:
        return accountant.documents(request.parameters["entity"])
    if len(parts) == 2 and parts[0] == "accountant" and not parts[1].startswith("_"):
        done = getattr(accountant, parts[1])(*body.get("args", []), **body.get("kwargs", {}))
        return {"result": done}
    return None


def _done(action: Callable[[], None]) -> list[str]:
    action()
    return []


def _state(sandbox: SandboxParts) -> Document:
    return {
        "url": sandbox.url,
        "realms": sandbox.realms,
        "switches": loads(sandbox.switches.model_dump_json()),
        "clock": sandbox.clock.now().isoformat(),
    }


def _add_company(sandbox: SandboxParts, body: Document) -> list[str]:
    sandbox.add_company(body.pop("realm"), **body)
    return sandbox.realms


def _set_switches(sandbox: SandboxParts, body: Document) -> Any:
    for name, value in body.items():
        setattr(sandbox.switches, name, value)
    return loads(sandbox.switches.model_dump_json())


def _set_clock(sandbox: SandboxParts, body: Document) -> Any:
    if "shift" in body:
        sandbox.clock.shift(timedelta(seconds=float(body["shift"])))
    elif "set" in body:
        sandbox.clock.set(datetime.fromisoformat(body["set"]), stopped=bool(body.get("stopped")))
    elif body.get("run"):
        sandbox.clock.run()
    return {"clock": sandbox.clock.now().isoformat()}


def _calls(sandbox: SandboxParts, request: Request) -> list[Seen]:
    return sandbox.calls(request.parameters.get("realm"), request.parameters.get("operation"))


def _seen(call: Seen) -> Document:
    kept = {name: value for name, value in vars(call).items() if name not in ("body", "items")}
    kept["at"] = call.at.isoformat()
    kept["monotonic"], kept["seconds"] = Decimal(repr(call.monotonic)), Decimal(f"{call.seconds:.6f}")
    return {**kept, "items": [asdict(item) for item in call.items]}


def _counts(sandbox: SandboxParts, request: Request) -> Document:
    realm = request.parameters.get("realm")
    calls = sandbox.calls(realm)
    return {
        "calls": len(calls),
        "batches": sum(1 for call in calls if call.operation == "batch"),
        "throttled": sandbox.count_throttled(realm),
        "metered": sandbox.metered(realm) if realm else 0,
        "by_status": dict(Counter(str(call.status) for call in calls)),
        "by_operation": dict(Counter(call.operation for call in calls)),
    }


def _plain(body: Document) -> Document:
    """Numbers with a fraction as float, where no money is meant."""
    return {key: float(value) if isinstance(value, Decimal) else value for key, value in body.items()}


def _plain_but_amount(body: Document) -> Document:
    changed = dict(body)
    if "amount" in changed:
        changed["amount"] = Decimal(changed["amount"])
    if "over" in changed:
        changed["over"] = timedelta(seconds=float(changed["over"]))
    return changed


def _json(status: int, value: Any) -> Response:
    return Response(status, dumps(_writable(value)).encode(), {"Content-Type": "application/json;charset=UTF-8"})


def _writable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _writable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(one) for one in value]
    if isinstance(value, float):
        return Decimal(repr(value))
    return value.isoformat() if isinstance(value, date) else value
