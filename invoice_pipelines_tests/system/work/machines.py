"""Machines that share a network and nothing else: a network namespace each, with a home and a temporary folder of its
own. PostgreSQL, Redis and object storage are on a third one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx
from cryptography.fernet import Fernet
from sqlalchemy import URL

from invoice_pipelines.database import libpq_url
from invoice_pipelines.database.embedded import SUPERUSER
from invoice_pipelines.database.roles import APP, WEB
from invoice_pipelines.workers.shared import FILES
from invoice_pipelines_tests.conftest import PROJECT
from invoice_pipelines_tests.support.needs import lack, need
from invoice_pipelines_tests.support.server import DisposableServer, running_redis

COMMAND = str(Path(sys.executable).parent / "invoice-pipelines")
DATABASE = "invoices"
_NETWORKS = count()


class NetworkedServer(DisposableServer):
    """A PostgreSQL that machines reach by an address."""

    def __init__(self, folder: Path, address: str) -> None:
        super().__init__(folder)
        self.address = address

    def url(self, database: str, role: str = SUPERUSER) -> URL:
        return URL.create("postgresql+psycopg", role, host=self.address, port=5432, database=database)

    def binary(self, name: str) -> Path:
        real = super().binary(name)
        if name != "postgres":
            return real
        listening = self.folder / "postgres"
        listening.write_text(f'#!/bin/sh\nexec "{real}" "$@" -c listen_addresses={self.address}\n', "ascii")
        listening.chmod(0o755)
        return listening

    def _initialize(self) -> None:
        super()._initialize()
        with (self.data / "pg_hba.conf").open("a", encoding="ascii") as rules:
            rules.write(f"host all all {self.address}/24 trust\n")


@dataclass(frozen=True)
class Machine:
    """A machine: what runs on it sees its own network, home and temporary folder."""

    name: str
    link: str
    address: str
    home: Path
    environment: dict[str, str]

    def command(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, COMMAND, *words]

    def run(self, *words: str, code: int = 0, **variables: str) -> str:
        """A command of ours; what it printed, or complained about."""
        environment = {name: value for name, value in {**self.environment, **variables}.items() if value}
        done = subprocess.run(
            self.command(*words), env=environment, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout if code == 0 else " ".join(done.stderr.split())

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[bytes]]:
        """A command of ours that goes on, for the length of the block; it writes to the file `said` in the home."""
        with (self.home / "said").open("ab") as said:
            process = subprocess.Popen(
                self.command(*words),
                env=self.environment,
                cwd=PROJECT,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def said(self) -> str:
        """What its running commands have said."""
        return (self.home / "said").read_text("utf-8", "replace")

    def cut_off(self, is_cut: bool) -> None:
        """Takes it from the network, as if its cable were pulled, or gives it back."""
        _ip("link", "set", self.link, "down" if is_cut else "up")


@dataclass(frozen=True)
class Network:
    """Machines, and the PostgreSQL and the address of what they share."""

    ground: NetworkedServer
    machines: tuple[Machine, ...]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def _added(kind: str, name: str, *words: str) -> Iterator[None]:
    _ip(kind, "add", name, *words)
    try:
        yield
    finally:
        subprocess.run(["ip", kind, "del", name], check=False, capture_output=True)


@contextmanager
def network(folder: Path, machines_in_it: int = 2) -> Iterator[Network]:
    """A network for the length of the block. Skips the test where this process may make none, but not in CI."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        lack("network namespaces need root and iproute2")
    moto = need("moto.server", reason="moto is not installed")
    # Of its own: what the one before left goes away a moment later than its name.
    own = os.getpid() + 50 * next(_NETWORKS)
    number = own % 250
    address, bridge = f"10.203.{number}.1", f"ipb{own}"
    with ExitStack() as stack:
        try:
            stack.enter_context(_added("link", bridge, "type", "bridge"))
            _ip("addr", "add", f"{address}/24", "dev", bridge)
            _ip("link", "set", bridge, "up")
            addresses = [f"10.203.{number}.{place + 2}" for place in range(machines_in_it)]
            links = [_machine_link(stack, bridge, each, f"{own}-{place}") for place, each in enumerate(addresses)]
        except subprocess.CalledProcessError as error:
            lack(f"network namespaces are not permitted here: {error.stderr.decode().strip()}")
        ground = NetworkedServer(folder / "postgresql", address)
        ground.acquire()
        stack.callback(ground.release)
        stack.enter_context(running_redis(folder, "--bind", address, "--port", "6379", "--protected-mode", "no"))
        store = moto.ThreadedMotoServer(ip_address=address, port=0)
        store.start()
        stack.callback(store.stop)
        endpoint = "http://{}:{}".format(*store.get_host_and_port())
        httpx.put(f"{endpoint}/invoices").raise_for_status()
        shared = _shared(ground, endpoint, f"s3://invoices/{own}")
        machines = []
        for (name, link), own_address in zip(links, addresses, strict=True):
            home, temporary = folder / name / "home", folder / name / "tmp"
            for place in (home, temporary):
                place.mkdir(parents=True)
            places = {"DAGSTER_HOME": str(home), "TMPDIR": str(temporary)}
            machines.append(Machine(name, link, own_address, home, {**shared, **places}))
        yield Network(ground, tuple(machines))


def _machine_link(stack: ExitStack, bridge: str, address: str, end: str) -> tuple[str, str]:
    name, link = f"ipm{end}", f"ipl{end}"
    stack.enter_context(_added("netns", name))
    _ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("link", "set", link, "master", bridge, "up")
    _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
    for inside in ("eth0", "lo"):
        _ip("-n", name, "link", "set", inside, "up")
    return name, link


def _shared(ground: NetworkedServer, endpoint: str, files: str) -> dict[str, str]:
    """The environment that all machines have. Moto keeps its buckets for the process, so files are below a place."""
    ours = {
        "DATABASE_URL": libpq_url(ground.url(DATABASE, APP)),
        "WEB_DATABASE_URL": libpq_url(ground.url(DATABASE, WEB)),
        "DATABASE_OWNER_URL": libpq_url(ground.url(DATABASE)),
        "DAGSTER_DATABASE_URL": libpq_url(ground.url(f"{DATABASE}_dagster")),
        "BROKER_URL": f"redis://{ground.address}:6379/0",
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        **{name.upper(): f"{files}/{name}" for name in FILES},
    }
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("INVOICE_PIPELINES_")},
        **{f"INVOICE_PIPELINES_{name}": value for name, value in ours.items()},
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
