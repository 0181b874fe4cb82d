"""Posts to an address that somebody entered, and to nowhere else: not to this machine, nor into the network that it is
in, unless the settings allow it. No database here.

A name is looked up once, all that it stands for must be allowed, and the connection is made to what was found: that the
name leads elsewhere a moment later changes nothing. Redirects are not followed, nor proxies of the environment used.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.events.values import EventsError
from invoice_pipelines.http_clients import trusted_certificates
from invoice_pipelines.settings import is_local_url, is_this_machine

LONGEST_ANSWER = 500
"""So many characters of the body of an answer are read and kept."""

_LONGEST_URL = 2000
_WRITTEN = re.compile(r"[\x21-\x7e]+")
_NAT64 = ip_network("64:ff9b::/96")


class NotDelivered(InvoicePipelinesError):
    """No answer came, or nothing was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; of the body what it begins with."""

    status: int
    text: str


def check_url(url: str, *, allow_local: bool) -> str:
    """The address, as far as it can be judged without looking up its name. Raises EventsError that names the field."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise EventsError("url: this is no address; write one like https://example.com/hooks") from None
    if len(url) > _LONGEST_URL or not _WRITTEN.fullmatch(url):
        raise EventsError(
            f"url: at most {_LONGEST_URL} characters, and only those of ASCII: write others as %C3%BC, names as xn--..."
        )
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise EventsError("url: leave out login, password and #fragment; a signature says that it is us")
    if not parts.hostname or parts.scheme not in ("https", "http"):
        raise EventsError("url: write the whole address, like https://example.com/hooks")
    is_local = is_this_machine(parts.hostname) or _is_refused_literal(parts.hostname)
    if is_local and not (allow_local and _is_allowed_literal(parts.hostname)):
        raise EventsError("url: this machine and private networks are not called, unless the operator allows it")
    if parts.scheme == "http" and not is_local_url(url):
        raise EventsError("url: use https://, as events must not travel in the open")
    return url


def post(url: str, headers: Mapping[str, str], body: bytes, *, seconds: float, allow_local: bool) -> Answer:
    """Posts a body and returns the answer, whatever its status, within so many seconds. Raises NotDelivered."""
    deadline = time.monotonic() + seconds
    parts = urlsplit(url)
    host = parts.hostname or ""
    addresses = _addresses(host, _port(parts), allow_local=allow_local)
    try:
        with _connected(parts, addresses, deadline) as connection:
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("POST", target, body, dict(headers))
            response = connection.getresponse()
            return Answer(response.status, _beginning(response))
    except TimeoutError:
        raise NotDelivered(f"{host} did not answer within {seconds:.0f} s.", code="TIMEOUT") from None
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or "no reason given"
        raise NotDelivered(f"No trusted connection to {host}: {reason}", code="TLS") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        if time.monotonic() >= deadline:
            raise NotDelivered(f"{host} did not answer within {seconds:.0f} s.", code="TIMEOUT") from None
        raise NotDelivered(f"{host} gave no answer: {str(error) or type(error).__name__}", code="NO_ANSWER") from None


@contextmanager
def _connected(parts: SplitResult, addresses: Sequence[str], deadline: float) -> Iterator[http.client.HTTPConnection]:
    """A connection to one of the addresses, cut when the time is up: a time-out of a socket is for each of its reads,
    so an answer that comes byte by byte would last for ever.
    """
    host, port = parts.hostname or "", _port(parts)
    link = _connect(addresses, port, deadline)
    if parts.scheme == "https":
        link = trusted_certificates().wrap_socket(link, server_hostname=host, do_handshake_on_connect=False)
    cut = threading.Timer(_left(deadline), _cut, [link])
    cut.daemon = True
    cut.start()
    connection = http.client.HTTPConnection(host, port)
    try:
        link.settimeout(_left(deadline))
        if isinstance(link, ssl.SSLSocket):
            connection.default_port = http.client.HTTPS_PORT
            link.do_handshake()
        connection.sock = link
        yield connection
    finally:
        cut.cancel()
        connection.close()
        link.close()


def _connect(addresses: Sequence[str], port: int, deadline: float) -> socket.socket:
    failed: OSError = OSError("it has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), timeout=_left(deadline))
        except OSError as error:
            failed = error
    raise failed


def _cut(link: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(link, socket.SHUT_RDWR)  # below TLS, which the other thread is using


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _beginning(response: http.client.HTTPResponse) -> str:
    """The status has arrived, and counts, whatever becomes of the body."""
    try:
        found = response.read(4 * LONGEST_ANSWER)
    except (OSError, http.client.HTTPException, ValueError):
        return ""
    return found.decode("utf-8", "replace").replace("\x00", "")[:LONGEST_ANSWER]


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _addresses(host: str, port: int, *, allow_local: bool) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotDelivered(f"The name {host} cannot be looked up.", code="NO_SUCH_HOST") from None
    addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
    for address in addresses:
        if not _is_allowed(address, allow_local=allow_local):
            raise NotDelivered(
                f"{host} leads to {address}: this machine and private networks are not called.", code="ADDRESS_REFUSED"
            )
    return addresses


def _is_allowed(written: str, *, allow_local: bool) -> bool:
    address = _inner(ip_address(written.partition("%")[0]))
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        return False  # link-local is where clouds give credentials to whoever asks
    return allow_local or address.is_global


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that a gateway would make of an IPv6 address."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return IPv4Address(int(address) & 0xFFFFFFFF)
        teredo = address.teredo[1] if address.teredo else None
        return address.ipv4_mapped or address.sixtofour or teredo or address
    return address


def _is_refused_literal(host: str) -> bool:
    try:
        return not _is_allowed(host, allow_local=False)
    except ValueError:
        return False


def _is_allowed_literal(host: str) -> bool:
    try:
        return _is_allowed(host, allow_local=True)
    except ValueError:
        return True
