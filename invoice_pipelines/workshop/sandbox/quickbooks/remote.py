"""The way to a sandbox in another process: the same words as `Sandbox`, over its control interface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from invoice_pipelines.workshop.sandbox.quickbooks.books.seeding import Seeded
from invoice_pipelines.workshop.sandbox.quickbooks.injection import Fault
from invoice_pipelines.workshop.sandbox.quickbooks.oauth import Tokens
from invoice_pipelines.workshop.sandbox.quickbooks.wire.json_text import Document, dumps, loads
from invoice_pipelines.workshop.sandbox.quickbooks.wire.refusals import Refusal


class RemoteSandbox:
    """A sandbox at an address. Raises Refusal where the books refuse, httpx.HTTPError where it is not there."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._http = httpx.Client(base_url=f"{self.url}/sandbox", timeout=120)

    def __enter__(self) -> RemoteSandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def state(self) -> Document:
        """Address, companies, switches and clock."""
        state: Document = self._ask("GET", "")
        return state

    def add_company(self, realm: str, **options: Any) -> RemoteAccountant:
        """As `Sandbox.add_company`."""
        self._ask("POST", "/companies", {"realm": realm, **options})
        return self.accountant(realm)

    def tokens(self, realm: str) -> Tokens:
        """As `Sandbox.tokens`."""
        return Tokens(**self._ask("POST", f"/companies/{realm}/tokens"))

    def accountant(self, realm: str) -> RemoteAccountant:
        """As `Sandbox.accountant`: any method of `Accountant`."""
        return RemoteAccountant(self._ask, realm)

    def seed(self, realm: str, **counts: Any) -> Seeded:
        """As `Sandbox.seed`; `over` in seconds."""
        made = self._ask("POST", f"/companies/{realm}/seed", counts)
        return Seeded(**{name: range(*ends) for name, ends in made.items()})

    def inject(self, fault: Fault, **where: Any) -> None:
        """As `Faults.inject`."""
        self._ask("POST", "/faults", {"fault": fault.value, **where})

    def set_switches(self, **switches: Any) -> None:
        """Changes fields of `Switches`."""
        self._ask("PATCH", "/switches", switches)

    def shift_clock(self, seconds: float) -> None:
        """As `Clock.shift`."""
        self._ask("POST", "/clock", {"shift": str(seconds)})

    def log(self, realm: str | None = None, operation: str | None = None) -> list[Document]:
        """As `Sandbox.calls`, as objects without bodies."""
        wanted = {"realm": realm, "operation": operation}
        calls: list[Document] = self._ask("GET", "/log", parameters={k: v for k, v in wanted.items() if v})
        return calls

    def clear_log(self) -> None:
        """As `Traffic.clear`."""
        self._ask("DELETE", "/log")

    def counts(self, realm: str) -> Document:
        """Calls, batches, throttled and metered of a company."""
        counts: Document = self._ask("GET", "/counts", parameters={"realm": realm})
        return counts

    def _ask(
        self, method: str, path: str, body: Document | None = None, parameters: dict[str, str] | None = None
    ) -> Any:
        content = None if body is None else dumps(_exact(body)).encode()
        answer = self._http.request(method, path, content=content, params=parameters)
        said = loads(answer.content)
        if answer.status_code == 409:
            raise Refusal(said["code"], said["message"], said["detail"])
        if answer.status_code != 200:
            raise ValueError(f"{method} /sandbox{path}: {said['error']}")
        return said


class RemoteAccountant:
    """An accountant at another place; see `Accountant` for what can be done."""

    def __init__(self, ask: Callable[..., Any], realm: str) -> None:
        self._ask = ask
        self.realm = realm

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("_"):
            raise AttributeError(method)

        def call(*args: Any, **kwargs: Any) -> Any:
            path = f"/companies/{self.realm}/accountant/{method}"
            return self._ask("POST", path, {"args": list(args), "kwargs": kwargs})["result"]

        return call


def _exact(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _exact(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_exact(one) for one in value]
    return str(value) if not isinstance(value, str | int | bool | None) else value
