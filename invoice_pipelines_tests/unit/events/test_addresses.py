"""Which addresses a webhook may be sent to, once a name is looked up."""

from __future__ import annotations

import pytest

from invoice_pipelines.events.webhooks.transport import _is_allowed

INSIDE = [
    "10.1.2.3", "172.16.0.1", "192.168.1.1", "127.0.0.1", "127.9.9.9", "100.64.0.1", "fd12::1", "::1",
    "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "192.0.2.1", "198.18.0.1", "240.0.0.1",
]  # fmt: skip
NEVER = [
    "169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "0.0.0.0",
    "::",
    "224.0.0.1",
    "ff02::1",
    "::ffff:169.254.169.254",
]
OUTSIDE = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", INSIDE)
def test_what_is_inside_is_called_with_the_operators_leave_only(address: str) -> None:
    assert not _is_allowed(address, allow_local=False)
    assert _is_allowed(address, allow_local=True)


@pytest.mark.parametrize("address", NEVER)
def test_some_are_never_called(address: str) -> None:
    assert not _is_allowed(address, allow_local=False)
    assert not _is_allowed(address, allow_local=True)


@pytest.mark.parametrize("address", OUTSIDE)
def test_what_is_outside_is_called(address: str) -> None:
    assert _is_allowed(address, allow_local=False)
