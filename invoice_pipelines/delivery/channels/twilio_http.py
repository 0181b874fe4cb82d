"""Connects Twilio's library to Twilio: by httpx, at the address of the settings, with a time-out, and with errors
that tell whether a request can have arrived.
"""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
from twilio.http import HttpClient
from twilio.http.response import Response

from invoice_pipelines.delivery.channels.channel import Unavailable
from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.http_clients import open_http_client


class NoAnswer(InvoicePipelinesError):
    """A request that may have arrived, and may have been done."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the library tells it in several shapes of errors, and in one of them not at all."""

    status: int
    text: str
    retry_after: float | None
    """Seconds that are to be waited (RFC 9110 section 10.2.3)"""

    @property
    def error(self) -> tuple[int, str]:
        """Code and message of an error in JSON; 0 and what there is of another one."""
        try:
            found = json.loads(self.text)
            message = found.get("message") or found.get("detail") or found.get("title")
            return int(found.get("code") or 0), str(message or "it gives no reason")
        except (ValueError, TypeError, AttributeError):
            return 0, re.sub(r"<[^>]*>", " ", self.text)[:200] or "it gives no reason"


class TwilioHttp(HttpClient):  # type: ignore[misc]  # the library has no types
    """Sends all requests to one place, whatever address an answer named: the credentials go nowhere else."""

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(logging.getLogger("twilio.http_client"), False, seconds)
        self._url = url.rstrip("/")
        self.last = Answer(0, "", None)
        self._http = open_http_client(timeout=seconds, follow_redirects=False)

    def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """Raises Unavailable where the request surely did not leave, NoAnswer where none came back."""
        self.last = Answer(0, "", None)
        parts = urlsplit(uri)
        where = f"{self._url}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        try:
            answer = self._http.request(method, where, params=params or None, data=data, headers=headers, auth=auth)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol) as error:
            raise Unavailable("CONNECTION", f"{self._url} cannot be reached: {error}", is_of_all=True) from None
        except httpx.InvalidURL as error:
            raise Unavailable("CONNECTION", f"TWILIO_URL: {error}", is_of_all=True) from None
        except httpx.HTTPError as error:
            raise NoAnswer(str(error) or type(error).__name__) from None
        self.last = Answer(answer.status_code, answer.text, _seconds(answer.headers.get("Retry-After", "")))
        return Response(answer.status_code, answer.text, answer.headers)

    def close(self) -> None:
        """Ends the connections."""
        self._http.close()


def _seconds(given: str) -> float | None:
    if re.fullmatch(r"[0-9]{1,6}", given.strip()):
        return float(given)
    try:
        return max(0.0, (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None
