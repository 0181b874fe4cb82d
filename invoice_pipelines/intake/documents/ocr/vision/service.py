"""One request to Google Cloud Vision by its own client, and what its refusals mean. Whether to ask again is
decided in `cloud_vision`.

Google's client would retry some errors by itself, not the most frequent one (RESOURCE_EXHAUSTED), and for up to ten
minutes: here its retries are off, and each request has a time limit.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from invoice_pipelines.errors import InvoicePipelinesError
from invoice_pipelines.intake.documents.ocr.engine import EngineSpec, EngineUnavailable
from invoice_pipelines.intake.documents.ocr.vision.rate_limit import RateLimit

if TYPE_CHECKING:
    from google.api_core.exceptions import GoogleAPICallError
    from google.cloud.vision import ImageAnnotatorClient

_LOCAL = "insecure"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_AWAY = ("UNAVAILABLE", "RESOURCE_EXHAUSTED", "ABORTED", "CANCELLED")
_PERHAPS_ONE_PICTURE = ("INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "DATA_LOSS")


class ServiceAway(InvoicePipelinesError):
    """The service takes no request now, whatever is in it."""


class RequestFailed(InvoicePipelinesError):
    """The service failed at this request; one of its pictures may be the cause."""


class RequestRefused(InvoicePipelinesError):
    """The service takes this request at no time: it is too large, or one of its pictures is not what it takes."""


@dataclass(frozen=True, slots=True)
class VisionSpec(EngineSpec):
    """How Google Cloud Vision is reached. `languages` are hints.

    `endpoint` is a host of Google's, or insecure://host:port for a local server; None for its default. `parent` is
    projects/PROJECT/locations/LOCATION. `patience_seconds` is how long to wait while the service is away: well below
    the lease of the work that asks, or another worker would send the same pages meanwhile.
    """

    endpoint: str | None = None
    parent: str | None = None
    requests_per_minute: int = 1800
    usd_per_1000_pages: Decimal = Decimal("1.50")
    patience_seconds: float = 180.0


class VisionService:
    """The service at the endpoint of a spec. It is connected to, with the credentials it finds, when first used."""

    def __init__(self, spec: VisionSpec, rate_limit: RateLimit | None = None) -> None:
        self._spec = spec
        self._rate_limit = rate_limit or RateLimit(
            f"cloud_vision {spec.endpoint} {spec.parent}", spec.requests_per_minute
        )
        self._client: ImageAnnotatorClient | None = None

    def annotate(self, pictures: Sequence[bytes], seconds: float, seconds_left: float) -> list[Any]:
        """Answers to a request, as bare `AnnotateImageResponse` messages; waits for the rate limit before.

        `seconds` is how long the request may take, `seconds_left` that and the wait. Raises ServiceAway, RequestFailed,
        RequestRefused, and EngineUnavailable for what no retry mends.
        """
        from google.api_core.exceptions import GoogleAPICallError
        from google.cloud import vision

        if self._client is None:
            self._client = _connect(self._spec.endpoint)
        feature = vision.Feature(type_=vision.Feature.Type.DOCUMENT_TEXT_DETECTION)  # each further one is charged
        context = vision.ImageContext(language_hints=list(self._spec.languages))
        request = vision.BatchAnnotateImagesRequest(
            parent=self._spec.parent or "",
            requests=[
                vision.AnnotateImageRequest(
                    image=vision.Image(content=content), features=[feature], image_context=context
                )
                for content in pictures
            ],
        )
        pause = self._reserve(len(pictures), seconds_left)
        time.sleep(pause)
        try:
            answer = self._client.batch_annotate_images(
                request, retry=None, timeout=max(min(seconds, seconds_left - pause), 0.001)
            )
        except GoogleAPICallError as error:
            raise _meaning(error) from None
        return list(vision.BatchAnnotateImagesResponse.pb(answer).responses)

    def _reserve(self, pictures: int, seconds_left: float) -> float:
        try:
            pause = self._rate_limit.reserve(pictures, within=seconds_left)
        except OSError as error:
            raise EngineUnavailable(f"Google Cloud Vision: the rate limit cannot be kept: {sentence(error)}") from None
        if pause is None:
            raise EngineUnavailable(
                f"Google Cloud Vision: the {self._spec.requests_per_minute} pages per minute that are allowed here are "
                "used up for some minutes. Wait, or raise INVOICE_PIPELINES_VISION_REQUESTS_PER_MINUTE as far as the "
                "quota of the project goes."
            )
        return pause


def _connect(endpoint: str | None) -> ImageAnnotatorClient:
    from google.api_core.client_options import ClientOptions
    from google.auth.exceptions import GoogleAuthError
    from google.cloud.vision import ImageAnnotatorClient

    if endpoint is not None and "://" in endpoint:
        return _connect_to_local_server(endpoint)
    try:
        return ImageAnnotatorClient(client_options=ClientOptions(api_endpoint=endpoint) if endpoint else None)
    except (GoogleAuthError, ValueError, OSError) as error:
        raise EngineUnavailable(
            "Google Cloud Vision has no usable credentials: set GOOGLE_APPLICATION_CREDENTIALS to the key file of a "
            f"service account, or choose another OCR engine. ({sentence(error)})"
        ) from None


def _connect_to_local_server(endpoint: str) -> ImageAnnotatorClient:
    """A server without encryption or credentials: on this machine only, as pages must not travel in the open."""
    import grpc
    from google.cloud.vision import ImageAnnotatorClient
    from google.cloud.vision_v1.services.image_annotator.transports import ImageAnnotatorGrpcTransport

    address = urlsplit(endpoint)
    try:
        local = address.scheme == _LOCAL and address.hostname in _LOOPBACK and address.port is not None
    except ValueError:  # the port is no number
        local = False
    if not local:
        raise EngineUnavailable(
            f"INVOICE_PIPELINES_VISION_ENDPOINT is {endpoint!r}: it is the name of a host, such as "
            "eu-vision.googleapis.com, or insecure://127.0.0.1:PORT for a server on this machine."
        )
    unbounded = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]  # as Google's has
    channel = grpc.insecure_channel(address.netloc, options=unbounded)
    return ImageAnnotatorClient(transport=ImageAnnotatorGrpcTransport(channel=channel))


def _meaning(error: GoogleAPICallError) -> Exception:
    name = error.grpc_status_code.name if error.grpc_status_code is not None else str(error.code)
    problem = f"Google Cloud Vision: {name}: {sentence(error.message)}"
    if name in _AWAY:
        return ServiceAway(problem)
    if name in _PERHAPS_ONE_PICTURE:
        return RequestFailed(problem)
    if name == "INVALID_ARGUMENT":
        return RequestRefused(problem)
    return EngineUnavailable(f"{problem} {no_access(name)}")


def no_access(name: str) -> str:
    """What to do about a refusal of access."""
    if name == "UNAUTHENTICATED":
        return "The credentials are not valid (any more): check GOOGLE_APPLICATION_CREDENTIALS."
    if name == "PERMISSION_DENIED":
        return (
            "In the Google Cloud project, enable the Cloud Vision API and billing, and let the service account use it "
            "(check INVOICE_PIPELINES_VISION_PARENT)."
        )
    return (
        "Check INVOICE_PIPELINES_VISION_ENDPOINT, INVOICE_PIPELINES_VISION_PARENT and "
        "INVOICE_PIPELINES_VISION_LANGUAGE_HINTS."
    )


def sentence(message: object) -> str:
    """A message of the service on one line, not too long, with a full stop."""
    return " ".join(str(message).split())[:300].rstrip(". ") + "."
