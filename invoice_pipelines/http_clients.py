"""HTTP clients with one set of trusted certificates for the whole process."""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Any

import httpx


def open_http_client(**options: Any) -> httpx.Client:
    """An HTTP client, to be used as a context manager or closed. Its options are those of httpx.Client."""
    return httpx.Client(verify=trusted_certificates(), **options)


@lru_cache(maxsize=1)
def trusted_certificates() -> ssl.SSLContext:
    """Those that a server may vouch for itself by. Reading them takes longer than most calls."""
    return httpx.create_ssl_context()
