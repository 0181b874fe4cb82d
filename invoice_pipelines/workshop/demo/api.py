"""The API in the demo: people with accounts, and an organization whose programs come in by HTTP alone."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import httpx
from sqlalchemy import Engine

from invoice_pipelines.accounts.roles import Role
from invoice_pipelines.accounts.sessions import accept_invitation
from invoice_pipelines.accounts.tokens import add_token
from invoice_pipelines.accounts.users import add_user, invite, set_role
from invoice_pipelines.cli.output import console
from invoice_pipelines.cli.services import SIGN_IN_FILE, desk_address
from invoice_pipelines.cli.supervisor import ServiceError
from invoice_pipelines.database import organization_scope
from invoice_pipelines.database.access import open_web_database
from invoice_pipelines.settings import Settings

BY_API = "nordwind-handel"
"""The organization whose files and orders come in through the API."""
AT_THE_DESK = "harbour-and-hill"
"""The organization in which something waits for a person."""

OPERATOR = "operator@demo.example"


@dataclass(frozen=True, slots=True)
class Program:
    """A program of an organization, with a token."""

    http: httpx.Client

    def post(self, path: str, **request: object) -> dict[str, object]:
        """What the API answers. Raises ServiceError where it refuses."""
        return dict(self._answer("POST", path, **request).json())

    def get(self, path: str) -> httpx.Response:
        """Likewise."""
        return self._answer("GET", path)

    def _answer(self, method: str, path: str, **request: object) -> httpx.Response:
        answer = self.http.request(method, path, **request)  # type: ignore[arg-type]
        if answer.is_error:
            raise ServiceError(f"the API answered {method} {path} with {answer.status_code}: {answer.text[:300]}")
        return answer


def free_ports() -> dict[str, str]:
    """Variables that let the API of the demo listen where nothing else does."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return {
            "INVOICE_PIPELINES_WEB_PORT": str(one.getsockname()[1]),
            "INVOICE_PIPELINES_WEB_HEALTH_PORT": str(other.getsockname()[1]),
        }


def add_people(engine: Engine, settings: Settings, slugs: Sequence[str]) -> str:
    """A user per role and organization, and an operator; returns the password that all of them have."""
    password = secrets.token_urlsafe(12)
    links = []
    with engine.begin() as connection:
        add_user(connection, OPERATOR, "Operator", is_operator=True, actor="demo")
        links.append(invite(connection, OPERATOR, actor="demo"))
        for slug in slugs:
            for role in (Role.VIEWER, Role.ACCOUNTANT, Role.ADMIN):
                email = f"{role}@{slug}.example"
                add_user(connection, email, role.title(), actor="demo")
                set_role(connection, email, slug, role, actor="demo")
                links.append(invite(connection, email, actor="demo"))
    with open_web_database(settings, pool_size=1) as web:
        for link in links:
            accept_invitation(web, link, password, address="127.0.0.1")
    return password


@contextmanager
def program(engine: Engine, organization_id: UUID, api_url: str) -> Iterator[Program]:
    """A program of the organization that the API serves."""
    with organization_scope(engine, organization_id) as connection:
        _, token = add_token(
            connection, "demo", ["read", "intake:write", "billing:write", "delivery:write"], actor="demo"
        )
    base = f"{api_url}/api/v1/organizations/{BY_API}/"
    with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=60) as http:
        yield Program(http)


def upload(of: Program, files: Iterable[Path]) -> Iterator[str]:
    """Sends files, one after the other; gives the names of those that it had already."""
    for file in files:
        if not of.post("uploads", files={"file": (file.name, file.read_bytes())})["is_new"]:
            yield file.name


def fetch_document(of: Program) -> int:
    """Fetches the newest invoice as its buyer gets it; returns the size in bytes. Raises ServiceError."""
    (newest,) = of.get("invoices?limit=1").json()["items"]
    document = of.get(f"invoices/{newest['id']}/document")
    if not document.content.startswith(b"%PDF-"):
        raise ServiceError(f"the API answered with {document.headers['content-type']} instead of a PDF")
    return len(document.content)


def show(of: Program) -> None:
    """What somebody sees who tries it."""
    console.print(
        f"\nThe files and orders of {BY_API} came in through the API, and a PDF of "
        f"{fetch_document(of) // 1024} KiB went out through it."
    )


def leave_sign_in(settings: Settings, password: str) -> None:
    """Leaves word for whoever runs `up` on this demo, and says it."""
    words = (
        f"Sign in to the desk as accountant@{AT_THE_DESK}.example with the password {password}\n"
        f"There are viewer@, accountant@ and admin@ of each organization, and {OPERATOR}; all have this password.\n"
    )
    (settings.home / SIGN_IN_FILE).write_text(words, encoding="utf-8")
    console.print(
        f"\n`make up` opens the desk on these results at {desk_address(settings)}, and the Dagster UI.\n{words}", end=""
    )
